/* What rules want of an open before it exists: never less than what they match. */
#include "tests/unit/rules_fixture.h"

#include "sensor/calls.h"
#include "sensor/interest.h"
#include "tests/random_rules.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/syscall.h>

static struct loaded *load(const char *condition)
{
	struct loaded *loaded = calloc(1, sizeof(*loaded));
	const struct rules_settings settings = { .priority_max = PRIORITY_DEBUG };
	struct buf text = { 0 };
	struct rules_text file = { .name = "test.yaml" };

	buf_addf(&text, "- rule: r\n  desc: d\n  priority: INFO\n  output: o\n  condition: >\n    %s\n", condition);
	file.text = buf_str(&text);
	load_texts(loaded, &settings, &file, 1);
	if (loaded->result < 0) {
		buf_clear(&text);
		rules_report_print(&loaded->report, &text);
		fail_msg("%s", buf_text(&text));
	}
	buf_done(&text);
	return loaded;
}

static void unload(struct loaded *loaded)
{
	loaded_done(loaded);
	free(loaded);
}

/* ---- conditions whose kinds and facts are known ---- */

#define O "evt.type in (open, openat) and "
#define READ "evt.is_open_read = true and fd.typechar = 'f' and fd.num >= 0 and "

static const struct {
	const char *condition;
	const char *passes, *stops; /* paths that a reading open must and must not pass by; NULL: any */
} reading[] = {
	{ O READ "fd.name = /etc/shadow", "/etc/shadow", "/etc/passwd" },
	{ O READ "fd.name in (/a/b, /c/d)", "/c/d", "/c/x" },
	{ O READ "fd.name startswith /opt/secret", "/opt/secrets/x", "/opt/public" },
	{ O READ "fd.directory = /opt/keys", "/opt/keys/k", "/opt/kez" },
	{ O READ "fd.filename = id_rsa", "/home/a/id_rsa", "/home/a/id_rsa.pub" },
	{ O READ "fd.name endswith .pem", "/a/b/server.pem", "/a/b/server.pe" },
	{ O READ "fd.name endswith /environ", "/proc/1/environ", "/proc/1/xenviron" },
	{ O READ "fd.name contains /.ssh/", "/root/.ssh/x", "/root/ssh/x" },
	{ O READ "fd.name contains /.ss", "/root/.ssh/x", "/root/ssh/.x" },
	{ O READ "fd.name glob /proc/*/mem", "/proc/12/mem", "/proc/12/maps" },
	{ O READ "fd.name glob '/home/*/.ssh/id_*'", "/home/a/.ssh/id_x", "/home/a/x" },
	{ O READ "fd.name regex '/proc/[0-9]+/environ'", "/proc/7/environ", "/proc/7/stat" },
	{ O READ "fd.name regex '/var/lib/(a|b)/.*'", "/var/lib/a/x", "/var/log/a" },
	{ O READ "fd.name pmatch (/run/secrets, /srv/*/x)", "/run/secrets/token", "/run/x" },
	{ O READ "fd.filename startswith .env", "/srv/.env.local", "/srv/env" },
	{ O READ "fd.filename = a_name_beyond_thirty_two_bytes.json", "/x/a_name_beyond_thirty_two_bytes.json",
	  "/x/a_name" },
	{ O READ "fd.nameraw contains '../'", "/srv/../etc/x", "/etc/x" },
	{ O READ "proc.name in (cat, less)", NULL, NULL },
	{ O READ "(fd.name startswith /etc/ and (fd.filename = shadow or fd.directory = /etc/pam.d))",
	  "/etc/shadow", "/etc/hosts" },
	{ O READ "not fd.name startswith /usr and fd.name startswith /opt", "/opt/x", "/srv/x" },
	{ O "(fd.name = /a or (evt.is_open_write = true and proc.name = x))", "/a", "/b" },
	{ O "evt.is_open_write = true and fd.name startswith /etc", NULL, "/etc/passwd" },
	{ O "evt.failed = true", NULL, "/etc/passwd" },
	{ O "fd.num < 0", NULL, "/etc/passwd" },
	{ "evt.type = creat", NULL, "/etc/passwd" },
	{ "evt.type in (openat, creat) and (evt.type = creat or evt.is_open_write = true) and fd.name startswith /etc",
	  NULL, "/etc/passwd" },
	{ "not evt.is_open_read = true", NULL, "/etc/passwd" },
	{ O READ "fd.name contains secret", "/x/y", NULL },
	{ O READ "not fd.name startswith /usr", "/x/y", NULL },
	{ O READ "user.name = root", "/x/y", NULL },
	{ O READ "tolower(fd.name) = /a", "/x/y", NULL },
};

static bool passes(const struct interest *interest, const char *path, uint16_t kind)
{
	return interest_wants_open(interest, SYS_openat, kind, str_of(path), str_of(path), STR("cat"));
}

static void reading_opens_pass_by_what_rules_say_of_them(void **state)
{
	const uint16_t kind = plan_open_kind(0, O_RDONLY, 0, 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(reading); i++) {
		struct loaded *loaded = load(reading[i].condition);
		struct interest *interest;

		assert_int_equal(interest_new(loaded->rules, &interest), 0);
		if (reading[i].passes != NULL && !passes(interest, reading[i].passes, kind))
			fail_msg("%s: %s does not pass", reading[i].condition, reading[i].passes);
		if (reading[i].stops != NULL && passes(interest, reading[i].stops, kind))
			fail_msg("%s: %s passes", reading[i].condition, reading[i].stops);
		interest_free(interest);
		unload(loaded);
	}
}

/* What every program does all the time is looked at only for rules that name it and do not rule it out. */
static void messages_of_connections_pass_for_rules_that_name_them(void **state)
{
	static const struct {
		const char *condition;
		bool bare, other_fd, data;
	} cases[] = {
		{ "evt.type in (sendto, sendmsg) and fd.typechar in (4, 6) and fd.name_changed = true", false, false, false },
		{ "evt.type in (connect, sendto) and fd.name_changed = true and fd.sport = 53", false, false, false },
		{ "proc.name = nc", false, false, false },
		{ "evt.type in (sendto, dup2) and fd.sport = 6667", true, true, false },
		{ "evt.type = sendto and evt.buffer contains x", true, false, true },
		{ "evt.type = sendto and evt.arg.data contains x and fd.sockfamily = unix", true, false, true },
		{ "evt.type = dup2 and evt.rawres in (0, 1, 2)", false, false, false },
		{ "evt.type = dup2 and evt.rawres > 2", false, true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct loaded *loaded = load(cases[i].condition);
		struct interest *interest;

		assert_int_equal(interest_new(loaded->rules, &interest), 0);
		if ((interest->calls[SYS_sendto].bare != 0) != cases[i].bare ||
		    ((interest->calls[SYS_dup2].can & 1U << PLAN_KIND_OTHER_FD) != 0) != cases[i].other_fd ||
		    (interest->calls[SYS_sendto].data != 0) != cases[i].data)
			fail_msg("%s: %d %d %d", cases[i].condition, interest->calls[SYS_sendto].bare,
				 interest->calls[SYS_dup2].can, interest->calls[SYS_sendto].data);
		interest_free(interest);
		unload(loaded);
	}
}

/* A rule may name a link, or what it leads to. */
static void links_pass_by_either_name(void **state)
{
	static const struct {
		const char *condition, *path, *given;
		bool passes;
	} cases[] = {
		{ "fd.name startswith /var/run/secrets", "/run/secrets/token", "/var/run/secrets/token", true },
		{ "fd.name = /proc/self/environ", "/proc/12/environ", "/proc/self/environ", true },
		{ "fd.name = /proc/self/environ", "/proc/12/environ", "/proc/12/environ", false },
		{ "fd.filename = key", "/a/other", "/b/key", true },
		{ "fd.filename = other", "/a/other", "/b/key", true },
		{ "fd.name contains /.ssh/", "/a/key", "/root/.ssh/key", true },
		{ "fd.name endswith .pem", "/a/key", "/b/key.pem", true },
		{ "fd.name = /a/key", "/a/key", "/b/key.pem", true },
		{ "fd.name = /a/b", "/c/d", "/a//b", true },
		{ "fd.name = /a/b", "/c/d", "/a/./b", true },
		{ "fd.name = /a/b", "/c/d", "/a/x/../b", true },
		{ "fd.name = /a/b", "/c/d", "/a/b/", true },
		{ "fd.name = /a/b", "/c/d", "/c/l", false },
		{ "fd.name = /a/b", "/c/d", "d", false },
		{ "fd.name = /a/..b", "/c/d", "/c/.l", false },
	};
	const uint16_t kind = plan_open_kind(0, O_RDONLY, 0, 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char condition[256];
		struct interest *interest;
		struct loaded *loaded;

		snprintf(condition, sizeof(condition), O READ "%s", cases[i].condition);
		loaded = load(condition);
		assert_int_equal(interest_new(loaded->rules, &interest), 0);
		if (interest_wants_open(interest, SYS_openat, kind, str_of(cases[i].path),
					str_of(cases[i].given), STR("cat")) != cases[i].passes)
			fail_msg("%s: %s by %s", condition, cases[i].path, cases[i].given);
		interest_free(interest);
		unload(loaded);
	}
}

static void processes_pass_by_their_name(void **state)
{
	const uint16_t kind = plan_open_kind(0, O_RDONLY, 0, 0);
	struct loaded *loaded = load(O READ "proc.name in (cat, less)");
	struct interest *interest;

	(void)state;
	assert_int_equal(interest_new(loaded->rules, &interest), 0);
	assert_true(interest_wants_open(interest, SYS_open, kind, STR("/x"), STR("/x"), STR("less")));
	assert_false(interest_wants_open(interest, SYS_open, kind, STR("/x"), STR("/x"), STR("more")));
	interest_free(interest);
	unload(loaded);
}

/* Only the eBPF probe looks at ancestors, so paths are asked for rather, and other probes let pass. */
static void processes_pass_by_their_ancestors(void **state)
{
	static const struct {
		const char *condition;
		enum rules_fact_kind kind;
		const char *text; /* NULL: there is no fact */
	} cases[] = {
		{ "proc.pname = sshd", RULES_FACT_PARENT, "sshd" },
		{ "proc.pname in (sshd, cron)", RULES_FACT_PARENT, "cron" },
		{ "proc.aname[1] = sshd", RULES_FACT_PARENT, "sshd" },
		{ "proc.aname = sshd", RULES_FACT_ANCESTOR, "sshd" },
		{ "proc.aname[2] in (sshd, a_name_beyond_fifteen)", RULES_FACT_ANCESTOR, "a_name_beyond_f" },
		{ "proc.aname[0] = sshd", RULES_FACT_COMM, "sshd" },
		{ "proc.aname = sshd and fd.name startswith /etc/", RULES_FACT_PREFIX, "/etc/" },
		{ "proc.aname = sshd and not fd.name startswith /etc/", RULES_FACT_ANCESTOR, "sshd" },
		{ "proc.pname = sshd and proc.name = cat", RULES_FACT_COMM, "cat" },
		{ "proc.pname != sshd", 0, NULL },
		{ "not proc.aname in (sshd)", 0, NULL },
		{ "proc.aname startswith ssh", 0, NULL },
	};
	const uint16_t kind = plan_open_kind(0, O_RDONLY, 0, 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct interest *interest;
		struct loaded *loaded;
		char condition[256];
		plan_bits bits;

		snprintf(condition, sizeof(condition), O READ "%s", cases[i].condition);
		loaded = load(condition);
		assert_int_equal(interest_new(loaded->rules, &interest), 0);
		assert_true(interest->calls[SYS_openat].can & kind);
		bits = cases[i].text == NULL ? 0 : interest_kinds(interest, cases[i].kind, str_of(cases[i].text));
		if (!(interest->calls[SYS_openat].pass & kind) != (cases[i].text != NULL) ||
		    (cases[i].text != NULL && !(bits & kind)))
			fail_msg("%s: pass %x, bits %llx", condition, interest->calls[SYS_openat].pass,
				 (unsigned long long)bits);
		if (cases[i].kind == RULES_FACT_PARENT || cases[i].kind == RULES_FACT_ANCESTOR)
			assert_true(passes(interest, "/x", kind));
		interest_free(interest);
		unload(loaded);
	}
}

/* Of the rule for those who are followed nothing passes but by that. */
static void what_is_shown_of_followed_processes_passes_by_them(void **state)
{
	const uint16_t kind = plan_open_kind(0, O_RDONLY, 0, 0);
	const struct rules_settings settings = { .priority_max = PRIORITY_DEBUG, .match_all = true };
	const struct rules_text file = { .name = "test.yaml", .text = STR(
		"- {rule: shown, desc: d, priority: INFO, output: o, condition: 'evt.type in (openat, unlink)'}\n"
		"- {rule: chosen, desc: d, priority: INFO, output: o, condition: 'evt.type = openat and proc.name = x'}\n") };
	struct loaded loaded = { 0 };
	struct interest *interest;

	(void)state;
	load_texts(&loaded, &settings, &file, 1);
	assert_int_equal(loaded.result, 0);
	assert_int_equal(interest_new_following(loaded.rules, STR("shown"), &interest), 0);
	assert_true(interest->calls[SYS_openat].can & kind);
	assert_int_equal(interest->calls[SYS_openat].pass, 0);
	assert_int_equal(interest->calls[SYS_unlink].pass, 0);
	assert_int_equal(interest->calls[SYS_mkdir].can, 0);
	assert_true(interest->kinds[RULES_FACT_FOLLOWED] & kind);
	assert_true(interest->kinds[RULES_FACT_FOLLOWED] & PLAN_BIT_OF_GROUP(PLAN_GROUP_UNLINK));
	assert_true(interest_kinds(interest, RULES_FACT_COMM, STR("x")) & kind);
	assert_false(interest->kinds[RULES_FACT_COMM] & PLAN_BIT_OF_GROUP(PLAN_GROUP_UNLINK));
	assert_true(passes(interest, "/x", kind)); /* a probe that does not know who is followed */
	interest_free(interest);
	assert_int_equal(interest_new(loaded.rules, &interest), 0);
	assert_true(interest->calls[SYS_openat].pass & kind);
	interest_free(interest);
	loaded_done(&loaded);
}

static void calls_pass_by_family_and_result(void **state)
{
	struct loaded *loaded = load("(evt.type = connect and fd.typechar in (4, 6) and evt.failed = false) or "
				     "(evt.type = unlink and evt.res = SUCCESS) or evt.type = ptrace");
	struct interest *interest;

	(void)state;
	assert_int_equal(interest_new(loaded->rules, &interest), 0);
	assert_true(interest->calls[SYS_connect].can & plan_socket_kind(1, 2, 0, 0));
	assert_true(interest->calls[SYS_connect].can & plan_socket_kind(1, 10, 0, 0));
	assert_false(interest->calls[SYS_connect].can & plan_socket_kind(1, 1, 0, 0));
	assert_false(interest->calls[SYS_connect].can & plan_socket_kind(1, 2, 0, 1));
	assert_int_equal(interest->calls[SYS_unlink].can, 1);
	assert_int_equal(interest->calls[SYS_ptrace].can, 1 | 1 << PLAN_KIND_FAILED);
	assert_int_equal(interest->calls[SYS_mount].can, 0);
	assert_int_equal(interest->calls[SYS_chdir].can, UINT16_MAX); /* the process table needs it */
	interest_free(interest);
	unload(loaded);
}

static void types_that_no_rule_wants_are_known(void **state)
{
	static const struct {
		const char *condition;
		bool folders, plain_dups;
	} cases[] = {
		{ "evt.type = openat and evt.is_open_read = true and fd.typechar = f and fd.num >= 0", false, false },
		{ "evt.type = openat and evt.is_open_read = true and fd.name startswith /etc", true, false },
		/* What was not opened is a file to them. */
		{ "evt.type = openat and fd.typechar = d and fd.num = -1", false, false },
		{ "evt.type = openat and fd.typechar = f and fd.num = -1", true, false },
		{ "evt.type = openat and fd.typechar = f and fd.num = -1 and fd.name startswith /etc", false, false },
		{ "evt.type = openat and fd.type = directory and fd.num >= 0", true, false },
		{ "evt.type = openat and evt.is_open_write = true", false, false },
		{ "evt.type = dup2 and fd.type in (ipv4, ipv6)", false, false },
		{ "evt.type = dup2 and fd.typechar in (4, 6)", false, false },
		{ "evt.type = dup3 and fd.sport = 22", false, false },
		{ "evt.type = dup and fd.type = pipe", false, true },
		{ "evt.type = dup2 and proc.name = sh", false, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct loaded *loaded = load(cases[i].condition);
		struct interest *interest;

		assert_int_equal(interest_new(loaded->rules, &interest), 0);
		if (interest->folders != cases[i].folders || interest->plain_dups != cases[i].plain_dups)
			fail_msg("%s: %d %d", cases[i].condition, interest->folders, interest->plain_dups);
		interest_free(interest);
		unload(loaded);
	}
}

static void without_rules_everything_passes(void **state)
{
	struct interest *interest;

	(void)state;
	assert_int_equal(interest_new(NULL, &interest), 0);
	assert_true(passes(interest, "/etc/hostname", plan_open_kind(0, O_RDONLY, 0, 0)));
	assert_true(passes(interest, "/etc/hostname", plan_open_kind(0, O_WRONLY | O_CREAT, 0755, 1)));
	assert_true(interest->folders && interest->plain_dups);
	interest_free(interest);
}

/* More entries than the kernel's tables take: what they stood for passes. */
/* What a profile refuses comes unasked: a rule for it wants no call, though it takes every type. */
static void rules_for_profiles_want_nothing(void **state)
{
	static const char *const conditions[] = {
		"seccomp.action exists", "seccomp.action != LOG and proc.name = x", "evt.type = mount and seccomp.mode = audit",
		"seccomp.action = LOG or seccomp.args contains 0x1",
	};
	CLEANUP(interest_free_p) struct interest *interest = NULL;
	struct loaded *loaded;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
		loaded = load(conditions[i]);
		assert_false(rules_wants_all_types(loaded->rules));
		assert_false(rules_wants_type(loaded->rules, STR("mount")));
		interest_free(interest);
		assert_int_equal(interest_new(loaded->rules, &interest), 0);
		assert_int_equal(interest->calls[SYS_mount].can, 0);
		assert_int_equal(interest->calls[SYS_openat].can, 0);
		unload(loaded);
	}
	loaded = load("seccomp.action = LOG or evt.type = mount");
	assert_true(rules_wants_type(loaded->rules, STR("mount")));
	unload(loaded);
}

static void too_many_facts_are_given_up(void **state)
{
	const uint16_t kind = plan_open_kind(0, O_RDONLY, 0, 0);
	struct buf text = { 0 };
	struct interest *interest;
	struct loaded *loaded;

	(void)state;
	buf_add(&text, STR(O READ "fd.filename in ("));
	for (int i = 0; i < INTEREST_TEXTS_MAX + 1; i++)
		buf_addf(&text, "%sname%d", i > 0 ? ", " : "", i);
	buf_add(&text, STR(")"));
	loaded = load(buf_text(&text));
	assert_int_equal(interest_new(loaded->rules, &interest), 0);
	assert_true(passes(interest, "/x/other", kind));
	assert_int_equal(interest->count, 0);
	interest_free(interest);
	unload(loaded);
	buf_done(&text);
}

/* ---- random conditions over random opens ---- */

enum { RANDOM_SETS = 300, OPENS = 60 };

static const char *const words[] = { "/", "/etc", "/etc/", "etc", "shadow", ".ssh", "/.ssh/", "/.s", "s",
				     "/etc/shadow", "/etc/pam.d", "/home/a/.ssh/id", "../", "..", "id", "cat" };
static const char *const patterns[] = { "*", "/etc/*", "*/.ssh/*", "/home/*/.ssh/id", "*shadow", "*s*",
					"/[eh]*", "*?d", "\\\\/etc/shadow", "*/sh*" };
static const char *const regexes[] = { "/etc/.*", ".*/id", "/(etc|home)/.*", "/[Ee]tc/shadow", "/etcx?/.*",
				       ".*[.]ssh/[a-z]+", "a|/etc/shadow", "/[a-z/.]+" };

static void add_text_check(struct dice *dice, struct buf *out)
{
	static const char *const fields[] = { "fd.name", "fd.name", "fd.directory", "fd.filename",
					      "fd.nameraw", "proc.name", "proc.pname", "proc.aname" };
	static const char *const ops[] = { "=", "!=", "contains", "startswith", "endswith", "icontains" };
	const char *field = ROLL_OF(dice, fields);

	switch (roll(dice, 6)) {
	case 0: buf_addf(out, "%s glob '%s'", field, ROLL_OF(dice, patterns)); break;
	case 1: buf_addf(out, "%s regex '%s'", field, ROLL_OF(dice, regexes)); break;
	case 2: buf_addf(out, "%s in ('%s', '%s')", field, ROLL_OF(dice, words), ROLL_OF(dice, words)); break;
	case 3: buf_addf(out, "%s pmatch ('%s', '%s')", field, ROLL_OF(dice, words), ROLL_OF(dice, patterns)); break;
	default: buf_addf(out, "%s %s '%s'", field, ROLL_OF(dice, ops), ROLL_OF(dice, words));
	}
}

static void add_known_check(struct dice *dice, struct buf *out)
{
	static const char *const truths[] = { "evt.is_open_read", "evt.is_open_write", "evt.is_open_exec",
					      "evt.failed" };
	static const char *const numbers[] = { "fd.num", "evt.rawres" };
	static const char *const ops[] = { "<", "<=", ">", ">=", "=", "!=" };

	switch (roll(dice, 4)) {
	case 0: buf_addf(out, "%s %s %d", ROLL_OF(dice, numbers), ROLL_OF(dice, ops), (int)roll(dice, 4) - 2); break;
	case 1: buf_addf(out, "evt.res %s SUCCESS", roll(dice, 2) ? "=" : "!="); break;
	case 2: buf_addf(out, "evt.type in (%s)", roll(dice, 2) ? "open, openat" : "openat2, creat"); break;
	default:
		buf_addf(out, "%s %s %s", ROLL_OF(dice, truths), roll(dice, 2) ? "=" : "!=",
			 roll(dice, 2) ? "true" : "false");
	}
}

static void add_condition(struct dice *dice, struct buf *out, unsigned depth)
{
	uint32_t kind = depth == 0 ? 0 : roll(dice, 5), count;

	if (kind < 2) {
		if (roll(dice, 3) == 0)
			add_known_check(dice, out);
		else
			add_text_check(dice, out);
		return;
	}
	buf_add(out, kind == 2 ? STR("not (") : STR("("));
	count = kind == 2 ? 1 : 2 + roll(dice, 3);
	for (uint32_t i = 0; i < count; i++) {
		buf_addf(out, "%s", i == 0 ? "" : kind == 3 ? " or " : " and ");
		add_condition(dice, out, depth - 1);
	}
	buf_add_char(out, ')');
}

struct open {
	const struct call *call;
	uint64_t flags, mode;
	bool failed;
	char path[128], asked[128], given[160]; /* where it led; the name's own path; the name */
};

/* Another way of saying the same. */
static void add_detour(struct dice *dice, char *given, size_t size)
{
	static const char *const detours[] = { "", "", "", "/x/..", "/.", "/" };

	snprintf(given, size, "%s", ROLL_OF(dice, detours));
}

static void random_path(struct dice *dice, char *out, size_t size)
{
	static const char *const parts[] = { "etc", "shadow", ".ssh", "home", "a", "id", "pam.d", "sshadow" };
	uint32_t depth = 1 + roll(dice, 4);
	size_t used = 0;

	for (uint32_t i = 0; i < depth; i++)
		used += (size_t)snprintf(out + used, size - used, "/%s", ROLL_OF(dice, parts));
}

static void random_open(struct dice *dice, struct open *ret)
{
	static const char *const names[] = { "open", "openat", "openat2", "creat" };
	static const uint64_t flags[] = { O_RDONLY, O_WRONLY, O_RDWR, O_WRONLY | O_CREAT, O_RDONLY | O_CREAT, 3 };
	size_t used;

	*ret = (struct open){ .call = call_find_name(str_of(ROLL_OF(dice, names))),
			      .flags = ROLL_OF(dice, flags),
			      .mode = roll(dice, 2) ? 0755 : 0644,
			      .failed = roll(dice, 4) == 0 };
	if (ret->call->nr == SYS_creat)
		ret->flags = O_WRONLY | O_CREAT | O_TRUNC;
	random_path(dice, ret->path, sizeof(ret->path));
	memcpy(ret->asked, ret->path, sizeof(ret->asked));
	if (!ret->failed && roll(dice, 3) == 0) /* a link */
		random_path(dice, ret->asked, sizeof(ret->asked));
	add_detour(dice, ret->given, sizeof(ret->given));
	used = strlen(ret->given);
	snprintf(ret->given + used, sizeof(ret->given) - used, "%s", ret->asked);
}

static void set(struct event *event, const struct fields *fields, const char *name, struct value value)
{
	field_id id = fields_find(fields, str_of(name));

	if (id != FIELD_NONE)
		event_set(event, id, value);
}

/* The event as the sensor makes it of such an open. */
static void make_event(struct event *event, const struct fields *fields, const struct open *open, const char *name)
{
	bool is_creat = open->call->nr == SYS_creat;
	unsigned access = (unsigned)open->flags & O_ACCMODE;

	event_clear(event);
	event->source = STR("syscall");
	event->sensor.seq = 1;
	set(event, fields, "evt.type", value_str(str_of(open->call->name)));
	set(event, fields, "evt.rawres", value_i64(open->failed ? -2 : 3));
	set(event, fields, "evt.res", value_str(open->failed ? STR("ENOENT") : STR("SUCCESS")));
	set(event, fields, "evt.is_open_read", value_bool(!is_creat && access != O_WRONLY));
	set(event, fields, "evt.is_open_write", value_bool(!is_creat && access != O_RDONLY));
	set(event, fields, "evt.is_open_exec", value_bool((open->flags & O_CREAT) && (open->mode & 0111)));
	set(event, fields, "fd.num", value_i64(open->failed ? -1 : 3));
	set(event, fields, "fd.type", value_str(STR("file")));
	set(event, fields, "fd.typechar", value_str(STR("f")));
	set(event, fields, "fd.name", value_str(str_of(name)));
	set(event, fields, "fd.nameraw", value_str(str_of(open->given)));
	set(event, fields, "proc.name", value_str(STR("cat")));
	set(event, fields, "proc.pname", value_str(STR("id")));
}

static void check_random(uint64_t seed, size_t *matched, size_t *stopped)
{
	struct dice dice = { .seed = seed };
	struct buf text = { 0 };
	struct interest *interest;
	struct loaded *loaded;
	struct event event;

	add_condition(&dice, &text, 4);
	loaded = load(buf_text(&text));
	assert_int_equal(interest_new(loaded->rules, &interest), 0);
	assert_int_equal(event_init(&event, fields_count(loaded->fields)), 0);
	for (int i = 0; i < OPENS; i++) {
		const struct rule *hit;
		struct open open;
		bool pass, match;

		random_open(&dice, &open);
		make_event(&event, loaded->fields, &open, open.path);
		match = rules_match(loaded->rules, loaded->scratch, &event, &hit, 1) > 0;
		make_event(&event, loaded->fields, &open, open.asked);
		match |= rules_match(loaded->rules, loaded->scratch, &event, &hit, 1) > 0;
		pass = interest_wants_open(interest, open.call->nr,
					   plan_open_kind(open.call->nr == SYS_creat, open.flags, open.mode, open.failed),
					   str_of(open.failed ? open.given : open.path), str_of(open.given),
					   STR("cat"));
		if (match && !pass)
			fail_msg("%s: %s of %s (%s), flags %llo, %s matches and does not pass", buf_text(&text),
				 open.call->name, open.path, open.given, (unsigned long long)open.flags,
				 open.failed ? "failed" : "done");
		*matched += match;
		*stopped += !pass;
	}
	event_done(&event);
	interest_free(interest);
	unload(loaded);
	buf_done(&text);
}

static void what_matches_has_passed(void **state)
{
	size_t matched = 0, stopped = 0;

	(void)state;
	for (uint64_t i = 1; i <= RANDOM_SETS; i++)
		check_random(i * 0x9e3779b97f4a7c15, &matched, &stopped);
	/* Else nothing would be compared. */
	assert_true(matched > RANDOM_SETS * OPENS / 10);
	assert_true(stopped > RANDOM_SETS * OPENS / 10);
}

/* ---- and over calls with names ---- */

static const char *const named_calls[] = { "unlink", "unlinkat", "rename", "linkat", "symlink", "chmod", "fchmod",
					   "mkdirat", "prctl", "chown", "mknod", "umount2" };

static void add_name_check(struct dice *dice, struct buf *out)
{
	static const char *const fields[] = { "evt.arg.path", "evt.arg.name", "evt.arg.oldpath", "evt.arg.newpath",
					      "evt.arg.target", "evt.arg.linkpath", "evt.arg.filename",
					      "evt.arg.arg2_str", "basename(evt.arg.path)", "basename(evt.arg.target)",
					      "fd.name", "fd.filename", "evt.arg.flags", "proc.name", "proc.aname[1]",
					      "toupper(evt.arg.path)" };
	static const char *const ops[] = { "=", "!=", "contains", "startswith", "endswith" };
	static const char *const places[] = { "container.id != host", "container.id = host", "container.name = web",
					      "container.id exists", "k8s.ns.name exists",
					      "container.image.repository contains x", "container.name != host",
					      "container.id in (host, 0123456789ab)" };
	const char *field = ROLL_OF(dice, fields);

	switch (roll(dice, 8)) {
	case 0: buf_addf(out, "%s glob '%s'", field, ROLL_OF(dice, patterns)); break;
	case 1: buf_addf(out, "%s regex '%s'", field, ROLL_OF(dice, regexes)); break;
	case 2: buf_addf(out, "%s in ('%s', '%s')", field, ROLL_OF(dice, words), ROLL_OF(dice, words)); break;
	case 4: buf_addf(out, "%s", ROLL_OF(dice, places)); break;
	case 3: buf_addf(out, "evt.failed = %s", roll(dice, 2) ? "true" : "false"); break;
	default: buf_addf(out, "%s %s '%s'", field, ROLL_OF(dice, ops), ROLL_OF(dice, words));
	}
}

static void add_name_condition(struct dice *dice, struct buf *out, unsigned depth)
{
	uint32_t kind = depth == 0 ? 0 : roll(dice, 5), count = kind == 2 ? 1 : 2 + roll(dice, 2);

	if (kind < 2) {
		add_name_check(dice, out);
		return;
	}
	buf_add(out, kind == 2 ? STR("not (") : STR("("));
	for (uint32_t i = 0; i < count; i++) {
		buf_addf(out, "%s", i == 0 ? "" : kind == 3 ? " or " : " and ");
		add_name_condition(dice, out, depth - 1);
	}
	buf_add_char(out, ')');
}

struct named {
	const struct call *call;
	char names[CALL_PARAMS_MAX][128]; /* by parameter */
	char object[128];
	bool failed, on_host;
};

/* As the sensor makes it; the names that the probe sees go to `paths`, texts with a slash in front. */
static size_t make_named(struct dice *dice, struct event *event, const struct fields *fields, struct named *named,
			 struct str paths[CALL_PARAMS_MAX])
{
	static char texts[CALL_PARAMS_MAX][160];
	const struct param *params = named->call->params;
	size_t count = 0;

	event_clear(event);
	event->source = STR("syscall");
	set(event, fields, "evt.type", value_str(str_of(named->call->name)));
	set(event, fields, "evt.rawres", value_i64(named->failed ? -2 : 0));
	set(event, fields, "evt.res", value_str(named->failed ? STR("ENOENT") : STR("SUCCESS")));
	set(event, fields, "proc.name", value_str(STR("cat")));
	set(event, fields, "proc.pname", value_str(STR("id")));
	set(event, fields, "container.id", value_str(named->on_host ? STR("host") : STR("0123456789ab")));
	set(event, fields, "container.name", value_str(named->on_host ? STR("host") : STR("web")));
	if (!named->on_host) {
		set(event, fields, "container.image.repository", value_str(STR("x/y")));
		set(event, fields, "k8s.ns.name", value_str(STR("default")));
	}
	for (size_t i = 0; i < CALL_PARAMS_MAX && params[i].name != NULL; i++) {
		bool is_path = params[i].kind == PARAM_PATH || params[i].kind == PARAM_PATH2;
		char field[64];

		snprintf(field, sizeof(field), "evt.arg.%s", params[i].name);
		random_path(dice, named->names[i], sizeof(named->names[i]));
		if (params[i].kind == PARAM_RAW_NAME && roll(dice, 2))
			snprintf(named->names[i], sizeof(named->names[i]), "%s", ROLL_OF(dice, words));
		if (is_path || params[i].kind == PARAM_RAW_NAME) {
			snprintf(texts[count], sizeof(texts[count]), "%s%s", named->names[i][0] == '/' ? "" : "/",
				 named->names[i]);
			paths[count] = str_of(texts[count]);
			count++;
		}
		set(event, fields, field, value_str(str_of(named->names[i])));
	}
	if (named->call->plan.object_arg == 0)
		return count;
	random_path(dice, named->object, sizeof(named->object));
	set(event, fields, "fd.typechar", value_str(STR("f")));
	set(event, fields, "fd.name", value_str(str_of(named->object)));
	paths[count++] = str_of(named->object);
	return count;
}

static void check_named(uint64_t seed, size_t *matched, size_t *stopped)
{
	struct dice dice = { .seed = seed };
	struct buf text = { 0 };
	struct interest *interest;
	struct loaded *loaded;
	struct event event;

	buf_addf(&text, "evt.type in (unlink, unlinkat, rename, linkat, symlink, chmod, fchmod, mkdirat, prctl, chown, mknod, "
			"umount2) and ");
	add_name_condition(&dice, &text, 3);
	loaded = load(buf_text(&text));
	assert_int_equal(interest_new(loaded->rules, &interest), 0);
	assert_int_equal(event_init(&event, fields_count(loaded->fields)), 0);
	for (int i = 0; i < OPENS; i++) {
		struct named named = { .call = call_find_name(str_of(ROLL_OF(&dice, named_calls))),
				       .failed = roll(&dice, 4) == 0,
				       .on_host = roll(&dice, 2) == 0 };
		struct str paths[CALL_PARAMS_MAX];
		size_t count = make_named(&dice, &event, loaded->fields, &named, paths);
		const struct rule *hit;
		bool match = rules_match(loaded->rules, loaded->scratch, &event, &hit, 1) > 0;
		const uint16_t kind = named.failed ? 1 << PLAN_KIND_FAILED : 1;
		bool pass = interest_wants_call(interest, named.call, kind, false, paths, count, STR("cat")) &&
			    (!named.on_host ||
			     interest_wants_call(interest, named.call, kind, true, paths, count, STR("cat")));

		if (match && !pass)
			fail_msg("%s: %s of %s, %s matches and does not pass", buf_text(&text), named.call->name,
				 named.names[1], named.names[2]);
		*matched += match;
		*stopped += !pass;
	}
	event_done(&event);
	interest_free(interest);
	unload(loaded);
	buf_done(&text);
}

static void calls_whose_names_match_have_passed(void **state)
{
	size_t matched = 0, stopped = 0;

	(void)state;
	for (uint64_t i = 1; i <= RANDOM_SETS; i++)
		check_named(i * 0x9e3779b97f4a7c15, &matched, &stopped);
	assert_true(matched > RANDOM_SETS * OPENS / 20);
	assert_true(stopped > RANDOM_SETS * OPENS / 10);
}

/* By condition: what passes and what does not, of the names of one call. */
static void calls_pass_by_their_names(void **state)
{
	static const struct {
		const char *condition, *call, *passes, *stops;
	} cases[] = {
		{ "evt.type = unlink and evt.arg.path startswith /etc/", "unlink", "/etc/x", "/srv/etc/x" },
		{ "evt.type = rename and evt.arg.newpath = /etc/shadow", "rename", "/etc/shadow", "/etc/shadow.new" },
		{ "evt.type = symlink and evt.arg.target in (/, /etc, etc/x)", "symlink", "/etc", "/etc/x/y" },
		{ "evt.type = symlink and evt.arg.target = /", "symlink", "/", "/lib" },
		{ "evt.type = chmod and basename(evt.arg.filename) = key", "chmod", "/a/key", "/a/key.pub" },
		{ "evt.type = fchmod and fd.name endswith .sh", "fchmod", "/a/b.sh", "/a/b.c" },
		{ "evt.type = unlink and (evt.arg.name = /a or evt.arg.path = /b)", "unlink", "/b", "/a" },
		{ "evt.type = mkdir and evt.arg.mode = 0x1ff", "mkdir", "/a", NULL },
		{ "evt.type = prctl and evt.arg.arg2_str startswith kworker", "prctl", "/kworker/u4", "/kwork" },
		{ "evt.type = unlink and evt.arg.path exists", "unlink", "/a", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct loaded *loaded = load(cases[i].condition);
		const struct call *call = call_find_name(str_of(cases[i].call));
		struct str passes = str_of(cases[i].passes), stops = str_of(cases[i].stops);
		struct interest *interest;

		assert_int_equal(interest_new(loaded->rules, &interest), 0);
		if (!interest_wants_call(interest, call, 1, false, &passes, 1, STR("x")))
			fail_msg("%s: %s does not pass", cases[i].condition, cases[i].passes);
		if (cases[i].stops != NULL && interest_wants_call(interest, call, 1, false, &stops, 1, STR("x")))
			fail_msg("%s: %s passes", cases[i].condition, cases[i].stops);
		interest_free(interest);
		unload(loaded);
	}
}

static void what_only_containers_do_is_not_looked_for_on_the_host(void **state)
{
	static const struct {
		const char *condition;
		bool all, host; /* whether any connect passes */
	} cases[] = {
		{ "evt.type = connect and container.id != host", true, false },
		{ "evt.type = connect and container.image.repository = x", true, false },
		{ "evt.type = connect and k8s.pod.label.app exists", true, false },
		{ "evt.type = connect and container.name = host", true, true },
		{ "evt.type = connect and not container.id = host", true, false },
		{ "evt.type = connect and (container.id != host or user.name = x)", true, true },
		{ "evt.type = connect", true, true },
		{ "evt.type = accept and container.id != host", false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct interest *interest;
		struct loaded *loaded = load(cases[i].condition);

		assert_int_equal(interest_new(loaded->rules, &interest), 0);
		if ((interest->calls[SYS_connect].can != 0) != cases[i].all ||
		    (interest->calls[SYS_connect].host_can != 0) != cases[i].host)
			fail_msg("%s: %x, on the host %x", cases[i].condition, interest->calls[SYS_connect].can,
				 interest->calls[SYS_connect].host_can);
		interest_free(interest);
		unload(loaded);
	}
}

static void connections_pass_by_their_ports(void **state)
{
	static const struct {
		const char *condition;
		uint16_t passes, stops; /* 0: any passes */
	} cases[] = {
		{ "evt.type = connect and fd.sport = 22", 22, 23 },
		{ "evt.type = connect and fd.port in (80, 443, 65535)", 65535, 22 },
		{ "evt.type = connect and (fd.rport = 256 or fd.lport = 1)", 256, 255 },
		{ "evt.type = connect and fd.sport = 22 and not fd.cport = 7", 22, 7 },
		{ "evt.type = connect and fd.typechar in (4, 6) and fd.sport in (3333, 4444)", 4444, 4445 },
		{ "evt.type = connect and fd.sport != 22", 0, 0 },
		{ "evt.type = connect and fd.sport > 22", 0, 0 },
		{ "evt.type = connect and (fd.sport = 22 or fd.sip.name = x)", 0, 0 },
	};
	const struct call *call = call_find_name(STR("connect"));
	const uint16_t kind = plan_socket_kind(1, 2, 0, 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct loaded *loaded = load(cases[i].condition);
		struct interest *interest;
		const struct plan_interest *of;

		assert_int_equal(interest_new(loaded->rules, &interest), 0);
		of = &interest->calls[SYS_connect];
		assert_true(of->can & kind);
		if (!(of->pass & kind) != (cases[i].passes != 0))
			fail_msg("%s: %s", cases[i].condition, of->pass & kind ? "always" : "by something");
		if (cases[i].passes != 0 && (!interest_wants_port(interest, call, false, cases[i].passes) ||
					     !interest_wants_port(interest, call, true, cases[i].passes)))
			fail_msg("%s: %u does not pass", cases[i].condition, cases[i].passes);
		if (cases[i].passes != 0 && interest_wants_port(interest, call, false, cases[i].stops))
			fail_msg("%s: %u passes", cases[i].condition, cases[i].stops);
		interest_free(interest);
		unload(loaded);
	}
}

static struct str network(const char *address, unsigned bits, char text[17])
{
	assert_int_equal(inet_pton(AF_INET6, address, text), 1);
	text[16] = (char)bits;
	return (struct str){ text, 17 };
}

static void connections_pass_by_their_addresses(void **state)
{
	static const struct {
		const char *condition, *address; /* NULL: any passes */
		unsigned bits;
	} cases[] = {
		{ "fd.sip = 1.2.3.4", "::ffff:1.2.3.4", 128 },
		{ "fd.rip in (1.2.3.4, ::1)", "::1", 128 },
		{ "fd.snet in (10.0.0.0/8, 1.2.3.4/32)", "::ffff:10.0.0.0", 104 },
		{ "fd.net = 2001:db8::/33", "2001:db8::", 33 },
		{ "fd.cnet = 0.0.0.0/0", "::ffff:0.0.0.0", 96 },
		{ "(fd.lip = 1.2.3.4 or fd.sport = 22)", "::ffff:1.2.3.4", 128 },
		{ "fd.sip != 1.2.3.4", NULL, 0 },
		{ "not fd.snet in (10.0.0.0/8)", NULL, 0 },
	};
	const uint16_t kind = plan_socket_kind(1, 2, 0, 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct interest *interest;
		struct loaded *loaded;
		char condition[256], text[17];
		bool is_there;

		snprintf(condition, sizeof(condition), "evt.type = connect and %s", cases[i].condition);
		loaded = load(condition);
		assert_int_equal(interest_new(loaded->rules, &interest), 0);
		is_there = cases[i].address != NULL &&
			   interest_kinds(interest, RULES_FACT_ADDRESS, network(cases[i].address, cases[i].bits, text)) != 0;
		if (is_there != (cases[i].address != NULL) ||
		    !(interest->calls[SYS_connect].pass & kind) != (cases[i].address != NULL))
			fail_msg("%s: pass %x", condition, interest->calls[SYS_connect].pass);
		interest_free(interest);
		unload(loaded);
	}
}

/* The kernel's table tells of the longest network only. */
static void a_network_answers_for_those_around_it(void **state)
{
	struct loaded *loaded = load("(evt.type = connect and fd.snet = 10.0.0.0/9) or (evt.type = bind and fd.snet = 10.1.0.0/16) or "
				     "(evt.type = accept and fd.snet = 10.128.0.0/9)");
	struct interest *interest;
	char text[17];
	plan_bits bits;

	(void)state;
	assert_int_equal(interest_new(loaded->rules, &interest), 0);
	bits = interest_kinds(interest, RULES_FACT_ADDRESS, network("::ffff:10.1.0.0", 112, text));
	assert_true((bits & PLAN_BIT_OF_GROUP(PLAN_GROUP_CONNECT)) && (bits & PLAN_BIT_OF_GROUP(PLAN_GROUP_SERVE)));
	bits = interest_kinds(interest, RULES_FACT_ADDRESS, network("::ffff:10.0.0.0", 105, text));
	assert_false(bits & PLAN_BIT_OF_GROUP(PLAN_GROUP_SERVE));
	bits = interest_kinds(interest, RULES_FACT_ADDRESS, network("::ffff:10.128.0.0", 105, text));
	assert_false(bits & PLAN_BIT_OF_GROUP(PLAN_GROUP_CONNECT));
	interest_free(interest);
	unload(loaded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading_opens_pass_by_what_rules_say_of_them),
		cmocka_unit_test(messages_of_connections_pass_for_rules_that_name_them),
		cmocka_unit_test(links_pass_by_either_name),
		cmocka_unit_test(processes_pass_by_their_name),
		cmocka_unit_test(processes_pass_by_their_ancestors),
		cmocka_unit_test(what_is_shown_of_followed_processes_passes_by_them),
		cmocka_unit_test(calls_pass_by_family_and_result),
		cmocka_unit_test(types_that_no_rule_wants_are_known),
		cmocka_unit_test(without_rules_everything_passes),
		cmocka_unit_test(rules_for_profiles_want_nothing),
		cmocka_unit_test(too_many_facts_are_given_up),
		cmocka_unit_test(what_matches_has_passed),
		cmocka_unit_test(calls_pass_by_their_names),
		cmocka_unit_test(calls_whose_names_match_have_passed),
		cmocka_unit_test(what_only_containers_do_is_not_looked_for_on_the_host),
		cmocka_unit_test(connections_pass_by_their_ports),
		cmocka_unit_test(connections_pass_by_their_addresses),
		cmocka_unit_test(a_network_answers_for_those_around_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
