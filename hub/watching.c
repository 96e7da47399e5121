/* From events to what hub-only rules make of them: the pipeline's side of hub/watch/. */
#include "hub/pipeline_inner.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>

enum {
	KEY_MAX = 512,	 /* bytes of a key that stay as they are; a longer one is cut and gets its hash */
	DUE_MAX = 256,	 /* absences that one tick raises */
	WHAT_MAX = 160,	 /* bytes of an event's description */
};

/* --- life --------------------------------------------------------------------------------------- */

static bool restore_row(void *userdata, const struct journal_watch *row)
{
	struct pipeline *line = userdata;
	struct watch_row state = { .id = row->id, .name = row->name, .by = row->by, .of = row->of,
		                   .version = row->version, .touched_ns = row->touched_ns,
		                   .state = row->state };

	watches_restore(line->watches, &state, clock_now());
	return true;
}

int watching_restore(struct pipeline *line)
{
	return journal_each_watch(line->settings.journal, restore_row, line);
}

int watching_setup(struct pipeline *line)
{
	const struct config *config = line->settings.config;
	const struct watches_settings settings = {
		.entries_max = (uint32_t)config->watch.max_entries,
		.memory_max = (size_t)config->watch.max_memory,
		.lateness_ns = config->watch.lateness_ms * NS_PER_MS,
		.hash_key = &line->hash_key,
	};

	return watches_new(&settings, &line->watches);
}

void watching_turn(struct pipeline *line)
{
	static const struct str names[WATCH_VALUES] = {
		[WATCH_COUNT] = STR("watch.count"), [WATCH_KEY] = STR("watch.key"),
		[WATCH_FIRST_TIME] = STR("watch.first_time"), [WATCH_LAST_TIME] = STR("watch.last_time"),
		[WATCH_VALUE] = STR("watch.value"),
	};

	for (size_t i = 0; i < WATCH_VALUES; i++)
		line->watch_fields[i] = fields_find(line->set->fields, names[i]);
}

void watching_use(struct pipeline *line)
{
	if (watches_use(line->watches, line->set->rules) < 0)
		log_err("out of memory: hub-only rules rest until rules are loaded again");
}

/* --- what is fed -------------------------------------------------------------------------------- */

/* A key that a stranger made long is cut, and told from others by its hash. */
static void shorten(const struct pipeline *line, struct buf *key)
{
	struct hash128 hash;
	struct buf cut = { 0 };

	if (key->len <= KEY_MAX)
		return;
	hash = hash128_of(&line->hash_key, buf_str(key));
	buf_add(&cut, STR("{\"key\":"));
	buf_add_json(&cut, str_cut(buf_str(key), KEY_MAX / 2));
	buf_addf(&cut, ",\"hash\":\"%016llx%016llx\"}", (unsigned long long)hash.hi, (unsigned long long)hash.lo);
	buf_clear(key);
	buf_add(key, buf_str(&cut));
	if (!buf_ok(&cut))
		key->failed = true;
	buf_done(&cut);
}

static void add_what(struct buf *note, const struct event *event)
{
	static const field_id shown[] = { FIELD_EVT_TYPE, FIELD_PROC_NAME, FIELD_USER_NAME, FIELD_FD_NAME };
	char what[WHAT_MAX * 2];
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
		const struct value *value = event_get(event, shown[i]);
		struct str text = value->kind == VALUE_STR ? str_cut(value_as_str(value), WHAT_MAX / 2) : (struct str){ 0 };

		if (text.len == 0 || len + text.len + 1 > WHAT_MAX)
			continue;
		if (len > 0)
			what[len++] = ' ';
		memcpy(what + len, text.at, text.len);
		len += text.len;
	}
	if (len == 0)
		return;
	buf_add(note, STR(",\"what\":"));
	buf_add_json(note, (struct str){ what, len });
}

/* What an alert's evidence says of the event, or of the alert that it came from. */
static struct str note(struct pipeline *line, const struct compose *alert, struct hash128 identity)
{
	const struct event *event = line->event;
	struct buf *out = &line->note;
	char id[37];

	buf_clear(out);
	buf_add(out, STR("{\"time\":\""));
	buf_add_time(out, event->time_ns);
	buf_add(out, STR("\",\"hostname\":"));
	buf_add_json(out, str_cut(event->hostname, 64));
	if (alert != NULL) {
		compose_uuid(id, (const uint64_t[]){ identity.hi, identity.lo });
		buf_addf(out, ",\"alert\":\"%s\",\"rule\":", id);
		buf_add_json(out, str_cut(alert->rule, 100));
	} else {
		if (event->sensor.id.len > 0) {
			buf_add(out, STR(",\"sensor\":"));
			buf_add_json(out, str_cut(event->sensor.id, 40));
			buf_addf(out, ",\"seq\":%llu", (unsigned long long)event->sensor.seq);
		}
		add_what(out, event);
	}
	buf_add_char(out, '}');
	return buf_ok(out) && out->len <= WATCH_NOTE_LEN_MAX ? buf_str(out) : (struct str){ 0 };
}

/* --- what fires --------------------------------------------------------------------------------- */

static void set_field(struct pipeline *line, enum watch_value which, struct str text)
{
	event_set(line->event, line->watch_fields[which],
	          text.len == 0 ? (struct value){ .kind = VALUE_NULL } : value_str(text));
}

static void add_evidence(struct buf *out, const struct watch_firing *firing)
{
	buf_clear(out);
	buf_addf(out, "{\"kind\":\"%s\",\"count\":%llu,\"first\":\"", watch_kind_name(rule_watch(firing->rule)->kind),
	         (unsigned long long)firing->count);
	buf_add_time(out, firing->first_ns);
	buf_add(out, STR("\",\"last\":\""));
	buf_add_time(out, firing->last_ns);
	buf_add(out, STR("\",\"key\":"));
	buf_add(out, firing->by);
	if (firing->of.len > 0) {
		buf_add(out, STR(",\"value\":"));
		buf_add(out, firing->of);
	}
	buf_add(out, STR(",\"events\":"));
	buf_add(out, firing->evidence);
	buf_add_char(out, '}');
}

static int raise_firing(struct pipeline *line, struct batch *batch, const struct watch_firing *firing,
                        struct hash128 identity, const struct item *item)
{
	const struct event *event = line->event;
	struct compose compose = {
		.time_ns = event->time_ns, .priority = rule_priority(firing->rule), .rule = rule_name(firing->rule),
		.source = rule_source(firing->rule), .hostname = event->hostname, .sensor = &event->sensor,
		.by = firing->by,
	};
	struct buf first = { 0 }, last = { 0 };
	int r = -ENOMEM;

	buf_add_time(&first, firing->first_ns);
	buf_add_time(&last, firing->last_ns);
	event_set(line->event, line->watch_fields[WATCH_COUNT], value_i64((int64_t)firing->count));
	set_field(line, WATCH_KEY, firing->by);
	set_field(line, WATCH_VALUE, firing->of);
	set_field(line, WATCH_FIRST_TIME, buf_str(&first));
	set_field(line, WATCH_LAST_TIME, buf_str(&last));
	compose.tags = rule_tags(firing->rule, &compose.tags_count);
	buf_clear(&line->text);
	buf_clear(&line->fields);
	rules_format(line->set->rules, line->set->scratch, firing->rule, event, &line->text, &line->fields);
	add_evidence(&line->evidence, firing);
	compose.output = buf_str(&line->text);
	compose.output_fields = buf_str(&line->fields);
	compose.evidence = buf_str(&line->evidence);
	if (buf_ok(&line->text) && buf_ok(&line->fields) && buf_ok(&line->evidence) && buf_ok(&first) && buf_ok(&last))
		r = raise_alert(line, batch, &compose, identity, item);
	for (size_t i = 0; i < WATCH_VALUES; i++)
		event_set(line->event, line->watch_fields[i], (struct value){ .kind = VALUE_NULL });
	buf_done(&first);
	buf_done(&last);
	return r;
}

static bool keep_identity(struct batch *batch, struct hash128 identity)
{
	struct hash128 *larger;

	if (batch->fed_count == batch->fed_cap) {
		batch->fed_cap = batch->fed_cap == 0 ? 8 : batch->fed_cap * 2;
		larger = arena_alloc(&batch->arena, batch->fed_cap * sizeof(*larger));
		if (larger == NULL)
			return false;
		if (batch->fed_count > 0)
			memcpy(larger, batch->fed, batch->fed_count * sizeof(*larger));
		batch->fed = larger;
	}
	batch->fed[batch->fed_count++] = identity;
	return true;
}

static int feed(struct pipeline *line, struct batch *batch, const struct watch_hit *hit,
                const struct compose *alert, struct hash128 event, struct hash128 own, const struct item *item)
{
	struct watch_firing firing;
	struct watch_match match = { .rule = hit->rule, .steps = hit->steps, .time_ns = line->event->time_ns,
		                     .now_ns = line->event->received_ns, .identity = own.lo };
	int r;

	buf_clear(&line->by);
	buf_clear(&line->of);
	if (!rules_watch_keys(line->set->scratch, hit->rule, line->event, &line->by, &line->of))
		buf_clear(&line->of);
	shorten(line, &line->by);
	shorten(line, &line->of);
	if (!buf_ok(&line->by) || !buf_ok(&line->of))
		return -ENOMEM;
	match.by = buf_str(&line->by);
	match.of = buf_str(&line->of);
	match.note = note(line, alert, event);
	batch->watch.arena = &batch->arena;
	r = watches_feed(line->watches, &match, &batch->watch, &firing);
	return r <= 0 ? r : raise_firing(line, batch, &firing, identity_of_rule(line, own, STR("fired")), item) < 0 ?
	                            -ENOMEM : 1;
}

int watching_take(struct pipeline *line, struct batch *batch, const struct watch_hit *hits, size_t count,
                  const struct compose *alert, struct hash128 identity, const struct item *item,
                  struct watching *ret)
{
	for (size_t i = 0; i < count; i++) {
		struct hash128 own = identity_of_rule(line, identity, rule_name(hits[i].rule));
		int r;

		/* Heard twice is heard: what is to come always would fill the window. */
		if (rule_watch(hits[i].rule)->kind == WATCH_ABSENT) {
			r = feed(line, batch, &hits[i], alert, identity, own, item);
			if (r < 0)
				return r;
			continue;
		}
		ret->counted++;
		if (window_seen(line->window, own, line->event->received_ns))
			continue;
		ret->fresh++;
		if (!keep_identity(batch, own)) {
			window_forget(line->window, own);
			return -ENOMEM;
		}
		r = feed(line, batch, &hits[i], alert, identity, own, item);
		if (r < 0)
			return r;
		ret->fired += (size_t)r;
	}
	return 0;
}

/* --- with the batch ----------------------------------------------------------------------------- */

void watching_submit(struct pipeline *line, struct batch *batch)
{
	const struct watch_row *rows;
	struct journal_watch *out;
	size_t count;

	batch->watch.arena = &batch->arena;
	if (watches_rows(line->watches, &batch->watch, &rows, &count) < 0 || count == 0)
		return; /* after a restart the key starts anew */
	out = arena_alloc(&batch->arena, count * sizeof(*out));
	if (out == NULL)
		return;
	for (size_t i = 0; i < count; i++)
		out[i] = (struct journal_watch){ .id = rows[i].id, .name = rows[i].name, .version = rows[i].version,
			                         .by = rows[i].by, .of = rows[i].of,
			                         .touched_ns = rows[i].touched_ns, .state = rows[i].state };
	batch->commit.watches = out;
	batch->commit.watches_count = count;
}

void watching_forget(struct pipeline *line, const struct batch *batch)
{
	watches_undo(line->watches, &batch->watch);
	for (size_t i = 0; i < batch->fed_count; i++)
		window_forget(line->window, batch->fed[i]);
}

/* --- what does not come ------------------------------------------------------------------------- */

/* A value of a key: as rules_watch_keys() writes it, lists apart. */
static struct value value_of(struct batch *batch, const struct json *json, uint32_t node)
{
	struct str text = json_raw(json, node);
	struct value value = { .kind = VALUE_NULL };
	double real;

	switch (json->nodes[node].kind) {
	case JSON_STRING: return value_str(json_string(json, node, &batch->arena));
	case JSON_FALSE:
	case JSON_TRUE: return value_bool(json->nodes[node].kind == JSON_TRUE);
	case JSON_NUMBER:
		if (str_to_i64(text, &value.i))
			value.kind = VALUE_INT;
		else if (str_to_u64(text, &value.u))
			value.kind = VALUE_UINT;
		else if (str_to_double(text, &real))
			value = (struct value){ .kind = VALUE_DOUBLE, .d = real };
		return value;
	default: return value;
	}
}

/* The event that did not come has the fields of the key. */
static void become_absent(struct pipeline *line, struct batch *batch, const struct watch_firing *firing, int64_t now)
{
	struct json json = { .text = firing->by, .nodes = line->normalise.nodes, .cap = line->normalise.nodes_max,
		             .depth_max = line->normalise.depth_max };
	struct event *event = line->event;
	size_t end;

	event_clear(event);
	event->source = rule_source(firing->rule);
	event->time_ns = event->received_ns = now;
	if (json_read(&json, 0, &end) < 0 || json.nodes[0].kind != JSON_OBJECT)
		return;
	for (uint32_t i = json_first(&json, 0); i != json_end(&json, 0); i = json.nodes[i + 1].next) {
		struct str key = json_raw(&json, i);
		struct value value = value_of(batch, &json, i + 1);

		if (!str_eq(key, STR("hostname")))
			event_set(event, fields_find(line->set->fields, key), value);
		else if (value.kind == VALUE_STR)
			event->hostname = value_as_str(&value);
	}
}

static void tick_done(struct batch *batch, int result)
{
	(void)result; /* what was not written is due again */
	batch_free(batch);
}

void watching_tick(struct pipeline *line)
{
	struct batch *batch = batch_new(line);
	struct watch_firing firing;
	int64_t now = clock_now();
	int r = 0;

	if (batch == NULL)
		return;
	batch->done = tick_done;
	batch->watch.arena = &batch->arena;
	for (int i = 0; i < DUE_MAX && r == 0 && watches_due(line->watches, now, &batch->watch, &firing); i++) {
		struct hash_state state;

		become_absent(line, batch, &firing, now);
		hash_begin(&state, &line->hash_key);
		hash_add(&state, rule_name(firing.rule));
		hash_add(&state, firing.by);
		hash_add_u64(&state, (uint64_t)firing.first_ns);
		r = raise_firing(line, batch, &firing, hash_end(&state), NULL);
	}
	if (r < 0) {
		batch_abandon(batch);
		return;
	}
	if (batch->commit.alerts_count == 0 && batch->watch.first == NULL && !watches_has_gone(line->watches))
		batch_free(batch);
	else
		pipeline_submit(line, batch);
}
