/* Rules that kill, as the kernel's clauses: asked here as its program asks them. */
#include "sensor/enforce/kills.h"

#include "rules_fixture.h"

#define RESPOND(action, condition)                                                                                     \
	"- rule: r" #action "\n  desc: d\n  condition: " condition "\n  output: o\n  priority: INFO\n  respond: " #action "\n"

/* What the kernel knows of a call; what it does not know is in `unsure`. */
struct known_facts {
	const char *path, *exe, *comm;
	plan_bits have, unsure;
};

static const struct row {
	const char *condition, *call;
	unsigned kind;
	struct known_facts facts;
	bool kills;
	enum kill_when when;
} rows[] = {
#define FILE_AT(path_) { .path = path_, .comm = "x", .have = PLAN_KILL_PATH | PLAN_KILL_FILE }
	{ "evt.type=write and fd.name=/etc/x", "write", 0, FILE_AT("/etc/x"), true, KILL_BEFORE },
	{ "evt.type=write and fd.name=/etc/x", "write", 0, FILE_AT("/etc/xy"), false, KILL_BEFORE },
	{ "evt.type=write and fd.name=/etc/x", "write", 0, { .unsure = PLAN_KILL_PATH | ~0xffULL }, false, KILL_BEFORE },
	{ "evt.type=write and fd.name=/etc/x", "pwrite", 0, FILE_AT("/etc/x"), false, KILL_BEFORE },
	{ "evt.type=write and fd.name startswith /etc/", "write", 0, FILE_AT("/etc/xy"), true, KILL_BEFORE },
	{ "evt.type=write and fd.name startswith /etc/", "write", 0, FILE_AT("/etc"), false, KILL_BEFORE },
	{ "evt.type=write and fd.name startswith /etc and fd.name != /etc/x", "write", 0, FILE_AT("/etc/y"), true, KILL_BEFORE },
	{ "evt.type=write and fd.name startswith /etc and fd.name != /etc/x", "write", 0, FILE_AT("/etc/x"), false, KILL_BEFORE },
	{ "evt.type=write and fd.name != /etc/x", "write", 0, { .comm = "x" }, false, KILL_BEFORE },
	{ "evt.type=write and not fd.name = /etc/x", "write", 0, { .comm = "x" }, true, KILL_BEFORE },
	{ "evt.type=write and not fd.name = /etc/x", "write", 0, { .unsure = PLAN_KILL_PATH | ~0xffULL }, false, KILL_BEFORE },
	{ "evt.type=write and fd.name pmatch (/etc, /usr)", "write", 0, FILE_AT("/usr/x"), true, KILL_BEFORE },
	{ "evt.type=write and fd.name pmatch (/etc, /usr)", "write", 0, FILE_AT("/usr"), true, KILL_BEFORE },
	{ "evt.type=write and fd.name pmatch (/etc, /usr)", "write", 0, FILE_AT("/usrx"), false, KILL_BEFORE },
	{ "evt.type=write and fd.name pmatch (/e*c)", "write", 0, FILE_AT("/etc"), false, KILL_LATER },
	{ "evt.type=write and fd.name contains x", "write", 0, FILE_AT("/etc/x"), false, KILL_LATER },
	{ "evt.type=write and (fd.name contains x or fd.name=/y)", "write", 0, FILE_AT("/y"), true, KILL_LATER },
	{ "evt.type=write and fd.name=/y and not fd.name contains x", "write", 0, FILE_AT("/y"), false, KILL_LATER },
	{ "evt.type=write and fd.name=/y and evt.failed=true", "write", 0, FILE_AT("/y"), false, KILL_BEFORE },
	{ "evt.type=write and fd.name=/y and evt.failed=true", "write", 8, FILE_AT("/y"), false, KILL_BEFORE },
	{ "evt.type=write and proc.name in (a, x)", "write", 8, { .comm = "x" }, true, KILL_BEFORE },
	{ "evt.type=write and proc.name in (a, x)", "write", 0, { .comm = "b" }, false, KILL_BEFORE },
	{ "evt.type=write and not proc.name in (a, x) and fd.typechar=f", "write", 0, FILE_AT("/"), false, KILL_BEFORE },
	{ "evt.type=write and not proc.name in (a, b) and fd.typechar=f", "write", 0, FILE_AT("/"), true, KILL_BEFORE },
	{ "evt.type=write and proc.name=x and container.id != host", "write", 0, { .comm = "x", .have = PLAN_KILL_CONTAINER },
	  true, KILL_BEFORE },
	{ "evt.type=write and proc.name=x and container.id != host", "write", 0, { .comm = "x" }, false, KILL_BEFORE },
	{ "evt.type=write and proc.name=x and container.id = host", "write", 0, { .comm = "x", .unsure = PLAN_KILL_CONTAINER },
	  false, KILL_BEFORE },
	{ "evt.type=write and proc.name=x and user.uid=0", "write", 0, { .comm = "x", .have = PLAN_KILL_ROOT }, true, KILL_BEFORE },
	{ "evt.type=write and proc.name=x and user.uid!=0", "write", 0, { .comm = "x" }, true, KILL_BEFORE },
	{ "evt.type=write and proc.name=x and user.uid=1", "write", 0, { .comm = "x" }, false, KILL_LATER },
	{ "evt.type=unlink and proc.name=x", "unlink", 0, { .comm = "x" }, true, KILL_AT_END },
	{ "evt.type=unlink and evt.arg.path=/x", "unlink", 0, { .comm = "x" }, false, KILL_LATER },
	{ "evt.type=openat and evt.is_open_write=true and fd.name startswith /etc/", "openat", PLAN_KIND_WRITE, FILE_AT("/etc/x"),
	  true, KILL_AT_END },
	{ "evt.type=openat and evt.is_open_write=true and fd.name startswith /etc/", "openat", PLAN_KIND_READ, FILE_AT("/etc/x"),
	  false, KILL_AT_END },
	{ "evt.type=connect and proc.name=nc", "connect", PLAN_KIND_IP, { .comm = "nc" }, true, KILL_AT_END },
	{ "evt.type=connect and fd.sport=1", "connect", PLAN_KIND_IP, { .comm = "nc" }, false, KILL_LATER },
	{ "evt.type=execve and proc.exepath startswith /tmp/", "execve", 0, { .exe = "/tmp/x" }, true, KILL_PROGRAM },
	{ "evt.type=execve and proc.exepath startswith /tmp/", "execve", 0, { .path = "/tmp/x", .exe = "/bin/x" }, false, KILL_PROGRAM },
	{ "evt.type=execve and proc.is_exe_upper_layer=true and container.id != host", "execve", 0,
	  { .have = PLAN_KILL_UPPER | PLAN_KILL_CONTAINER }, true, KILL_PROGRAM },
	{ "evt.type=execve and proc.is_exe_from_memfd=true", "execve", 0, { .have = PLAN_KILL_MEMFD }, true, KILL_PROGRAM },
	{ "evt.type=execve and proc.is_exe_from_memfd=false", "execve", 0, { .have = PLAN_KILL_MEMFD }, false, KILL_PROGRAM },
	{ "evt.type=unlink and proc.is_exe_from_memfd=true", "unlink", 0, { .have = PLAN_KILL_MEMFD }, false, KILL_LATER },
	{ "evt.type=execve and proc.cmdline contains x", "execve", 0, { .comm = "x" }, false, KILL_LATER },
	{ "evt.type in (clone, fork) and proc.name=x", "fork", 0, { .comm = "x" }, true, KILL_BEFORE },
};

/* Of the longest entry, as the kernel's trie has it; of names the entry that is the same. */
static plan_bits found(const struct kills *kills, const char *text, bool is_comm)
{
	const struct fact_text *best = NULL;
	size_t len = text == NULL ? 0 : strlen(text) + !is_comm; /* a path with its NUL */

	for (size_t i = 0; i < kills->facts.texts_count; i++) {
		const struct fact_text *at = &kills->facts.texts[i];

		if (at->is_comm == is_comm && at->text.len <= len && memcmp(at->text.at, text, at->text.len) == 0 &&
		    (!is_comm || at->text.len == len) && (best == NULL || best->text.len < at->text.len))
			best = at;
	}
	return best == NULL ? 0 : best->bits;
}

static bool holds(const struct kills *kills, const struct row *row)
{
	const struct known_facts *facts = &row->facts;
	const struct plan_kill *of = &kills->calls[call_find_name(str_of(row->call))->nr];
	plan_bits have = facts->have | (found(kills, facts->path, false) & kills->facts.of[FACT_OBJECT]) |
			 (found(kills, facts->exe, false) & kills->facts.of[FACT_EXE]) | (found(kills, facts->comm, true) & kills->facts.of[FACT_COMM]);
	plan_bits maybe = have | facts->unsure;
	uint64_t clauses = row->when == KILL_BEFORE && row->kind == 0 ? of->begin : of->end[row->kind];

	for (unsigned i = 0; i < PLAN_CLAUSES; i++)
		if ((clauses >> i & 1) && (kills->clauses[i].need & ~have) == 0 && (kills->clauses[i].lack & maybe) == 0)
			return true;
	return false;
}

static struct kills *kills_of(struct loaded *loaded, const char *yaml)
{
	const struct rules_settings settings = { .priority_max = PRIORITY_DEBUG };
	struct kills *kills;

	load_texts(loaded, &settings, &(struct rules_text){ .name = "t.yaml", .text = str_of(yaml) }, 1);
	assert_int_equal(loaded->result, 0);
	assert_int_equal(kills_new(loaded->rules, &kills), 0);
	return kills;
}

static void only_whom_a_rule_surely_means(void **state)
{
	const struct row *row = *state;
	struct loaded loaded;
	struct buf yaml = { 0 };
	struct kills *kills;

	buf_addf(&yaml, RESPOND(kill, "%s"), row->condition);
	kills = kills_of(&loaded, buf_text(&yaml));
	assert_int_equal(holds(kills, row), row->kills);
	if (rule_wants_type(rules_at(loaded.rules, 0), str_of(row->call)))
		assert_int_equal(kills->when[0][call_find_name(str_of(row->call)) - calls], row->when);
	kills_free(kills);
	loaded_done(&loaded);
	buf_done(&yaml);
}

static const char first_freezes[] = RESPOND(freeze, "evt.type=unlink and fd.name=/x") RESPOND(kill, "evt.type in (unlink, rmdir) and proc.name=x");

static void behind_another_response_nobody_is_killed(void **state)
{
	struct row row = { .call = "unlink", .facts = { .comm = "x" } };
	struct loaded loaded;
	struct kills *kills = kills_of(&loaded, first_freezes);

	(void)state;
	assert_false(holds(kills, &row));
	row.call = "rmdir";
	assert_true(holds(kills, &row));
	assert_int_equal(kills->when[1][call_find_name(STR("unlink")) - calls], KILL_LATER);
	kills_free(kills);
	loaded_done(&loaded);
}

/* Facts and clauses are few: what does not fit is user space's. */
static void too_many_are_left_out(void **state)
{
	struct buf yaml = { 0 };
	struct loaded loaded;
	struct kills *kills;
	size_t partial = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		buf_addf(&yaml, "- rule: r%u\n  desc: d\n  condition: evt.type=write and fd.name=/x%u\n  output: o\n  priority: INFO\n"
				"  respond: kill\n", i, i);
	kills = kills_of(&loaded, buf_text(&yaml));
	for (size_t i = 0; i < 100; i++)
		partial += kills->when[i][call_find_name(STR("write")) - calls] == KILL_LATER;
	assert_int_equal(partial, 100 - (64 - PLAN_KILL_TEXTS));
	kills_free(kills);
	loaded_done(&loaded);
	buf_done(&yaml);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(rows) + 2];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].condition,
						.test_func = only_whom_a_rule_surely_means,
						.initial_state = (void *)(uintptr_t)&rows[i] };
	tests[ARRAY_LEN(rows)] = (struct CMUnitTest)cmocka_unit_test(behind_another_response_nobody_is_killed);
	tests[ARRAY_LEN(rows) + 1] = (struct CMUnitTest)cmocka_unit_test(too_many_are_left_out);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
