/* Calls at their entry, by the memory of this very process: by which names they pass. */
#include "tests/unit/rules_fixture.h"

#include "sensor/calls.h"
#include "sensor/interest.h"
#include "sensor/ptrace/entry.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct entry_view view;

/* Whether the call passes with these names, from /usr. */
static bool passes(const char *condition, const char *call, const char *first, const char *second)
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
	wanted = entry_wants(&entry, interest, (struct str){ NULL, 0 }, &view);
	interest_free(interest);
	loaded_done(&loaded);
	buf_done(&text);
	return wanted;
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

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(calls_pass_by_their_names) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
