/* Programs as they were started. */
#include "sensor/image.h"

#include "base/cleanup.h"

static struct str put(char **at, struct str s)
{
	char *to = *at;

	if (s.len > 0)
		memcpy(to, s.at, s.len);
	*at += s.len;
	return (struct str){ to, s.len };
}

/* NULs between items become blanks, the one at the end goes. */
static void join(struct str s)
{
	char *at = (char *)(uintptr_t)s.at;

	for (size_t i = 0; i < s.len; i++)
		if (at[i] == '\0')
			at[i] = ' ';
}

static struct str without_last_nul(struct str s)
{
	while (s.len > 0 && s.at[s.len - 1] == '\0')
		s.len--;
	return s;
}

static uint32_t count_nuls(struct str s)
{
	uint32_t count = 0;

	for (size_t i = 0; i < s.len; i++)
		count += s.at[i] == '\0';
	return count;
}

/* The kernel shows " (deleted)" behind the path of a program whose file is gone. */
static struct str without_deleted(struct str s)
{
	return str_ends(s, STR(" (deleted)")) ? str_cut(s, s.len - 10) : s;
}

struct image *image_new(struct str exepath, struct str args, struct str env)
{
	struct image *image;
	struct str argv0 = args;
	const char *end;
	size_t bytes;
	char *at;

	exepath = without_deleted(exepath);
	args = without_last_nul(args);
	env = without_last_nul(env);
	end = args.len == 0 ? NULL : memchr(args.at, '\0', args.len);
	argv0 = end == NULL ? args : (struct str){ args.at, (size_t)(end - args.at) };
	args = str_from(args, argv0.len + 1);
	bytes = sizeof(*image) + exepath.len + argv0.len + args.len + env.len;
	image = calloc(1, bytes);
	if (image == NULL)
		return NULL;
	image->refs = 1;
	image->bytes = (uint32_t)bytes;
	image->exec_uid = (uint32_t)-1;
	image->args_count = args.len == 0 && end == NULL ? 0 : count_nuls(args) + 1;
	at = (char *)(image + 1);
	image->exepath = put(&at, exepath);
	image->argv0 = put(&at, argv0);
	image->args = put(&at, args);
	image->env = put(&at, env);
	join(image->args);
	join(image->env);
	return image;
}

struct image *image_ref(struct image *image)
{
	image->refs++;
	return image;
}

void image_unref(struct image *image)
{
	if (image != NULL && --image->refs == 0)
		free(image);
}
