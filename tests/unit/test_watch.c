/* What hub-only rules remember: each kind by a script of events in their own time. */
#include "rules_fixture.h"

#include "base/clock.h"
#include "hub/watch/watch.h"

/* Rows of a script name only what matters. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define HEAD(kind, name) "- " kind ": " name "\n  desc: d\n  output: o\n  priority: INFO\n"
#define COND		 "  condition: evt.type=open\n"
#define S		 (int64_t)1000000000

static const char rules_text[] =
	HEAD("threshold", "t") COND "  count: 3\n  within: 10s\n  by: hostname\n"
	HEAD("distinct", "d") COND "  count: 3\n  within: 10s\n  of: fd.name\n"
	HEAD("sequence", "s") "  within: 10s\n  steps: [{condition: evt.type=open}, {condition: evt.type=read},"
	" {condition: evt.type=close}]\n"
	HEAD("first_seen", "f") COND "  of: fd.name\n  within: 100s\n"
	HEAD("first_seen", "l") COND "  of: fd.name\n  within: 100s\n  learn: 50s\n"
	HEAD("absent", "a") COND "  within: 60s\n  by: hostname\n";

struct rig {
	struct loaded loaded;
	struct watches *watches;
	struct arena arena;
	struct watch_changes changes;
	uint64_t identity;
};

static const struct hash_key key = { 1, 2 };

static void rig_init(struct rig *rig, uint32_t entries_max, int64_t lateness_s)
{
	struct rules_settings settings = { .priority_max = PRIORITY_DEBUG, .match_all = true };
	const struct watches_settings own = { .entries_max = entries_max, .memory_max = 1 << 20,
					      .lateness_ns = lateness_s * S, .hash_key = &key };

	*rig = (struct rig){ 0 };
	load_texts(&rig->loaded, &settings,
		   &(struct rules_text){ .name = "t.yaml", .text = str_of(rules_text) }, 1);
	assert_string_equal(report_text(&rig->loaded), "");
	assert_int_equal(watches_new(&own, &rig->watches), 0);
	assert_int_equal(watches_use(rig->watches, rig->loaded.rules), 0);
	arena_init(&rig->arena, 16 << 20);
	rig->changes = (struct watch_changes){ .arena = &rig->arena };
}

static void rig_done(struct rig *rig)
{
	watches_free(rig->watches);
	loaded_done(&rig->loaded);
	arena_done(&rig->arena);
}

struct row {
	int at; /* seconds */
	const char *by, *of;
	uint32_t steps;
	int fires; /* how many it counts; 0: does not fire */
};

static int feed(struct rig *rig, const char *rule, const struct row *row, int now, uint64_t identity,
		struct watch_firing *ret)
{
	struct buf note = { 0 };
	struct watch_match match = { .rule = rule_named(&rig->loaded, rule), .steps = row->steps,
				     .time_ns = row->at * S, .now_ns = now * S, .by = str_of(row->by == NULL ? "{}" : row->by),
				     .of = str_of(row->of), .identity = identity };
	int r;

	buf_addf(&note, "%d", row->at);
	match.note = buf_str(&note);
	r = watches_feed(rig->watches, &match, &rig->changes, ret);
	buf_done(&note);
	return r;
}

static void play(struct rig *rig, const char *rule, const struct row *rows, size_t count)
{
	struct watch_firing firing;

	for (size_t i = 0; i < count; i++) {
		int now = 0, r;

		for (size_t j = 0; j <= i; j++)
			now = rows[j].at > now ? rows[j].at : now;
		r = feed(rig, rule, &rows[i], now, ++rig->identity, &firing);
		if (r != (rows[i].fires > 0) || (r > 0 && (int)firing.count != rows[i].fires))
			fail_msg("%s: row %zu at %d: fired %d, %d", rule, i, rows[i].at, r,
				 r > 0 ? (int)firing.count : 0);
	}
}

#define PLAY(rig, rule, ...)                                          \
	do {                                                          \
		const struct row rows_[] = { __VA_ARGS__ };           \
		play(rig, rule, rows_, sizeof(rows_) / sizeof(*rows_)); \
	} while (0)

static void a_threshold(void **state)
{
	struct watch_firing firing;
	struct rig rig;

	(void)state;
	rig_init(&rig, 100, 30);
	/* Both ends are in it; then it is quiet until 10 s after the last of them; then anew. */
	PLAY(&rig, "t", { 100 }, { 105 }, { 110, .fires = 3 }, { 111 }, { 112 }, { 113 }, { 120 }, { 121 },
	     { 122 }, { 123, .fires = 3 });
	/* Spread too far; keys do not mix. */
	PLAY(&rig, "t", { 200, "b" }, { 206, "b" }, { 211, "b" }, { 212, "c" }, { 213, "c" }, { 216, "b", .fires = 3 });
	/* Out of order within the lateness; too late beyond it. */
	PLAY(&rig, "t", { 340, "o" }, { 320, "o" }, { 322, "o" }, { 315, "o", .fires = 3 }, { 309, "o" });
	rig_done(&rig);

	rig_init(&rig, 100, 30);
	/* The same event is not another one, and what it came from is listed. */
	assert_int_equal(feed(&rig, "t", &(struct row){ 1 }, 3, 7, &firing), 0);
	assert_int_equal(feed(&rig, "t", &(struct row){ 1 }, 3, 7, &firing), 0);
	assert_int_equal(feed(&rig, "t", &(struct row){ 2 }, 3, 8, &firing), 0);
	assert_int_equal(feed(&rig, "t", &(struct row){ 3 }, 3, 9, &firing), 1);
	assert_int_equal(firing.first_ns, 1 * S);
	assert_int_equal(firing.last_ns, 3 * S);
	assert_true(str_eq(firing.evidence, STR("[1,2,3]")));
	/* A clock that is far ahead is taken for now. */
	assert_int_equal(feed(&rig, "t", &(struct row){ 9000, "x" }, 50, 10, &firing), 0);
	assert_int_equal(feed(&rig, "t", &(struct row){ 51, "x" }, 51, 11, &firing), 0);
	assert_int_equal(feed(&rig, "t", &(struct row){ 52, "x" }, 52, 12, &firing), 1);
	rig_done(&rig);
}

static void distinct_values(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 100, 30);
	PLAY(&rig, "d", { 1, .of = "a" }, { 2, .of = "b" }, { 3, .of = "a" }, { 4, .of = "b" }, { 5 },
	     { 6, .of = "c", .fires = 3 }, { 7, .of = "d" }, { 16, .of = "e" }, { 17, .of = "a" }, { 18, .of = "b" },
	     { 29, .of = "c" }, { 30, .of = "b" }, { 31, .of = "a", .fires = 3 });
	rig_done(&rig);
}

static void a_sequence(void **state)
{
	struct watch_firing firing;
	struct rig rig;

	(void)state;
	rig_init(&rig, 100, 30);
	PLAY(&rig, "s", { 1, .steps = 1 }, { 2, .steps = 4 }, { 3, .steps = 2 }, { 4, .steps = 2 },
	     { 5, .steps = 4, .fires = 3 }, { 6, .steps = 4 }, { 7, .steps = 2 }, { 8, .steps = 4 });
	/* Too slow, but a later beginning is in time. */
	PLAY(&rig, "s", { 100, .steps = 1 }, { 101, .steps = 2 }, { 112, .steps = 4 });
	PLAY(&rig, "s", { 200, .steps = 1 }, { 206, .steps = 1 }, { 207, .steps = 2 }, { 213, .steps = 4, .fires = 3 });
	/* One event is one step. */
	PLAY(&rig, "s", { 300, .steps = 7 }, { 301, .steps = 7 }, { 302, .steps = 7, .fires = 3 });
	/* In whatever order they come. */
	PLAY(&rig, "s", { 410, "x", .steps = 4 }, { 405, "x", .steps = 2 }, { 401, "x", .steps = 1, .fires = 3 });
	rig_done(&rig);

	rig_init(&rig, 100, 30);
	assert_int_equal(feed(&rig, "s", &(struct row){ 1, .steps = 1 }, 1, 1, &firing), 0);
	assert_int_equal(feed(&rig, "s", &(struct row){ 2, .steps = 2 }, 2, 2, &firing), 0);
	assert_int_equal(feed(&rig, "s", &(struct row){ 3, .steps = 4 }, 3, 3, &firing), 1);
	assert_true(str_eq(firing.evidence, STR("[1,2,3]")));
	rig_done(&rig);
}

static void first_seen(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 100, 30);
	PLAY(&rig, "f", { 1, .of = "a", .fires = 1 }, { 2, .of = "a" }, { 3, .of = "b", .fires = 1 },
	     { 4, "n2", "b", .fires = 1 }, { 90, .of = "a" }, { 189, .of = "a" }, { 289, .of = "a", .fires = 1 }, { 290 });
	PLAY(&rig, "l", { 1, .of = "a" }, { 49, .of = "b" }, { 50, .of = "a" }, { 51, .of = "c", .fires = 1 },
	     { 60, "new", "c" });
	rig_done(&rig);
}

static void absence(void **state)
{
	struct watch_firing firing;
	struct rig rig;

	(void)state;
	rig_init(&rig, 100, 30);
	PLAY(&rig, "a", { 10, "x" }, { 20, "y" }, { 30, "x" });
	assert_false(watches_due(rig.watches, 79 * S, &rig.changes, &firing));
	assert_true(watches_due(rig.watches, 90 * S, &rig.changes, &firing));
	assert_true(str_eq(firing.by, STR("y")));
	assert_int_equal(firing.first_ns, 20 * S);
	assert_true(str_eq(firing.evidence, STR("[20]")));
	assert_true(watches_due(rig.watches, 90 * S, &rig.changes, &firing));
	assert_true(str_eq(firing.by, STR("x")));
	assert_false(watches_due(rig.watches, 900 * S, &rig.changes, &firing)); /* once */
	PLAY(&rig, "a", { 1000, "y" });
	assert_true(watches_due(rig.watches, 1060 * S, &rig.changes, &firing));
	rig_done(&rig);
}

static void too_many_keys(void **state)
{
	struct watch_firing firing;
	struct rig rig;
	char by[16];

	(void)state;
	rig_init(&rig, 10, 30);
	for (int i = 0; i < 100; i++) {
		snprintf(by, sizeof(by), "k%d", i);
		feed(&rig, "t", &(struct row){ 1, by }, 1, 1, &firing);
	}
	assert_int_equal(watches_count(rig.watches), 10);
	/* The last ones are still there. */
	rig.identity = 1000;
	PLAY(&rig, "t", { 1, "k99" }, { 2, "k99", .fires = 3 }, { 1, "k1" }, { 2, "k1" }, { 3, "k1", .fires = 3 });
	assert_false(watches_due(rig.watches, 1000 * S, &rig.changes, &firing));
	assert_int_equal(watches_count(rig.watches), 0);
	rig_done(&rig);
}

/* A key that went and came again before the store heard of its end keeps its row. */
static void what_came_back_is_not_deleted(void **state)
{
	enum { KEYS = 700 };
	const struct watch_row *rows;
	struct watch_firing firing;
	struct rig rig;
	size_t count;
	struct hash128 back = { 0 };
	char by[16];

	(void)state;
	rig_init(&rig, 10, 30);
	for (int i = 0; i < KEYS; i++) {
		snprintf(by, sizeof(by), "k%d", i);
		feed(&rig, "t", &(struct row){ 1, by }, 1, 1, &firing);
	}
	rig.changes = (struct watch_changes){ .arena = &rig.arena };
	feed(&rig, "t", &(struct row){ 2, "k0" }, 2, 2, &firing);
	for (int commit = 0; commit < 3; commit++) {
		assert_int_equal(watches_rows(rig.watches, &rig.changes, &rows, &count), 0);
		for (size_t i = 0; i < count; i++) {
			if (rows[i].state.len > 0)
				back = rows[i].id;
			else
				assert_false(commit > 0 && hash128_eq(rows[i].id, back));
		}
		rig.changes = (struct watch_changes){ .arena = &rig.arena };
	}
	assert_int_equal(watches_has_gone(rig.watches), false);
	rig_done(&rig);
}

/* A start with smaller bounds: rows come oldest first, and what was fed last stays. */
static void a_smaller_table_keeps_the_newest(void **state)
{
	const struct watch_row *rows;
	struct watch_firing firing;
	struct rig rig, next;
	size_t count;
	char by[16];

	(void)state;
	rig_init(&rig, 100, 30);
	rig_init(&next, 10, 30);
	for (int i = 0; i < 30; i++) {
		snprintf(by, sizeof(by), "k%d", i);
		feed(&rig, "t", &(struct row){ 1, by }, i, 1, &firing);
		feed(&rig, "t", &(struct row){ 1, by }, i, 2, &firing);
	}
	assert_int_equal(watches_rows(rig.watches, &rig.changes, &rows, &count), 0);
	for (size_t i = count; i-- > 0;) /* the change that came last stands first */
		watches_restore(next.watches, &rows[i], 30 * S);
	assert_int_equal(watches_count(next.watches), 10);
	next.identity = 1000;
	PLAY(&next, "t", { 2, "k29", .fires = 3 }, { 2, "k20", .fires = 3 }, { 2, "k19" });
	rig_done(&rig);
	rig_done(&next);
}

/* Everything that changed goes into a second table, as over a restart. */
static void pass_on(struct rig *from, struct rig *to, int now)
{
	const struct watch_row *rows;
	size_t count;

	assert_int_equal(watches_rows(from->watches, &from->changes, &rows, &count), 0);
	for (size_t i = 0; i < count; i++)
		if (rows[i].state.len > 0)
			assert_true(watches_restore(to->watches, &rows[i], now * S));
}

static void state_survives(void **state)
{
	struct watch_firing firing;
	struct rig rig, next;

	(void)state;
	rig_init(&rig, 100, 30);
	rig_init(&next, 100, 30);
	next.identity = 1000;
	PLAY(&rig, "t", { 1 }, { 2 });
	PLAY(&rig, "d", { 1, .of = "a" }, { 2, .of = "b" });
	PLAY(&rig, "s", { 1, .steps = 1 }, { 2, .steps = 2 });
	PLAY(&rig, "f", { 1, .of = "a", .fires = 1 });
	PLAY(&rig, "a", { 1 });
	pass_on(&rig, &next, 100);
	assert_int_equal(watches_count(next.watches), watches_count(rig.watches));
	PLAY(&next, "t", { 3, .fires = 3 });
	PLAY(&next, "d", { 3, .of = "c", .fires = 3 });
	PLAY(&next, "s", { 3, .steps = 4, .fires = 3 });
	PLAY(&next, "f", { 3, .of = "a" });
	assert_false(watches_due(next.watches, 129 * S, &next.changes, &firing)); /* grace */
	assert_true(watches_due(next.watches, 131 * S, &next.changes, &firing));
	rig_done(&rig);
	rig_done(&next);
}

static void what_is_damaged_is_nothing(void **state)
{
	const struct watch_row *rows;
	struct rig rig, next;
	size_t count;

	(void)state;
	rig_init(&rig, 100, 30);
	rig_init(&next, 100, 30);
	PLAY(&rig, "t", { 1 }, { 2 });
	assert_int_equal(watches_rows(rig.watches, &rig.changes, &rows, &count), 0);
	assert_int_equal(count, 1);
	for (size_t i = 0; i < rows[0].state.len; i++) {
		struct watch_row row = rows[0];

		row.state = str_cut(row.state, i);
		assert_false(watches_restore(next.watches, &row, 5 * S));
	}
	assert_int_equal(watches_count(next.watches), 0);
	{
		struct watch_row row = rows[0];

		row.version++;
		assert_false(watches_restore(next.watches, &row, 5 * S));
	}
	assert_true(watches_restore(next.watches, &rows[0], 5 * S));
	rig_done(&rig);
	rig_done(&next);
}

static void a_failed_commit_is_taken_back(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 100, 30);
	PLAY(&rig, "t", { 1 }, { 2 });
	PLAY(&rig, "f", { 1, .of = "a", .fires = 1 });
	PLAY(&rig, "a", { 1 });
	rig.changes = (struct watch_changes){ .arena = &rig.arena }; /* the next commit */
	PLAY(&rig, "t", { 3, .fires = 3 }, { 4, "new" });
	PLAY(&rig, "f", { 3, .of = "b", .fires = 1 });
	watches_undo(rig.watches, &rig.changes);
	rig.changes = (struct watch_changes){ .arena = &rig.arena };
	PLAY(&rig, "t", { 3, .fires = 3 }, { 4, "new" }, { 5, "new" }, { 6, "new", .fires = 3 });
	PLAY(&rig, "f", { 3, .of = "b", .fires = 1 }, { 4, .of = "a" });
	rig_done(&rig);
}

static void a_missed_one_is_missed_again_when_its_alert_was_lost(void **state)
{
	struct watch_firing firing;
	struct rig rig;

	(void)state;
	rig_init(&rig, 100, 30);
	PLAY(&rig, "a", { 1 });
	rig.changes = (struct watch_changes){ .arena = &rig.arena };
	assert_true(watches_due(rig.watches, 61 * S, &rig.changes, &firing));
	watches_undo(rig.watches, &rig.changes);
	assert_true(watches_due(rig.watches, 62 * S, &rig.changes, &firing));
	rig_done(&rig);
}

static void a_reload_keeps_what_means_the_same(void **state)
{
	struct rules_settings settings = { .priority_max = PRIORITY_DEBUG, .match_all = true };
	struct loaded other;
	struct rig rig;

	(void)state;
	rig_init(&rig, 100, 30);
	PLAY(&rig, "t", { 1 }, { 2 });
	PLAY(&rig, "d", { 1, .of = "a" }, { 2, .of = "b" });
	load_texts(&other, &settings,
		   &(struct rules_text){ .name = "t.yaml", .text = STR(
			HEAD("distinct", "d") COND "  count: 3\n  within: 11s\n  of: fd.name\n"
			"- threshold: t\n  desc: else\n  output: p\n  priority: ERROR\n" COND
			"  count: 3\n  within: 10s\n  by: hostname\n") }, 1);
	assert_int_equal(other.result, 0);
	assert_int_equal(watches_use(rig.watches, other.rules), 0);
	loaded_done(&rig.loaded);
	rig.loaded = other;
	assert_int_equal(watches_count(rig.watches), 1);
	PLAY(&rig, "t", { 3, .fires = 3 });
	PLAY(&rig, "d", { 3, .of = "c" });
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_threshold),
		cmocka_unit_test(distinct_values),
		cmocka_unit_test(a_sequence),
		cmocka_unit_test(first_seen),
		cmocka_unit_test(absence),
		cmocka_unit_test(too_many_keys),
		cmocka_unit_test(what_came_back_is_not_deleted),
		cmocka_unit_test(a_smaller_table_keeps_the_newest),
		cmocka_unit_test(state_survives),
		cmocka_unit_test(what_is_damaged_is_nothing),
		cmocka_unit_test(a_failed_commit_is_taken_back),
		cmocka_unit_test(a_missed_one_is_missed_again_when_its_alert_was_lost),
		cmocka_unit_test(a_reload_keeps_what_means_the_same),
	};

	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
