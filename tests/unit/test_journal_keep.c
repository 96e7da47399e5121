/* What the journal keeps and for how long, and whether the audit sees what is missing. */
#include "tests/unit/journal_rig.h"

#include "hub/journal/inner.h"

/* --- retention ---------------------------------------------------------------------------------- */

/* Waits until the oldest position kept is at least `seq`. */
static void wait_for_first(struct rig *rig, uint64_t seq)
{
	int64_t until = clock_mono() + 20 * NS_PER_S;

	while (journal_first(rig->journal) < seq && clock_mono() < until)
		journal_wait(rig->journal, UINT64_MAX, 20);
	assert_int_equal(journal_first(rig->journal), seq);
}

static void retention_takes_what_is_settled_and_old(void **state)
{
	struct rig *rig = *state;
	struct journal_output output;
	struct journal_trace trace[1];

	rig_close(rig);
	rig->retention_ms = 1;
	rig_open(rig);
	rig_output(rig, "o", true, &output);
	for (int i = 0; i < 10; i++)
		assert_int_equal(rig_add(rig, 500, NULL), 0);
	assert_int_equal(rig_settle(rig, output.id, 0, 2900, JOURNAL_DELIVERED), 0);
	assert_int_equal(rig_settle(rig, output.id, 2900, 3000, JOURNAL_DEAD), 0);
	wait_for_first(rig, 3001);
	rig_assert_holds(rig, "o");
	assert_int_equal(rig_audit(rig, "o").pending, 2000);
	assert_int_equal(rig_audit(rig, "o").delivered, 2900);
	assert_int_equal(rig_audit(rig, "o").dead,
			 100); /* the letters themselves are gone by now or soon */
	assert_int_equal(rig_settle(rig, output.id, 3000, 5000, JOURNAL_SUPPRESSED_ROUTE), 0);
	wait_for_first(rig, 5000); /* the last one stays */
	rig_assert_holds(rig, "o");
	rig_close(rig);
	rig_open(rig);
	assert_int_equal(journal_last(rig->journal), 5000);
	assert_int_equal(rig_add(rig, 1, NULL), 0);
	assert_int_equal(journal_last(rig->journal), 5001);
	assert_int_equal(journal_trace(rig->reader, 5001, &rig->arena, trace, 1), 1);
	rig_assert_holds(rig, "o");
	free(output.ahead);
}

static void an_output_nobody_configures_any_more_holds_nothing_back(void **state)
{
	struct rig *rig = *state;
	struct journal_output old, used, back;
	const struct journal_done prefix[] = { { 1, 1, 1 }, { 2, 1, 1 } },
				  ahead[] = { { 4, 1, 1 }, { 150, 1, 1 } };

	rig_output(rig, "old", true, &old);
	assert_int_equal(rig_add(rig, 200, NULL), 0);
	assert_int_equal(rig_progress(rig, (struct journal_progress){ .output = old.id,
								      .cursor = 2,
								      .prefix = prefix,
								      .prefix_count = 2,
								      .ahead = ahead,
								      .ahead_count = 2 }),
			 0);
	rig_close(rig);
	rig->retention_ms = 1;
	rig_open(rig);
	rig_output(rig, "used", true, &used);
	assert_int_equal(rig_settle(rig, used.id, used.cursor, 100, JOURNAL_DELIVERED), 0);
	wait_for_first(rig, 3); /* what the old one has done */
	rig_close(rig);
	rig_open(rig);
	rig_output(rig, "used", true, &back);
	free(back.ahead);
	pthread_mutex_lock(&rig->journal->lock);
	rig->journal->opened_ns -= rig->journal->grace_ns; /* as if the start were long ago */
	pthread_mutex_unlock(&rig->journal->lock);
	wait_for_first(rig, 101);
	rig_assert_holds(rig, "old");
	rig_assert_holds(rig, "used");
	rig_output(rig, "old", false, &back);
	assert_int_equal(back.cursor, 100);
	assert_int_equal(back.ahead_count, 1);
	assert_int_equal(back.ahead[0].seq, 150);
	assert_int_equal(back.totals[JOURNAL_DELIVERED], 3);
	free(back.ahead);
	free(used.ahead);
	free(old.ahead);
}

static void a_full_file_loses_its_oldest_settled_and_then_refuses(void **state)
{
	struct rig *rig = *state;
	struct journal_output output;
	uint64_t cursor = 0;
	int r = 0;

	rig_close(rig);
	rig->max_size = 8 << 20;
	rig_open(rig);
	rig_output(rig, "o", true, &output);
	for (int i = 0; i < 60; i++) { /* 27 MB through a file of 8 */
		assert_int_equal(rig_add(rig, 500, NULL), 0);
		assert_int_equal(
			rig_settle(rig, output.id, cursor, cursor + 500, JOURNAL_DELIVERED), 0);
		cursor += 500;
	}
	assert_true(journal_first(rig->journal) > 15000);
	rig_assert_holds(rig, "o");
	for (int i = 0; i < 60 && r == 0; i++)
		r = rig_add(rig, 500, NULL);
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(journal_health(rig->journal), -ENOSPC);
	assert_int_equal(journal_first(rig->journal), cursor + 1);
	rig_assert_holds(rig, "o");
	assert_int_equal(
		rig_settle(rig, output.id, cursor, journal_last(rig->journal), JOURNAL_DELIVERED),
		0);
	for (int i = 0; i < 1000 && journal_health(rig->journal) != 0; i++)
		journal_wait(rig->journal, UINT64_MAX, 10);
	assert_int_equal(rig_add(rig, 500, NULL), 0);
	rig_assert_holds(rig, "o");
	free(output.ahead);
}

/* --- audit -------------------------------------------------------------------------------------- */

static const struct tamper_row {
	const char *name, *sql;
} tamper_rows[] = {
	{ "a delivery row in the middle", "DELETE FROM delivery WHERE (place & 65535) = 11" },
	{ "the first delivery row", "DELETE FROM delivery WHERE (place & 65535) = 1" },
	{ "the last delivery row", "DELETE FROM delivery WHERE (place & 65535) = 21" },
	{ "a changed outcome", "UPDATE delivery SET outcomes = x'0201' || substr(outcomes, 3) "
			       "WHERE (place & 65535) = 11" },
	{ "a cursor moved on", "UPDATE output SET cursor = cursor + 1" },
	{ "a cursor moved back", "UPDATE output SET cursor = cursor - 1" },
	{ "a start moved on", "UPDATE output SET start = start + 1" },
	{ "a dead letter", "DELETE FROM dead WHERE seq = 25" },
	{ "an alert", "DELETE FROM alert WHERE seq = 20" },
	{ "a pending alert", "DELETE FROM alert WHERE seq = 35" },
	{ "totals", "UPDATE output SET totals = zeroblob(64)" },
	{ "a letter for another alert", "UPDATE dead SET seq = 3 WHERE seq = 25" },
};

static void the_audit_sees_tampering(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(tamper_rows); i++) {
		struct rig *rig;
		struct journal_output output;
		struct journal_balance balance;

		rig_setup((void **)&rig);
		rig_output(rig, "o", true, &output);
		free(output.ahead);
		assert_int_equal(rig_add(rig, 40, NULL), 0);
		assert_int_equal(rig_settle(rig, output.id, 0, 10, JOURNAL_DELIVERED), 0);
		assert_int_equal(rig_settle(rig, output.id, 10, 20, JOURNAL_SUPPRESSED_ROUTE), 0);
		assert_int_equal(rig_settle(rig, output.id, 20, 30, JOURNAL_DEAD), 0);
		rig_assert_holds(rig, "o");
		rig_close(rig);
		rig_tamper(rig, tamper_rows[i].sql);
		balance = rig_audit(rig, "o");
		if (balance.holds || balance.fault[0] == '\0')
			fail_msg("%s: not noticed", tamper_rows[i].name);
		rig_open(rig);
		rig_teardown((void **)&rig);
	}
	(void)state;
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(retention_takes_what_is_settled_and_old),
		WITH_RIG(an_output_nobody_configures_any_more_holds_nothing_back),
		WITH_RIG(a_full_file_loses_its_oldest_settled_and_then_refuses),
		cmocka_unit_test(the_audit_sees_tampering),
	};

	return cmocka_run_group_tests_name("journal keep", tests, NULL, NULL);
}
