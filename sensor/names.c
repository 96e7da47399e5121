/* passwd(5) and group(5) as a sorted table. */
#include "sensor/names.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <sys/stat.h>

struct name {
	uint32_t id;
	char text[NAMES_LEN_MAX + 1];
	char home[NAMES_HOME_MAX + 1], shell[NAMES_HOME_MAX + 1];
};

struct names {
	char *path;
	struct timespec changed;
	int64_t looked_ns;
	size_t count;
	struct name rows[NAMES_MAX];
};

static int name_cmp(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Columns have a colon between them. */
static struct str column(struct str line, unsigned number)
{
	const char *colon = line.len == 0 ? NULL : memchr(line.at, ':', line.len);

	for (; number > 0 && colon != NULL; number--) {
		line = str_from(line, (size_t)(colon - line.at) + 1);
		colon = line.len == 0 ? NULL : memchr(line.at, ':', line.len);
	}
	if (number > 0)
		return STR("");
	return colon == NULL ? line : str_cut(line, (size_t)(colon - line.at));
}

/* "name:x:1000:1000:Name:/home/name:/bin/sh" */
bool names_parse(struct str line, struct names_line *ret)
{
	struct names_line one = { .name = column(line, 0), .home = column(line, 5), .shell = column(line, 6) };
	uint64_t id;

	if (one.name.len == 0 || one.name.len > NAMES_LEN_MAX || !str_to_u64(column(line, 2), &id) || id > UINT32_MAX)
		return false;
	one.id = (uint32_t)id;
	*ret = one;
	return true;
}

static void keep(char *to, size_t max, struct str text)
{
	memset(to, 0, max + 1);
	if (text.len > 0 && text.len <= max)
		memcpy(to, text.at, text.len);
}

static void add_line(struct names *names, struct str line)
{
	struct names_line one;
	struct name *row = &names->rows[names->count];

	if (!names_parse(line, &one))
		return;
	row->id = one.id;
	keep(row->text, NAMES_LEN_MAX, one.name);
	keep(row->home, NAMES_HOME_MAX, one.home);
	keep(row->shell, NAMES_HOME_MAX, one.shell);
	names->count++;
}

static void names_read(struct names *names)
{
	autofclose FILE *file = fopen(names->path, "re");
	char line[1024];

	names->count = 0;
	while (file != NULL && names->count < NAMES_MAX && fgets(line, sizeof(line), file) != NULL)
		add_line(names, str_trim(str_of(line)));
	qsort(names->rows, names->count, sizeof(names->rows[0]), name_cmp);
}

struct names *names_new_text(struct str text)
{
	struct names *names = calloc(1, sizeof(*names));

	while (names != NULL && text.len > 0 && names->count < NAMES_MAX) {
		const char *end = memchr(text.at, '\n', text.len);
		size_t len = end == NULL ? text.len : (size_t)(end - text.at);

		add_line(names, str_cut(text, len));
		text = str_from(text, len + 1);
	}
	if (names != NULL)
		qsort(names->rows, names->count, sizeof(names->rows[0]), name_cmp);
	return names;
}

void names_add_text(const struct names *names, struct buf *out)
{
	for (size_t i = 0; i < names->count; i++)
		buf_addf(out, "%s:x:%u:::%s:%s\n", names->rows[i].text, names->rows[i].id, names->rows[i].home,
			 names->rows[i].shell);
}

struct names *names_new(const char *path)
{
	struct names *names = calloc(1, sizeof(*names));

	if (names == NULL)
		return NULL;
	names->path = str_dup(str_of(path));
	if (names->path == NULL) {
		free(names);
		return NULL;
	}
	names->looked_ns = -NS_PER_S;
	names_refresh(names, 0);
	return names;
}

void names_free(struct names *names)
{
	if (names == NULL)
		return;
	free(names->path);
	free(names);
}

void names_refresh(struct names *names, int64_t now_ns)
{
	struct stat st;

	if (names->path == NULL || now_ns - names->looked_ns < NS_PER_S)
		return;
	names->looked_ns = now_ns;
	if (stat(names->path, &st) < 0)
		return;
	if (st.st_mtim.tv_sec == names->changed.tv_sec &&
	    st.st_mtim.tv_nsec == names->changed.tv_nsec)
		return;
	names->changed = st.st_mtim;
	names_read(names);
}

static const struct name *find(const struct names *names, uint32_t id)
{
	struct name key = { .id = id };

	return bsearch(&key, names->rows, names->count, sizeof(names->rows[0]), name_cmp);
}

struct str names_find(const struct names *names, uint32_t id)
{
	const struct name *row = find(names, id);

	return row == NULL ? STR("") : str_of(row->text);
}

struct str names_home(const struct names *names, uint32_t id)
{
	const struct name *row = find(names, id);

	return row == NULL ? STR("") : str_of(row->home);
}

struct str names_shell(const struct names *names, uint32_t id)
{
	const struct name *row = find(names, id);

	return row == NULL ? STR("") : str_of(row->shell);
}
