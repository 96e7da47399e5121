/* Rules that deny, as the kernel's clauses: asked here as its programs ask them. */
#include "sensor/enforce/denials.h"

#include "rules_fixture.h"

#include <errno.h>
#include <sys/stat.h>

enum { ALL_HOOKS = (1U << PLAN_HOOKS) - 1 };

#define RULE(name, action, condition)                                                                                  \
	"- rule: " name "\n  desc: d\n  condition: " condition "\n  output: o\n  priority: INFO\n  respond: " action "\n"

/* What the kernel knows of a call; what it does not know is in `unsure`. */
struct asked_of {
	const char *name, *name2, *text, *object, *exe, *comm;
	plan_bits have, unsure;
	__u64 args[6];
};

static const struct row {
	const char *condition, *call;
	unsigned kind;
	struct asked_of of;
	bool denies;
	enum denial what;
} rows[] = {
#define FILE_AT(path_) { .object = path_, .comm = "x", .have = PLAN_KILL_PATH | PLAN_KILL_FILE }
	{ "evt.type=unlink and evt.arg.path=/etc/x", "unlink", 0, { .name = "/etc/x" }, true, DENIAL_ALL },
	{ "evt.type=unlink and evt.arg.path=/etc/x", "unlink", 0, { .name = "/etc/xy" }, false, DENIAL_ALL },
	{ "evt.type in (unlink, unlinkat) and (evt.arg.path startswith /etc/ or evt.arg.name startswith /etc/)", "unlinkat", 0,
	  { .name = "/etc/x" }, true, DENIAL_ALL },
	{ "evt.type in (unlink, unlinkat) and evt.arg.path startswith /etc/", "unlinkat", 0, { .name = "/etc/x" }, false,
	  DENIAL_ALL },
	{ "evt.type=unlink and evt.arg.path pmatch (/etc)", "unlink", 0, { .name = "/etcetera" }, false, DENIAL_ALL },
	{ "evt.type=unlink and evt.arg.path != /etc/x", "unlink", 0, { .name = "/etc/y" }, true, DENIAL_ALL },
	{ "evt.type=unlink and evt.arg.path contains x", "unlink", 0, { .name = "/etc/x" }, false, DENIAL_NO },
	{ "evt.type=unlink and (evt.arg.path contains x or evt.arg.path=/y)", "unlink", 0, { .name = "/y" }, true, DENIAL_SOME },
	{ "evt.type=unlink and evt.arg.path startswith /etc and proc.name!=apt", "unlink", 0, { .name = "/etc/x", .comm = "rm" },
	  true, DENIAL_ALL },
	{ "evt.type=unlink and evt.arg.path startswith /etc and proc.name!=apt", "unlink", 0, { .name = "/etc/x", .comm = "apt" },
	  false, DENIAL_ALL },
	{ "evt.type=unlink and evt.arg.path=/x and container.id != host", "unlink", 0,
	  { .name = "/x", .unsure = PLAN_KILL_CONTAINER }, false, DENIAL_ALL },
	{ "evt.type=unlink and evt.arg.path=/x and evt.res=SUCCESS", "unlink", 0, { .name = "/x" }, true, DENIAL_ALL },
	{ "evt.type=unlink and evt.arg.path=/x and evt.failed=true", "unlink", 0, { .name = "/x" }, false, DENIAL_ALL },
	{ "evt.type=rename and evt.arg.newpath startswith /etc/", "rename", 0, { .name = "/a", .name2 = "/etc/x" }, true, DENIAL_ALL },
	{ "evt.type=rename and evt.arg.newpath startswith /etc/", "rename", 0, { .name = "/etc/x", .name2 = "/a" }, false, DENIAL_ALL },
	{ "evt.type=rename and evt.arg.oldpath startswith /etc/", "rename", 0, { .name = "/etc/x", .name2 = "/a" }, true, DENIAL_ALL },
	{ "evt.type=chmod and evt.arg.mode contains S_ISUID", "chmod", 0, { .args = { 0, S_ISUID | 0755 } }, true, DENIAL_ALL },
	{ "evt.type=chmod and evt.arg.mode contains S_ISUID", "chmod", 0, { .args = { 0, 0755 } }, false, DENIAL_ALL },
	{ "evt.type in (chmod, fchmodat) and evt.arg.mode contains S_ISUID", "fchmodat", 0, { .args = { 0, S_ISUID, 0 } }, false,
	  DENIAL_ALL },
	{ "evt.type=chmod and evt.arg.mode contains S_IS", "chmod", 0, { .args = { 0, S_ISUID } }, false, DENIAL_NO },
	{ "evt.type=fchmod and fd.name startswith /etc/", "fchmod", 0, FILE_AT("/etc/x"), true, DENIAL_ALL },
	{ "evt.type=ptrace and evt.arg.request in (PTRACE_ATTACH, PTRACE_SEIZE)", "ptrace", 0, { .args = { 0x4206 } }, true, DENIAL_ALL },
	{ "evt.type=ptrace and evt.arg.request in (PTRACE_ATTACH, PTRACE_SEIZE)", "ptrace", 0, { .args = { 3 } }, false, DENIAL_ALL },
	{ "evt.type=kill and evt.arg.sig=SIGKILL and proc.name=x", "kill", 0, { .comm = "x", .args = { 1, 9 } }, true, DENIAL_ALL },
	{ "evt.type=kill and not evt.arg.sig=SIGKILL", "kill", 0, { .args = { 1, 9 } }, false, DENIAL_ALL },
	{ "evt.type=kill and evt.arg.pid=1", "kill", 0, { .args = { 1, 9 } }, false, DENIAL_NO },
	{ "evt.type=mount and evt.arg.type=proc", "mount", 0, { .name = "none", .name2 = "/x", .text = "proc" }, true, DENIAL_ALL },
	{ "evt.type=mount and evt.arg.dir startswith /etc", "mount", 0, { .name = "none", .name2 = "/etc" }, true, DENIAL_ALL },
	{ "evt.type=mount and evt.arg.dev=tmpfs and evt.arg.flags contains NOEXEC", "mount", 0,
	  { .name = "tmpfs", .name2 = "/x", .args = { 0, 0, 0, 8 } }, true, DENIAL_ALL },
	{ "evt.type in (open, openat, openat2, creat) and evt.is_open_write=true and fd.name startswith /etc/", "openat",
	  PLAN_KIND_WRITE, FILE_AT("/etc/x"), true, DENIAL_ALL },
	{ "evt.type in (open, openat, openat2, creat) and evt.is_open_write=true and fd.name startswith /etc/", "openat",
	  PLAN_KIND_READ, FILE_AT("/etc/x"), false, DENIAL_ALL },
	{ "evt.type=openat and evt.arg.name startswith /etc/", "openat", PLAN_KIND_WRITE, FILE_AT("/etc/x"), false, DENIAL_NO },
	{ "evt.type=execve and proc.exepath startswith /tmp/", "execve", 0, { .exe = "/tmp/x" }, true, DENIAL_ALL },
	{ "evt.type=execve and proc.is_exe_upper_layer=true and container.id != host", "execve", 0,
	  { .have = PLAN_KILL_UPPER | PLAN_KILL_CONTAINER }, true, DENIAL_ALL },
	{ "evt.type=execve and proc.cmdline contains x", "execve", 0, { .comm = "x" }, false, DENIAL_NO },
	{ "evt.type=connect and proc.name=nc and fd.typechar in (4, 6)", "connect", PLAN_KIND_IP, { .comm = "nc" }, true, DENIAL_ALL },
	{ "evt.type=connect and proc.name=nc and fd.typechar in (4, 6)", "connect", PLAN_KIND_UNIX, { .comm = "nc" }, false, DENIAL_ALL },
	{ "evt.type=connect and proc.name=nc and fd.sport=1", "connect", PLAN_KIND_IP, { .comm = "nc" }, false, DENIAL_NO },
	{ "evt.type=setns and proc.name=x", "setns", 0, { .comm = "x" }, false, DENIAL_NO },
};

/* Of the longest entry, as the kernel's trie has it; of names the entry that is the same. */
static plan_bits found(const struct denials *denials, const char *text, enum fact_of of)
{
	const struct fact_text *best = NULL;
	bool is_comm = of == FACT_COMM;
	size_t len = text == NULL ? 0 : strlen(text) + !is_comm; /* a path with its NUL */

	for (size_t i = 0; i < denials->facts.texts_count; i++) {
		const struct fact_text *at = &denials->facts.texts[i];

		if (at->is_comm == is_comm && at->text.len <= len && memcmp(at->text.at, text, at->text.len) == 0 &&
		    (!is_comm || at->text.len == len) && (best == NULL || best->text.len < at->text.len))
			best = at;
	}
	return best == NULL ? 0 : best->bits & denials->facts.of[of];
}

static plan_bits found_in_args(const struct denials *denials, uint16_t nr, const __u64 *args)
{
	plan_bits bits = 0;

	for (size_t i = 0; i < denials->args_count; i++)
		if (denials->args[i].nr == nr && (args[denials->args[i].place - 1] & denials->args[i].mask) == denials->args[i].value)
			bits |= denials->args[i].bit;
	return bits;
}

/* The error; 0: it is let go. */
static uint32_t error_of(const struct denials *denials, const char *call, unsigned kind, const struct asked_of *of)
{
	const uint16_t nr = call_find_name(str_of(call))->nr;
	plan_bits have = of->have | found(denials, of->name, FACT_NAME) | found(denials, of->name2, FACT_NAME2) |
			 found(denials, of->text, FACT_TEXT) | found(denials, of->object, FACT_OBJECT) |
			 found(denials, of->exe, FACT_EXE) | found(denials, of->comm, FACT_COMM) |
			 found_in_args(denials, nr, of->args);
	plan_bits maybe = have | of->unsure;

	for (unsigned i = 0; i < PLAN_CLAUSES; i++)
		if ((denials->calls[nr].of[kind] >> i & 1) && (denials->clauses[i].when.need & ~have) == 0 &&
		    (denials->clauses[i].when.lack & maybe) == 0)
			return denials->clauses[i].error;
	return 0;
}

static struct denials *denials_of(struct loaded *loaded, const char *yaml, uint32_t hooks)
{
	const struct rules_settings settings = { .priority_max = PRIORITY_DEBUG };
	struct denials *denials;

	load_texts(loaded, &settings, &(struct rules_text){ .name = "t.yaml", .text = str_of(yaml) }, 1);
	assert_int_equal(loaded->result, 0);
	assert_int_equal(denials_new(loaded->rules, hooks, &denials), 0);
	return denials;
}

static void only_what_a_rule_surely_means(void **state)
{
	const struct row *row = *state;
	struct loaded loaded;
	struct buf yaml = { 0 };
	struct denials *denials;

	buf_addf(&yaml, RULE("r", "deny", "%s"), row->condition);
	denials = denials_of(&loaded, buf_text(&yaml), ALL_HOOKS);
	assert_int_equal(error_of(denials, row->call, row->kind, &row->of), row->denies ? 1 : 0);
	assert_int_equal(denials->what[0][call_find_name(str_of(row->call)) - calls], row->what);
	denials_free(denials);
	loaded_done(&loaded);
	buf_done(&yaml);
}

static const char errors[] = RULE("a", "{action: deny, errno: EACCES}", "evt.type=unlink and evt.arg.path=/a")
	RULE("b", "{action: deny, errno: EROFS}", "evt.type=unlink and evt.arg.path=/b");

static void the_error_is_the_rules(void **state)
{
	struct loaded loaded;
	struct denials *denials = denials_of(&loaded, errors, ALL_HOOKS);

	(void)state;
	assert_int_equal(error_of(denials, "unlink", 0, &(struct asked_of){ .name = "/a" }), EACCES);
	assert_int_equal(error_of(denials, "unlink", 0, &(struct asked_of){ .name = "/b" }), EROFS);
	assert_int_equal(error_of(denials, "unlink", 0, &(struct asked_of){ .name = "/c" }), 0);
	denials_free(denials);
	loaded_done(&loaded);
}

static const char first_freezes[] = RULE("f", "freeze", "evt.type=unlink and evt.arg.path contains x")
	RULE("d", "deny", "evt.type in (unlink, rmdir) and proc.name=x");

static void behind_another_response_nothing_is_denied(void **state)
{
	const struct asked_of of = { .comm = "x" };
	struct loaded loaded;
	struct denials *denials = denials_of(&loaded, first_freezes, ALL_HOOKS);

	(void)state;
	assert_int_equal(error_of(denials, "unlink", 0, &of), 0);
	assert_int_equal(error_of(denials, "rmdir", 0, &of), EPERM);
	assert_int_equal(denials->what[1][call_find_name(STR("unlink")) - calls], DENIAL_NO);
	assert_int_equal(denials->what[1][call_find_name(STR("rmdir")) - calls], DENIAL_ALL);
	denials_free(denials);
	loaded_done(&loaded);
}

/* Of unlinkat(2) the kernel asks at two. */
static void without_all_hooks_of_a_call_it_is_not_denied(void **state)
{
	const struct asked_of of = { .comm = "x" };
	struct loaded loaded;
	struct denials *denials = denials_of(&loaded, RULE("d", "deny", "evt.type in (unlink, unlinkat) and proc.name=x"),
					     1U << PLAN_HOOK_UNLINK);

	(void)state;
	assert_int_equal(error_of(denials, "unlink", 0, &of), EPERM);
	assert_int_equal(error_of(denials, "unlinkat", 0, &of), 0);
	assert_int_equal(denials->what[0][call_find_name(STR("unlinkat")) - calls], DENIAL_NO);
	assert_int_equal(denials->hooks, 1U << PLAN_HOOK_UNLINK);
	denials_free(denials);
	loaded_done(&loaded);
}

static void all_opens_or_programs_are_known_as_such(void **state)
{
	struct loaded loaded;
	struct denials *denials = denials_of(
		&loaded,
		RULE("o", "deny", "evt.type in (open, openat) and fd.name=/x") RULE("p", "deny", "evt.type=openat and fd.name contains x")
			RULE("e", "deny", "evt.type in (execve, execveat) and proc.exepath=/x"),
		ALL_HOOKS);

	(void)state;
	assert_true(denials_has_opens(denials, loaded.rules, 0));
	assert_false(denials_has_opens(denials, loaded.rules, 1));
	assert_false(denials_has_execs(denials, loaded.rules, 0));
	assert_true(denials_has_execs(denials, loaded.rules, 2));
	denials_free(denials);
	loaded_done(&loaded);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(the_error_is_the_rules),
		cmocka_unit_test(behind_another_response_nothing_is_denied),
		cmocka_unit_test(without_all_hooks_of_a_call_it_is_not_denied),
		cmocka_unit_test(all_opens_or_programs_are_known_as_such),
	};
	struct CMUnitTest tests[ARRAY_LEN(rows) + ARRAY_LEN(others)];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].condition,
						.test_func = only_what_a_rule_surely_means,
						.initial_state = (void *)(uintptr_t)&rows[i] };
	memcpy(&tests[ARRAY_LEN(rows)], others, sizeof(others));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
