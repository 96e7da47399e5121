/* The pipeline: the only place that knows which room comes after which. */
#include "hub/judge.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

/* --- life --------------------------------------------------------------------------------------- */

static void fingerprint_setup(struct pipeline *line)
{
	const struct conf_strings *fields = &line->settings.config->incidents.fields;

	for (size_t i = 0; i < fields->count && i < FINGERPRINT_FIELDS_MAX; i++) {
		struct str name = str_of(fields->at[i]);

		line->fingerprint[line->fingerprint_count++] = (struct fingerprint_field){
			.name = name,
			.hostname = str_eq(name, STR("hostname")),
		};
	}
}

static bool restore_identity(void *userdata, struct hash128 identity, int64_t received_ns)
{
	struct pipeline *line = userdata;

	window_seen(line->window, identity, received_ns);
	return true;
}

static bool restore_sensor(void *userdata, const struct journal_sensor *sensor)
{
	struct pipeline *line = userdata;

	sensor_restore(line->settings.sensors, sensor->id, sensor->boot, sensor->hostname, sensor->status,
	               sensor->seq, sensor->gaps, sensor->seen_ns);
	return true;
}

static bool restore_incident(void *userdata, const struct journal_incident *incident)
{
	struct pipeline *line = userdata;
	struct incident state = {
		.id = incident->id, .first_ns = incident->first_ns, .last_ns = incident->last_ns,
		.count = incident->count, .announced = incident->announced,
		.announced_ns = incident->announced_ns, .priority = incident->priority,
	};

	return incidents_restore(line->incidents, incident->key, &state) == 0;
}

/* Counts of incidents reach the journal's incident rows late; the alerts themselves carry them. */
static int restore_counts(struct pipeline *line)
{
	struct journal *journal = line->settings.journal;
	struct journal_reader *reader;
	struct arena arena;
	struct alert alerts[64];
	uint64_t at = journal_last(journal);
	int r = journal_reader_open(journal, &reader);

	if (r < 0)
		return r;
	arena_init(&arena, 64 << 20);
	at = at > RESTORE_ALERTS ? at - RESTORE_ALERTS : 0;
	for (;;) {
		r = journal_read(reader, at, ARRAY_LEN(alerts), 4 << 20, &arena, alerts);
		if (r <= 0)
			break;
		for (int i = 0; i < r; i++) {
			incidents_seen_id(line->incidents, alerts[i].incident);
			if (alerts[i].change <= ALERT_OPENED)
				incidents_raise(line->incidents, alerts[i].incident, alerts[i].count,
				                alerts[i].received_ns);
		}
		at = alerts[r - 1].seq;
		arena_reset(&arena);
	}
	arena_done(&arena);
	journal_reader_close(reader);
	return r;
}

static int restore(struct pipeline *line)
{
	const struct config *config = line->settings.config;
	struct journal *journal = line->settings.journal;
	int64_t since = clock_now() - config->dedup.window_ms * NS_PER_MS;
	uint64_t highest = 0;
	int r;

	r = journal_each_identity(journal, since, (size_t)config->dedup.max_entries, restore_identity, line);
	if (r < 0)
		return r;
	r = journal_each_sensor(journal, restore_sensor, line);
	if (r < 0)
		return r;
	r = journal_each_incident(journal, restore_incident, line, &highest);
	if (r < 0)
		return r;
	incidents_seen_id(line->incidents, highest);
	r = watching_restore(line);
	return r < 0 ? r : restore_counts(line);
}

static int setup(struct pipeline *line)
{
	const struct config *config = line->settings.config;
	const struct incidents_settings incidents = {
		.max_open = (uint32_t)config->incidents.max_open,
		.resolve_after_ns = config->incidents.resolve_after_ms * NS_PER_MS,
		.update_interval_ns = config->incidents.update_interval_ms * NS_PER_MS,
		.hash_key = &line->hash_key,
	};
	int r;

	line->hash_key = *journal_key(line->settings.journal);
	line->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (line->fd < 0)
		return -errno;
	r = opa_new(line->fd, &line->opa);
	if (r < 0)
		return r;
	r = normalise_init(&line->normalise, line->settings.set->fields, (uint32_t)config->ingest.max_fields,
	                   (uint32_t)config->ingest.max_depth, (size_t)config->ingest.max_event);
	if (r == 0)
		r = window_new((uint32_t)config->dedup.max_entries, config->dedup.window_ms * NS_PER_MS,
		               &line->window);
	if (r == 0)
		r = incidents_new(&incidents, &line->incidents);
	if (r == 0)
		r = watching_setup(line);
	if (r < 0)
		return r;
	fingerprint_setup(line);
	pipeline_use(line, line->settings.set);
	return r == 0 ? restore(line) : r;
}

int pipeline_new(const struct pipeline_settings *settings, struct pipeline **ret)
{
	struct pipeline *line = calloc(1, sizeof(*line));
	int r;

	if (line == NULL)
		return -ENOMEM;
	line->settings = *settings;
	line->fd = -1;
	r = setup(line);
	if (r < 0) {
		pipeline_free(line);
		return r;
	}
	*ret = line;
	return 0;
}

void pipeline_turn(struct pipeline *line, struct ruleset *set)
{
	ruleset_ref(set);
	ruleset_unref(line->set);
	line->set = set;
	line->event = &set->event;
	line->normalise.fields = set->fields;
	raise_use(line);
	watching_turn(line);
}

void pipeline_use(struct pipeline *line, struct ruleset *set)
{
	struct ruleset *former = line->set == NULL ? NULL : ruleset_ref(line->set);

	pipeline_turn(line, set);
	watching_use(line);
	ruleset_unref(former);
}

void pipeline_free(struct pipeline *line)
{
	if (line == NULL)
		return;
	opa_free(line->opa);
	for (struct batch *next; line->asking != NULL; line->asking = next) {
		next = line->asking->next;
		batch_free(line->asking);
	}
	for (struct batch *batch = line->pool, *next; batch != NULL; batch = next) {
		next = batch->next;
		arena_done(&batch->arena);
		free(batch);
	}
	incidents_free(line->incidents);
	window_free(line->window);
	watches_free(line->watches);
	ruleset_unref(line->set);
	normalise_done(&line->normalise);
	buf_done(&line->key);
	buf_done(&line->by);
	buf_done(&line->of);
	buf_done(&line->note);
	buf_done(&line->evidence);
	buf_done(&line->text);
	buf_done(&line->fields);
	buf_done(&line->line);
	buf_done(&line->raw);
	if (line->fd >= 0)
		close(line->fd);
	free(line);
}

struct batch *batch_new(struct pipeline *line)
{
	struct batch *batch = line->pool;
	struct arena arena;

	if (batch == NULL) {
		batch = calloc(1, sizeof(*batch));
		if (batch == NULL)
			return NULL;
		arena_init(&batch->arena, BATCH_MEMORY);
	} else {
		line->pool = batch->next;
		line->pool_count--;
	}
	arena = batch->arena;
	*batch = (struct batch){ .arena = arena, .pipeline = line };
	return batch;
}

void batch_free(struct batch *batch)
{
	struct pipeline *line = batch->pipeline;
	bool large = batch->arena.used > BATCH_KEEP;

	judge_release(batch);

	if (large || line->pool_count >= POOL_MAX)
		arena_done(&batch->arena);
	else
		arena_reset(&batch->arena);
	if (line->pool_count >= POOL_MAX) {
		free(batch);
		return;
	}
	batch->next = line->pool;
	line->pool = batch;
	line->pool_count++;
}

/* --- items -------------------------------------------------------------------------------------- */

/* Who it is: the sensor's number when it has one, else all that it says. */
static struct hash128 identity_of(const struct pipeline *line, const struct item *item)
{
	const struct event *event = line->event;
	const struct json *json = &item->json;
	struct hash_state state;

	hash_begin(&state, &line->hash_key);
	hash_add_u64(&state, (uint64_t)item->kind);
	if (item->identity.len > 0) { /* another engine's: its own say, or all that it sent */
		hash_add(&state, event->source);
		hash_add(&state, item->identity);
		return hash_end(&state);
	}
	if (event->sensor.id.len > 0 && event->sensor.seq > 0) {
		hash_add(&state, event->sensor.id);
		hash_add(&state, event->sensor.boot);
		hash_add_u64(&state, event->sensor.seq);
		return hash_end(&state);
	}
	hash_add_u64(&state, (uint64_t)event->time_ns);
	hash_add(&state, event->hostname);
	hash_add(&state, event->source);
	hash_add(&state, event->rule);
	hash_add(&state, event->output);
	if (item->output_fields != 0)
		hash_add(&state, json_raw(json, item->output_fields));
	if (item->raw_fields != 0)
		hash_add(&state, json_raw(json, item->raw_fields));
	return hash_end(&state);
}

/* A duplicate's original may not be on disk yet: this batch then shares its fate. */
static int take_duplicate(struct pipeline *line, struct batch *batch)
{
	if (!batch->depends)
		batch->failed_before = line->failed;
	batch->depends = true;
	counter_add(&line->duplicates, 1);
	return batch_add_verdict(batch, ITEM_DUPLICATE) ? 0 : -ENOMEM;
}

/* Marks the sensor's number. False when it was taken before. */
static bool mark_sensor(struct pipeline *line, struct batch *batch)
{
	const struct event *event = line->event;
	struct batch_sensor *mark;
	struct sensor *sensor;

	if (event->sensor.id.len == 0)
		return true;
	sensor = sensors_see(line->settings.sensors, event->sensor.id, event->sensor.boot, event->hostname,
	                     event->received_ns);
	if (sensor == NULL) /* an id that cannot be one: the content stands for itself */
		return true;
	mark = batch_mark(batch, sensor);
	if (mark == NULL) /* too many in one request: the window of identities alone tells repeats */
		return true;
	if (event->sensor.seq == 0)
		return true;
	if (!sensor_take(line->settings.sensors, sensor, event->sensor.seq))
		return false;
	if (mark->first_seq == 0)
		mark->first_seq = event->sensor.seq;
	return true;
}

/* An alert that another engine raised passes through as it is. */
static int take_alert(struct pipeline *line, struct batch *batch, const struct item *item)
{
	const struct event *event = line->event;
	struct hash128 identity = identity_of(line, item);
	struct compose compose = {
		.time_ns = event->time_ns, .priority = event->priority, .rule = event->rule,
		.source = event->source, .hostname = event->hostname, .output = event->output,
		.tags = event->tags, .tags_count = event->tags_count, .sensor = &event->sensor,
	};
	int r;

	if (window_seen(line->window, identity, event->received_ns))
		return take_duplicate(line, batch);
	if (item->output_fields != 0) {
		buf_clear(&line->fields);
		json_copy(&line->fields, &item->json, item->output_fields);
		compose.output_fields = buf_str(&line->fields);
	}
	r = raise_alert(line, batch, &compose, identity, item);
	if (r == 0)
		r = raise_from_alert(line, batch, &compose, identity, item);
	if (r == 0)
		r = raise_from_finding(line, batch, identity, item);
	if (r < 0) {
		window_forget(line->window, identity);
		return r;
	}
	counter_add(&line->passed_on, 1);
	return batch_add_verdict(batch, ITEM_ACCEPTED) ? 0 : -ENOMEM;
}

/* What becomes of it is known when the verdicts are. */
static int take_judged(struct pipeline *line, struct batch *batch, const struct rule *const *hits,
                       size_t count, struct hash128 identity, const struct item *item,
                       const struct watching *watching)
{
	size_t fresh;
	int r = judge_event(line, batch, hits, count, identity, item, &fresh);

	if (r < 0)
		return r;
	if (fresh + watching->fresh == 0)
		return take_duplicate(line, batch);
	return batch_add_verdict(batch, watching->fired > 0 ? ITEM_ACCEPTED : ITEM_UNMATCHED) ? 0 : -ENOMEM;
}

static int take_event(struct pipeline *line, struct batch *batch, const struct item *item)
{
	const struct rule *hits[HITS_ROOM];
	struct hash128 identity = identity_of(line, item);
	struct watch_hit fed[HITS_ROOM];
	struct watching watching = { 0 };
	size_t count = 0, fresh = 0, fed_count = 0;
	int r;

	counter_add(&line->events, 1);
	if (line->set->rules != NULL) {
		count = raise_match(line, hits);
		fed_count = raise_match_watches(line, fed);
	}
	if (judge_concerns(hits, count)) {
		r = watching_take(line, batch, fed, fed_count, NULL, identity, item, &watching);
		if (r < 0)
			return r;
		return take_judged(line, batch, hits, count, identity, item, &watching);
	}
	for (size_t i = 0; i < count; i++) {
		struct hash128 own = identity_of_rule(line, identity, rule_name(hits[i]));

		if (window_seen(line->window, own, line->event->received_ns))
			continue;
		fresh++;
		r = raise_rule(line, batch, hits[i], own, item);
		if (r < 0) {
			window_forget(line->window, own);
			return r;
		}
	}
	r = watching_take(line, batch, fed, fed_count, NULL, identity, item, &watching);
	if (r < 0)
		return r;
	if (count + watching.counted > 0 && fresh + watching.fresh == 0)
		return take_duplicate(line, batch);
	count += watching.fired;
	if (count == 0)
		counter_add(&line->unmatched, 1);
	return batch_add_verdict(batch, count > 0 ? ITEM_ACCEPTED : ITEM_UNMATCHED) ? 0 : -ENOMEM;
}

static const struct str own_source = STR("tocsin");

static int take_item(struct pipeline *line, struct batch *batch, struct str body, size_t from, bool list,
                     int64_t now, size_t *end)
{
	struct reject reject = { 0 };
	struct item item;
	int r;

	event_clear(line->event);
	r = normalise_item(&line->normalise, body, from, list, now, &batch->arena, line->event, &item, end,
	                   &reject);
	if (r == -EBADMSG) {
		counter_add(&line->rejected, 1);
		return batch_reject(batch, reject.offset, reject.reason) ? 0 : -ENOMEM;
	}
	if (r < 0)
		return r;
	if (!line->inside && str_eq(line->event->source, own_source)) {
		counter_add(&line->rejected, 1);
		return batch_reject(batch, from, "the source \"tocsin\" is the hub's own") ? 0 : -ENOMEM;
	}
	if (!mark_sensor(line, batch))
		return take_duplicate(line, batch);
	return item.kind == ITEM_ALERT ? take_alert(line, batch, &item) : take_event(line, batch, &item);
}

int pipeline_take(struct pipeline *line, struct batch *batch, struct str body)
{
	int64_t now = clock_now();
	struct items items;
	int r;

	items_begin(&items, body);
	if (json_blanks(body, 0) >= body.len)
		return batch_reject(batch, body.len, "the body is empty") ? 0 : -ENOMEM;
	line->normalise.sender = batch->sender;
	while (!items.done) {
		size_t end = items.at;

		if (batch->items >= (size_t)line->settings.config->ingest.max_batch)
			return batch_reject(batch, items.at, "more items than max_batch") ? 0 : -ENOMEM;
		r = take_item(line, batch, body, items.at, items.list, now, &end);
		if (r < 0)
			return r;
		items_step(&items, end);
	}
	if (items.open)
		return batch_reject(batch, body.len, "the text ends inside an array") ? 0 : -ENOMEM;
	return 0;
}

/* --- to the journal and back -------------------------------------------------------------------- */

/* What a batch marked as seen is not: its alerts, its sensors' numbers, its hits. */
static void forget(struct pipeline *line, const struct batch *batch)
{
	judge_forget(line, batch);
	for (size_t i = 0; i < batch->commit.alerts_count; i++) {
		const struct journal_alert *alert = &batch->alerts[i];

		if (alert->change > ALERT_OPENED)
			continue;
		window_forget(line->window, alert->identity);
		incidents_unhit(line->incidents, alert->incident, alert->change == ALERT_OPENED);
	}
	watching_forget(line, batch);
	for (size_t i = 0; i < batch->marks_count; i++)
		if (batch->marks[i].first_seq > 0)
			sensors_untake(line->settings.sensors, batch->marks[i].id, batch->marks[i].boot,
			               batch->marks[i].first_seq);
}

void batch_abandon(struct batch *batch)
{
	forget(batch->pipeline, batch);
	batch_free(batch);
}

/* On the journal's thread. */
static void commit_done(struct journal_commit *commit, int result, uint64_t first_seq)
{
	struct batch *batch = (struct batch *)commit;
	struct pipeline *line = batch->pipeline;
	struct batch *head = atomic_load(&line->finished);

	(void)first_seq;
	batch->result = result;
	do
		batch->next = head;
	while (!atomic_compare_exchange_weak(&line->finished, &head, batch));
	if (head == NULL)
		eventfd_write(line->fd, 1); /* when it is full it is readable anyway */
}

static void add_sensor_rows(const struct pipeline *line, struct batch *batch)
{
	struct journal_sensor *rows;

	if (batch->marks_count == 0)
		return;
	if (batch->depends && line->underway > 0)
		return; /* what it repeats may yet fail: the disk must not say that it was taken */
	rows = arena_alloc(&batch->arena, batch->marks_count * sizeof(*rows));
	if (rows == NULL)
		return; /* dedup after a restart falls back to identities */
	for (size_t i = 0; i < batch->marks_count; i++) {
		const struct sensor *sensor = batch->marks[i].sensor;

		if (!str_eq(batch->marks[i].boot, str_of(sensor->run.boot)))
			continue; /* an older boot: its numbers are over */
		if (judge_holds(line, batch->marks[i].id))
			continue;
		rows[batch->commit.sensors_count++] = (struct journal_sensor){
			.id = batch->marks[i].id, .boot = batch->marks[i].boot, .seq = sensor->run.seq,
			.seen_ns = sensor->seen_ns, .gaps = sensor->gaps,
			.hostname = arena_str(&batch->arena, str_of(sensor->hostname)),
		};
	}
	batch->commit.sensors = rows;
}

static void finish(struct pipeline *line, struct batch *batch);

void pipeline_hand_over(struct pipeline *line, struct batch *batch, int result)
{
	if (result < 0) {
		batch->result = result;
		finish(line, batch);
		return;
	}
	watching_submit(line, batch); /* now, not earlier: rows say what is remembered when they are written */
	batch->commit.bytes = batch->arena.used + sizeof(*batch);
	batch->commit.done = commit_done;
	journal_submit(line->settings.journal, &batch->commit);
}

void pipeline_submit(struct pipeline *line, struct batch *batch)
{
	int r;

	add_sensor_rows(line, batch);
	line->underway++;
	if (judge_submit(line, batch, &r))
		pipeline_hand_over(line, batch, r);
}

uint64_t pipeline_waiting(const struct pipeline *line)
{
	return journal_waiting(line->settings.journal) + line->asking_bytes;
}

int pipeline_fd(const struct pipeline *line)
{
	return line->fd;
}

static void finish(struct pipeline *line, struct batch *batch)
{
	line->underway--;
	if (batch->result < 0) {
		counter_add(&line->failures, 1);
		line->failed++;
		forget(line, batch);
	} else if (batch->depends && batch->failed_before != line->failed) {
		batch->result = -EAGAIN; /* it called something a duplicate that was then lost */
	}
	batch->done(batch, batch->result);
}

void pipeline_collect(struct pipeline *line)
{
	struct batch *batch, *ordered = NULL;
	uint64_t count;
	ssize_t got = read(line->fd, &count, sizeof(count));

	(void)got;
	judge_collect(line);
	batch = atomic_exchange(&line->finished, NULL);
	while (batch != NULL) { /* the stack has the youngest on top */
		struct batch *next = batch->next;

		batch->next = ordered;
		ordered = batch;
		batch = next;
	}
	while (ordered != NULL) {
		batch = ordered;
		ordered = batch->next;
		finish(line, batch);
	}
}

size_t pipeline_underway(const struct pipeline *line)
{
	return line->underway;
}

void pipeline_tick(struct pipeline *line)
{
	changes_tick(line);
	watching_tick(line);
}

bool pipeline_wants_own(const struct pipeline *line)
{
	return line->set->rules != NULL && rules_wants_source(line->set->rules, own_source);
}

uint64_t pipeline_failures(const struct pipeline *line)
{
	return counter_get(&line->failures);
}

static void own_done(struct batch *batch, int result)
{
	(void)result; /* the log has it as well, and it is told again while it lasts */
	batch_free(batch);
}

void pipeline_raise(struct pipeline *line, struct str events)
{
	struct batch *batch = batch_new(line);

	if (batch == NULL)
		return;
	batch->done = own_done;
	line->inside = true;
	if (pipeline_take(line, batch, events) < 0)
		batch_abandon(batch);
	else
		pipeline_submit(line, batch);
	line->inside = false;
}

/* --- figures ------------------------------------------------------------------------------------ */

void pipeline_metrics(struct pipeline *line, struct metrics *metrics)
{
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_events", NULL, "Sensor events taken.");
	metrics_u64(metrics, NULL, counter_get(&line->events));
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_events_unmatched", NULL,
	               "Sensor events that no rule matched.");
	metrics_u64(metrics, NULL, counter_get(&line->unmatched));
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_events_deduplicated", NULL,
	               "Events and alerts that had been taken before.");
	metrics_u64(metrics, NULL, counter_get(&line->duplicates));
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_events_cut", NULL,
	               "Events that matched more rules than may fire on one.");
	metrics_u64(metrics, NULL, counter_get(&line->cut));
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_events_rejected", NULL,
	               "Events and alerts that could not be read.");
	metrics_u64(metrics, NULL, counter_get(&line->rejected));
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_alerts", NULL, "Alerts raised or passed on.");
	for (int i = 0; i < PRIORITY_COUNT; i++) {
		const struct metric_label labels[] = {
			{ "priority", str_of(priority_name((enum priority)i)) }, { 0 } };

		metrics_u64(metrics, labels, counter_get(&line->alerts[i]));
	}
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_commits_failed", NULL,
	               "Requests whose alerts could not be put on disk and were refused.");
	metrics_u64(metrics, NULL, counter_get(&line->failures));
	opa_metrics(line->opa, metrics);
	metrics_family(metrics, METRIC_GAUGE, "tocsin_hub_incidents_open", NULL, "Incidents that go on.");
	metrics_u64(metrics, NULL, incidents_count(line->incidents));
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_incidents_evicted", NULL,
	               "Incidents resolved early because too many were open.");
	metrics_u64(metrics, NULL, incidents_evicted(line->incidents));
	metrics_family(metrics, METRIC_GAUGE, "tocsin_hub_dedup_entries", NULL,
	               "Identities in the deduplication window.");
	metrics_u64(metrics, NULL, window_count(line->window));
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_dedup_evicted", NULL,
	               "Identities that left the window early because it was full.");
	metrics_u64(metrics, NULL, window_evicted(line->window));
	watches_metrics(line->watches, metrics);
}
