/* One call of a driver, and what its verdicts mean for the output as a whole: how many requests it
 * stands at once, when to try again, when to hold. Drivers never retry; this does, for all of them. */
#include "hub/deliver/worker.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

enum {
	BACKOFF_FIRST_MS = 500,
	BACKOFF_MAX_MS = 60000,
	PROBE_FIRST_MS = 5000, /* an output on hold is probed this often at first, … */
	PROBE_MAX_MS = 300000, /* … and at last */
	RETRY_AFTER_MAX_MS = 3600000,
};

/* Full jitter: anything between nothing and the doubled step (AWS Architecture Blog, "Exponential
 * Backoff and Jitter", 2015), so that many hubs do not come back in step. */
static int64_t jittered(struct worker *worker, int64_t first_ms, int64_t max_ms, unsigned attempt)
{
	int64_t ceiling = attempt > 16 ? max_ms : first_ms << (attempt > 0 ? attempt - 1 : 0);

	if (ceiling > max_ms)
		ceiling = max_ms;
	return 1 + rand_r(&worker->random) % ceiling;
}

void worker_send(struct worker *worker, struct slot *const *slots, size_t count)
{
	struct output_call call = { .deliveries = worker->deliveries, .count = count,
		                    .concurrency = worker->concurrency, .arena = &worker->arena };

	arena_reset(&worker->arena);
	for (size_t i = 0; i < count; i++) {
		slots[i]->alert.is_read = false; /* what it pointed to went with the arena */
		worker->deliveries[i] = (struct delivery){ .alert = &slots[i]->alert,
			                                   .order = slots[i]->order };
	}
	worker->output->ops->send(worker->state, &call);
	for (size_t i = 0; i < count; i++)
		counter_add(&worker->verdicts[worker->deliveries[i].verdict], 1);
}

static const char *condition_name(enum deliver_state condition)
{
	static const char *const names[] = { "idle", "working", "backing off", "on hold" };

	return names[condition];
}

/* Changes of state are what an operator wants to read; each retry is not. */
static void change(struct worker *worker, enum deliver_state condition, const char *note)
{
	bool was_bad = worker->condition >= DELIVER_BACKOFF, is_bad = condition >= DELIVER_BACKOFF;
	int64_t now = clock_mono();

	if (worker->condition == condition)
		return;
	if (is_bad && !was_bad) {
		worker->failing_since_ns = now;
		worker->failures_since = 0;
	}
	if (condition == DELIVER_HOLD)
		log_err("output %s: on hold, everything is kept: %s", worker->output->name, note);
	else if (is_bad && !was_bad)
		log_warning("output %s: failing, everything is kept and tried again: %s",
		            worker->output->name, note);
	else if (was_bad && !is_bad)
		log_notice("output %s: working again after %lld s and %llu failures", worker->output->name,
		           (long long)((now - worker->failing_since_ns) / NS_PER_S),
		           (unsigned long long)worker->failures_since);
	else if (is_bad)
		log_warning("output %s: %s: %s", worker->output->name, condition_name(condition), note);
	worker->condition = condition;
}

static void recovered(struct worker *worker)
{
	worker->failures_in_row = 0;
	worker->next_try_ns = 0;
	change(worker, DELIVER_WORKING, "");
}

/* Nothing went through. Waits, and comes back with a single probe. */
static void failed(struct worker *worker, const struct delivery *worst)
{
	bool broken = worst->verdict == OUTPUT_BROKEN;
	int64_t wait_ms;

	worker->failures_in_row++;
	worker->failures_since++;
	wait_ms = broken ? jittered(worker, PROBE_FIRST_MS, PROBE_MAX_MS, worker->failures_in_row)
	                 : jittered(worker, BACKOFF_FIRST_MS, BACKOFF_MAX_MS, worker->failures_in_row);
	if (worst->retry_after_ms > 0)
		wait_ms = worst->retry_after_ms < RETRY_AFTER_MAX_MS ? worst->retry_after_ms : RETRY_AFTER_MAX_MS;
	worker->next_try_ns = clock_mono() + wait_ms * NS_PER_MS;
	worker->concurrency = 1;
	change(worker, broken ? DELIVER_HOLD : DELIVER_BACKOFF, worst->note);
}

/* The far side's wish binds even when other deliveries of the call went through. */
static void slow_down(struct worker *worker, const struct delivery *worst)
{
	unsigned asked = worst->retry_after_ms < RETRY_AFTER_MAX_MS ? worst->retry_after_ms
	                                                            : RETRY_AFTER_MAX_MS;

	worker->concurrency = worker->concurrency > 1 ? worker->concurrency / 2 : 1;
	if (asked > 0)
		worker->next_try_ns = clock_mono() + asked * NS_PER_MS;
}

void worker_judge(struct worker *worker, size_t count)
{
	static const struct delivery nothing = { .verdict = OUTPUT_LATER, .note = "nothing was tried" };
	const struct delivery *worst = NULL;
	size_t answered = 0, refused = 0;

	for (size_t i = 0; i < count; i++) {
		const struct delivery *delivery = &worker->deliveries[i];

		if (delivery->verdict == OUTPUT_DELIVERED || delivery->verdict == OUTPUT_NEVER) {
			answered++;
			continue;
		}
		if (delivery->verdict == OUTPUT_UNTRIED)
			continue;
		refused++;
		if (worst == NULL || delivery->verdict > worst->verdict ||
		    (delivery->verdict == worst->verdict && delivery->retry_after_ms > worst->retry_after_ms))
			worst = delivery;
	}
	if (worst == NULL && answered == 0)
		worst = &nothing; /* the same call again at once would spin */
	if (worst == NULL) {
		recovered(worker);
		if (worker->concurrency < (unsigned)worker->output->concurrency && answered > worker->concurrency)
			worker->concurrency++;
		return;
	}
	pthread_mutex_lock(&worker->lock);
	worker->status.failures += refused;
	memcpy(worker->status.note, worst->note, sizeof(worker->status.note));
	pthread_mutex_unlock(&worker->lock);
	if (answered == 0 || worst->verdict == OUTPUT_BROKEN) {
		failed(worker, worst);
	} else {
		recovered(worker);
		slow_down(worker, worst);
	}
}
