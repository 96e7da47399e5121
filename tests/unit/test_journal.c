/* The journal while all goes well: order, reading, progress, dead letters. */
#include "tests/unit/journal_rig.h"

/* --- commits ------------------------------------------------------------------------------------ */

static void positions_follow_each_other_without_gaps(void **state)
{
	struct rig *rig = *state;
	struct alert alerts[64];
	uint64_t seq, expected = 1, at = 0;

	for (size_t n = 1; n < 60; n++) {
		assert_int_equal(rig_add(rig, n, &seq), 0);
		assert_int_equal(seq, expected);
		expected += n;
	}
	assert_int_equal(journal_last(rig->journal), expected - 1);
	for (int r; (r = journal_read(rig->reader, at, 64, 1 << 20, &rig->arena, alerts)) > 0;)
		for (int i = 0; i < r; i++) {
			assert_int_equal(alerts[i].seq, at + 1);
			assert_int_equal(alerts[i].count, at + 1);
			at = alerts[i].seq;
		}
	assert_int_equal(at, expected - 1);
}

struct producer {
	struct rig rig; /* for making only */
	pthread_t thread;
	uint64_t sum;
};

static void *produce(void *argument)
{
	struct producer *producer = argument;
	uint64_t last = 0;

	for (int i = 0; i < 50; i++) {
		uint64_t seq;

		assert_int_equal(rig_add(&producer->rig, 3, &seq), 0);
		assert_true(seq > last);
		last = seq;
		producer->sum += 3 * seq + 3;
	}
	return NULL;
}

static void many_producers_share_the_positions(void **state)
{
	struct rig *rig = *state;
	static struct producer producers[16];
	uint64_t sum = 0, count = 16 * 50 * 3;

	memset(producers, 0, sizeof(producers));
	for (int i = 0; i < 16; i++) {
		producers[i].rig = *rig;
		pthread_create(&producers[i].thread, NULL, produce, &producers[i]);
	}
	for (int i = 0; i < 16; i++) {
		pthread_join(producers[i].thread, NULL);
		sum += producers[i].sum;
	}
	assert_int_equal(journal_last(rig->journal), count);
	assert_int_equal(sum, count * (count + 1) / 2);
	assert_int_equal(journal_waiting(rig->journal), 0);
}

/* An alert that is too large fails alone; those in the same transaction do not notice. */
static void a_commit_that_fails_alone_harms_no_other(void **state)
{
	struct rig *rig = *state;
	struct rig_commit *commits[20];
	size_t len = (size_t)40 << 20;
	char *huge = malloc(len);
	uint64_t good = 0;

	memset(huge, 'x', len);
	for (int i = 0; i < 20; i++) {
		commits[i] = rig_make(rig, 2);
		if (i % 5 == 3)
			commits[i]->alerts[1].json = (struct str){ .at = huge, .len = len };
		journal_submit(rig->journal, &commits[i]->commit);
	}
	for (int i = 0; i < 20; i++) {
		rig_wait(commits[i]);
		assert_int_equal(commits[i]->result, i % 5 == 3 ? -E2BIG : 0);
		if (commits[i]->result == 0) {
			assert_int_equal(commits[i]->first_seq, good + 1);
			good += 2;
		}
		rig_free(commits[i]);
	}
	assert_int_equal(journal_last(rig->journal), good);
	assert_int_equal(journal_health(rig->journal), 0);
	free(huge);
}

static bool take_sensor(void *userdata, const struct journal_sensor *sensor)
{
	struct buf *out = userdata;

	buf_addf(out, "%.*s/%.*s/%llu/%llu/%.*s/%.*s;", STR_ARG(sensor->id), STR_ARG(sensor->boot),
		 (unsigned long long)sensor->seq, (unsigned long long)sensor->gaps,
		 STR_ARG(sensor->hostname), STR_ARG(sensor->status));
	return true;
}

static bool take_incident(void *userdata, const struct journal_incident *incident)
{
	buf_addf(userdata, "%llu=%.*s/%llu/%.*s;", (unsigned long long)incident->id,
		 STR_ARG(incident->key), (unsigned long long)incident->count,
		 STR_ARG(incident->rule));
	return true;
}

static bool take_identity(void *userdata, struct hash128 identity, int64_t received_ns)
{
	uint64_t *sum = userdata;

	assert_true(received_ns > 0);
	assert_int_equal(identity.hi, ~identity.lo);
	*sum += identity.lo;
	return true;
}

static void sensors_incidents_identities_and_the_key_survive_a_restart(void **state)
{
	struct rig *rig = *state;
	struct hash_key key = *journal_key(rig->journal);
	struct journal_sensor sensors[] = {
		{ .id = STR("s1"),
		  .boot = STR("b1"),
		  .seq = 7,
		  .gaps = 1,
		  .hostname = STR("h"),
		  .status = STR("{}") },
		{ .id = STR("s1"), .boot = STR("b2"), .seq = 9, .gaps = 2, .hostname = STR("h") },
	};
	struct journal_incident incidents[] = {
		{ .id = 1, .key = STR("k1"), .count = 3, .open = true, .rule = STR("r") },
		{ .id = 5, .key = STR("k5"), .count = 1, .open = false, .rule = STR("r") },
		{ .id = 1, .key = STR("k1"), .count = 4, .open = true, .rule = STR("r") },
	};
	struct rig_commit *commit = rig_make(rig, 10);
	struct buf out = { 0 };
	uint64_t highest = 0, sum = 0;

	commit->commit.sensors = sensors;
	commit->commit.sensors_count = ARRAY_LEN(sensors);
	commit->commit.incidents = incidents;
	commit->commit.incidents_count = ARRAY_LEN(incidents);
	journal_submit(rig->journal, &commit->commit);
	rig_wait(commit);
	assert_int_equal(commit->result, 0);
	rig_free(commit);
	rig_close(rig);
	rig_open(rig);
	assert_memory_equal(&key, journal_key(rig->journal), sizeof(key));
	assert_int_equal(journal_each_sensor(rig->journal, take_sensor, &out), 0);
	assert_int_equal(journal_each_incident(rig->journal, take_incident, &out, &highest), 0);
	assert_string_equal(buf_text(&out), "s1/b2/9/2/h/{};1=k1/4/r;");
	assert_int_equal(highest, 5);
	assert_int_equal(journal_each_identity(rig->journal, 0, 1000, take_identity, &sum), 0);
	assert_int_equal(sum, 55);
	sum = 0;
	assert_int_equal(journal_each_identity(rig->journal, 0, 2, take_identity, &sum), 0);
	assert_int_equal(sum, 19);
	sum = 0;
	assert_int_equal(journal_each_identity(rig->journal, INT64_MAX, 1000, take_identity, &sum),
			 0);
	assert_int_equal(sum, 0);
	buf_done(&out);
}

/* --- reading ------------------------------------------------------------------------------------ */

static void reading_keeps_to_its_limits(void **state)
{
	struct rig *rig = *state;
	struct alert alerts[64];

	assert_int_equal(journal_read(rig->reader, 0, 64, 1 << 20, &rig->arena, alerts), 0);
	assert_int_equal(rig_add(rig, 50, NULL), 0);
	assert_int_equal(journal_read(rig->reader, 0, 7, 1 << 20, &rig->arena, alerts), 7);
	assert_int_equal(journal_read(rig->reader, 40, 64, 1 << 20, &rig->arena, alerts), 10);
	assert_int_equal(journal_read(rig->reader, 0, 64, 1, &rig->arena, alerts), 1);
	assert_int_equal(journal_read(rig->reader, 0, 64, 2 * RIG_TEXT + 10, &rig->arena, alerts),
			 2);
	assert_int_equal(journal_read(rig->reader, UINT64_MAX, 64, 1 << 20, &rig->arena, alerts),
			 0);
	assert_int_equal(alerts[0].json.len, RIG_TEXT);
	assert_int_equal(alerts[0].received_ns > 0, 1);
	assert_int_equal(alerts[1].change, ALERT_REPEAT);
	assert_string_equal(alerts[0].id, "00000001-1111-8222-8333-444455556666");
}

static const struct search_row {
	const char *name;
	struct journal_query query;
	int count;
	uint64_t newest, more;
} search_rows[] = {
	{ "all of few", { .priority_max = 7, .limit = 100 }, 12, 12, 0 },
	{ "a page", { .priority_max = 7, .limit = 5 }, 5, 12, 8 },
	{ "the next page", { .priority_max = 7, .limit = 5, .before = 8 }, 5, 7, 3 },
	{ "the last page", { .priority_max = 7, .limit = 5, .before = 3 }, 2, 2, 0 },
	{ "only newer ones", { .priority_max = 7, .limit = 100, .after = 10 }, 2, 12, 0 },
	{ "severe ones", { .priority_max = 1, .limit = 100 }, 3, 9, 0 },
	{ "of a rule", { .priority_max = 7, .limit = 100, .rule = STR("Rule A") }, 4, 10, 0 },
	{ "of a host", { .priority_max = 7, .limit = 100, .hostname = STR("node2") }, 3, 11, 0 },
	{ "part of a rule's name is not equal",
	  { .priority_max = 7, .limit = 9, .rule = STR("Rule") },
	  0,
	  0,
	  0 },
	{ "of a source", { .priority_max = 7, .limit = 100, .source = STR("syscall") }, 12, 12, 0 },
	{ "text in any case",
	  { .priority_max = 7, .limit = 100, .text = STR("SPAWNED 1") },
	  3,
	  12,
	  0 },
	{ "no such text", { .priority_max = 7, .limit = 100, .text = STR("nothing") }, 0, 0, 0 },
	{ "of an incident", { .priority_max = 7, .limit = 100, .incident = 2 }, 5, 9, 0 },
};

static void search_finds_newest_first(void **state)
{
	struct rig *rig = *state;
	struct alert found[100];

	for (int i = 0; i < 12; i++)
		assert_int_equal(rig_add(rig, 1, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(search_rows); i++) {
		const struct search_row *row = &search_rows[i];
		uint64_t more = 99;
		int count = journal_search(rig->reader, &row->query, &rig->arena, found, &more);

		if (count != row->count || more != row->more ||
		    (count > 0 && found[0].seq != row->newest))
			fail_msg("%s: %d found, newest %llu, more %llu", row->name, count,
				 count > 0 ? (unsigned long long)found[0].seq : 0,
				 (unsigned long long)more);
	}
}

static void one_is_found_by_position_and_by_id(void **state)
{
	struct rig *rig = *state;
	struct rig_commit *odd = rig_make(rig, 1);
	struct alert alert;

	snprintf(odd->alerts[0].id, sizeof(odd->alerts[0].id), "not a uuid");
	journal_submit(rig->journal, &odd->commit);
	rig_wait(odd);
	rig_free(odd);
	for (int i = 0; i < 5; i++)
		assert_int_equal(rig_add(rig, 500, NULL), 0);
	assert_int_equal(journal_get(rig->reader, 2000, (struct str){ 0 }, &rig->arena, &alert), 0);
	assert_int_equal(alert.seq, 2000);
	assert_int_equal(journal_get(rig->reader, 0, STR("0000004d-1111-8222-8333-444455556666"),
				     &rig->arena, &alert),
			 0);
	assert_int_equal(alert.seq, 0x4d);
	assert_int_equal(journal_get(rig->reader, 0, STR("not a uuid"), &rig->arena, &alert), 0);
	assert_int_equal(alert.seq, 1);
	assert_int_equal(journal_get(rig->reader, 0, STR("ffffffff-1111-8222-8333-444455556666"),
				     &rig->arena, &alert),
			 -ENOENT);
	assert_int_equal(journal_get(rig->reader, 2502, (struct str){ 0 }, &rig->arena, &alert),
			 -ENOENT);
	assert_int_equal(
		journal_get(rig->reader, UINT64_MAX, (struct str){ 0 }, &rig->arena, &alert),
		-ENOENT);
	assert_int_equal(journal_get(rig->reader, 0, (struct str){ 0 }, &rig->arena, &alert),
			 -ENOENT);
}

static void *wake_later(void *argument)
{
	journal_wake(argument);
	return NULL;
}

static void waiting_ends_with_news_a_wake_or_the_time(void **state)
{
	struct rig *rig = *state;
	struct rig_commit *commit = rig_make(rig, 1);
	int64_t began = clock_mono();
	pthread_t thread;

	journal_wait(rig->journal, 0, 0);
	journal_wait(rig->journal, 0, 30);
	assert_true(clock_mono() - began >= 30 * NS_PER_MS);
	began = clock_mono();
	journal_submit(rig->journal, &commit->commit);
	journal_wait(rig->journal, 0, 60000);
	assert_int_equal(journal_last(rig->journal), 1);
	journal_wait(rig->journal, 0, 60000);
	pthread_create(&thread, NULL, wake_later, rig->journal);
	journal_wait(rig->journal, UINT64_MAX, 60000);
	pthread_join(thread, NULL);
	assert_true(clock_mono() - began < 30 * NS_PER_S);
	rig_wait(commit);
	rig_free(commit);
}

/* --- progress ----------------------------------------------------------------------------------- */

static void an_output_starts_at_the_end_or_at_the_oldest(void **state)
{
	struct rig *rig = *state;
	struct journal_output now, oldest, again;

	assert_int_equal(rig_add(rig, 10, NULL), 0);
	rig_output(rig, "now", false, &now);
	rig_output(rig, "oldest", true, &oldest);
	assert_int_equal(now.start, 10);
	assert_int_equal(now.cursor, 10);
	assert_int_equal(oldest.start, 0);
	assert_int_not_equal(now.id, oldest.id);
	assert_int_equal(rig_add(rig, 10, NULL), 0);
	rig_output(rig, "now", true, &again);
	assert_int_equal(again.start, 10);
	assert_int_equal(again.id, now.id);
	rig_assert_holds(rig, "now");
	rig_assert_holds(rig, "oldest");
	assert_int_equal(rig_audit(rig, "now").pending, 10);
	assert_int_equal(rig_audit(rig, "oldest").pending, 20);
	free(now.ahead);
	free(oldest.ahead);
	free(again.ahead);
}

static void progress_with_a_list_ahead_survives_a_restart(void **state)
{
	struct rig *rig = *state;
	struct journal_output output;
	const struct journal_done prefix[] = { { 1, JOURNAL_DELIVERED, 1 },
					       { 2, JOURNAL_SUPPRESSED_REPEAT, 0 },
					       { 3, JOURNAL_DEAD, 4 } };
	const struct journal_done ahead[] = { { 5, JOURNAL_DELIVERED, 2 },
					      { 8, JOURNAL_DEAD, 255 } };
	const struct journal_dead dead[] = {
		{ .seq = 3, .at_ns = 33, .attempts = 4, .note = "no" },
		{ .seq = 8, .at_ns = 88, .attempts = 300, .note = "never" }
	};
	struct journal_balance balance;

	assert_int_equal(rig_add(rig, 10, NULL), 0);
	rig_output(rig, "o", true, &output);
	free(output.ahead);
	assert_int_equal(rig_progress(rig, (struct journal_progress){ .output = output.id,
								      .cursor = 3,
								      .prefix = prefix,
								      .prefix_count = 3,
								      .ahead = ahead,
								      .ahead_count = 2,
								      .dead = dead,
								      .dead_count = 2 }),
			 0);
	rig_close(rig);
	rig_open(rig);
	rig_output(rig, "o", false, &output);
	assert_int_equal(output.cursor, 3);
	assert_int_equal(output.ahead_count, 2);
	assert_int_equal(output.ahead[1].seq, 8);
	assert_int_equal(output.ahead[1].outcome, JOURNAL_DEAD);
	assert_int_equal(output.ahead[1].attempts, 255);
	assert_int_equal(output.totals[JOURNAL_DELIVERED], 1);
	assert_int_equal(output.totals[JOURNAL_DEAD], 1);
	free(output.ahead);
	rig_assert_holds(rig, "o");
	balance = rig_audit(rig, "o");
	assert_int_equal(balance.accepted, 10);
	assert_int_equal(balance.delivered, 2);
	assert_int_equal(balance.dead, 2);
	assert_int_equal(balance.suppressed, 1);
	assert_int_equal(balance.pending, 5);
}

static void progress_that_does_not_follow_on_is_refused(void **state)
{
	struct rig *rig = *state;
	struct journal_output output;
	const struct journal_done good[] = { { 1, 1, 1 }, { 2, 1, 1 } },
				  gap[] = { { 2, 1, 1 }, { 3, 1, 1 } };
	const struct journal_done unknown[] = { { 1, 1, 1 }, { 2, 9, 1 } },
				  beyond[] = { { 99, 1, 1 } };
	struct journal_progress progress;

	assert_int_equal(rig_add(rig, 10, NULL), 0);
	rig_output(rig, "o", true, &output);
	free(output.ahead);
	progress = (struct journal_progress){ .output = output.id, .cursor = 2, .prefix_count = 2 };
	progress.prefix = gap;
	assert_int_equal(rig_progress(rig, progress), -EINVAL);
	progress.prefix = unknown;
	assert_int_equal(rig_progress(rig, progress), -EINVAL);
	progress.prefix = good;
	progress.cursor = 3;
	assert_int_equal(rig_progress(rig, progress), -EINVAL);
	progress.cursor = 2;
	progress.ahead = beyond;
	progress.ahead_count = 1;
	assert_int_equal(rig_progress(rig, progress), -EINVAL);
	progress.ahead_count = 0;
	progress.output = 77;
	assert_int_equal(rig_progress(rig, progress), -ENOENT);
	progress.output = output.id;
	assert_int_equal(rig_progress(rig, progress), 0);
	assert_int_equal(rig_progress(rig, progress), 0); /* the same again changes nothing */
	assert_int_equal(rig_audit(rig, "o").delivered, 2);
	rig_assert_holds(rig, "o");
	assert_int_equal(journal_health(rig->journal), 0);
}

static void a_trace_tells_each_outputs_outcome(void **state)
{
	struct rig *rig = *state;
	struct journal_output a, b;
	struct journal_trace trace[4];

	rig_output(rig, "a", true, &a);
	assert_int_equal(rig_add(rig, 500, NULL), 0);
	for (int i = 0; i < 11; i++)
		assert_int_equal(rig_add(rig, 500, NULL), 0);
	rig_output(rig, "b", false, &b);
	assert_int_equal(rig_settle(rig, a.id, 0, 5000, JOURNAL_DELIVERED), 0);
	assert_int_equal(rig_settle(rig, a.id, 5000, 5001, JOURNAL_DEAD), 0);
	assert_int_equal(journal_trace(rig->reader, 4999, &rig->arena, trace, 4), 1);
	assert_true(str_eq(trace[0].output, STR("a")));
	assert_int_equal(trace[0].outcome, JOURNAL_DELIVERED);
	assert_int_equal(trace[0].attempts, 1);
	assert_true(trace[0].at_ns > 0);
	assert_int_equal(journal_trace(rig->reader, 5001, &rig->arena, trace, 4), 1);
	assert_int_equal(trace[0].outcome, JOURNAL_DEAD);
	assert_true(str_eq(trace[0].note, STR("HTTP 400")));
	assert_int_equal(journal_trace(rig->reader, 5002, &rig->arena, trace, 4), 1);
	assert_int_equal(trace[0].outcome, 0);
	assert_int_equal(trace[0].at_ns, 0);
	assert_int_equal(rig_add(rig, 1, NULL), 0);
	assert_int_equal(journal_trace(rig->reader, 6001, &rig->arena, trace, 4), 2);
	assert_int_equal(journal_trace(rig->reader, 6001, &rig->arena, trace, 1), 1);
	free(a.ahead);
	free(b.ahead);
}

/* --- dead letters ------------------------------------------------------------------------------- */

static void dead_letters_are_replayed_and_counted_again(void **state)
{
	struct rig *rig = *state;
	struct journal_output output, other;
	struct journal_letter letters[8];
	struct journal_dead again = { .at_ns = 5, .attempts = 1, .note = "still no" };
	struct alert alerts[8];
	uint64_t ids[8];
	struct journal_balance balance;

	rig_output(rig, "o", true, &output);
	rig_output(rig, "p", true, &other);
	assert_int_equal(rig_add(rig, 10, NULL), 0);
	assert_int_equal(rig_settle(rig, output.id, 0, 4, JOURNAL_DELIVERED), 0);
	assert_int_equal(rig_settle(rig, output.id, 4, 8, JOURNAL_DEAD), 0);
	assert_int_equal(rig_settle(rig, other.id, 0, 1, JOURNAL_DEAD), 0);
	assert_int_equal(
		journal_letters(rig->reader, (struct str){ 0 }, 0, 8, &rig->arena, letters), 5);
	assert_int_equal(journal_letters(rig->reader, STR("p"), 0, 8, &rig->arena, letters), 1);
	assert_int_equal(journal_letters(rig->reader, STR("none"), 0, 8, &rig->arena, letters), 0);
	assert_int_equal(journal_letters(rig->reader, STR("o"), 0, 8, &rig->arena, letters), 4);
	assert_true(str_eq(letters[0].output, STR("o")));
	assert_int_equal(letters[0].dead.seq, 5);
	assert_string_equal(letters[0].dead.note, "HTTP 400");
	assert_int_equal(letters[0].json.len, RIG_TEXT);
	assert_int_equal(
		journal_letters(rig->reader, STR("o"), letters[1].id, 8, &rig->arena, letters + 4),
		2);

	assert_int_equal(journal_replayed(rig->reader, output.id, 8, &rig->arena, alerts, ids), 0);
	assert_int_equal(journal_replay(rig->journal, STR("o"), letters[0].id), 1);
	assert_int_equal(journal_replay(rig->journal, STR("none"), 0), 0);
	assert_int_equal(journal_replay(rig->journal, STR("o"), 0), 3);
	assert_int_equal(journal_replay(rig->journal, STR("o"), 0), 0);
	assert_int_equal(rig_audit(rig, "o").pending, 6);
	rig_assert_holds(rig, "o");
	assert_int_equal(journal_replayed(rig->reader, output.id, 8, &rig->arena, alerts, ids), 4);
	assert_int_equal(alerts[0].seq, 5);
	assert_int_equal(alerts[0].count, 5);
	assert_int_equal(journal_replay_done(rig->journal, ids[0], JOURNAL_DELIVERED, NULL), 0);
	assert_int_equal(journal_replay_done(rig->journal, ids[0], JOURNAL_DELIVERED, NULL),
			 -ENOENT);
	assert_int_equal(journal_replay_done(rig->journal, ids[1], JOURNAL_DEAD, &again), 0);
	assert_int_equal(journal_replay_done(rig->journal, ids[1], JOURNAL_DELIVERED, NULL),
			 -EINVAL);
	rig_assert_holds(rig, "o");
	balance = rig_audit(rig, "o");
	assert_int_equal(balance.delivered, 5);
	assert_int_equal(balance.dead, 1);
	assert_int_equal(balance.pending, 4);
	assert_int_equal(journal_letters(rig->reader, STR("o"), 0, 8, &rig->arena, letters), 3);
	assert_string_equal(letters[0].dead.note, "still no");
	assert_int_equal(letters[0].dead.attempts, 2);
	free(output.ahead);
	free(other.ahead);
}

static void more_letters_than_one_step_are_replayed(void **state)
{
	struct rig *rig = *state;
	struct journal_output output;

	rig_output(rig, "o", true, &output);
	for (int i = 0; i < 3; i++)
		assert_int_equal(rig_add(rig, 500, NULL), 0);
	assert_int_equal(rig_settle(rig, output.id, 0, 1500, JOURNAL_DEAD), 0);
	assert_int_equal(journal_replay(rig->journal, (struct str){ 0 }, 0), 1500);
	rig_assert_holds(rig, "o");
	free(output.ahead);
}

static void metrics_are_written(void **state)
{
	struct rig *rig = *state;
	struct buf out = { 0 };
	struct metrics metrics = { .out = &out };

	assert_int_equal(rig_add(rig, 3, NULL), 0);
	journal_metrics(rig->journal, &metrics);
	metrics_end(&metrics);
	assert_true(str_find(buf_str(&out), STR("tocsin_journal_alerts_total 3\n")) >= 0);
	assert_true(str_find(buf_str(&out), STR("tocsin_journal_healthy 1\n")) >= 0);
	buf_done(&out);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(positions_follow_each_other_without_gaps),
		WITH_RIG(many_producers_share_the_positions),
		WITH_RIG(a_commit_that_fails_alone_harms_no_other),
		WITH_RIG(sensors_incidents_identities_and_the_key_survive_a_restart),
		WITH_RIG(reading_keeps_to_its_limits),
		WITH_RIG(search_finds_newest_first),
		WITH_RIG(one_is_found_by_position_and_by_id),
		WITH_RIG(waiting_ends_with_news_a_wake_or_the_time),
		WITH_RIG(an_output_starts_at_the_end_or_at_the_oldest),
		WITH_RIG(progress_with_a_list_ahead_survives_a_restart),
		WITH_RIG(progress_that_does_not_follow_on_is_refused),
		WITH_RIG(a_trace_tells_each_outputs_outcome),
		WITH_RIG(dead_letters_are_replayed_and_counted_again),
		WITH_RIG(more_letters_than_one_step_are_replayed),
		WITH_RIG(metrics_are_written),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
