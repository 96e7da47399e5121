/* Looks at outputs, sensors, journal and disk, and says what has changed. */
#include "hub/health.h"

#include "base/clock.h"

#include <stdlib.h>
#include <sys/statvfs.h>

/* What was last said of an output. */
struct told {
	int64_t down_since_ns; /* 0: it works */
	int64_t said_ns;       /* 0: not yet that it is down */
	uint64_t dead;
};

struct health {
	struct health_settings settings;
	char hostname[256];
	struct told *outputs;
	uint64_t failed;       /* commits */
	int64_t disk_said_ns;
	struct buf events;
	size_t count;
	int64_t now;           /* of this look */
	int64_t steady_ns;     /* since when the looks follow each other */
};

struct health *health_new(const struct health_settings *settings)
{
	struct health *health = calloc(1, sizeof(*health));

	if (health == NULL)
		return NULL;
	health->settings = *settings;
	health->events.max = 4 << 20;
	gethostname(health->hostname, sizeof(health->hostname) - 1);
	health->outputs = calloc(deliver_count(settings->deliver) + 1, sizeof(*health->outputs));
	if (health->outputs == NULL) {
		health_free(health);
		return NULL;
	}
	for (size_t i = 0; i < deliver_count(settings->deliver); i++) {
		struct deliver_status status;

		deliver_status(settings->deliver, i, &status);
		health->outputs[i].dead = status.dead; /* those of earlier days have been told */
	}
	return health;
}

void health_free(struct health *health)
{
	if (health == NULL)
		return;
	buf_done(&health->events);
	free(health->outputs);
	free(health);
}

/* --- one event ---------------------------------------------------------------------------------- */

static void begin(struct health *health, const char *what, struct str hostname)
{
	struct buf *out = &health->events;

	health->count++;
	buf_add(out, STR("{\"source\":\"tocsin\",\"time\":\""));
	buf_add_time(out, health->now);
	buf_add(out, STR("\",\"hostname\":"));
	buf_add_json(out, hostname.len > 0 ? hostname : str_of(health->hostname));
	buf_addf(out, ",\"fields\":{\"tocsin.event\":\"%s\"", what);
}

static void add_text(struct health *health, const char *name, struct str value)
{
	buf_addf(&health->events, ",\"tocsin.%s\":", name);
	buf_add_json(&health->events, value);
}

static void add_number(struct health *health, const char *name, uint64_t value)
{
	buf_addf(&health->events, ",\"tocsin.%s\":%llu", name, (unsigned long long)value);
}

static void end(struct health *health)
{
	buf_add(&health->events, STR("}}\n"));
}

/* --- what there is to say ----------------------------------------------------------------------- */

static bool is_due(int64_t *said_ns, int64_t now)
{
	if (*said_ns != 0 && now - *said_ns < HEALTH_REPEAT_S * NS_PER_S)
		return false;
	*said_ns = now;
	return true;
}

static void say_output(struct health *health, const char *what, const struct deliver_status *status,
                       int64_t since_ns)
{
	begin(health, what, STR(""));
	add_text(health, "output", str_of(status->name));
	add_number(health, "count", status->lag);
	add_number(health, "seconds", (uint64_t)((health->now - since_ns) / NS_PER_S));
	add_text(health, "detail", str_of(status->note));
	end(health);
}

static void look_at_output(struct health *health, struct told *told, const struct deliver_status *status)
{
	bool down = status->state == DELIVER_BACKOFF || status->state == DELIVER_HOLD;

	if (status->dead > told->dead) {
		begin(health, "dead_letter", STR(""));
		add_text(health, "output", str_of(status->name));
		add_number(health, "count", status->dead - told->dead);
		add_text(health, "detail", str_of(status->note));
		end(health);
	}
	told->dead = status->dead;
	if (down && told->down_since_ns == 0)
		told->down_since_ns = health->now;
	/* Between two attempts it is "working": only a delivery ends it. */
	if (told->down_since_ns != 0 && !down && status->last_ok_ns >= told->down_since_ns) {
		if (told->said_ns != 0)
			say_output(health, "output_up", status, told->down_since_ns);
		told->down_since_ns = told->said_ns = 0;
	}
	if (told->down_since_ns != 0 && health->now - told->down_since_ns >= HEALTH_DOWN_S * NS_PER_S &&
	    is_due(&told->said_ns, health->now))
		say_output(health, "output_down", status, told->down_since_ns);
}

static void look_at_outputs(struct health *health)
{
	for (size_t i = 0; i < deliver_count(health->settings.deliver); i++) {
		struct deliver_status status;

		deliver_status(health->settings.deliver, i, &status);
		look_at_output(health, &health->outputs[i], &status);
	}
}

/* One that sends heartbeats, did not say farewell, and does not any more. Once for each silence; while the hub
 * itself was held it did not hear anybody. */
static void look_for_silence(struct health *health, struct sensor *sensor)
{
	const int64_t limit = health->settings.config->sensors.silent_after_ms * NS_PER_MS;
	int64_t since = sensor->seen_ns > health->steady_ns ? sensor->seen_ns : health->steady_ns;

	if (limit == 0 || !sensor->run.beats || sensor->run.left || sensor->silent_ns == sensor->seen_ns ||
	    health->now - since < limit)
		return;
	sensor->silent_ns = sensor->seen_ns;
	begin(health, "sensor_silent", str_of(sensor->hostname));
	add_text(health, "sensor", str_of(sensor->id));
	add_number(health, "seconds", (uint64_t)((health->now - sensor->seen_ns) / NS_PER_S));
	end(health);
}

static void look_at_sensor(void *userdata, struct sensor *sensor)
{
	struct health *health = userdata;

	if (health->count >= HEALTH_EVENTS_MAX)
		return;
	if (sensor->gaps > sensor->told_gaps) {
		begin(health, "sensor_gap", str_of(sensor->hostname));
		add_text(health, "sensor", str_of(sensor->id));
		add_number(health, "count", sensor->gaps - sensor->told_gaps);
		end(health);
		sensor->told_gaps = sensor->gaps;
	}
	if (sensor->run.lost > sensor->run.told_lost) {
		begin(health, "sensor_loss", str_of(sensor->hostname));
		add_text(health, "sensor", str_of(sensor->id));
		add_number(health, "count", sensor->run.lost - sensor->run.told_lost);
		if (sensor->flood[0] != '\0')
			add_text(health, "detail", str_of(sensor->flood));
		if (sensor->causes[0] != '\0')
			add_text(health, "causes", str_of(sensor->causes));
		end(health);
		sensor->run.told_lost = sensor->run.lost;
	}
	for (size_t i = 0; i < sensor->notices_count; i++) {
		begin(health, sensor->notices[i].what, str_of(sensor->hostname));
		add_text(health, "sensor", str_of(sensor->id));
		add_number(health, "seconds", sensor->notices[i].seconds);
		add_text(health, "detail", str_of(sensor->notices[i].detail));
		end(health);
	}
	sensor->notices_count = 0;
	look_for_silence(health, sensor);
	if (sensor->seen_ns > sensor->told_ns && health->now - sensor->told_ns >= HEALTH_SEEN_S * NS_PER_S) {
		begin(health, "sensor_seen", str_of(sensor->hostname));
		add_text(health, "sensor", str_of(sensor->id));
		end(health);
		sensor->told_ns = health->now;
	}
}

static void look_at_journal(struct health *health)
{
	uint64_t failed = pipeline_failures(health->settings.pipeline);

	if (failed > health->failed) {
		begin(health, "commit_failed", STR(""));
		add_number(health, "count", failed - health->failed);
		end(health);
	}
	health->failed = failed;
}

static void look_at_disk(struct health *health)
{
	struct statvfs fs;
	uint64_t percent;

	if (statvfs(health->settings.config->data_dir, &fs) < 0 || fs.f_blocks == 0)
		return;
	percent = (uint64_t)fs.f_bavail * 100 / fs.f_blocks;
	if (percent >= HEALTH_DISK_PERCENT) {
		health->disk_said_ns = 0;
	} else if (is_due(&health->disk_said_ns, health->now)) {
		begin(health, "disk_low", STR(""));
		add_number(health, "count", percent);
		add_text(health, "detail", str_of(health->settings.config->data_dir));
		end(health);
	}
}

static void raise_all(struct health *health)
{
	if (health->count > 0 && buf_ok(&health->events))
		pipeline_raise(health->settings.pipeline, buf_str(&health->events));
	buf_clear(&health->events);
	health->count = 0;
}

static void look_at_the_clock(struct health *health)
{
	int64_t now = clock_now();

	if (now < health->now || now - health->now >= HEALTH_GAP_S * NS_PER_S)
		health->steady_ns = now;
	health->now = now;
}

void health_tick(struct health *health)
{
	if (!pipeline_wants_own(health->settings.pipeline))
		return;
	look_at_the_clock(health);
	look_at_outputs(health);
	look_at_journal(health);
	look_at_disk(health);
	sensors_each(health->settings.sensors, look_at_sensor, health);
	raise_all(health);
}

void health_rules_failed(struct health *health, struct str detail)
{
	if (!pipeline_wants_own(health->settings.pipeline))
		return;
	health->now = clock_now();
	begin(health, "rules_reload_failed", STR(""));
	add_text(health, "detail", detail);
	end(health);
	raise_all(health);
}
