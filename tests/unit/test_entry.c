/* Calls at their entry, by the memory of this very process: by which names they pass. */
#include "tests/unit/rules_fixture.h"

#include "base/cleanup.h"
#include "sensor/calls.h"
#include "sensor/interest.h"
#include "sensor/ptrace/entry.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct entry_view view;

/* Whether the call passes with these names. */
static bool passes_with(const char *condition, const char *call, const char *first, const char *second, uint64_t flags)
{
	const struct rules_settings settings = { .priority_max = PRIORITY_DEBUG };
	struct rules_text file = { .name = "test.yaml" };
	struct entry entry = { .call = call_find_name(str_of(call)), .tid = (uint32_t)getpid(), .at_its_end = true };
	const struct plan *plan = &entry.call->plan;
	struct loaded loaded;
	struct interest *interest;
	struct buf text = { 0 };
	bool wanted;

	buf_addf(&text, "- rule: r\n  desc: d\n  priority: INFO\n  output: o\n  condition: %s\n", condition);
	file.text = buf_str(&text);
	load_texts(&loaded, &settings, &file, 1);
	assert_int_equal(loaded.result, 0);
	assert_int_equal(interest_new(loaded.rules, &interest), 0);
	for (size_t i = 0; i < 2; i++)
		if (plan->dir_arg[i] != 0)
			entry.args[plan->dir_arg[i] - 1] = (uint64_t)(int64_t)AT_FDCWD;
	entry.args[plan->name_arg[0] - 1] = (uintptr_t)first;
	if (plan->name_arg[1] != 0)
		entry.args[plan->name_arg[1] - 1] = (uintptr_t)second;
	if (plan->open_arg != 0)
		entry.args[plan->open_arg - 1] = flags;
	wanted = entry_wants(&entry, interest, (struct str){ NULL, 0 }, &view);
	interest_free(interest);
	loaded_done(&loaded);
	buf_done(&text);
	return wanted;
}

static bool passes(const char *condition, const char *call, const char *first, const char *second)
{
	return passes_with(condition, call, first, second, 0);
}

static void calls_pass_by_their_names(void **state)
{
	static const char long_name[5000] = { [0 ... 4998] = 'x' };
	static const struct {
		const char *condition, *call, *first, *second;
		bool passes;
	} cases[] = {
		{ "evt.type in (unlink, unlinkat) and evt.arg[1] startswith /usr/lib/", "unlink", "/usr/lib/x", NULL, true },
		{ "evt.type = unlink and evt.arg.path startswith /usr/lib/", "unlink", "/srv/usr/lib/x", NULL, false },
		{ "evt.type = unlink and evt.arg.path startswith /usr/lib/", "unlink", "lib/x", NULL, true },
		{ "evt.type = unlink and evt.arg.path startswith /usr/lib/", "unlink", "./lib/x", NULL, true },
		{ "evt.type = unlink and evt.arg.path startswith /usr/lib/", "unlink", "bin/x", NULL, false },
		{ "evt.type = unlink and evt.arg.path startswith /usr/lib/", "unlink", "./bin/x", NULL, false },
		{ "evt.type = unlink and evt.arg.path startswith /usr/lib/", "unlink", "bin/../lib/x", NULL, true },
		{ "evt.type = unlink and evt.arg.path startswith /usr/lib/", "unlink", "/usr//lib/x", NULL, true },
		{ "evt.type = unlink and evt.arg.path startswith /usr/lib/", "unlink", "lib/.", NULL, true },
		{ "evt.type = unlink and evt.arg.path startswith /usr/lib/", "unlink", "", NULL, true },
		{ "evt.type = unlink and evt.arg.path startswith /usr/lib/", "unlink", NULL, NULL, true },
		{ "evt.type = unlink and evt.arg.path startswith /usr/lib/", "unlink", long_name, NULL, true },
		{ "evt.type = unlinkat and evt.arg.name = /usr/x", "unlinkat", "x", NULL, true },
		{ "evt.type = unlinkat and evt.arg.name = /usr/x", "unlinkat", "y", NULL, false },
		{ "evt.type = unlink and evt.failed = true and evt.arg.path = /a", "unlink", "/a", NULL, true },
		{ "evt.type = unlink and fs.path.nameraw = x", "unlink", "x", NULL, true },
		{ "evt.type = unlink and proc.name = cat", "unlink", "/a", NULL, true },
		{ "evt.type = unlink and proc.pname = cat", "unlink", "/a", NULL, true },
		{ "evt.type = rename and evt.arg.newpath = /etc/shadow", "rename", "/tmp/x", "/etc/shadow", true },
		{ "evt.type = rename and evt.arg.newpath = /etc/shadow", "rename", "/tmp/x", "/tmp/y", false },
		{ "evt.type = renameat2 and evt.arg.oldpath = /usr/x", "renameat2", "x", "/tmp/y", true },
		{ "evt.type = linkat and evt.arg.oldpath = /etc/shadow", "linkat", "/etc/shadow", "y", true },
		{ "evt.type = linkat and evt.arg.oldpath = /etc/shadow", "linkat", "/etc/passwd", "y", false },
		{ "evt.type = symlink and evt.arg.target = etc/shadow", "symlink", "etc/shadow", "/tmp/y", true },
		{ "evt.type = symlink and evt.arg.target = etc/shadow", "symlink", "/etc/../etc/shadow", "/tmp/y", false },
		{ "evt.type = symlink and evt.arg.linkpath = /usr/y", "symlink", "/", "y", true },
		{ "evt.type = symlink and evt.arg.linkpath = /usr/y", "symlink", "/", "z", false },
		{ "evt.type = chmod and evt.arg.filename endswith .sh", "chmod", "a.sh", NULL, true },
		{ "evt.type = chmod and evt.arg.filename endswith .sh", "chmod", "a.c", NULL, false },
		{ "evt.type = mkdir and evt.arg.mode = 0x1ff", "mkdir", "/a", NULL, true },
	};

	(void)state;
	assert_int_equal(chdir("/usr"), 0);
	entry_roots_are_ours(&view);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (passes(cases[i].condition, cases[i].call, cases[i].first, cases[i].second) != cases[i].passes)
			fail_msg("%s: %s of %.20s, %s", cases[i].condition, cases[i].call,
				 cases[i].first == NULL ? "nothing" : cases[i].first, cases[i].second);
	entry_view_done(&view);
}

#define READ "evt.type in (open, openat) and evt.is_open_read = true and fd.typechar = 'f' and fd.num >= 0 and "
#define WRITE "evt.type in (open, openat) and evt.is_open_write = true and "

static const char *const made[] = { "mkdir -p a b/c", "touch secret other b/secret", "ln -s b/c link", "test -e link/../secret" };

/* "@" in texts is a folder of our own. */
static const char *placed(const char *text, const char *folder, char to[PATH_MAX])
{
	const char *at = strchr(text, '@');

	snprintf(to, PATH_MAX, "%.*s%s%s", at == NULL ? (int)strlen(text) : (int)(at - text), text, at == NULL ? "" : folder,
		 at == NULL ? "" : at + 1);
	return to;
}

/* Since Linux 5.12. */
static bool kernel_tells_what_it_remembers(void)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_CACHED };
	autoclose int fd = (int)syscall(SYS_openat2, AT_FDCWD, "other", &how, sizeof(how));

	return fd >= 0;
}

static void opens_pass_by_where_they_lead(void **state)
{
	static const struct {
		const char *condition, *name;
		uint64_t flags;
		bool passes;
	} cases[] = {
		{ READ "fd.name = @/secret", "@/a/../secret", 0, true },
		{ READ "fd.name = @/secret", "@/a/../other", 0, false },
		{ READ "fd.name = @/secret", "@/a/.././other", 0, false },
		{ READ "fd.name = @/secret", "@/a/../nothing", 0, true }, /* nobody has asked for it yet */
		{ READ "fd.name = @/b/secret", "@/link/../secret", 0, true },
		{ READ "fd.nameraw contains ../", "@/a/../other", 0, true },
		{ READ "fd.nameraw startswith @/a/..", "@/a/../other", 0, true },
		{ READ "fd.name = @/secret", "a/../other", 0, true }, /* from a folder that is looked at nowhere else */
		{ READ "fd.name = /proc/self/environ", "/proc/self/maps", 0, false },
		{ READ "fd.name endswith /environ", "/proc/self/environ", 0, true },
		{ READ "fd.name startswith /proc/self/env", "/proc/self/environ", 0, true },
		{ READ "fd.name glob /proc/*/maps", "/proc/self/maps", 0, true },
		{ READ "fd.name = /etc/shadow", "/proc/filesystems", 0, false },
		{ READ "fd.name = /etc/shadow", "/proc/self/net/dev", 0, false },
		{ READ "fd.name = /etc/shadow", "/proc/net/dev", 0, true },
		{ READ "fd.name = /etc/shadow", "/proc/self", 0, true },
		{ READ "fd.name = /etc/shadow", "/proc/thread-self/maps", 0, true },
		{ READ "fd.name = /etc/shadow", "/proc/self/cwd/x", 0, true },
		{ READ "fd.name = /etc/shadow", "/proc/self/exe", 0, true },
		{ READ "fd.name = /etc/shadow", "/proc/self/../filesystems", 0, true },
		{ READ "fd.name = /etc/shadow", "/proc/no-such-file", 0, true },
		{ WRITE "fd.name = @/secret", "@/new1", O_WRONLY | O_CREAT | O_EXCL, false },
		{ WRITE "fd.name = @/secret", "@/new2", O_WRONLY | O_CREAT, true }, /* it may be a link */
		{ WRITE "fd.name = @/b/c/new3", "@/link/new3", O_WRONLY | O_CREAT | O_EXCL, true },
		{ WRITE "fd.name = @/secret", "@/a/../new4", O_WRONLY | O_CREAT | O_EXCL, false },
	};
	char folder[] = "/tmp/entry-XXXXXX", condition[PATH_MAX], name[PATH_MAX];
	bool remembers;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		assert_int_equal(system(made[i]), 0);
	remembers = kernel_tells_what_it_remembers();
	entry_roots_are_ours(&view);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (passes_with(placed(cases[i].condition, folder, condition), "openat", placed(cases[i].name, folder, name),
				NULL, cases[i].flags) != (cases[i].passes || (!remembers && !str_starts(str_of(name), STR("/proc")))))
			fail_msg("%s: %s", condition, name);
	snprintf(condition, sizeof(condition), READ "fd.name = /proc/%d/maps", getpid());
	assert_true(passes_with(condition, "openat", "/proc/self/maps", NULL, 0));
	entry_view_done(&view);
	assert_true(passes_with("evt.type = openat", "openat", "/", NULL, 0)); /* and where roots differ */
	assert_int_equal(chdir("/"), 0);
	snprintf(name, sizeof(name), "rm -r %s", folder);
	assert_int_equal(system(name), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_pass_by_their_names),
		cmocka_unit_test(opens_pass_by_where_they_lead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
