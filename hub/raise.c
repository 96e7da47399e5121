/* From a match to an alert in the batch: text, incident, identity, line. */
#include "hub/judge.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>

/* Two troubles of the hub itself are two incidents when they are about different outputs or sensors. */
static const struct fingerprint_field own_fields[] = {
	{ .name = STR("tocsin.event") }, { .name = STR("tocsin.output") }, { .name = STR("tocsin.sensor") },
};

/* The value of one fingerprint field as JSON; absent ones are null, so that keys stay comparable. */
static void add_fingerprint_value(struct pipeline *line, const struct fingerprint_field *field,
                                  const struct item *item)
{
	const struct event *event = line->event;
	uint32_t node;

	if (field->hostname) {
		buf_add_json(&line->key, event->hostname);
		return;
	}
	node = item == NULL ? 0 : item->kind == ITEM_ALERT ? item->output_fields : item->raw_fields;
	if (node != 0)
		node = json_get(&item->json, node, field->name);
	if (node == 0)
		buf_add(&line->key, STR("null"));
	else
		json_copy(&line->key, &item->json, node);
}

static struct str fingerprint(struct pipeline *line, const struct compose *compose, const struct item *item)
{
	const struct fingerprint_field *fields = line->inside ? own_fields : line->fingerprint;
	size_t count = line->inside ? ARRAY_LEN(own_fields) : line->fingerprint_count;

	buf_clear(&line->key);
	buf_add(&line->key, STR("{\"rule\":"));
	buf_add_json(&line->key, compose->rule);
	buf_add(&line->key, STR(",\"source\":"));
	buf_add_json(&line->key, line->event->source);
	if (compose->by.len > 2) { /* the members of its key */
		buf_add_char(&line->key, ',');
		buf_add(&line->key, str_cut(str_from(compose->by, 1), compose->by.len - 2));
	}
	for (size_t i = 0; i < count && compose->by.len == 0; i++) {
		buf_add_char(&line->key, ',');
		buf_add_json(&line->key, fields[i].name);
		buf_add_char(&line->key, ':');
		add_fingerprint_value(line, &fields[i], item);
	}
	buf_add_char(&line->key, '}');
	return buf_str(&line->key);
}

bool raise_incident(struct batch *batch, const struct incident *incident, bool open)
{
	struct journal_incident row = {
		.id = incident->id,
		.key = arena_str(&batch->arena, incident_key(incident)),
		.first_ns = incident->first_ns, .last_ns = incident->last_ns,
		.count = incident->count, .announced = incident->waits ? 0 : incident->announced,
		.announced_ns = incident->announced_ns, .open = open, .priority = incident->priority,
	};

	return row.key.at != NULL && batch_add_incident(batch, &row);
}

/* What another engine sent, word for word but for blanks and bytes that are not UTF-8; a long one is
 * left out, not cut: half a JSON text helps nobody. */
static struct str original(struct pipeline *line, const struct item *item)
{
	buf_clear(&line->raw);
	if (item != NULL && item->original.text.len > 0 && item->original.nodes[0].len <= RAW_MAX)
		json_copy(&line->raw, &item->original, 0);
	return buf_ok(&line->raw) ? buf_str(&line->raw) : (struct str){ 0 };
}

int raise_alert(struct pipeline *line, struct batch *batch, struct compose *compose,
                struct hash128 identity, const struct item *item)
{
	struct journal_alert row = { .identity = identity, .received_ns = line->event->received_ns,
		                     .time_ns = compose->time_ns, .priority = compose->priority };
	struct str key = fingerprint(line, compose, item);
	struct incident *incident;
	bool opened;

	if (!buf_ok(&line->key))
		return -ENOMEM;
	incident = incidents_hit(line->incidents, key, compose->priority, line->event->received_ns, &opened);
	if (incident == NULL)
		return -ENOMEM;
	compose_uuid(row.id, (const uint64_t[]){ identity.hi, identity.lo });
	compose->id = row.id;
	row.change = compose->change = opened ? ALERT_OPENED : ALERT_REPEAT;
	row.incident = compose->incident = incident->id;
	row.count = compose->count = incident->count;
	compose->raw = original(line, item);
	buf_clear(&line->line);
	compose_alert(&line->line, compose);
	row.json = arena_str(&batch->arena, buf_str(&line->line));
	if (!buf_ok(&line->line) || row.json.at == NULL ||
	    ((opened || incident->waits) && !raise_incident(batch, incident, true)) || !batch_add_alert(batch, &row)) {
		incidents_unhit(line->incidents, incident->id, opened);
		return -ENOMEM;
	}
	counter_add(&line->alerts[compose->priority], 1);
	return 0;
}

struct hash128 identity_of_rule(const struct pipeline *line, struct hash128 event, struct str rule)
{
	struct hash_state state;

	hash_begin(&state, &line->hash_key);
	hash_add_u64(&state, event.lo);
	hash_add_u64(&state, event.hi);
	hash_add(&state, rule);
	return hash_end(&state);
}

/* What OPA said, behind the text and among the fields, which are an object. */
static void add_judgement(struct pipeline *line, const struct opa_ask *ask)
{
	bool answered = ask->verdict == OPA_YES;
	struct str text = answered ? ask->message : str_of(opa_cause_text(ask->cause));

	if (text.len == 0)
		return;
	buf_add(&line->text, STR(": "));
	buf_add(&line->text, text);
	buf_cut(&line->fields, line->fields.len - 1);
	if (line->fields.len > 1)
		buf_add_char(&line->fields, ',');
	buf_add(&line->fields, answered ? STR("\"opa.message\":") : STR("\"opa.error\":"));
	buf_add_json(&line->fields, text);
	buf_add_char(&line->fields, '}');
}

int raise_rule(struct pipeline *line, struct batch *batch, const struct rule *rule, struct hash128 identity,
               const struct item *item)
{
	return raise_judged(line, batch, rule, identity, item, NULL);
}

int raise_judged(struct pipeline *line, struct batch *batch, const struct rule *rule,
                 struct hash128 identity, const struct item *item, const struct opa_ask *ask)
{
	const struct event *event = line->event;
	struct compose compose = {
		.time_ns = event->time_ns, .priority = rule_priority(rule), .rule = rule_name(rule),
		.source = event->source, .hostname = event->hostname, .sensor = &event->sensor,
	};
	int r;

	compose.tags = rule_tags(rule, &compose.tags_count);
	buf_clear(&line->text);
	buf_clear(&line->fields);
	rules_format(line->set->rules, line->set->scratch, rule, event, &line->text, &line->fields);
	if (ask != NULL && buf_ok(&line->fields))
		add_judgement(line, ask);
	if (!buf_ok(&line->text) || !buf_ok(&line->fields))
		return -ENOMEM;
	compose.output = buf_str(&line->text);
	compose.output_fields = buf_str(&line->fields);
	r = raise_alert(line, batch, &compose, identity, item);
	return r < 0 ? r : raise_from_alert(line, batch, &compose, identity, item);
}

/* --- what an event matches ---------------------------------------------------------------------- */

static size_t cut_hits(struct pipeline *line, size_t count)
{
	int64_t now = line->event->received_ns;

	if (count <= HITS_MAX)
		return count;
	counter_add(&line->cut, 1);
	if (line->cut_told_ns == 0 || now - line->cut_told_ns >= 60 * NS_PER_S || now < line->cut_told_ns) {
		line->cut_told_ns = now;
		log_warning("an event matches more than %d rules: those behind them do not fire (%llu such events)",
		            HITS_MAX, (unsigned long long)counter_get(&line->cut));
	}
	return HITS_MAX;
}

size_t raise_match(struct pipeline *line, const struct rule *hits[HITS_ROOM])
{
	return cut_hits(line, rules_match(line->set->rules, line->set->scratch, line->event, hits, HITS_ROOM));
}

size_t raise_match_watches(struct pipeline *line, struct watch_hit hits[HITS_ROOM])
{
	return cut_hits(line, rules_match_watches(line->set->rules, line->set->scratch, line->event, hits, HITS_ROOM));
}

/* --- an alert as an event ----------------------------------------------------------------------- */

static const struct str alert_source = STR("alert");

void raise_use(struct pipeline *line)
{
	static const struct str names[ALERT_FIELDS] = {
		[ALERT_RULE] = STR("alert.rule"), [ALERT_PRIORITY] = STR("alert.priority"),
		[ALERT_SOURCE] = STR("alert.source"), [ALERT_TAGS] = STR("alert.tags"),
	};

	for (size_t i = 0; i < ALERT_FIELDS; i++)
		line->alert_fields[i] = fields_find(line->set->fields, names[i]);
	line->wants_alerts = line->set->rules != NULL && rules_wants_source(line->set->rules, alert_source);
}

bool raise_become(struct pipeline *line, struct batch *batch, const struct compose *alert)
{
	struct value *tags = arena_alloc(&batch->arena, (alert->tags_count + 1) * sizeof(*tags));
	struct event *event = line->event;

	if (tags == NULL)
		return false;
	for (size_t i = 0; i < alert->tags_count; i++)
		tags[i] = value_str(alert->tags[i]);
	event_set(event, line->alert_fields[ALERT_RULE], value_str(alert->rule));
	event_set(event, line->alert_fields[ALERT_PRIORITY], value_str(str_of(priority_name(alert->priority))));
	event_set(event, line->alert_fields[ALERT_SOURCE], value_str(alert->source));
	event_set(event, line->alert_fields[ALERT_TAGS],
	          (struct value){ .kind = VALUE_LIST, .len = (uint32_t)alert->tags_count, .list = tags });
	event->source = alert_source;
	return true;
}

/* The event is itself again, for what else it gives. */
static void unbecome(struct pipeline *line)
{
	for (size_t i = 0; i < ALERT_FIELDS; i++)
		event_set(line->event, line->alert_fields[i], (struct value){ .kind = VALUE_NULL });
}

int raise_from_alert(struct pipeline *line, struct batch *batch, const struct compose *alert,
                     struct hash128 identity, const struct item *item)
{
	const struct rule *hits[HITS_ROOM];
	struct watch_hit fed[HITS_ROOM];
	struct watching watching = { 0 };
	struct str source = line->event->source;
	size_t count, fed_count;
	int r = 0;

	/* Once round: what rules on alerts raise is not looked at again. */
	if (!line->wants_alerts || str_eq(source, alert_source))
		return 0;
	if (!raise_become(line, batch, alert))
		return -ENOMEM;
	count = raise_match(line, hits);
	fed_count = raise_match_watches(line, fed);
	if (judge_concerns(hits, count)) {
		r = judge_alert(line, batch, hits, count, alert, identity, item);
		count = 0;
	}
	for (size_t i = 0; i < count && r == 0; i++)
		r = raise_rule(line, batch, hits[i], identity_of_rule(line, identity, rule_name(hits[i])), item);
	if (r == 0)
		r = watching_take(line, batch, fed, fed_count, alert, identity, item, &watching);
	unbecome(line);
	line->event->source = source;
	return r;
}

int raise_from_finding(struct pipeline *line, struct batch *batch, struct hash128 identity,
                       const struct item *item)
{
	const struct rule *hits[HITS_ROOM];
	struct watch_hit fed[HITS_ROOM];
	struct watching watching = { 0 };
	size_t count, fed_count, fresh;
	int r = 0;

	if (item->original.text.len == 0 || line->set->rules == NULL)
		return 0;
	count = raise_match(line, hits);
	fed_count = raise_match_watches(line, fed);
	if (judge_concerns(hits, count)) {
		r = judge_event(line, batch, hits, count, identity, item, &fresh);
		count = 0;
	}
	for (size_t i = 0; i < count && r == 0; i++)
		r = raise_rule(line, batch, hits[i], identity_of_rule(line, identity, rule_name(hits[i])), item);
	return r < 0 ? r : watching_take(line, batch, fed, fed_count, NULL, identity, item, &watching);
}
