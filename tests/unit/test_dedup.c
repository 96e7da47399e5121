/* The identity window, incidents and the table of sensors. */
#include "base/clock.h"
#include "hub/dedup/incidents.h"
#include "hub/dedup/sensors.h"
#include "hub/dedup/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct hash128 id_of(uint64_t n)
{
	return (struct hash128){ .lo = n * 0x9e3779b97f4a7c15u >> 58, .hi = n }; /* many meet in a slot */
}

static void an_identity_is_new_once(void **state)
{
	struct window *window;

	(void)state;
	assert_int_equal(window_new(100, NS_PER_S, &window), 0);
	assert_false(window_seen(window, id_of(1), 1));
	assert_true(window_seen(window, id_of(1), 2));
	assert_false(window_seen(window, id_of(2), 3));
	window_forget(window, id_of(1));
	assert_int_equal(window_count(window), 1);
	assert_false(window_seen(window, id_of(1), 4));
	window_free(window);
}

static void identities_leave_by_age_and_by_number(void **state)
{
	struct window *window;

	(void)state;
	assert_int_equal(window_new(100, NS_PER_S, &window), 0);
	assert_false(window_seen(window, id_of(1), 1));
	assert_false(window_seen(window, id_of(1), NS_PER_S + 2));
	for (uint64_t n = 10; n < 110; n++)
		assert_false(window_seen(window, id_of(n), NS_PER_S + 3));
	assert_int_equal(window_count(window), 100);
	assert_int_equal(window_evicted(window), 1);
	assert_false(window_seen(window, id_of(1), NS_PER_S + 4));
	window_free(window);
}

/* Against a plain array as the model. */
static void the_window_agrees_with_a_model(void **state)
{
	enum { KEYS = 500, CAP = 64 };
	int64_t added[KEYS] = { 0 }, order = 0;
	struct window *window;
	unsigned seed = 7;

	(void)state;
	assert_int_equal(window_new(CAP, INT64_MAX, &window), 0);
	for (int64_t step = 1; step < 200000; step++) {
		uint64_t key;
		bool known;

		seed = seed * 1103515245u + 12345u;
		key = (seed >> 16) % KEYS;
		known = added[key] > 0 && added[key] > order - CAP;
		assert_int_equal(window_seen(window, id_of(key), step), known);
		if (!known)
			added[key] = ++order;
	}
	window_free(window);
}

static const struct hash_key key = { 1, 2 };

static struct incidents *make(uint32_t max)
{
	struct incidents *incidents;
	const struct incidents_settings settings = { .max_open = max, .resolve_after_ns = 100,
		                                     .update_interval_ns = 10, .hash_key = &key };

	assert_int_equal(incidents_new(&settings, &incidents), 0);
	return incidents;
}

static void repeats_are_counted_and_announced_and_resolved(void **state)
{
	struct incidents *incidents = make(10);
	enum alert_change change;
	struct incident *incident;
	bool opened;

	(void)state;
	incident = incidents_hit(incidents, STR("a"), PRIORITY_WARNING, 1000, &opened);
	assert_true(opened && incident->count == 1);
	incident = incidents_hit(incidents, STR("a"), PRIORITY_ERROR, 1001, &opened);
	assert_true(!opened && incident->count == 2 && incident->priority == PRIORITY_ERROR);
	assert_null(incidents_due(incidents, 1009, &change));
	assert_ptr_equal(incidents_due(incidents, 1010, &change), incident);
	assert_int_equal(change, ALERT_ONGOING);
	assert_null(incidents_due(incidents, 1100, &change)); /* not grown since */
	assert_ptr_equal(incidents_due(incidents, 1101, &change), incident);
	assert_int_equal(change, ALERT_RESOLVED);
	assert_int_equal(incidents_count(incidents), 0);
	free(incident);
	incident = incidents_hit(incidents, STR("a"), PRIORITY_ERROR, 1200, &opened);
	assert_true(opened && incident->id == 2);
	incidents_free(incidents);
}

static void a_clock_set_back_holds_nothing_up(void **state)
{
	struct incidents *incidents = make(10);
	enum alert_change change;
	bool opened;

	(void)state;
	incidents_hit(incidents, STR("from the future"), PRIORITY_ERROR, 1000000, &opened);
	incidents_hit(incidents, STR("a"), PRIORITY_ERROR, 1000, &opened);
	incidents_hit(incidents, STR("a"), PRIORITY_ERROR, 1001, &opened);
	assert_null(incidents_due(incidents, 1002, &change));
	assert_non_null(incidents_due(incidents, 1012, &change));
	assert_int_equal(change, ALERT_ONGOING);
	for (int i = 0; i < 2; i++) {
		struct incident *over = incidents_due(incidents, 1200, &change);

		assert_non_null(over);
		assert_int_equal(change, ALERT_RESOLVED);
		free(over);
	}
	incidents_free(incidents);
}

static void a_lost_opening_is_made_up_for(void **state)
{
	struct incidents *incidents = make(10);
	bool opened;
	uint64_t id = incidents_hit(incidents, STR("a"), PRIORITY_ERROR, 1, &opened)->id;

	(void)state;
	incidents_hit(incidents, STR("a"), PRIORITY_ERROR, 2, &opened);
	assert_false(opened);
	incidents_unhit(incidents, id, true);
	assert_int_equal(incidents_hit(incidents, STR("a"), PRIORITY_ERROR, 3, &opened)->count, 2);
	assert_true(opened);
	incidents_free(incidents);
}

static void too_many_resolve_the_quietest_early(void **state)
{
	struct incidents *incidents = make(2);
	enum alert_change change;
	struct incident *incident;
	bool opened;

	(void)state;
	incidents_hit(incidents, STR("a"), PRIORITY_ERROR, 1, &opened);
	incidents_hit(incidents, STR("b"), PRIORITY_ERROR, 2, &opened);
	incidents_hit(incidents, STR("a"), PRIORITY_ERROR, 3, &opened);
	incidents_hit(incidents, STR("c"), PRIORITY_ERROR, 4, &opened);
	incident = incidents_due(incidents, 5, &change);
	assert_int_equal(change, ALERT_RESOLVED);
	assert_true(str_eq(incident_key(incident), STR("b")));
	assert_int_equal(incidents_evicted(incidents), 1);
	free(incident);
	incidents_free(incidents);
}

static void a_sensors_numbers_are_taken_once_and_gaps_counted(void **state)
{
	struct sensors *sensors;
	struct sensor *sensor;

	(void)state;
	assert_int_equal(sensors_new(&sensors), 0);
	sensor = sensors_see(sensors, STR("s1"), STR("b1"), STR("node"), 1);
	assert_true(sensor_take(sensors, sensor, 1));
	assert_false(sensor_take(sensors, sensor, 1));
	assert_true(sensor_take(sensors, sensor, 4));
	assert_int_equal(sensor->gaps, 2);
	sensors_untake(sensors, STR("s1"), STR("b1"), 4);
	assert_true(sensor_take(sensors, sensor, 4));
	sensor = sensors_see(sensors, STR("s1"), STR("b2"), STR("node"), 2);
	assert_true(sensor_take(sensors, sensor, 1));
	assert_null(sensors_see(sensors, STR(""), STR("b"), STR("node"), 2));
	sensors_free(sensors);
}

static void sensors_are_bounded(void **state)
{
	struct sensors *sensors;
	char id[32];

	(void)state;
	assert_int_equal(sensors_new(&sensors), 0);
	for (int i = 0; i < SENSORS_MAX + 100; i++) {
		snprintf(id, sizeof(id), "sensor-%d", i);
		assert_non_null(sensors_see(sensors, str_of(id), STR("b"), STR("node"), i));
	}
	assert_int_equal(sensors_count(sensors), SENSORS_MAX);
	sensors_free(sensors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_identity_is_new_once),
		cmocka_unit_test(identities_leave_by_age_and_by_number),
		cmocka_unit_test(the_window_agrees_with_a_model),
		cmocka_unit_test(repeats_are_counted_and_announced_and_resolved),
		cmocka_unit_test(a_clock_set_back_holds_nothing_up),
		cmocka_unit_test(a_lost_opening_is_made_up_for),
		cmocka_unit_test(too_many_resolve_the_quietest_early),
		cmocka_unit_test(a_sensors_numbers_are_taken_once_and_gaps_counted),
		cmocka_unit_test(sensors_are_bounded),
	};

	return cmocka_run_group_tests_name("dedup", tests, NULL, NULL);
}
