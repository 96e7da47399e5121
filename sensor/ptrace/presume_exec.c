/* An exec as if it had worked, before it begins. Names, arguments and what is in the file can be changed between
 * the look and the kernel's own. */
#include "sensor/ptrace/presume.h"

#include "base/cleanup.h"
#include "sensor/ptrace/presume_inner.h"
#include "sensor/ptrace/tracee.h"
#include "sensor/record_text.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	SCRIPTS_MAX = 5,  /* interpreters that are scripts themselves; the kernel follows as many */
	LINE_MAX_LEN = 256, /* bytes of a script that the kernel looks at */
	POINTERS_MAX = 512, /* arguments that are read */
};

/* NUL-terminated items. */
struct items {
	char text[RECORD_STRING_MAX];
	size_t len;
	bool cut;
};

static void add_item(struct items *items, const char *text)
{
	size_t len = strlen(text) + 1, room = sizeof(items->text) - items->len;

	items->cut |= len > room;
	if (len > room)
		len = room;
	memcpy(items->text + items->len, text, len);
	items->len += len;
}

/* ---- arguments ---- */

static uint64_t pointer_at(const struct record *record, uint64_t address, size_t i, bool *ret_known)
{
	const size_t size = record->flags & RECORD_COMPAT ? 4 : 8;
	uint64_t pointer = 0;

	*ret_known = tracee_read(record->tid, address + i * size, &pointer, size);
	return pointer;
}

/* A text of the process, page by page, behind the items. */
static bool add_read(struct items *items, uint32_t tid, uint64_t address)
{
	while (items->len < sizeof(items->text)) {
		size_t step = 4096 - address % 4096, room = sizeof(items->text) - items->len;
		char *to = items->text + items->len, *end;

		if (step > room)
			step = room;
		if (!tracee_read(tid, address, to, step))
			return false;
		end = memchr(to, '\0', step);
		if (end != NULL) {
			items->len += (size_t)(end - to) + 1;
			return true;
		}
		items->len += step;
		address += step;
	}
	items->cut = true;
	return true;
}

/* From the `first` one on. */
static void add_arguments(const struct record *record, size_t first, struct items *items)
{
	const uint64_t address = record->args[record->nr == SYS_execveat ? 2 : 1];

	for (size_t i = first; address != 0 && i < POINTERS_MAX && items->len < sizeof(items->text); i++) {
		bool known;
		uint64_t pointer = pointer_at(record, address, i, &known);

		if (!known || pointer == 0 || !add_read(items, record->tid, pointer))
			return;
	}
}

/* ---- the file ---- */

/* "#!interpreter one-argument" */
static bool split_line(char *line, char **ret_interpreter, char **ret_argument)
{
	char *at = line + 2 + strspn(line + 2, " \t"), *end;

	at[strcspn(at, "\n")] = '\0';
	end = at + strlen(at);
	while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	*ret_interpreter = at;
	at += strcspn(at, " \t");
	if (*at != '\0')
		*at++ = '\0';
	*ret_argument = at + strspn(at, " \t");
	return **ret_interpreter != '\0';
}

/* 0: it is no script. */
static size_t read_line(int file, char line[LINE_MAX_LEN])
{
	char link[48];
	autoclose int fd = -1;
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	len = fd < 0 ? 0 : pread(fd, line, LINE_MAX_LEN - 1, 0);
	if (len < 2 || line[0] != '#' || line[1] != '!')
		return 0;
	line[len] = '\0';
	return (size_t)len;
}

static bool can_run(int file)
{
	struct stat st;

	return fstat(file, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
}

/* The file that would run in the place of a script, which each interpreter gets as its argument. -1: that cannot be
 * known. `before` has the arguments that come first, `name` the script. */
static int follow_scripts(const struct root *root, int file, const char *name, struct items *before, size_t *ret_skip)
{
	char line[LINE_MAX_LEN], script[PRESUME_PATH_ROOM];
	struct items rest = { .len = 0 };

	*ret_skip = 0;
	snprintf(script, sizeof(script), "%s", name);
	for (int i = 0; i < SCRIPTS_MAX && can_run(file); i++) {
		char *interpreter, *argument;
		int next;

		if (read_line(file, line) == 0)
			return file;
		if (!split_line(line, &interpreter, &argument))
			break;
		rest = *before;
		*before = (struct items){ .len = 0 };
		add_item(before, interpreter);
		if (*argument != '\0')
			add_item(before, argument);
		add_item(before, script);
		/* Behind the name of the script before it, which this one stands for. */
		for (size_t at = rest.len == 0 ? 0 : strlen(rest.text) + 1; at < rest.len; at += strlen(rest.text + at) + 1)
			add_item(before, rest.text + at);
		*ret_skip = 1;
		snprintf(script, sizeof(script), "%s", interpreter);
		next = presume_open_as(root, interpreter, 0);
		close(file);
		file = next;
	}
	if (file >= 0)
		close(file);
	return -1;
}

static bool put_file(struct record *record, int file)
{
	struct path path;
	struct stat st;
	struct str text = presume_path_of(file, record->tid, &path);

	if (text.len == 0 || fstat(file, &st) < 0)
		return false;
	tracee_add_executable(record, text, &st);
	return true;
}

/* ---- the record ---- */

/* The last component of what was called, be it a script. */
static void set_name(struct record *record, const char *called)
{
	const char *slash = strrchr(called, '/');

	snprintf(record->comm, sizeof(record->comm), "%s", slash == NULL ? called : slash + 1);
}

static bool make_exec(struct record *record, int file, const char *called, struct items *arguments, size_t skip)
{
	add_arguments(record, skip, arguments);
	record->type = RECORD_EXEC;
	record->class = RECORD_CLASS_PROCESS;
	record->len = sizeof(*record);
	record->ret = 0;
	memset(&record->object, 0, sizeof(record->object));
	record->flags &= RECORD_COMPAT;
	set_name(record, called);
	if (!put_file(record, file))
		return false;
	if (arguments->len > 0)
		record_add(record, RECORD_STRING_ARGS, (struct str){ arguments->text, arguments->len });
	if (arguments->cut)
		record->flags |= RECORD_CUT_ARGS;
	return true;
}

static bool is_by_descriptor(const struct record *record)
{
	return record->nr == SYS_execveat && (record->args[4] & AT_EMPTY_PATH) != 0 &&
	       record_text(record, RECORD_STRING_NAME).len == 0;
}

/* What was called, as the kernel names it: of a descriptor what that leads to. */
static bool called_of(const struct record *record, struct path *ret)
{
	char link[48];
	ssize_t len;

	if (!is_by_descriptor(record))
		return presume_first_path(record, ret);
	snprintf(link, sizeof(link), "/proc/%u/fd/%d", record->tid, (int)record->args[0]);
	len = readlink(link, ret->text, sizeof(ret->text) - 1);
	ret->text[len > 0 ? len : 0] = '\0';
	return len > 0;
}

static int open_called(const struct root *root, const struct record *record, const struct path *called)
{
	const int nofollow = record->nr == SYS_execveat && (record->args[4] & AT_SYMLINK_NOFOLLOW) ? O_NOFOLLOW : 0;
	char link[48];

	if (!is_by_descriptor(record))
		return presume_open_as(root, called->text, nofollow);
	snprintf(link, sizeof(link), "/proc/%u/fd/%d", record->tid, (int)record->args[0]);
	return open(link, O_PATH | O_CLOEXEC);
}

bool presume_exec(struct record *record)
{
	const struct root root = presume_root(record->tid);
	autoclose int root_fd = root.fd, file = -1;
	struct str name = record_text(record, RECORD_STRING_NAME);
	struct items arguments = { .len = 0 };
	struct path called;
	char script[RECORD_STRING_MAX];
	size_t skip;

	if (root_fd < 0 || !called_of(record, &called))
		return false;
	file = open_called(&root, record, &called);
	if (file < 0)
		return false;
	snprintf(script, sizeof(script), "%.*s", name.len > 0 ? (int)name.len : (int)strlen(called.text),
		 name.len > 0 ? name.at : called.text);
	file = follow_scripts(&root, file, script, &arguments, &skip);
	return file >= 0 && make_exec(record, file, called.text, &arguments, skip);
}

bool presume_exec_of(struct record *record, int file)
{
	struct items arguments = { .len = 0 };
	struct path called;

	return called_of(record, &called) && make_exec(record, file, called.text, &arguments, 0);
}
