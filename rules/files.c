/* Loading from files and folders. */
#include "base/hash.h"
#include "rules/report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* Files read so far. */
struct reading {
	struct rules_report *report;
	struct rules_text files[RULES_FILES_MAX];
	const struct rules_text *given; /* NULL: none */
	size_t count, total;
	int result;
};

static int str_copy(struct str text, struct str *ret)
{
	char *copy = str_dup(text);

	*ret = (struct str){ .at = copy, .len = text.len };
	return copy == NULL ? -ENOMEM : 0;
}

/* At most `size` bytes. */
static int read_all(int fd, size_t size, struct str *ret)
{
	CLEANUP(cleanup_free) char *text = malloc(size + 1);
	size_t used = 0;

	if (text == NULL)
		return -ENOMEM;
	for (;;) {
		ssize_t got = read(fd, text + used, size - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		used += (size_t)got;
		if (got == 0 || used == size)
			break;
	}
	text[used] = '\0';
	*ret = (struct str){ .at = TAKE(text), .len = used };
	return 0;
}

static int read_file(const char *path, struct str *ret)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	/* A pipe's length is known at its end. */
	r = read_all(fd, S_ISREG(st.st_mode) && st.st_size <= RULES_FILE_MAX ? (size_t)st.st_size : RULES_FILE_MAX + 1,
		     ret);
	if (r < 0 || ret->len <= RULES_FILE_MAX)
		return r;
	free((void *)(uintptr_t)ret->at);
	return -EFBIG;
}

static void refuse(struct reading *reading, const char *path, size_t number, const char *text)
{
	struct yaml_file file = { .name = path, .number = number };

	report_add_at(reading->report, RULES_ERR_FILE_READ, &file, (struct yaml_place){ 0 }, NULL, text);
}

static void add_file(struct reading *reading, const char *path)
{
	struct rules_text *slot = &reading->files[reading->count];
	char text[200];
	size_t number;
	int r;

	if (report_is_over(reading->report))
		return;
	number = report_file(reading->report, path);
	if (reading->count == RULES_FILES_MAX) {
		refuse(reading, path, number, "too many rules files");
		return;
	}
	r = reading->given != NULL && strcmp(reading->given->name, path) == 0 ?
		    str_copy(reading->given->text, &slot->text) :
		    read_file(path, &slot->text);
	if (r == 0 && reading->total + slot->text.len > RULES_TOTAL_MAX) {
		free((void *)(uintptr_t)slot->text.at);
		r = -EFBIG;
	}
	if (r < 0) {
		snprintf(text, sizeof(text), "cannot be read: %s", strerrordesc_np(-r));
		if (r == -EFBIG)
			snprintf(text, sizeof(text),
				 "cannot be read: %d MB may be in one file, %d MB in all of them",
				 RULES_FILE_MAX >> 20, RULES_TOTAL_MAX >> 20);
		refuse(reading, path, number, text);
		return;
	}
	slot->is_entered = true;
	slot->number = number;
	slot->name = str_dup(str_of(path));
	if (slot->name == NULL)
		reading->result = -ENOMEM;
	reading->total += slot->text.len;
	reading->count++;
}

static int is_rules_file(const struct dirent *entry)
{
	struct str name = str_of(entry->d_name);

	return entry->d_name[0] != '.' &&
	       (str_ends(name, STR(".yaml")) || str_ends(name, STR(".yml")));
}

/* In a folder only files are read, as Falco does: a pipe there would wait for its writer. What cannot be looked at
 * is asked for, so that it is told. */
static bool is_for_reading(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 || S_ISREG(st.st_mode);
}

static void add_folder(struct reading *reading, const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_rules_file, alphasort);

	if (count < 0) {
		refuse(reading, path, report_file(reading->report, path),
		       "the folder cannot be read");
		return;
	}
	for (int i = 0; i < count; i++) {
		struct buf full = { .max = 8192 };

		buf_addf(&full, "%s/%s", path, entries[i]->d_name);
		if (buf_ok(&full) && is_for_reading(buf_text(&full)))
			add_file(reading, buf_text(&full));
		buf_done(&full);
		free(entries[i]);
	}
	free(entries);
}

static void stamp_file(struct hash_state *state, const char *path)
{
	struct stat st = { 0 };

	hash_add(state, str_of(path));
	hash_add_u64(state, stat(path, &st) < 0 ? (uint64_t)errno : 0);
	hash_add_u64(state, st.st_ino);
	hash_add_u64(state, (uint64_t)st.st_size);
	hash_add_u64(state, (uint64_t)st.st_mtim.tv_sec);
	hash_add_u64(state, (uint64_t)st.st_mtim.tv_nsec);
}

static void stamp_folder(struct hash_state *state, const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_rules_file, alphasort);
	struct buf full = { .max = 8192 };

	for (int i = 0; i < count; i++) {
		buf_clear(&full);
		buf_addf(&full, "%s/%s", path, entries[i]->d_name);
		if (buf_ok(&full))
			stamp_file(state, buf_text(&full));
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	buf_done(&full);
}

uint64_t rules_files_stamp(const struct conf_strings *files)
{
	const struct hash_key open_key = { 0 };
	struct hash_state state;

	hash_begin(&state, &open_key);
	for (size_t i = 0; i < files->count; i++) {
		struct stat st;

		if (stat(files->at[i], &st) == 0 && S_ISDIR(st.st_mode))
			stamp_folder(&state, files->at[i]);
		else
			stamp_file(&state, files->at[i]);
	}
	return hash_end(&state).lo;
}

int rules_load(const struct rules_settings *settings, struct fields *fields,
	       struct rules_report *report, struct rules **ret)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	int r;

	if (reading == NULL)
		return -ENOMEM;
	reading->report = report;
	reading->given = settings->given;
	report->first_error = settings->first_error;
	for (size_t i = 0; i < settings->files.count; i++) {
		struct stat st;

		if (stat(settings->files.at[i], &st) == 0 && S_ISDIR(st.st_mode))
			add_folder(reading, settings->files.at[i]);
		else
			add_file(reading, settings->files.at[i]);
	}
	r = reading->result;
	if (r == 0)
		r = rules_load_text(settings, reading->files, reading->count, fields, report, ret);
	for (size_t i = 0; i < reading->count; i++) {
		free((void *)(uintptr_t)reading->files[i].name);
		free((void *)(uintptr_t)reading->files[i].text.at);
	}
	free(reading);
	return r;
}
