/* The table of sensors. A lock guards it because reports are read from the API's thread; nothing waits
 * for the disk or the network under it. */
#include "hub/dedup/sensors.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUCKETS = 4096, REPORT_MAX = 1000 };

struct sensors {
	pthread_mutex_t lock;
	struct sensor *buckets[BUCKETS];
	struct sensor *oldest, *newest;
	size_t count;
	uint64_t gaps, forgotten; /* since the start */
};

int sensors_new(struct sensors **ret)
{
	struct sensors *sensors = calloc(1, sizeof(*sensors));

	if (sensors == NULL)
		return -ENOMEM;
	pthread_mutex_init(&sensors->lock, NULL);
	*ret = sensors;
	return 0;
}

static void sensor_free(struct sensor *sensor)
{
	free(sensor->status);
	free(sensor);
}

void sensors_free(struct sensors *sensors)
{
	if (sensors == NULL)
		return;
	for (struct sensor *at = sensors->oldest, *next; at != NULL; at = next) {
		next = at->newer;
		sensor_free(at);
	}
	pthread_mutex_destroy(&sensors->lock);
	free(sensors);
}

/* Bounded by SENSORS_MAX: a stranger who picks ids makes chains of at most that. */
static struct sensor **bucket_of(struct sensors *sensors, struct str id)
{
	return &sensors->buckets[hash_fnv(FNV_START, id) % BUCKETS];
}

static void list_remove(struct sensors *sensors, struct sensor *sensor)
{
	if (sensor->older != NULL)
		sensor->older->newer = sensor->newer;
	else
		sensors->oldest = sensor->newer;
	if (sensor->newer != NULL)
		sensor->newer->older = sensor->older;
	else
		sensors->newest = sensor->older;
}

static void list_add(struct sensors *sensors, struct sensor *sensor)
{
	sensor->newer = NULL;
	sensor->older = sensors->newest;
	if (sensors->newest != NULL)
		sensors->newest->newer = sensor;
	else
		sensors->oldest = sensor;
	sensors->newest = sensor;
}

static void forget_oldest(struct sensors *sensors)
{
	struct sensor *oldest = sensors->oldest;
	struct sensor **at = bucket_of(sensors, str_of(oldest->id));

	while (*at != oldest)
		at = &(*at)->next;
	*at = oldest->next;
	list_remove(sensors, oldest);
	sensors->count--;
	sensors->forgotten++;
	sensor_free(oldest);
}

static void copy_text(char *to, size_t size, struct str from)
{
	struct str cut = str_cut(from, size - 1);

	if (cut.len > 0)
		memcpy(to, cut.at, cut.len);
	to[cut.len] = '\0';
}

static struct sensor *find_or_add(struct sensors *sensors, struct str id)
{
	struct sensor **bucket = bucket_of(sensors, id), *sensor = *bucket;

	while (sensor != NULL && !str_eq(str_of(sensor->id), id))
		sensor = sensor->next;
	if (sensor != NULL) {
		list_remove(sensors, sensor);
		list_add(sensors, sensor);
		return sensor;
	}
	if (sensors->count >= SENSORS_MAX)
		forget_oldest(sensors);
	sensor = calloc(1, sizeof(*sensor));
	if (sensor == NULL)
		return NULL;
	copy_text(sensor->id, sizeof(sensor->id), id);
	sensor->next = *bucket;
	*bucket = sensor;
	list_add(sensors, sensor);
	sensors->count++;
	return sensor;
}

/* Another run, or the one before, of which the spool still had something. */
static void change_run(struct sensor *sensor, struct str boot)
{
	struct sensor_run before = sensor->before;

	sensor->before = sensor->run;
	if (before.boot[0] != '\0' && str_eq(str_of(before.boot), boot)) {
		sensor->run = before;
		return;
	}
	sensor->run = (struct sensor_run){ 0 };
	copy_text(sensor->run.boot, sizeof(sensor->run.boot), boot);
}

struct sensor *sensors_see(struct sensors *sensors, struct str id, struct str boot,
                           struct str hostname, int64_t now_ns)
{
	struct sensor *sensor;

	if (id.len == 0 || id.len >= SENSOR_ID_MAX || boot.len >= SENSOR_ID_MAX ||
	    memchr(id.at, '\0', id.len) != NULL)
		return NULL;
	pthread_mutex_lock(&sensors->lock);
	sensor = find_or_add(sensors, id);
	if (sensor != NULL) {
		if (!str_eq(str_of(sensor->run.boot), boot))
			change_run(sensor, boot);
		copy_text(sensor->hostname, sizeof(sensor->hostname), hostname);
		sensor->seen_ns = now_ns;
	}
	pthread_mutex_unlock(&sensors->lock);
	return sensor;
}

bool sensor_take(struct sensors *sensors, struct sensor *sensor, uint64_t seq)
{
	bool is_new = seq > sensor->run.seq;

	if (!is_new)
		return false;
	pthread_mutex_lock(&sensors->lock);
	sensor->gaps += seq - sensor->run.seq - 1;
	sensors->gaps += seq - sensor->run.seq - 1;
	sensor->run.seq = seq;
	pthread_mutex_unlock(&sensors->lock);
	return true;
}

void sensors_untake(struct sensors *sensors, struct str id, struct str boot, uint64_t seq)
{
	struct sensor *sensor;

	pthread_mutex_lock(&sensors->lock);
	sensor = *bucket_of(sensors, id);
	while (sensor != NULL && !str_eq(str_of(sensor->id), id))
		sensor = sensor->next;
	if (sensor != NULL && str_eq(str_of(sensor->run.boot), boot) && sensor->run.seq >= seq)
		sensor->run.seq = seq - 1;
	pthread_mutex_unlock(&sensors->lock);
}

static uint64_t number_at(const struct json *json, uint32_t node)
{
	uint64_t value = 0;

	if (node == 0 || json->nodes[node].kind != JSON_NUMBER || !str_to_u64(json_raw(json, node), &value))
		return 0;
	return value;
}

static uint64_t lost_of(const struct json *json, uint32_t stats)
{
	uint32_t causes = json_get(json, stats, STR("lost"));
	uint64_t lost = number_at(json, json_get(json, stats, STR("spool_lost_events"))) +
	                number_at(json, json_get(json, stats, STR("queue_lost_events")));

	if (causes == 0 || json->nodes[causes].kind != JSON_OBJECT)
		return lost;
	for (uint32_t i = json_first(json, causes); i != json_end(json, causes); i = json->nodes[i + 1].next)
		lost += number_at(json, i + 1);
	return lost;
}

/* Causes that are not 0, and the calls that were lost most. */
static void take_causes(struct sensor *sensor, const struct json *json, uint32_t stats)
{
	uint32_t causes = json_get(json, stats, STR("lost_by")), calls = json_get(json, stats, STR("lost_calls"));
	struct buf text = { .max = SENSOR_CAUSES_MAX };
	bool first = true;

	if (causes != 0 && json->nodes[causes].kind == JSON_OBJECT)
		for (uint32_t i = json_first(json, causes); i != json_end(json, causes); i = json->nodes[i + 1].next)
			if (number_at(json, i + 1) > 0)
				buf_addf(&text, "%s%.*s %llu", text.len > 0 ? ", " : "", STR_ARG(json_raw(json, i)),
				         (unsigned long long)number_at(json, i + 1));
	if (text.len > 0 && calls != 0 && json->nodes[calls].kind == JSON_OBJECT)
		for (uint32_t i = json_first(json, calls); i != json_end(json, calls); i = json->nodes[i + 1].next) {
			buf_addf(&text, "%s%.*s", first ? " (" : ", ", STR_ARG(json_raw(json, i)));
			first = false;
		}
	if (!first)
		buf_add_char(&text, ')');
	copy_text(sensor->causes, sizeof(sensor->causes), buf_str(&text));
	buf_done(&text);
}

static void take_flood(struct sensor *sensor, const struct json *json, uint32_t stats)
{
	uint32_t flood = json_get(json, stats, STR("flood")), name;
	char text[SENSOR_FLOOD_MAX - 24];

	sensor->flood[0] = '\0';
	if (flood == 0 || json->nodes[flood].kind != JSON_OBJECT)
		return;
	name = json_get(json, flood, STR("name"));
	if (name == 0 || json->nodes[name].kind != JSON_STRING || json->nodes[name].len > sizeof(text))
		return;
	snprintf(sensor->flood, sizeof(sensor->flood), "%.*s (%llu)",
	         (int)json_unescape(json_raw(json, name), text), text,
	         (unsigned long long)number_at(json, json_get(json, flood, STR("pid"))));
}

static struct str text_at(const struct json *json, uint32_t node, char *room, size_t size)
{
	if (node == 0 || json->nodes[node].kind != JSON_STRING || json->nodes[node].len >= size)
		return STR("");
	return (struct str){ room, json_unescape(json_raw(json, node), room) };
}

static void add_notice(struct sensor *sensor, struct str what, uint64_t seconds, struct str detail)
{
	struct sensor_notice *at = &sensor->notices[sensor->notices_count];

	if (sensor->notices_count == SENSOR_NOTICES_MAX)
		return;
	copy_text(at->what, sizeof(at->what), what);
	copy_text(at->detail, sizeof(at->detail), detail);
	at->seconds = seconds;
	sensor->notices_count++;
}

/* Those that a sensor may send: it cannot speak of what only the hub sees. */
static bool is_notice(struct str what)
{
	return str_eq(what, STR("sensor_paused")) || str_eq(what, STR("sensor_blind")) ||
	       str_eq(what, STR("sensor_failed"));
}

static void take_notices(struct sensor *sensor, const struct json *json, uint32_t tamper)
{
	uint32_t list = json_get(json, tamper, STR("notices"));
	char what[24], detail[SENSOR_DETAIL_MAX];

	if (list == 0 || json->nodes[list].kind != JSON_ARRAY)
		return;
	for (uint32_t i = json_first(json, list); i != json_end(json, list); i = json->nodes[i].next) {
		uint64_t n;
		struct str name;

		if (json->nodes[i].kind != JSON_OBJECT)
			continue;
		n = number_at(json, json_get(json, i, STR("n")));
		name = text_at(json, json_get(json, i, STR("what")), what, sizeof(what));
		if (n <= sensor->run.notices || !is_notice(name))
			continue;
		sensor->run.notices = n;
		add_notice(sensor, name, number_at(json, json_get(json, i, STR("seconds"))),
		           text_at(json, json_get(json, i, STR("detail")), detail, sizeof(detail)));
	}
}

/* The run before did not say farewell, neither to us nor to its successor: it was killed, or its machine
 * went down. */
static void look_at_end(struct sensor *sensor, const struct json *json)
{
	char ended[SENSOR_ID_MAX];
	struct str said = text_at(json, json_get(json, 0, STR("ended")), ended, sizeof(ended));
	char who[SENSOR_DETAIL_MAX];
	struct str killed = text_at(json, json_get(json, 0, STR("killed")), who, sizeof(who));

	if (sensor->run.beats)
		return;
	if (sensor->before.beats && !sensor->before.left && !str_eq(said, str_of(sensor->before.boot)))
		add_notice(sensor, STR("sensor_killed"), 0,
		           killed.len > 0 ? killed : STR("it started again and had not said farewell"));
	sensor->before.left = true;
}

/* What was done to the sensor. A first heartbeat may come before the sensor knows. */
static void take_tamper(struct sensor *sensor, const struct json *json)
{
	uint32_t tamper = json_get(json, 0, STR("tamper"));
	char room[SENSOR_DETAIL_MAX];
	struct str farewell;

	if (tamper == 0 || json->nodes[tamper].kind != JSON_OBJECT)
		return;
	look_at_end(sensor, json);
	sensor->run.beats = true;
	take_notices(sensor, json, tamper);
	farewell = text_at(json, json_get(json, 0, STR("farewell")), room, sizeof(room));
	if (farewell.len > 0 && !sensor->run.left) {
		sensor->run.left = true;
		add_notice(sensor, STR("sensor_stopped"), 0, farewell);
	}
}

/* What the sensor says it lost before anything got a number: no gap shows it. */
static void take_losses(struct sensor *sensor, struct str status)
{
	struct json_node nodes[512];
	struct json json = { .text = status, .nodes = nodes, .cap = ARRAY_LEN(nodes), .depth_max = 8 };
	uint32_t stats;
	size_t end;

	if (json_read(&json, 0, &end) < 0 || nodes[0].kind != JSON_OBJECT)
		return;
	take_tamper(sensor, &json);
	stats = json_get(&json, 0, STR("stats"));
	if (stats == 0 || nodes[stats].kind != JSON_OBJECT)
		return;
	sensor->run.lost = lost_of(&json, stats);
	take_causes(sensor, &json, stats);
	take_flood(sensor, &json, stats);
}

void sensor_heartbeat(struct sensors *sensors, struct sensor *sensor, struct str status)
{
	char *copy = status.len > SENSOR_STATUS_MAX ? NULL : str_dup(status);

	pthread_mutex_lock(&sensors->lock);
	free(sensor->status);
	sensor->status = copy;
	take_losses(sensor, status);
	pthread_mutex_unlock(&sensors->lock);
}

void sensor_restore(struct sensors *sensors, struct str id, struct str boot, struct str hostname,
                    struct str status, uint64_t seq, uint64_t gaps, int64_t seen_ns)
{
	struct sensor *sensor = sensors_see(sensors, id, boot, hostname, seen_ns);

	if (sensor == NULL)
		return;
	sensor->run.seq = seq;
	sensor->gaps = sensor->told_gaps = gaps;
	if (status.len > 0)
		sensor_heartbeat(sensors, sensor, status);
	sensor->run.told_lost = sensor->run.lost;
	sensor->notices_count = 0; /* these have been told */
	sensor->silent_ns = sensor->seen_ns;
}

static void report_one(const struct sensor *sensor, struct buf *out)
{
	buf_add(out, STR("{\"id\":"));
	buf_add_json(out, str_of(sensor->id));
	buf_add(out, STR(",\"boot\":"));
	buf_add_json(out, str_of(sensor->run.boot));
	buf_add(out, STR(",\"hostname\":"));
	buf_add_json(out, str_of(sensor->hostname));
	buf_add(out, STR(",\"seq\":"));
	buf_add_u64(out, sensor->run.seq);
	buf_add(out, STR(",\"gaps\":"));
	buf_add_u64(out, sensor->gaps);
	buf_add(out, STR(",\"seen\":\""));
	buf_add_time(out, sensor->seen_ns);
	buf_add(out, STR("\",\"status\":"));
	buf_add(out, sensor->status == NULL ? STR("null") : str_of(sensor->status));
	buf_add_char(out, '}');
}

void sensors_report(struct sensors *sensors, struct buf *out)
{
	size_t count = 0;

	pthread_mutex_lock(&sensors->lock);
	buf_add_char(out, '[');
	for (const struct sensor *at = sensors->newest; at != NULL && count < REPORT_MAX; at = at->older) {
		if (count++ > 0)
			buf_add_char(out, ',');
		report_one(at, out);
	}
	buf_add_char(out, ']');
	pthread_mutex_unlock(&sensors->lock);
}

void sensors_each(struct sensors *sensors, void (*visit)(void *userdata, struct sensor *sensor),
                  void *userdata)
{
	for (struct sensor *at = sensors->newest, *older; at != NULL; at = older) {
		older = at->older;
		visit(userdata, at);
	}
}

size_t sensors_count(struct sensors *sensors)
{
	size_t count;

	pthread_mutex_lock(&sensors->lock);
	count = sensors->count;
	pthread_mutex_unlock(&sensors->lock);
	return count;
}

void sensors_metrics(struct sensors *sensors, struct metrics *metrics)
{
	pthread_mutex_lock(&sensors->lock);
	metrics_family(metrics, METRIC_GAUGE, "tocsin_hub_sensors", NULL, "Sensors known.");
	metrics_u64(metrics, NULL, sensors->count);
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_sensor_sequence_gaps", NULL,
	               "Sequence numbers of sensors that never arrived.");
	metrics_u64(metrics, NULL, sensors->gaps);
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_sensors_forgotten", NULL,
	               "Sensors forgotten because more than the limit report.");
	metrics_u64(metrics, NULL, sensors->forgotten);
	pthread_mutex_unlock(&sensors->lock);
}
