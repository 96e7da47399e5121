/* The table, and what each kind makes of an event. */
#include "hub/watch/inner.h"

#include <errno.h>
#include <stdlib.h>

enum { EXPIRE_MAX = 1000 }; /* entries that one tick forgets */

/* --- the table ---------------------------------------------------------------------------------- */

int watches_new(const struct watches_settings *settings, struct watches **ret)
{
	struct watches *watches = calloc(1, sizeof(*watches));

	if (watches == NULL)
		return -ENOMEM;
	watches->settings = *settings;
	watches->buckets_count = 64;
	while (watches->buckets_count < settings->entries_max && watches->buckets_count < (size_t)1 << 24)
		watches->buckets_count *= 2;
	watches->buckets = calloc(watches->buckets_count, sizeof(struct entry *));
	watches->gone = calloc(WATCH_GONE_MAX, sizeof(*watches->gone));
	watches->undone = calloc(UNDONE_MAX, sizeof(*watches->undone));
	if (watches->buckets == NULL || watches->gone == NULL || watches->undone == NULL) {
		watches_free(watches);
		return -ENOMEM;
	}
	*ret = watches;
	return 0;
}

void watches_free(struct watches *watches)
{
	if (watches == NULL)
		return;
	while (watches->oldest != NULL)
		entry_drop(watches, watches->oldest);
	free(watches->defs);
	free(watches->buckets);
	free(watches->gone);
	free(watches->undone);
	buf_done(&watches->evidence);
	buf_done(&watches->blob);
	free(watches);
}

struct hash128 row_id(const struct watches *watches, const struct def *def, struct str by, struct str of)
{
	struct hash_state state;

	hash_begin(&state, watches->settings.hash_key);
	hash_add(&state, def->name);
	hash_add_u64(&state, def->said->version);
	hash_add(&state, by);
	hash_add(&state, of);
	return hash_end(&state);
}

void row_gone(struct watches *watches, struct hash128 id)
{
	/* One that does not fit is met again after the next start, and forgotten then. */
	if (watches->gone_count < WATCH_GONE_MAX)
		watches->gone[watches->gone_count++] = id;
}

static struct entry **bucket_of(struct watches *watches, uint64_t hash)
{
	return &watches->buckets[hash & (watches->buckets_count - 1)];
}

struct entry *entry_find(struct watches *watches, struct def *def, struct str by, struct str of)
{
	uint64_t hash = row_id(watches, def, by, of).lo;
	struct entry *entry = *bucket_of(watches, hash);

	while (entry != NULL && !(entry->hash == hash && entry->def == def && str_eq(entry_by(entry), by) &&
				  str_eq(entry_of(entry), of)))
		entry = entry->next;
	return entry;
}

static void unlink_entry(struct watches *watches, struct entry *entry)
{
	struct def *def = entry->def;

	*(entry->older != NULL ? &entry->older->newer : &watches->oldest) = entry->newer;
	*(entry->newer != NULL ? &entry->newer->older : &watches->newest) = entry->older;
	*(entry->def_older != NULL ? &entry->def_older->def_newer : &def->oldest) = entry->def_newer;
	*(entry->def_newer != NULL ? &entry->def_newer->def_older : &def->newest) = entry->def_older;
}

static void link_entry(struct watches *watches, struct entry *entry)
{
	struct def *def = entry->def;

	entry->newer = entry->def_newer = NULL;
	entry->older = watches->newest;
	entry->def_older = def->newest;
	*(entry->older != NULL ? &entry->older->newer : &watches->oldest) = entry;
	*(entry->def_older != NULL ? &entry->def_older->def_newer : &def->oldest) = entry;
	watches->newest = def->newest = entry;
}

void entry_touch(struct watches *watches, struct entry *entry, int64_t now_ns)
{
	entry->touched_ns = now_ns;
	unlink_entry(watches, entry);
	link_entry(watches, entry);
}

static size_t size_of(const struct entry *entry)
{
	return sizeof(*entry) + entry->by_len + entry->of_len;
}

void entry_drop(struct watches *watches, struct entry *entry)
{
	struct entry **at = bucket_of(watches, entry->hash);

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	unlink_entry(watches, entry);
	points_clear(watches, entry);
	for (uint32_t i = 0; entry->chains != NULL && i + 1 < entry->def->said->steps; i++)
		chain_clear(watches, &entry->chains[i]);
	if (entry->chains != NULL)
		watches->memory -= entry->def->said->steps * sizeof(*entry->chains);
	free(entry->chains);
	watches->memory -= size_of(entry);
	watches->count--;
	free(entry);
}

/* An entry's end that the store hears of. */
static void entry_forget(struct watches *watches, struct entry *entry)
{
	row_gone(watches, row_id(watches, entry->def, entry_by(entry), entry_of(entry)));
	entry_drop(watches, entry);
}

struct entry *entry_add(struct watches *watches, struct def *def, struct str by, struct str of)
{
	struct entry *entry = calloc(1, sizeof(*entry) + by.len + of.len + 1);
	struct entry **bucket;

	if (entry == NULL)
		return NULL;
	entry->def = def;
	entry->hash = row_id(watches, def, by, of).lo;
	entry->by_len = (uint32_t)by.len;
	entry->of_len = (uint32_t)of.len;
	if (by.len > 0)
		memcpy(entry->key, by.at, by.len);
	if (of.len > 0)
		memcpy(entry->key + by.len, of.at, of.len);
	entry->newest_ns = entry->quiet_ns = INT64_MIN;
	bucket = bucket_of(watches, entry->hash);
	entry->next = *bucket;
	*bucket = entry;
	link_entry(watches, entry);
	watches->count++;
	watches->memory += size_of(entry);
	return entry;
}

/* The one that is being fed is the newest, and stays. */
void watches_evict(struct watches *watches)
{
	while (watches->oldest != watches->newest &&
	       (watches->count > watches->settings.entries_max ||
		watches->memory > watches->settings.memory_max)) {
		entry_forget(watches, watches->oldest);
		counter_add(&watches->evicted, 1);
	}
}

/* --- the rules ---------------------------------------------------------------------------------- */

struct def *watches_def(struct watches *watches, struct str name, uint64_t version)
{
	for (size_t i = 0; i < watches->defs_count; i++)
		if (watches->defs[i].said->version == version && str_eq(watches->defs[i].name, name))
			return &watches->defs[i];
	return NULL;
}

/* Moves an old definition's entries to the new one, whose hashes are the same. */
static void carry_over(struct def *from, struct def *to)
{
	to->oldest = from->oldest;
	to->newest = from->newest;
	from->oldest = from->newest = NULL;
	for (struct entry *entry = to->oldest; entry != NULL; entry = entry->def_newer)
		entry->def = to;
}

int watches_use(struct watches *watches, const struct rules *rules)
{
	size_t count = rules == NULL ? 0 : rules_count(rules), old_count = watches->defs_count;
	struct def *old = watches->defs, *defs = calloc(count + 1, sizeof(*defs));

	if (defs == NULL) { /* nothing may point to rules that go */
		while (watches->oldest != NULL)
			entry_drop(watches, watches->oldest);
		watches->defs_count = 0;
		return -ENOMEM;
	}
	watches->defs = defs;
	watches->defs_count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct rule *rule = rules_at(rules, i);

		if (rule_watch(rule) != NULL && rule_is_enabled(rule))
			defs[watches->defs_count++] = (struct def){
				.rule = rule, .said = rule_watch(rule), .name = rule_name(rule) };
	}
	for (size_t i = 0; i < old_count; i++) {
		struct def *same = watches_def(watches, old[i].name, old[i].said->version);

		if (same != NULL)
			carry_over(&old[i], same);
		while (old[i].oldest != NULL)
			entry_forget(watches, old[i].oldest);
	}
	free(old);
	return 0;
}

static int compare_rules(const void *key, const void *element)
{
	const struct def *def = element;

	return key < (const void *)def->rule ? -1 : key > (const void *)def->rule;
}

/* --- events ------------------------------------------------------------------------------------- */

/* What is being fed. */
struct feed {
	struct watches *watches;
	const struct watch_match *match;
	struct watch_changes *changes;
	struct def *def;
	const struct rule_watch *said;
	int64_t time_ns;
	struct watch_firing *firing;
};

static void add_evidence(struct watches *watches, const struct point *points, size_t count)
{
	bool first = watches->evidence.len <= 1;

	for (size_t i = 0; i < count; i++) {
		if (points[i].note == NULL)
			continue;
		if (!first)
			buf_add_char(&watches->evidence, ',');
		first = false;
		buf_add(&watches->evidence, str_of(points[i].note));
	}
}

/* The alert that `count` points make. */
static int fire(struct watches *watches, struct def *def, const struct point *points, size_t count,
		struct watch_firing *ret)
{
	buf_clear(&watches->evidence);
	buf_add_char(&watches->evidence, '[');
	add_evidence(watches, points, count);
	buf_add_char(&watches->evidence, ']');
	if (!buf_ok(&watches->evidence))
		return -ENOMEM;
	counter_add(&watches->fired[def->said->kind], 1);
	ret->rule = def->rule;
	ret->count = count;
	ret->first_ns = count == 0 ? 0 : points[0].time_ns;
	ret->last_ns = count == 0 ? 0 : points[count - 1].time_ns;
	ret->evidence = buf_str(&watches->evidence);
	return 1;
}

static struct point point_of(const struct feed *feed, uint64_t value)
{
	return (struct point){ .time_ns = feed->time_ns, .identity = feed->match->identity, .value = value,
			       .note = note_new(feed->watches, feed->match->note) };
}

static bool is_late(struct feed *feed, const struct entry *entry)
{
	if (entry->newest_ns == INT64_MIN ||
	    feed->time_ns >= entry->newest_ns - feed->watches->settings.lateness_ns)
		return false;
	counter_add(&feed->watches->late, 1);
	return true;
}

/* The entry of a key, fed now. NULL: out of memory. */
static struct entry *entry_for(struct feed *feed, struct str by, struct str of, bool *ret_is_new)
{
	struct entry *entry = entry_find(feed->watches, feed->def, by, of);

	*ret_is_new = entry == NULL;
	if (!changes_note(feed->watches, feed->changes, feed->def, by, of, entry))
		return NULL;
	if (entry == NULL) {
		entry = entry_add(feed->watches, feed->def, by, of);
		if (entry == NULL)
			return NULL;
		entry->first_ns = feed->time_ns;
		entry->serial = feed->changes->serial;
	}
	entry_touch(feed->watches, entry, feed->match->now_ns);
	watches_evict(feed->watches);
	entry->fed++;
	return entry;
}

static void advance(const struct feed *feed, struct entry *entry)
{
	if (feed->time_ns > entry->newest_ns)
		entry->newest_ns = feed->time_ns;
}

/* Whether `count` points around `at` lie within the time: from *ret_first on. */
static bool has_window(const struct feed *feed, const struct entry *entry, uint32_t at, uint32_t *ret_first)
{
	uint32_t count = feed->said->count;

	for (uint32_t first = at + 1 >= count ? at + 1 - count : 0;
	     first <= at && first + count <= entry->points_count; first++) {
		if (entry->points[first + count - 1].time_ns - entry->points[first].time_ns >
		    feed->said->within_ns)
			continue;
		*ret_first = first;
		return true;
	}
	return false;
}

/* Threshold and distinct. */
static int feed_count(struct feed *feed)
{
	struct watches *watches = feed->watches;
	bool distinct = feed->said->kind == WATCH_DISTINCT, is_new;
	uint64_t value = distinct ? hash64_of(watches->settings.hash_key, feed->match->of) : 0;
	struct entry *entry = entry_for(feed, feed->match->by, (struct str){ 0 }, &is_new);
	uint32_t at, first;
	int r;

	if (entry == NULL)
		return -ENOMEM;
	if (feed->time_ns <= entry->quiet_ns || is_late(feed, entry) ||
	    points_has(entry, feed->match->identity))
		return 0;
	for (at = 0; distinct && at < entry->points_count; at++) {
		if (entry->points[at].value != value)
			continue;
		if (entry->points[at].time_ns >= feed->time_ns)
			return 0;
		points_remove(watches, entry, at);
		break;
	}
	advance(feed, entry);
	points_forget(watches, entry,
		      entry->newest_ns - feed->said->within_ns - watches->settings.lateness_ns);
	at = points_insert(watches, entry, point_of(feed, value), 2 * feed->said->count + 64);
	if (at == UINT32_MAX)
		return -ENOMEM;
	if (!has_window(feed, entry, at, &first))
		return 0;
	r = fire(watches, feed->def, &entry->points[first], feed->said->count, feed->firing);
	if (r < 0)
		return r;
	entry->quiet_ns = feed->firing->last_ns + feed->said->within_ns;
	points_clear(watches, entry);
	return r;
}

/* Whether the event is a step of the chain already. */
static bool chain_has(const struct chain *chain, uint64_t identity)
{
	for (uint32_t i = 0; i < chain->len; i++)
		if (chain->steps[i].identity == identity)
			return true;
	return false;
}

/* Lets one event extend the chains, the longest first, so that it is one step at most. 1: complete, in
 * `ret`. Doing it again changes nothing. */
static int step(struct feed *feed, struct entry *entry, const struct point *point, struct chain *ret)
{
	uint32_t steps = feed->said->steps;

	for (uint32_t i = steps; i-- > 0;) {
		const struct chain *before = i == 0 ? NULL : &entry->chains[i - 1];
		struct chain *to = i + 1 == steps ? ret : &entry->chains[i];
		int64_t first = before == NULL || before->len == 0 ? point->time_ns : before->steps[0].time_ns;

		if (!(point->value >> i & 1) ||
		    (before != NULL &&
		     (before->len == 0 || before->steps[i - 1].time_ns > point->time_ns ||
		      point->time_ns - first > feed->said->within_ns || chain_has(before, point->identity))))
			continue;
		if (to->len > 0 && to->steps[0].time_ns >= first)
			continue;
		chain_extend(feed->watches, to, before, point);
		if (to == ret)
			return 1;
	}
	return 0;
}

static int sequence_fires(struct feed *feed, struct entry *entry, struct chain *whole)
{
	int r = fire(feed->watches, feed->def, whole->steps, whole->len, feed->firing);

	chain_clear(feed->watches, whole);
	for (uint32_t i = 0; i + 1 < feed->said->steps; i++)
		chain_clear(feed->watches, &entry->chains[i]);
	/* What took part, or came before, is over. */
	if (r > 0)
		entry->quiet_ns = feed->firing->last_ns;
	points_clear(feed->watches, entry);
	return r;
}

static int feed_sequence(struct feed *feed)
{
	struct watches *watches = feed->watches;
	struct chain whole = { 0 };
	struct entry *entry;
	bool is_new;
	uint32_t at;

	/* Most events are a later step of something that never began. */
	if (!(feed->match->steps & 1) &&
	    entry_find(watches, feed->def, feed->match->by, (struct str){ 0 }) == NULL &&
	    watches->settings.lateness_ns == 0)
		return 0;
	entry = entry_for(feed, feed->match->by, (struct str){ 0 }, &is_new);
	if (entry == NULL || !chains_make(watches, entry, feed->said->steps))
		return -ENOMEM;
	if (is_late(feed, entry) || points_has(entry, feed->match->identity))
		return 0;
	/* Before the one that fired last: over, unless it happened at the same moment. */
	if (feed->time_ns < entry->quiet_ns)
		return 0;
	advance(feed, entry);
	points_forget(watches, entry, entry->newest_ns - watches->settings.lateness_ns);
	at = points_insert(watches, entry, point_of(feed, feed->match->steps), SEQUENCE_LATE_MAX);
	if (at == UINT32_MAX)
		return -ENOMEM;
	for (; at < entry->points_count; at++)
		if (step(feed, entry, &entry->points[at], &whole) > 0)
			return sequence_fires(feed, entry, &whole);
	return 0;
}

static int feed_first_seen(struct feed *feed)
{
	struct watches *watches = feed->watches;
	struct point point = point_of(feed, 0);
	struct entry *key, *value;
	bool is_new_key, is_new, learns, fires;
	int r = 0;

	value = entry_for(feed, feed->match->by, feed->match->of, &is_new);
	key = value == NULL ? NULL : entry_for(feed, feed->match->by, (struct str){ 0 }, &is_new_key);
	if (key == NULL) {
		point_done(watches, &point);
		return -ENOMEM;
	}
	/* Eviction for the key may have taken the value, in a table that is far too small. */
	value = entry_find(watches, feed->def, feed->match->by, feed->match->of);
	learns = feed->said->learn_ns > 0 && feed->time_ns - key->first_ns < feed->said->learn_ns;
	fires = value != NULL && (is_new || feed->time_ns - value->newest_ns >= feed->said->within_ns);
	if (value != NULL)
		advance(feed, value);
	advance(feed, key);
	if (fires && !learns)
		r = fire(watches, feed->def, &point, 1, feed->firing);
	point_done(watches, &point);
	return r;
}

static int feed_absent(struct feed *feed)
{
	bool is_new;
	struct entry *entry = entry_for(feed, feed->match->by, (struct str){ 0 }, &is_new);

	if (entry == NULL)
		return -ENOMEM;
	advance(feed, entry);
	return points_insert(feed->watches, entry, point_of(feed, 0), 1) == UINT32_MAX ? -ENOMEM : 0;
}

static int feed_kind(struct feed *feed)
{
	switch (feed->said->kind) {
	case WATCH_THRESHOLD: return feed_count(feed);
	case WATCH_DISTINCT: return feed->match->of.len == 0 ? 0 : feed_count(feed);
	case WATCH_SEQUENCE: return feed_sequence(feed);
	case WATCH_FIRST_SEEN: return feed->match->of.len == 0 ? 0 : feed_first_seen(feed);
	case WATCH_ABSENT: return feed_absent(feed);
	default: return 0;
	}
}

int watches_feed(struct watches *watches, const struct watch_match *match,
		 struct watch_changes *changes, struct watch_firing *ret)
{
	struct def *def = watches->defs_count == 0 ? NULL :
			  bsearch(match->rule, watches->defs, watches->defs_count, sizeof(*def), compare_rules);
	struct feed feed = { .watches = watches, .match = match, .changes = changes, .def = def,
			     .time_ns = match->time_ns < 0 ? 0 : match->time_ns, .firing = ret };
	int r;

	if (def == NULL && watches->defs_count > 0) { /* a former set's rule, for an event that had to wait */
		def = watches_def(watches, rule_name(match->rule), rule_watch(match->rule)->version);
		feed.def = def;
	}
	if (def == NULL)
		return 0;
	feed.said = def->said;
	*ret = (struct watch_firing){ .by = match->by, .of = match->of };
	if (feed.time_ns > match->now_ns + watches->settings.lateness_ns)
		feed.time_ns = match->now_ns;
	r = feed_kind(&feed);
	ret->rule = match->rule;
	return r;
}

/* --- time --------------------------------------------------------------------------------------- */

static int64_t keep_ns(const struct watches *watches, const struct rule_watch *said)
{
	int64_t keep = said->learn_ns > said->within_ns ? said->learn_ns : said->within_ns;

	return keep + watches->settings.lateness_ns;
}

static bool absent_due(struct watches *watches, struct def *def, struct entry *entry, int64_t now_ns,
		       struct watch_changes *changes, struct watch_firing *ret)
{
	struct buf *keys = &watches->blob;
	size_t by_len = entry->by_len;

	if (!changes_note(watches, changes, def, entry_by(entry), (struct str){ 0 }, entry) ||
	    fire(watches, def, entry->points, entry->points_count, ret) < 0)
		return false;
	buf_clear(keys);
	buf_add(keys, entry_by(entry));
	if (!buf_ok(keys))
		return false;
	ret->by = str_cut(buf_str(keys), by_len);
	ret->of = (struct str){ 0 };
	ret->count = entry->fed;
	ret->first_ns = entry->newest_ns;
	ret->last_ns = now_ns;
	entry_drop(watches, entry);
	return true;
}

bool watches_due(struct watches *watches, int64_t now_ns, struct watch_changes *changes,
		 struct watch_firing *ret)
{
	size_t budget = EXPIRE_MAX;

	for (size_t i = 0; i < watches->defs_count; i++) {
		struct def *def = &watches->defs[i];

		if (def->said->kind == WATCH_ABSENT) {
			if (def->oldest != NULL && now_ns - def->oldest->touched_ns >= def->said->within_ns &&
			    absent_due(watches, def, def->oldest, now_ns, changes, ret))
				return true;
			continue;
		}
		while (def->oldest != NULL && budget > 0 &&
		       now_ns - def->oldest->touched_ns > keep_ns(watches, def->said)) {
			entry_forget(watches, def->oldest);
			counter_add(&watches->expired, 1);
			budget--;
		}
	}
	return false;
}

/* --- figures ------------------------------------------------------------------------------------ */

size_t watches_count(const struct watches *watches)
{
	return watches->count;
}

void watches_metrics(struct watches *watches, struct metrics *metrics)
{
	metrics_family(metrics, METRIC_GAUGE, "tocsin_hub_watch_entries", NULL,
		       "Keys that hub-only rules remember something of.");
	metrics_u64(metrics, NULL, watches->count);
	metrics_family(metrics, METRIC_GAUGE, "tocsin_hub_watch_memory_bytes", "bytes",
		       "Memory of what hub-only rules remember.");
	metrics_u64(metrics, NULL, watches->memory);
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_watch_evicted", NULL,
		       "Keys of hub-only rules forgotten early because there were too many.");
	metrics_u64(metrics, NULL, counter_get(&watches->evicted));
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_watch_late", NULL,
		       "Events that came too late for a hub-only rule.");
	metrics_u64(metrics, NULL, counter_get(&watches->late));
	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_watch_fired", NULL,
		       "Alerts that hub-only rules raised.");
	for (enum watch_kind kind = WATCH_THRESHOLD; kind < WATCH_KINDS; kind++) {
		const struct metric_label labels[] = { { "kind", str_of(watch_kind_name(kind)) }, { 0 } };

		metrics_u64(metrics, labels, counter_get(&watches->fired[kind]));
	}
}
