/* Rules that delegate their verdict to an OPA server: the event is put aside until the answers are in,
 * then read again and raised as if it had just come. The batch that brought it waits, and nothing else
 * does, but for batches that call something of it a duplicate.
 *
 * What is kept of an event is its own text, so that whatever an alert is made of is there again; and the
 * rules that it was matched with, should others be in force by then. */
#include "hub/judge.h"

#include <errno.h>

/* A hit whose event waits. */
struct hit {
	struct opa_ask ask; /* first */
	struct batch *batch;
	const struct rule *rule;
	struct hash128 identity;
	struct str input;   /* of the question; empty: the rule delegates nothing */
};

struct parked {
	struct parked *next;
	struct ruleset *set;         /* a reference */
	struct str text, sender;     /* the item, as it came, and from where */
	int64_t received_ns, time_ns;
	size_t item;                 /* its number in the batch */
	bool inside;
	const struct compose *alert; /* what rules of the source `alert` look at; NULL: an event */
	struct hit *hits;
	size_t count;
};

/* --- the question ------------------------------------------------------------------------------- */

/* What tells two events of a kind apart without telling anything about them: `time` stands beside the
 * fields, and verdicts could not be kept otherwise. */
static bool says_when(struct str name)
{
	static const struct str prefixes[] = {
		STR("evt.time"), STR("evt.rawtime"), STR("evt.datetime"), STR("evt.reltime"),
		STR("evt.abstime"), STR("evt.deltatime"), STR("evt.latency"),
	};

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (str_starts(name, prefixes[i]))
			return true;
	return str_eq(name, STR("evt.num"));
}

static void add_value(struct buf *out, const struct value *value)
{
	switch (value->kind) {
	case VALUE_BOOL: buf_add(out, value->b ? STR("true") : STR("false")); break;
	case VALUE_INT: buf_add_i64(out, value->i); break;
	case VALUE_UINT: buf_add_u64(out, value->u); break;
	case VALUE_DOUBLE: buf_addf(out, "%.17g", value->d); break;
	case VALUE_STR: buf_add_json(out, value_as_str(value)); break;
	case VALUE_LIST:
		buf_add_char(out, '[');
		for (uint32_t i = 0; i < value->len; i++) {
			if (i > 0)
				buf_add_char(out, ',');
			add_value(out, &value->list[i]);
		}
		buf_add_char(out, ']');
		break;
	default: buf_add(out, STR("null")); break;
	}
}

static void add_name(struct buf *out, struct str name, bool *first)
{
	if (!*first)
		buf_add_char(out, ',');
	*first = false;
	buf_add_json(out, name);
	buf_add_char(out, ':');
}

/* The fields that rules know, and those of the item that none of them does. */
static void add_all_fields(struct pipeline *line, struct batch *batch, const struct item *item)
{
	uint32_t node = item->kind == ITEM_ALERT ? item->output_fields : item->raw_fields;
	const struct event *event = line->event;
	const struct json *json = &item->json;
	struct buf *out = &line->fields;
	bool first = true;

	for (size_t i = 0; i < event->set_count; i++) {
		struct str name = fields_name(line->set->fields, event->set[i]);

		if (says_when(name))
			continue;
		add_name(out, name, &first);
		add_value(out, event_get(event, event->set[i]));
	}
	if (node == 0)
		return;
	for (uint32_t i = json_first(json, node); i != json_end(json, node); i = json->nodes[i + 1].next) {
		struct str name = json_string(json, i, &batch->arena);
		field_id id = name.at == NULL ? FIELD_NONE : fields_find(line->set->fields, name);

		if (says_when(name) || event_get(event, id)->kind != VALUE_ABSENT)
			continue;
		add_name(out, name, &first);
		json_copy(out, json, i + 1);
	}
}

/* In the batch's arena; `at` is NULL when out of memory. */
static struct str input_of(struct pipeline *line, struct batch *batch, const struct rule *rule,
                           const struct item *item)
{
	const struct event *event = line->event;
	struct buf *out = &line->fields;

	buf_clear(out);
	buf_add(out, STR("\"source\":"));
	buf_add_json(out, event->source);
	buf_add(out, STR(",\"hostname\":"));
	buf_add_json(out, event->hostname);
	buf_add(out, STR(",\"rule\":"));
	buf_add_json(out, rule_name(rule));
	buf_addf(out, ",\"priority\":\"%s\",\"fields\":", priority_name(rule_priority(rule)));
	if (rule_opa(rule)->all_fields) {
		buf_add_char(out, '{');
		add_all_fields(line, batch, item);
		buf_add_char(out, '}');
	} else {
		rules_opa_fields(line->set->rules, line->set->scratch, rule, event, out);
	}
	return buf_ok(out) ? arena_str(&batch->arena, buf_str(out)) : (struct str){ 0 };
}

/* --- putting aside ------------------------------------------------------------------------------ */

bool judge_concerns(const struct rule *const *hits, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (rule_opa(hits[i]) != NULL)
			return true;
	return false;
}

static const struct compose *keep_alert(struct batch *batch, const struct compose *alert)
{
	struct compose *kept = arena_zalloc(&batch->arena, sizeof(*kept));
	struct str *tags = arena_alloc(&batch->arena, (alert->tags_count + 1) * sizeof(*tags));

	if (kept == NULL || tags == NULL)
		return NULL;
	for (size_t i = 0; i < alert->tags_count; i++)
		tags[i] = arena_str(&batch->arena, alert->tags[i]);
	kept->rule = arena_str(&batch->arena, alert->rule);
	kept->source = arena_str(&batch->arena, alert->source);
	kept->priority = alert->priority;
	kept->tags = tags;
	kept->tags_count = alert->tags_count;
	return kept->rule.at == NULL || kept->source.at == NULL ? NULL : kept;
}

static struct parked *park(struct pipeline *line, struct batch *batch, size_t count,
                           const struct item *item, const struct compose *alert)
{
	struct parked *parked = arena_zalloc(&batch->arena, sizeof(*parked));

	if (parked == NULL)
		return NULL;
	parked->hits = arena_zalloc(&batch->arena, count * sizeof(*parked->hits));
	parked->text = arena_str(&batch->arena,
	                         json_whole(item->original.text.len > 0 ? &item->original : &item->json, 0));
	parked->sender = arena_str(&batch->arena, batch->sender);
	parked->received_ns = line->event->received_ns;
	parked->time_ns = line->event->time_ns;
	parked->item = batch->items;
	parked->inside = line->inside;
	if (alert != NULL)
		parked->alert = keep_alert(batch, alert);
	if (parked->hits == NULL || parked->text.at == NULL || (alert != NULL && parked->alert == NULL))
		return NULL;
	parked->set = ruleset_ref(line->set);
	if (batch->parked == NULL)
		batch->parked_end = &batch->parked;
	*batch->parked_end = parked;
	batch->parked_end = &parked->next;
	return parked;
}

static int add_hit(struct pipeline *line, struct batch *batch, struct parked *parked,
                   const struct rule *rule, struct hash128 identity, const struct item *item)
{
	struct hit *hit = &parked->hits[parked->count];

	*hit = (struct hit){ .batch = batch, .rule = rule, .identity = identity,
		             .ask.arena = &batch->arena };
	parked->count++;
	if (rule_opa(rule) == NULL)
		return 0;
	hit->input = input_of(line, batch, rule, item);
	return hit->input.at == NULL ? -ENOMEM : 0;
}

int judge_event(struct pipeline *line, struct batch *batch, const struct rule *const *hits, size_t count,
                struct hash128 identity, const struct item *item, size_t *ret_fresh)
{
	struct parked *parked = park(line, batch, count, item, NULL);

	*ret_fresh = 0;
	if (parked == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct hash128 own = identity_of_rule(line, identity, rule_name(hits[i]));
		int r;

		if (window_seen(line->window, own, line->event->received_ns))
			continue;
		r = add_hit(line, batch, parked, hits[i], own, item);
		if (r < 0)
			return r;
	}
	*ret_fresh = parked->count;
	return 0;
}

int judge_alert(struct pipeline *line, struct batch *batch, const struct rule *const *hits, size_t count,
                const struct compose *alert, struct hash128 identity, const struct item *item)
{
	struct parked *parked = park(line, batch, count, item, alert);
	int r = parked == NULL ? -ENOMEM : 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = add_hit(line, batch, parked, hits[i], identity_of_rule(line, identity, rule_name(hits[i])),
		            item);
	return r;
}

/* --- raising ------------------------------------------------------------------------------------ */

static bool fires(const struct hit *hit)
{
	const struct rule_opa *opa = rule_opa(hit->rule);

	if (opa == NULL || hit->ask.verdict == OPA_YES)
		return true;
	return hit->ask.verdict == OPA_UNANSWERED && !opa->on_error_pass;
}

/* The event stands in the pipeline again. */
static int raise_hits(struct pipeline *line, struct batch *batch, struct parked *parked,
                      const struct item *item, size_t *ret_fired)
{
	*ret_fired = 0;
	for (size_t i = 0; i < parked->count; i++) {
		const struct hit *hit = &parked->hits[i];
		int r;

		if (!fires(hit))
			continue;
		r = raise_judged(line, batch, hit->rule, hit->identity, item,
		                 rule_opa(hit->rule) == NULL ? NULL : &hit->ask);
		if (r < 0)
			return r;
		++*ret_fired;
		if (!rules_match_all(line->set->rules))
			break;
	}
	return 0;
}

static int raise_parked(struct pipeline *line, struct batch *batch, struct parked *parked)
{
	struct reject reject;
	struct item item;
	size_t end, fired;
	int r;

	event_clear(line->event);
	line->normalise.sender = parked->sender;
	r = normalise_item(&line->normalise, parked->text, 0, false, parked->received_ns, &batch->arena,
	                   line->event, &item, &end, &reject);
	if (r < 0)
		return r;
	if (parked->alert != NULL && !raise_become(line, batch, parked->alert))
		return -ENOMEM;
	r = raise_hits(line, batch, parked, &item, &fired);
	if (r < 0 || parked->alert != NULL || parked->count == 0)
		return r;
	if (fired > 0)
		batch_set_verdict(batch, parked->item, ITEM_ACCEPTED);
	else if (batch->verdicts[parked->item] == ITEM_UNMATCHED)
		counter_add(&line->unmatched, 1);
	return 0;
}

/* With the rules that it was matched with. */
static int raise_then(struct pipeline *line, struct batch *batch, struct parked *parked)
{
	struct ruleset *now = ruleset_ref(line->set);
	bool inside = line->inside;
	int r;

	if (now != parked->set)
		pipeline_turn(line, parked->set);
	line->inside = parked->inside;
	r = raise_parked(line, batch, parked);
	line->inside = inside;
	if (now != parked->set)
		pipeline_turn(line, now);
	ruleset_unref(now);
	return r;
}

/* --- asking ------------------------------------------------------------------------------------- */

static void answered(struct opa_ask *ask)
{
	((struct hit *)ask)->batch->open--;
}

static void ask_all(struct pipeline *line, struct batch *batch)
{
	for (struct parked *parked = batch->parked; parked != NULL; parked = parked->next) {
		for (size_t i = 0; i < parked->count; i++) {
			struct hit *hit = &parked->hits[i];

			if (hit->input.len == 0)
				continue;
			hit->ask.done = answered;
			if (!opa_ask(line->opa, rule_opa(hit->rule), hit->input, parked->time_ns, &hit->ask))
				batch->open++;
		}
	}
}

/* Raises what has been answered, and asks what that brings up: rules on alerts may delegate, too. */
static int go_on(struct pipeline *line, struct batch *batch)
{
	while (batch->parked != NULL && batch->open == 0) {
		struct parked *parked = batch->parked;
		int r = 0;

		batch->parked = NULL;
		for (struct parked *next; parked != NULL; parked = next) {
			next = parked->next;
			if (r == 0)
				r = raise_then(line, batch, parked);
			parked->next = batch->judged;
			batch->judged = parked;
		}
		if (r < 0)
			return r;
		ask_all(line, batch);
	}
	return 0;
}

/* --- waiting ------------------------------------------------------------------------------------ */

/* What a hub-only rule remembers of a batch must not be on disk before the batch is: the alert that it
 * fired would be lost with a crash, and sent again its events would be known. */
static bool builds_on_waiting(const struct pipeline *line, const struct batch *batch)
{
	if (batch->watch.first == NULL)
		return false;
	for (const struct batch *older = line->asking; older != NULL; older = older->next)
		if (watches_build_on(&batch->watch, &older->watch))
			return true;
	return false;
}

/* What calls something a duplicate must not be answered before its original is on disk. Those that wait
 * now are older. */
static bool must_wait(const struct pipeline *line, const struct batch *batch)
{
	return batch->open > 0 || (batch->depends && line->asking != NULL) || builds_on_waiting(line, batch);
}

/* Another batch's alert that repeats an incident may be on disk before the one that opened it: it then
 * brings the incident along, as one that nobody has been told of. */
static void set_waits(struct pipeline *line, const struct batch *batch, bool waits)
{
	for (size_t i = 0; i < batch->commit.alerts_count; i++)
		if (batch->alerts[i].change == ALERT_OPENED)
			incidents_wait(line->incidents, batch->alerts[i].incident, waits);
}

bool judge_submit(struct pipeline *line, struct batch *batch, int *ret)
{
	ask_all(line, batch);
	*ret = go_on(line, batch);
	if (*ret < 0 || !must_wait(line, batch))
		return true;
	set_waits(line, batch, true);
	batch->next = NULL;
	if (line->asking == NULL)
		line->asking_end = &line->asking;
	*line->asking_end = batch;
	line->asking_end = &batch->next;
	line->asking_bytes += batch->arena.used;
	return false;
}

void judge_collect(struct pipeline *line)
{
	struct batch *waiting = line->asking, *free_to_go = NULL, **end = &free_to_go;

	if (!opa_collect(line->opa))
		return; /* then nobody's turn has come */
	line->asking = NULL;
	line->asking_end = &line->asking;
	line->asking_bytes = 0;
	for (struct batch *batch = waiting, *next; batch != NULL; batch = next) {
		bool waits;

		next = batch->next;
		batch->next = NULL;
		set_waits(line, batch, false);
		batch->result = go_on(line, batch);
		waits = batch->result == 0 && must_wait(line, batch);
		set_waits(line, batch, waits);
		*(waits ? line->asking_end : end) = batch;
		if (waits)
			line->asking_end = &batch->next;
		else
			end = &batch->next;
		line->asking_bytes += waits ? batch->arena.used : 0;
	}
	for (struct batch *next; free_to_go != NULL; free_to_go = next) {
		next = free_to_go->next;
		pipeline_hand_over(line, free_to_go, free_to_go->result);
	}
}

bool judge_holds(const struct pipeline *line, struct str sensor)
{
	for (const struct batch *batch = line->asking; batch != NULL; batch = batch->next)
		for (size_t i = 0; i < batch->marks_count; i++)
			if (str_eq(batch->marks[i].id, sensor))
				return true;
	return false;
}

/* --- the end ------------------------------------------------------------------------------------ */

static void each_hit(const struct parked *parked, struct window *window)
{
	for (; parked != NULL; parked = parked->next)
		for (size_t i = 0; parked->alert == NULL && i < parked->count; i++)
			window_forget(window, parked->hits[i].identity);
}

void judge_forget(struct pipeline *line, const struct batch *batch)
{
	each_hit(batch->parked, line->window);
	each_hit(batch->judged, line->window);
}

static void let_go(struct parked *parked)
{
	for (; parked != NULL; parked = parked->next)
		ruleset_unref(parked->set);
}

void judge_release(struct batch *batch)
{
	let_go(batch->parked);
	let_go(batch->judged);
	batch->parked = batch->judged = NULL;
}
