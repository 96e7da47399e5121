/* The worker's loop: read, decide, send, settle, hand the progress to the journal. */
#include "hub/deliver/worker.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "hub/deliver/route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
	READ_BYTES = 1 << 20,
	ARENA_MAX = 64 << 20,
	IDLE_MS = 1000,
	RETRY_PROGRESS_MS = 200,
	SLOT_BACKOFF_MS = 1000,
	REPLAY_PAUSE_MS = 5000,    /* for newer ones, after letters that did not go through */
	BLOCKED = 4096,            /* places of the table of order keys that wait */
	STUCK_ATTEMPTS = 20,       /* an alert that failed so often no longer holds up its host */
	DEAD_LOG_S = 60,           /* dead letters are told at most so often, with their number */
};

/* --- life --------------------------------------------------------------------------------------- */

static int box_init(struct worker *worker, struct outbox *box)
{
	box->worker = worker;
	box->prefix = calloc(WORKER_OUTCOMES, sizeof(*box->prefix));
	box->ahead = calloc(WORKER_WINDOW, sizeof(*box->ahead));
	box->dead = calloc(WORKER_WINDOW, sizeof(*box->dead));
	return box->prefix == NULL || box->ahead == NULL || box->dead == NULL ? -ENOMEM : 0;
}

static int restore_cursor(struct worker *worker)
{
	struct journal_output durable;
	int r = journal_output(worker->journal, worker->output->name,
	                       worker->output->start == CONFIG_START_OLDEST, &durable);

	if (r < 0)
		return r;
	worker->id = durable.id;
	worker->start = durable.start;
	worker->cursor = worker->read_to = durable.cursor;
	worker->restored = durable.ahead;
	worker->restored_count = durable.ahead_count;
	worker->status.delivered = durable.totals[JOURNAL_DELIVERED];
	worker->status.dead = durable.totals[JOURNAL_DEAD];
	for (int i = JOURNAL_SUPPRESSED_ROUTE; i < JOURNAL_OUTCOMES; i++)
		worker->status.suppressed += durable.totals[i];
	return 0;
}

int worker_init(struct worker *worker, char *error)
{
	const struct config_output *output = worker->output;
	char note[OUTPUT_NOTE_MAX] = "";
	int r;

	pthread_mutex_init(&worker->lock, NULL);
	arena_init(&worker->arena, ARENA_MAX);
	arena_init(&worker->reading, ARENA_MAX);
	worker->status.name = output->name;
	worker->status.type = output->ops->type;
	worker->concurrency = 1;
	worker->window = calloc(WORKER_WINDOW, sizeof(*worker->window));
	worker->read_space = calloc(WORKER_READ, sizeof(*worker->read_space));
	worker->deliveries = calloc(OUTPUT_BATCH_MAX, sizeof(*worker->deliveries));
	worker->picked = calloc(OUTPUT_BATCH_MAX, sizeof(struct slot *));
	if (getrandom(&worker->random, sizeof(worker->random), 0) < 0)
		worker->random = (unsigned)clock_now();
	r = worker->window == NULL || worker->read_space == NULL || worker->deliveries == NULL || worker->picked == NULL ? -ENOMEM : 0;
	if (r == 0)
		r = box_init(worker, &worker->boxes[0]);
	if (r == 0)
		r = box_init(worker, &worker->boxes[1]);
	if (r == 0)
		r = restore_cursor(worker);
	if (r == 0)
		r = journal_reader_open(worker->journal, &worker->reader);
	if (r == 0)
		r = output->ops->open(output->conf, output->name, &worker->state, note);
	if (r < 0)
		snprintf(error, 256, "output %s: %s", output->name, note[0] != '\0' ? note : strerror(-r));
	return r;
}

void worker_done(struct worker *worker)
{
	if (worker->state != NULL)
		worker->output->ops->close(worker->state);
	journal_reader_close(worker->reader);
	for (uint32_t i = 0; worker->window != NULL && i < WORKER_WINDOW; i++)
		free(worker->window[i].text);
	for (int i = 0; i < 2; i++) {
		free(worker->boxes[i].prefix);
		free(worker->boxes[i].ahead);
		free(worker->boxes[i].dead);
	}
	free(worker->window);
	free(worker->deliveries);
	free(worker->picked);
	free(worker->restored);
	arena_done(&worker->arena);
	arena_done(&worker->reading);
	free(worker->read_space);
	pthread_mutex_destroy(&worker->lock);
}

/* --- the window --------------------------------------------------------------------------------- */

static struct slot *slot_at(const struct worker *worker, uint32_t index)
{
	return &worker->window[(worker->head + index) % WORKER_WINDOW];
}

static void settle(struct worker *worker, struct slot *slot, uint8_t outcome)
{
	slot->outcome = outcome;
	if (slot->text != NULL) {
		worker->bytes -= slot->alert.json.len;
		free(slot->text);
		slot->text = NULL;
	}
	worker->dirty = true;
	pthread_mutex_lock(&worker->lock);
	if (outcome == JOURNAL_DELIVERED) {
		worker->status.delivered++;
		worker->status.last_ok_ns = clock_now();
	} else if (outcome == JOURNAL_DEAD) {
		worker->status.dead++;
	} else {
		worker->status.suppressed++;
	}
	pthread_mutex_unlock(&worker->lock);
	if (outcome > JOURNAL_DEAD)
		counter_add(&worker->suppressed[outcome], 1);
}

/* What the last run settled beyond its cursor: 0 when this position was not. */
static uint8_t settled_before(const struct worker *worker, uint64_t seq)
{
	for (size_t i = 0; i < worker->restored_count; i++)
		if (worker->restored[i].seq == seq)
			return worker->restored[i].outcome;
	return 0;
}

/* Alerts of one host are one key. The host stands in the line before the fields, and no text inside a
 * JSON string can look like its key (its quotes would be escaped): no need to parse the line. */
static uint64_t order_of(const struct worker *worker, const struct alert *alert)
{
	struct str key = STR(",\"hostname\":\"");
	uint64_t hash = 14695981039346656037u;
	ptrdiff_t at = worker->output->order == CONFIG_ORDER_NONE ? -1 : str_find(alert->json, key);

	if (at < 0)
		return 0;
	for (size_t i = (size_t)at + key.len; i < alert->json.len && alert->json.at[i] != '"'; i++)
		hash = (hash ^ (unsigned char)alert->json.at[i]) * 1099511628211u;
	return hash | 1; /* 0 means any order */
}

/* Decides about an alert just read and puts it at the end of the window. False: out of memory. */
static bool window_add(struct worker *worker, struct alert *alert)
{
	struct slot *slot = slot_at(worker, worker->count);
	uint8_t outcome = settled_before(worker, alert->seq);

	*slot = (struct slot){ .alert = *alert };
	if (outcome == 0)
		outcome = (uint8_t)route_decide(worker->config, worker->output, alert, &worker->reading);
	if (outcome == 0) {
		slot->order = order_of(worker, alert);
		slot->text = malloc(alert->json.len + 1);
		if (slot->text == NULL)
			return false;
		memcpy(slot->text, alert->json.at, alert->json.len);
		slot->alert.json.at = slot->text;
		slot->alert.is_read = false;
		worker->bytes += alert->json.len;
	}
	worker->count++;
	worker->read_to = alert->seq;
	if (outcome != 0)
		settle(worker, slot, outcome);
	return true;
}

/* Reads what there is room for. Returns how many, or -errno. */
static int fill(struct worker *worker)
{
	struct alert *alerts = worker->read_space;
	size_t room = WORKER_WINDOW - worker->count;
	int count;

	if (room == 0 || worker->bytes >= WORKER_BYTES)
		return 0;
	arena_reset(&worker->reading);
	count = journal_read(worker->reader, worker->read_to, room < WORKER_READ ? room : WORKER_READ,
	                     READ_BYTES, &worker->reading, alerts);
	for (int i = 0; i < count; i++)
		if (!window_add(worker, &alerts[i]))
			return -ENOMEM;
	return count;
}

/* --- progress ----------------------------------------------------------------------------------- */

static void progress_done(struct journal_progress *progress, int result)
{
	struct outbox *box = (struct outbox *)progress;

	atomic_store(&box->worker->writing, result == 0 ? 2 : -1);
	journal_wake(box->worker->journal);
}

/* Moves the settled prefix of the window into the box that is being filled. */
static void drain(struct worker *worker)
{
	struct journal_progress *progress = &worker->boxes[worker->filling].progress;
	struct journal_done *prefix = worker->boxes[worker->filling].prefix;

	while (worker->count > 0 && progress->prefix_count < WORKER_OUTCOMES) {
		struct slot *slot = slot_at(worker, 0);

		if (slot->outcome == 0)
			break;
		prefix[progress->prefix_count++] = (struct journal_done){
			.seq = slot->alert.seq, .outcome = slot->outcome, .attempts = slot->attempts };
		worker->cursor = slot->alert.seq;
		worker->head = (worker->head + 1) % WORKER_WINDOW;
		worker->count--;
	}
}

static void list_ahead(struct worker *worker, struct outbox *box)
{
	box->progress.ahead_count = 0;
	for (uint32_t i = 0; i < worker->count; i++) {
		const struct slot *slot = slot_at(worker, i);

		if (slot->outcome != 0)
			box->ahead[box->progress.ahead_count++] = (struct journal_done){
				.seq = slot->alert.seq, .outcome = slot->outcome, .attempts = slot->attempts };
	}
}

static void submit(struct worker *worker, struct outbox *box)
{
	struct journal_progress *progress = &box->progress;

	progress->output = worker->id;
	progress->prefix = box->prefix;
	progress->ahead = box->ahead;
	progress->dead = box->dead;
	progress->done = progress_done;
	atomic_store(&worker->writing, 1);
	journal_submit_progress(worker->journal, progress);
}

/* Hands over what is settled unless the journal still has the last of it. */
static void hand_over(struct worker *worker)
{
	struct outbox *box = &worker->boxes[worker->filling], *other = &worker->boxes[!worker->filling];
	int writing = atomic_load(&worker->writing);

	drain(worker);
	if (writing == -1) { /* not on disk: the same again, later */
		struct timespec pause = { .tv_nsec = RETRY_PROGRESS_MS * NS_PER_MS };

		nanosleep(&pause, NULL);
		submit(worker, other);
		return;
	}
	if (writing == 1 || !worker->dirty)
		return;
	other->progress.prefix_count = other->progress.dead_count = 0;
	list_ahead(worker, box);
	box->progress.cursor = worker->cursor;
	worker->dirty = false;
	worker->filling = !worker->filling;
	submit(worker, box);
}

static bool box_has_room(const struct worker *worker)
{
	const struct journal_progress *progress = &worker->boxes[worker->filling].progress;

	return progress->prefix_count < WORKER_OUTCOMES - WORKER_WINDOW &&
	       progress->dead_count < WORKER_WINDOW / 2;
}

/* --- state for others --------------------------------------------------------------------------- */

static void publish(struct worker *worker)
{
	int64_t oldest = 0;

	for (uint32_t i = 0; i < worker->count && oldest == 0; i++)
		if (slot_at(worker, i)->outcome == 0)
			oldest = slot_at(worker, i)->alert.received_ns;
	pthread_mutex_lock(&worker->lock);
	worker->status.state = worker->condition >= DELIVER_BACKOFF ? worker->condition
	                       : worker->count > 0 ? DELIVER_WORKING : DELIVER_IDLE;
	worker->status.cursor = worker->cursor;
	worker->status.concurrency = worker->concurrency;
	worker->status_next_try_ns = worker->next_try_ns;
	worker->oldest_ns = oldest;
	pthread_mutex_unlock(&worker->lock);
}

/* --- sending ------------------------------------------------------------------------------------ */

/* A dead letter wants somebody's eye; a thousand of them one line. */
static void tell_dead(struct worker *worker, const struct slot *slot, const char *note)
{
	int64_t now = clock_mono();

	pthread_mutex_lock(&worker->lock);
	snprintf(worker->status.note, sizeof(worker->status.note), "%s", note);
	pthread_mutex_unlock(&worker->lock);
	worker->dead_untold++;
	if (worker->dead_told_ns != 0 && now - worker->dead_told_ns < DEAD_LOG_S * NS_PER_S)
		return;
	log_warning("output %s: %llu to the dead letters, the last one alert %llu: %s", worker->output->name,
	            (unsigned long long)worker->dead_untold, (unsigned long long)slot->alert.seq, note);
	worker->dead_told_ns = now;
	worker->dead_untold = 0;
}

static void bury(struct worker *worker, struct slot *slot, const char *note)
{
	struct outbox *box = &worker->boxes[worker->filling];
	struct journal_dead *dead = &box->dead[box->progress.dead_count++];

	*dead = (struct journal_dead){ .seq = slot->alert.seq, .at_ns = clock_now(),
		                       .attempts = slot->attempts };
	snprintf(dead->note, sizeof(dead->note), "%s", note);
	tell_dead(worker, slot, note);
	settle(worker, slot, JOURNAL_DEAD);
}

static bool is_exhausted(const struct worker *worker, const struct slot *slot)
{
	const struct config_output *output = worker->output;

	if (output->max_attempts > 0 && slot->attempts >= output->max_attempts)
		return true;
	return output->max_age_ms > 0 &&
	       clock_now() - slot->alert.received_ns > output->max_age_ms * NS_PER_MS;
}

static void apply(struct worker *worker, struct slot *slot, const struct delivery *delivery)
{
	if (delivery->verdict == OUTPUT_UNTRIED)
		return;
	if (slot->attempts < 255 && delivery->verdict != OUTPUT_BROKEN)
		slot->attempts++; /* while the output is held no alert is at fault */
	switch (delivery->verdict) {
	case OUTPUT_DELIVERED:
		histogram_add(&worker->latency, clock_now() - slot->alert.received_ns);
		settle(worker, slot, JOURNAL_DELIVERED);
		break;
	case OUTPUT_NEVER:
		bury(worker, slot, delivery->note);
		break;
	case OUTPUT_LATER:
		if (is_exhausted(worker, slot))
			bury(worker, slot, delivery->note);
		else /* one that fails among others that do not is not tried in every call */
			slot->next_try_ns = clock_mono() +
			                    (slot->attempts < 30 ? slot->attempts : 30) * SLOT_BACKOFF_MS * NS_PER_MS;
		break;
	default:
		break;
	}
}

/* Order within a host is worth waiting for, but not for ever: one alert that the far side never takes
 * must not silence its host. */
static bool holds_back_its_host(const struct slot *slot)
{
	return slot->order != 0 && slot->attempts < STUCK_ATTEMPTS;
}

/* Picks what may be sent now, in order; an alert whose host has an earlier one waiting waits too. */
static size_t pick(struct worker *worker, int64_t now, size_t max, int64_t *next_ns)
{
	bool blocked[BLOCKED] = { false };
	size_t picked = 0;

	for (uint32_t i = 0; i < worker->count && picked < max; i++) {
		struct slot *slot = slot_at(worker, i);
		bool *mine = &blocked[slot->order % BLOCKED];

		if (slot->outcome != 0)
			continue;
		if (slot->order != 0 && *mine)
			continue;
		if (slot->next_try_ns > now) {
			*mine = holds_back_its_host(slot);
			if (*next_ns == 0 || slot->next_try_ns < *next_ns)
				*next_ns = slot->next_try_ns;
			continue;
		}
		worker->picked[picked++] = slot;
	}
	return picked;
}

/* Picks one to see whether the far side is back: of those that may go first in their order the one
 * tried least, so that one that never goes through does not speak for all others. */
static size_t pick_probe(struct worker *worker, int64_t now, int64_t *next_ns)
{
	bool blocked[BLOCKED] = { false };
	struct slot *probe = NULL;

	for (uint32_t i = 0; i < worker->count; i++) {
		struct slot *slot = slot_at(worker, i);
		bool *mine = &blocked[slot->order % BLOCKED];

		if (slot->outcome != 0 || (slot->order != 0 && *mine))
			continue;
		*mine = holds_back_its_host(slot);
		if (slot->next_try_ns > now) {
			if (*next_ns == 0 || slot->next_try_ns < *next_ns)
				*next_ns = slot->next_try_ns;
		} else if (probe == NULL || slot->attempts < probe->attempts) {
			probe = slot;
		}
	}
	worker->picked[0] = probe;
	return probe != NULL;
}

/* When the window is full and its oldest alert has failed again and again while others went through,
 * that one is what is wrong: it becomes a dead letter instead of a stop for everything behind it. In an
 * outage nothing goes through, and nothing is given up. */
static void give_way(struct worker *worker, size_t count)
{
	struct slot *oldest = worker->count > 0 ? slot_at(worker, 0) : NULL;
	char note[OUTPUT_NOTE_MAX + 64];
	bool passed = false;

	for (size_t i = 0; i < count; i++)
		passed |= worker->deliveries[i].verdict == OUTPUT_DELIVERED;
	if (!passed || oldest == NULL || oldest->outcome != 0 || oldest->attempts < STUCK_ATTEMPTS ||
	    (worker->count < WORKER_WINDOW && worker->bytes < WORKER_BYTES))
		return;
	pthread_mutex_lock(&worker->lock);
	snprintf(note, sizeof(note), "gave way after %u attempts, others went through: %s", oldest->attempts,
	         worker->status.note);
	pthread_mutex_unlock(&worker->lock);
	bury(worker, oldest, note);
}

/* Sends once. Returns how many alerts were in the call; 0: nothing is due. */
static size_t send_due(struct worker *worker, int64_t now, int64_t *next_ns)
{
	size_t max = worker->output->ops->batch_max, count;

	if (worker->condition >= DELIVER_BACKOFF)
		count = pick_probe(worker, now, next_ns);
	else
		count = pick(worker, now, max < OUTPUT_BATCH_MAX ? max : OUTPUT_BATCH_MAX, next_ns);
	if (count == 0)
		return 0;
	publish(worker);
	worker_send(worker, worker->picked, count);
	worker_judge(worker, count);
	for (size_t i = 0; i < count; i++)
		apply(worker, worker->picked[i], &worker->deliveries[i]);
	give_way(worker, count);
	if (worker->condition == DELIVER_BACKOFF)
		for (size_t i = 0; i < count; i++) /* the output waits as a whole */
			worker->picked[i]->next_try_ns = 0;
	pthread_mutex_lock(&worker->lock);
	worker->status.attempts += count;
	pthread_mutex_unlock(&worker->lock);
	return count;
}

/* --- dead letters that come back ---------------------------------------------------------------- */

/* Whether the letter is settled, on disk. */
static bool apply_replayed(struct worker *worker, uint64_t letter, const struct alert *alert,
                           const struct delivery *delivery)
{
	struct journal_dead dead = { .seq = alert->seq, .at_ns = clock_now(), .attempts = 1 };

	snprintf(dead.note, sizeof(dead.note), "%s", delivery->note);
	if (delivery->verdict == OUTPUT_NEVER)
		return journal_replay_done(worker->journal, letter, JOURNAL_DEAD, &dead) == 0;
	if (delivery->verdict != OUTPUT_DELIVERED ||
	    journal_replay_done(worker->journal, letter, JOURNAL_DELIVERED, NULL) < 0)
		return false;
	pthread_mutex_lock(&worker->lock);
	worker->status.delivered++;
	worker->status.dead--;
	worker->status.last_ok_ns = clock_now();
	pthread_mutex_unlock(&worker->lock);
	return true;
}

/* Sends replayed letters, before anything newer; those that do not go through, or whose end cannot be
 * written down, come again after a pause. Returns how many were tried. */
static size_t send_replayed(struct worker *worker)
{
	struct alert *alerts = worker->read_space;
	uint64_t letters[WORKER_LETTERS];
	size_t max = worker->output->ops->batch_max;
	struct slot slots[WORKER_LETTERS];
	int count, settled = 0;

	if (max > WORKER_LETTERS)
		max = WORKER_LETTERS;
	if (worker->condition >= DELIVER_BACKOFF)
		max = 1; /* a probe */
	arena_reset(&worker->reading);
	count = journal_replayed(worker->reader, worker->id, max, &worker->reading, alerts, letters);
	pthread_mutex_lock(&worker->lock);
	worker->status.replaying = count > 0 ? (uint64_t)count : 0;
	pthread_mutex_unlock(&worker->lock);
	if (count <= 0)
		return 0;
	for (int i = 0; i < count; i++) {
		slots[i] = (struct slot){ .alert = alerts[i] };
		worker->picked[i] = &slots[i];
	}
	worker_send(worker, worker->picked, (size_t)count);
	worker_judge(worker, (size_t)count);
	for (int i = 0; i < count; i++)
		settled += apply_replayed(worker, letters[i], &alerts[i], &worker->deliveries[i]);
	if (settled < count)
		worker->replay_check_ns = clock_mono() + REPLAY_PAUSE_MS * NS_PER_MS;
	return (size_t)count;
}

/* --- the loop ----------------------------------------------------------------------------------- */

/* Until something is due, something new comes, or somebody wakes it. */
static void rest(struct worker *worker, int64_t now, int64_t next_ns)
{
	int64_t wait_ms = IDLE_MS;
	bool full = worker->count == WORKER_WINDOW || worker->bytes >= WORKER_BYTES ||
	            !box_has_room(worker) || worker->read_check_ns > now;

	if (worker->next_try_ns > now)
		next_ns = worker->next_try_ns;
	if (next_ns > 0 && (next_ns - now) / NS_PER_MS < wait_ms)
		wait_ms = next_ns > now ? (next_ns - now) / NS_PER_MS + 1 : 0;
	publish(worker);
	if (wait_ms > 0 && !atomic_load(&worker->stop))
		journal_wait(worker->journal, full || worker->next_try_ns > now ? UINT64_MAX : worker->read_to,
		             wait_ms);
}

/* One round. Returns whether it did anything. */
static bool turn(struct worker *worker)
{
	int64_t now = clock_mono(), next_ns = 0;
	size_t done = 0;
	int got = 0;

	if (atomic_exchange(&worker->kick, false)) {
		worker->next_try_ns = 0;
		worker->replay_check_ns = 0;
	}
	if (box_has_room(worker) && worker->read_check_ns <= now)
		got = fill(worker);
	if (got < 0) {
		log_warning("output %s: reading the journal: %s", worker->output->name, strerror(-got));
		worker->read_check_ns = now + NS_PER_S;
		got = 0;
	}
	if (worker->next_try_ns <= now && worker->replay_check_ns <= now) {
		done = send_replayed(worker);
		if (done == 0)
			worker->replay_check_ns = now + NS_PER_S;
	}
	if (done == 0 && worker->next_try_ns <= now && box_has_room(worker))
		done = send_due(worker, now, &next_ns);
	hand_over(worker);
	if (done > 0 || got > 0)
		return true;
	rest(worker, now, next_ns);
	return false;
}

/* The last progress goes to disk before the thread ends. */
static void finish(struct worker *worker)
{
	int64_t until = clock_mono() + 2 * NS_PER_S;

	while (clock_mono() < until && (worker->dirty || atomic_load(&worker->writing) == 1 ||
	                                atomic_load(&worker->writing) == -1)) {
		hand_over(worker);
		journal_wait(worker->journal, UINT64_MAX, 5);
	}
}

void *worker_main(void *argument)
{
	struct worker *worker = argument;
	int64_t published = 0;

	while (!atomic_load(&worker->stop)) {
		turn(worker);
		if (clock_mono() - published > 100 * NS_PER_MS) {
			published = clock_mono();
			publish(worker);
		}
	}
	finish(worker);
	return NULL;
}
