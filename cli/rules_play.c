/* The hub's pipeline in small, for rules only. */
#include "cli/rules_play.h"

#include "base/clock.h"

enum {
	ENTRIES_MAX = 100000, /* as the hub's defaults, like the rest */
	MEMORY_MAX = 256 << 20,
	ARENA_MAX = 64 << 20,
	LATENESS_S = 30,
};

static const struct str alert_source = STR("alert");

bool play_begin(struct play *play, struct rules_set *set, play_fired *fired, void *userdata)
{
	static const struct str names[PLAY_VALUES] = {
		[PLAY_COUNT] = STR("watch.count"), [PLAY_KEY] = STR("watch.key"), [PLAY_VALUE] = STR("watch.value"),
		[PLAY_FIRST_TIME] = STR("watch.first_time"), [PLAY_LAST_TIME] = STR("watch.last_time"),
		[PLAY_ALERT_RULE] = STR("alert.rule"), [PLAY_ALERT_PRIORITY] = STR("alert.priority"),
		[PLAY_ALERT_SOURCE] = STR("alert.source"), [PLAY_ALERT_TAGS] = STR("alert.tags"),
	};
	struct watches_settings settings = { .entries_max = ENTRIES_MAX, .memory_max = MEMORY_MAX,
		                             .lateness_ns = LATENESS_S * NS_PER_S };

	*play = (struct play){ .set = set, .fired = fired, .userdata = userdata,
		               .wants_alerts = rules_wants_source(set->rules, alert_source) };
	arena_init(&play->arena, ARENA_MAX);
	for (size_t i = 0; i < PLAY_VALUES; i++)
		play->fields[i] = fields_find(set->fields, names[i]);
	for (size_t i = 0; i < rules_count(set->rules); i++)
		play->has_watches |= rule_watch(rules_at(set->rules, i)) != NULL && rule_is_enabled(rules_at(set->rules, i));
	if (!play->has_watches)
		return true;
	settings.hash_key = &play->hash_key;
	if (event_init(&play->missed, fields_count(set->fields)) < 0 || hash_key_random(&play->hash_key) < 0 ||
	    watches_new(&settings, &play->watches) < 0 || watches_use(play->watches, set->rules) < 0) {
		cli_complain("out of memory");
		return false;
	}
	return true;
}

void play_end(struct play *play)
{
	if (play->watches != NULL)
		watches_free(play->watches);
	play->watches = NULL;
	event_done(&play->missed);
	arena_done(&play->arena);
	buf_done(&play->by);
	buf_done(&play->of);
}

bool play_again(struct play *play)
{
	play->now_ns = play->ticked_ns = 0;
	play->failed = false;
	return !play->has_watches ||
	       (watches_use(play->watches, NULL) == 0 && watches_use(play->watches, play->set->rules) == 0);
}

/* --- hub-only rules ----------------------------------------------------------------------------- */

static void set_value(struct play *play, enum play_value which, struct value value)
{
	event_set(&play->set->event, play->fields[which], value);
}

static void set_text(struct play *play, enum play_value which, struct str text)
{
	set_value(play, which, text.len == 0 ? (struct value){ .kind = VALUE_NULL } : value_str(text));
}

static void tell_firing(struct play *play, const struct watch_firing *firing)
{
	struct buf first = { 0 }, last = { 0 };

	buf_add_time(&first, firing->first_ns);
	buf_add_time(&last, firing->last_ns);
	set_value(play, PLAY_COUNT, value_i64((int64_t)firing->count));
	set_text(play, PLAY_KEY, firing->by);
	set_text(play, PLAY_VALUE, firing->of);
	set_text(play, PLAY_FIRST_TIME, buf_str(&first));
	set_text(play, PLAY_LAST_TIME, buf_str(&last));
	play->fired(play->userdata, firing->rule);
	for (size_t i = PLAY_COUNT; i <= PLAY_LAST_TIME; i++)
		set_text(play, (enum play_value)i, (struct str){ 0 });
	buf_done(&first);
	buf_done(&last);
}

static void feed(struct play *play, const struct watch_hit *hit)
{
	const struct event *event = &play->set->event;
	struct watch_match match = { .rule = hit->rule, .steps = hit->steps, .time_ns = event->time_ns,
		                     .now_ns = play->now_ns, .identity = ++play->identity };
	struct watch_changes changes = { .arena = &play->arena };
	struct watch_firing firing;
	int r;

	buf_clear(&play->by);
	buf_clear(&play->of);
	if (!rules_watch_keys(play->set->scratch, hit->rule, event, &play->by, &play->of))
		buf_clear(&play->of);
	match.by = buf_str(&play->by);
	match.of = buf_str(&play->of);
	r = buf_ok(&play->by) && buf_ok(&play->of) ? watches_feed(play->watches, &match, &changes, &firing) : -1;
	play->failed |= r < 0;
	if (r > 0)
		tell_firing(play, &firing);
}

/* --- events ------------------------------------------------------------------------------------- */

static void take(struct play *play);

/* The alert that the rule raised, as an event of its own. */
static void take_alert(struct play *play, const struct rule *rule)
{
	struct event *event = &play->set->event;
	struct str source = event->source;
	size_t count;
	const struct str *tags = rule_tags(rule, &count);
	struct value *list = arena_alloc(&play->arena, (count + 1) * sizeof(*list));

	if (list == NULL) {
		play->failed = true;
		return;
	}
	for (size_t i = 0; i < count; i++)
		list[i] = value_str(tags[i]);
	set_text(play, PLAY_ALERT_RULE, rule_name(rule));
	set_text(play, PLAY_ALERT_PRIORITY, str_of(priority_name(rule_priority(rule))));
	set_text(play, PLAY_ALERT_SOURCE, source);
	set_value(play, PLAY_ALERT_TAGS,
	          (struct value){ .kind = VALUE_LIST, .len = (uint32_t)count, .list = list });
	event->source = alert_source;
	take(play);
	event->source = source;
}

/* Rules in their order, each followed by what is said of its alert, then hub-only rules. */
static void take(struct play *play)
{
	struct rules_set *set = play->set;
	const struct rule *hits[SET_HITS_MAX];
	struct watch_hit fed[SET_HITS_MAX];
	size_t count = rules_match(set->rules, set->scratch, &set->event, hits, SET_HITS_MAX), fed_count = 0;

	if (play->has_watches)
		fed_count = rules_match_watches(set->rules, set->scratch, &set->event, fed, SET_HITS_MAX);
	count = rules_unasked(set->rules, count);
	for (size_t i = 0; i < count; i++) {
		play->fired(play->userdata, hits[i]);
		if (play->wants_alerts && !str_eq(set->event.source, alert_source))
			take_alert(play, hits[i]);
	}
	for (size_t i = 0; i < fed_count; i++)
		feed(play, &fed[i]);
}

/* --- time --------------------------------------------------------------------------------------- */

/* The event that did not come has the fields of the key. */
static bool become_absent(struct play *play, const struct watch_firing *firing)
{
	struct rules_set *set = play->set;
	struct json json = { .text = firing->by, .nodes = set->normalise.nodes, .cap = set->normalise.nodes_max,
		             .depth_max = set->normalise.depth_max };
	size_t end;

	event_clear(&set->event);
	set->event.source = rule_source(firing->rule);
	set->event.time_ns = set->event.received_ns = play->now_ns;
	if (json_read(&json, 0, &end) < 0 || json.nodes[0].kind != JSON_OBJECT)
		return false;
	for (uint32_t i = json_first(&json, 0); i != json_end(&json, 0); i = json.nodes[i + 1].next) {
		struct str key = json_raw(&json, i), text;

		if (json.nodes[i + 1].kind != JSON_STRING)
			continue;
		text = json_string(&json, i + 1, &play->arena);
		if (str_eq(key, STR("hostname")))
			set->event.hostname = text;
		else
			event_set(&set->event, fields_find(set->fields, key), value_str(text));
	}
	return true;
}

static void tick(struct play *play)
{
	struct watch_changes changes = { .arena = &play->arena };
	struct watch_firing firing;

	play->ticked_ns = play->now_ns;
	while (play->has_watches && watches_due(play->watches, play->now_ns, &changes, &firing)) {
		if (become_absent(play, &firing))
			tell_firing(play, &firing);
		else
			play->failed = true;
	}
	arena_reset(&play->arena);
}

void play_wait(struct play *play, int64_t ns)
{
	if (play->now_ns == 0)
		return;
	play->now_ns += ns;
	tick(play);
}

/* What is missed by now is told before what happens now. */
void play_event(struct play *play)
{
	struct rules_set *set = play->set;

	if (set->event.time_ns > play->now_ns)
		play->now_ns = set->event.time_ns;
	if (play->has_watches && play->now_ns - play->ticked_ns >= NS_PER_S) {
		struct event event = set->event;

		set->event = play->missed;
		tick(play);
		play->missed = set->event;
		set->event = event;
	}
	take(play);
	arena_reset(&play->arena);
}
