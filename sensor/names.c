/* passwd(5) and group(5) as a sorted table. */
#include "sensor/names.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <sys/stat.h>

struct name {
	uint32_t id;
	char text[NAMES_LEN_MAX + 1];
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

/* "name:x:1000:…" */
static bool name_parse(struct str line, struct name *ret)
{
	const char *first = memchr(line.at, ':', line.len), *second, *third;
	struct str name, number;
	uint64_t id;

	if (first == NULL)
		return false;
	name = (struct str){ line.at, (size_t)(first - line.at) };
	second = memchr(first + 1, ':', line.len - name.len - 1);
	if (second == NULL)
		return false;
	number = str_from(line, (size_t)(second - line.at) + 1);
	third = memchr(number.at, ':', number.len);
	if (third != NULL)
		number.len = (size_t)(third - number.at);
	if (name.len == 0 || name.len > NAMES_LEN_MAX || !str_to_u64(number, &id) ||
	    id > UINT32_MAX)
		return false;
	*ret = (struct name){ .id = (uint32_t)id };
	memcpy(ret->text, name.at, name.len);
	return true;
}

static void names_read(struct names *names)
{
	autofclose FILE *file = fopen(names->path, "re");
	char line[1024];

	names->count = 0;
	while (file != NULL && names->count < NAMES_MAX && fgets(line, sizeof(line), file) != NULL)
		if (name_parse(str_trim(str_of(line)), &names->rows[names->count]))
			names->count++;
	qsort(names->rows, names->count, sizeof(names->rows[0]), name_cmp);
}

struct names *names_new_text(struct str text)
{
	struct names *names = calloc(1, sizeof(*names));

	while (names != NULL && text.len > 0 && names->count < NAMES_MAX) {
		const char *end = memchr(text.at, '\n', text.len);
		size_t len = end == NULL ? text.len : (size_t)(end - text.at);

		if (name_parse(str_cut(text, len), &names->rows[names->count]))
			names->count++;
		text = str_from(text, len + 1);
	}
	if (names != NULL)
		qsort(names->rows, names->count, sizeof(names->rows[0]), name_cmp);
	return names;
}

void names_add_text(const struct names *names, struct buf *out)
{
	for (size_t i = 0; i < names->count; i++)
		buf_addf(out, "%s:x:%u\n", names->rows[i].text, names->rows[i].id);
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

struct str names_find(const struct names *names, uint32_t id)
{
	struct name key = { .id = id };
	const struct name *row =
		bsearch(&key, names->rows, names->count, sizeof(names->rows[0]), name_cmp);

	return row == NULL ? STR("") : str_of(row->text);
}
