/* The table, the queue and the thread. The table belongs to the caller's thread; only the two rings,
 * of questions and of answers, are shared. */
#include "sensor/containers/containers.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/thread.h"
#include "sensor/containers/passwd.h"

#include <errno.h>
#include <pthread.h>

enum { BUCKETS = 1024, HASHED = 16 /* ids are random from the first digit on */, TRIES_MAX = 8 };

struct entry {
	struct container_id id;
	struct box *box; /* NULL: not known */
	int64_t first_asked, asked, until;
	uint64_t start_ns; /* of its first process; 0: not seen */
	unsigned tries;	   /* without an answer */
	bool asking;
	struct entry *hash_next, *newer, *older;
};

struct answer {
	struct container_id id;
	struct box *box; /* NULL: nobody knows it */
	struct {
		bool asked;
		int result;
	} by_way[WAYS];
};

struct containers {
	struct containers_settings settings;
	struct containers_stats stats;
	struct entry *buckets[BUCKETS];
	struct entry *newest, *oldest;
	int64_t now;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct container_id questions[CONTAINERS_QUEUE];
	struct answer answers[CONTAINERS_QUEUE];
	unsigned questions_first, questions_count, answers_count;
	unsigned open; /* asked and not yet taken back: so many answers can come */
	_Atomic bool stopping, have_answers;
	bool has_thread;
	pthread_t thread;
};

/* ---- the thread ---- */

static void ask_all(struct way_question *question, struct answer *answer)
{
	struct box *box = &question->draft->box;

	for (size_t i = 0; i < WAYS; i++) {
		if ((box->has & ways[i]->gives) == ways[i]->gives)
			continue;
		answer->by_way[i].asked = true;
		answer->by_way[i].result = ways[i]->ask(question);
	}
	box_set(question->draft, &box->type, container_kind_name(question->id->kind));
	if (!(box->has & BOX_FOUND))
		return;
	passwd_read(question->draft, question->root);
	answer->box = box_seal(question->draft);
}

static void *run(void *userdata)
{
	struct containers *containers = userdata;
	CLEANUP(cleanup_free) struct box_draft *draft = calloc(1, sizeof(*draft));
	struct way_http *http = way_http_new(containers->settings.root, &containers->stopping);
	struct way_cri *cri = way_cri_new(containers->settings.root, &containers->stopping);

	pthread_mutex_lock(&containers->lock);
	while (draft != NULL && !containers->stopping) {
		struct doc doc = { .arena = &draft->arena };
		struct answer answer = { 0 };
		struct way_question question = { &answer.id, containers->settings.root, &doc, draft, http, cri };

		if (containers->questions_count == 0) {
			pthread_cond_wait(&containers->changed, &containers->lock);
			continue;
		}
		answer.id = containers->questions[containers->questions_first];
		containers->questions_first = (containers->questions_first + 1) % CONTAINERS_QUEUE;
		containers->questions_count--;
		pthread_mutex_unlock(&containers->lock);
		box_draft_begin(draft);
		ask_all(&question, &answer);
		doc_done(&doc);
		pthread_mutex_lock(&containers->lock);
		containers->answers[containers->answers_count++] = answer;
		atomic_store(&containers->have_answers, true);
	}
	pthread_mutex_unlock(&containers->lock);
	if (draft != NULL)
		box_draft_done(draft);
	way_http_free(http);
	way_cri_free(cri);
	return NULL;
}

static int start(struct containers *containers)
{
	int r;

	if (containers->has_thread)
		return 0;
	r = thread_start(&containers->thread, run, containers);
	containers->has_thread = r == 0;
	return r;
}

/* ---- the table ---- */

static struct entry **bucket_of(struct containers *containers, const struct container_id *id)
{
	struct str start = str_cut((struct str){ id->text, id->len }, HASHED);

	return &containers->buckets[hash_fnv(FNV_START, start) % BUCKETS];
}

static void list_remove(struct containers *containers, struct entry *entry)
{
	*(entry->newer != NULL ? &entry->newer->older : &containers->newest) = entry->older;
	*(entry->older != NULL ? &entry->older->newer : &containers->oldest) = entry->newer;
	entry->newer = entry->older = NULL;
}

static void list_add(struct containers *containers, struct entry *entry)
{
	entry->older = containers->newest;
	*(containers->newest != NULL ? &containers->newest->newer : &containers->oldest) = entry;
	containers->newest = entry;
}

static void drop_box(struct containers *containers, struct entry *entry)
{
	if (entry->box != NULL)
		containers->stats.bytes -= entry->box->bytes;
	free(entry->box);
	entry->box = NULL;
}

static void entry_remove(struct containers *containers, struct entry *entry)
{
	struct entry **at = bucket_of(containers, &entry->id);

	while (*at != entry)
		at = &(*at)->hash_next;
	*at = entry->hash_next;
	list_remove(containers, entry);
	drop_box(containers, entry);
	free(entry);
	containers->stats.entries--;
}

static bool is_of(const struct entry *entry, const struct container_id *id)
{
	return entry->id.len == id->len && memcmp(entry->id.text, id->text, id->len) == 0;
}

static struct entry *entry_find(struct containers *containers, const struct container_id *id)
{
	struct entry *entry = containers->newest;

	/* The next event is mostly of the same container. */
	if (entry != NULL && is_of(entry, id))
		return entry;
	entry = *bucket_of(containers, id);
	while (entry != NULL && !is_of(entry, id))
		entry = entry->hash_next;
	return entry;
}

static struct entry *entry_add(struct containers *containers, const struct container_id *id)
{
	struct entry *entry = calloc(1, sizeof(*entry)), **bucket = bucket_of(containers, id);

	if (entry == NULL)
		return NULL;
	if (containers->stats.entries >= CONTAINERS_MAX) {
		entry_remove(containers, containers->oldest);
		containers->stats.evicted++;
	}
	entry->id = *id;
	entry->first_asked = containers->now;
	entry->hash_next = *bucket;
	*bucket = entry;
	list_add(containers, entry);
	containers->stats.entries++;
	return entry;
}

/* ---- questions and answers ---- */

static void ask(struct containers *containers, struct entry *entry)
{
	if (start(containers) < 0 || containers->open == CONTAINERS_QUEUE) {
		containers->stats.refused++;
		entry->until = containers->now + CONTAINERS_RETRY_MS * NS_PER_MS;
		return;
	}
	entry->asking = true;
	entry->asked = clock_mono();
	containers->open++;
	pthread_mutex_lock(&containers->lock);
	containers->questions[(containers->questions_first + containers->questions_count++) %
			      CONTAINERS_QUEUE] = entry->id;
	pthread_cond_signal(&containers->changed);
	pthread_mutex_unlock(&containers->lock);
}

static void count_ways(struct containers *containers, const struct answer *answer)
{
	for (size_t i = 0; i < WAYS; i++) {
		if (!answer->by_way[i].asked)
			continue;
		if (answer->by_way[i].result == 0)
			containers->stats.by_way[i].answered++;
		else if (answer->by_way[i].result == -ENOENT)
			containers->stats.by_way[i].unknown++;
		else
			containers->stats.by_way[i].failed++;
	}
}

static int64_t retry_after(struct entry *entry)
{
	int64_t ns = CONTAINERS_RETRY_MS * NS_PER_MS;

	for (unsigned i = 0; i < entry->tries && ns < CONTAINERS_UNKNOWN_S * NS_PER_S; i++)
		ns *= 4;
	if (entry->tries < TRIES_MAX)
		entry->tries++;
	return ns < CONTAINERS_UNKNOWN_S * NS_PER_S ? ns : CONTAINERS_UNKNOWN_S * NS_PER_S;
}

/* Asked at its very beginning, a container has no state yet that says where its files are. */
static bool is_whole(const struct box *box)
{
	return (box->has & (BOX_NAME | BOX_ROOT)) == (BOX_NAME | BOX_ROOT);
}

static void take(struct containers *containers, struct answer *answer)
{
	struct entry *entry = entry_find(containers, &answer->id);

	count_ways(containers, answer);
	if (entry == NULL) { /* evicted meanwhile */
		free(answer->box);
		return;
	}
	entry->asking = false;
	histogram_add(&containers->stats.latency, containers->now - entry->asked);
	if (answer->box == NULL) { /* what was known before stays: it may have ended */
		entry->until = containers->now + (entry->box != NULL ? CONTAINERS_KNOWN_S * NS_PER_S
								     : retry_after(entry));
		return;
	}
	drop_box(containers, entry);
	entry->box = answer->box;
	if (is_whole(entry->box))
		entry->tries = 0;
	entry->until = containers->now +
		       (is_whole(entry->box) ? CONTAINERS_KNOWN_S * NS_PER_S : retry_after(entry));
	containers->stats.bytes += entry->box->bytes;
	containers->stats.cut += (entry->box->has & BOX_CUT) != 0;
	while (containers->stats.bytes > CONTAINERS_BYTES && containers->oldest != entry) {
		entry_remove(containers, containers->oldest);
		containers->stats.evicted++;
	}
}

bool containers_have_answers(const struct containers *containers)
{
	return atomic_load_explicit(&containers->have_answers, memory_order_relaxed);
}

bool containers_tick(struct containers *containers, int64_t now)
{
	unsigned count;

	containers->now = now;
	if (!containers_have_answers(containers))
		return false;
	pthread_mutex_lock(&containers->lock);
	count = containers->answers_count;
	for (unsigned i = 0; i < count; i++)
		take(containers, &containers->answers[i]);
	containers->answers_count = 0;
	containers->open -= count;
	atomic_store(&containers->have_answers, false);
	pthread_mutex_unlock(&containers->lock);
	return count > 0;
}

const struct box *containers_find(struct containers *containers, const struct container_id *id,
				  enum containers_state *ret_state)
{
	struct entry *entry;

	*ret_state = CONTAINERS_UNKNOWN;
	entry = entry_find(containers, id);
	if (entry == NULL) {
		if (!way_can_ask(id))
			return NULL;
		entry = entry_add(containers, id);
		if (entry == NULL)
			return NULL;
		containers->stats.misses++;
	} else {
		if (entry != containers->newest) {
			list_remove(containers, entry);
			list_add(containers, entry);
		}
		if (entry->box != NULL)
			containers->stats.hits++;
		else
			containers->stats.negative++;
	}
	if (!containers->settings.silent && !entry->asking && containers->now >= entry->until)
		ask(containers, entry);
	if (entry->box != NULL)
		*ret_state = CONTAINERS_KNOWN;
	else if (!containers->settings.silent && containers->now - entry->first_asked < containers->settings.wait_ms * NS_PER_MS)
		*ret_state = CONTAINERS_WAITING;
	return entry->box;
}

uint64_t containers_start(struct containers *containers, const struct container_id *id, uint64_t seen_ns)
{
	struct entry *entry = entry_find(containers, id);

	if (entry == NULL)
		return seen_ns;
	if (seen_ns != 0 && (entry->start_ns == 0 || seen_ns < entry->start_ns))
		entry->start_ns = seen_ns;
	return entry->start_ns;
}

/* ---- life ---- */

int containers_new(const struct containers_settings *settings, struct containers **ret)
{
	struct containers *containers = calloc(1, sizeof(*containers));

	if (containers == NULL)
		return -ENOMEM;
	containers->settings = *settings;
	containers->now = clock_mono();
	pthread_mutex_init(&containers->lock, NULL);
	pthread_cond_init(&containers->changed, NULL);
	*ret = containers;
	return 0;
}

void containers_free(struct containers *containers)
{
	if (containers == NULL)
		return;
	pthread_mutex_lock(&containers->lock);
	atomic_store(&containers->stopping, true);
	pthread_cond_signal(&containers->changed);
	pthread_mutex_unlock(&containers->lock);
	if (containers->has_thread)
		pthread_join(containers->thread, NULL);
	for (unsigned i = 0; i < containers->answers_count; i++)
		free(containers->answers[i].box);
	while (containers->newest != NULL)
		entry_remove(containers, containers->newest);
	pthread_cond_destroy(&containers->changed);
	pthread_mutex_destroy(&containers->lock);
	free(containers);
}

/* ---- figures ---- */

const struct containers_stats *containers_stats(const struct containers *containers)
{
	return &containers->stats;
}

static void add_one(struct metrics *metrics, enum metric_type type, const char *name, const char *unit,
		    const char *help, uint64_t value)
{
	metrics_family(metrics, type, name, unit, help);
	metrics_u64(metrics, NULL, value);
}

static void add_asked(struct metrics *metrics, const struct containers_stats *stats)
{
	metrics_family(metrics, METRIC_COUNTER, "tocsin_sensor_container_questions", NULL,
		       "Asked of each way to learn about a container, by what came of it");
	for (size_t i = 0; i < WAYS; i++) {
		const struct {
			const char *name;
			uint64_t value;
		} results[] = { { "answered", stats->by_way[i].answered },
				{ "unknown", stats->by_way[i].unknown },
				{ "failed", stats->by_way[i].failed } };

		for (size_t r = 0; r < ARRAY_LEN(results); r++) {
			const struct metric_label labels[] = { { "way", str_of(ways[i]->name) },
							       { "result", str_of(results[r].name) },
							       { NULL, { NULL, 0 } } };

			metrics_u64(metrics, labels, results[r].value);
		}
	}
}

void containers_add_metrics(const struct containers_stats *stats, struct metrics *metrics)
{
	add_one(metrics, METRIC_GAUGE, "tocsin_sensor_containers", NULL, "Containers in the table",
		stats->entries);
	add_one(metrics, METRIC_GAUGE, "tocsin_sensor_containers_bytes", "bytes",
		"Bytes of what is known of them", stats->bytes);
	add_one(metrics, METRIC_COUNTER, "tocsin_sensor_container_hits", NULL,
		"Events whose container was known", stats->hits);
	add_one(metrics, METRIC_COUNTER, "tocsin_sensor_container_misses", NULL,
		"Containers that were not in the table", stats->misses);
	add_one(metrics, METRIC_COUNTER, "tocsin_sensor_container_unknown", NULL,
		"Events whose container nobody knows, or not yet", stats->negative);
	add_one(metrics, METRIC_COUNTER, "tocsin_sensor_containers_evicted", NULL,
		"Containers forgotten because the table was full", stats->evicted);
	add_one(metrics, METRIC_COUNTER, "tocsin_sensor_container_questions_refused", NULL,
		"Questions not asked because too many were open", stats->refused);
	add_one(metrics, METRIC_COUNTER, "tocsin_sensor_containers_cut", NULL,
		"Containers with more, or longer, labels or mounts than are kept", stats->cut);
	add_asked(metrics, stats);
	metrics_family(metrics, METRIC_HISTOGRAM, "tocsin_sensor_container_latency_seconds", "seconds",
		       "From the question for a container's metadata to the answer");
	metrics_histogram(metrics, NULL, &stats->latency);
}
