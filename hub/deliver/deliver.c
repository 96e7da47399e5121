/* The engine's life: workers started and stopped together, and their state for the API and metrics. */
#include "hub/deliver/deliver.h"

#include "base/clock.h"
#include "hub/deliver/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { START_GRACE_MS = 5000 }; /* for workers that run when a later one cannot start */

struct deliver {
	struct journal *journal;
	struct worker *workers;
	size_t count;
};

static int start_worker(struct worker *worker, char *error)
{
	int r = worker_init(worker, error);

	if (r < 0)
		return r;
	r = pthread_create(&worker->thread, NULL, worker_main, worker);
	if (r != 0)
		return -r;
	worker->started = true;
	return 0;
}

int deliver_start(const struct config *config, struct journal *journal, struct deliver **ret,
                  char *error)
{
	struct deliver *deliver = calloc(1, sizeof(*deliver));
	int r = 0;

	if (deliver == NULL)
		return -ENOMEM;
	deliver->journal = journal;
	deliver->workers = calloc(config->outputs_count + 1, sizeof(*deliver->workers));
	if (deliver->workers == NULL) {
		free(deliver);
		return -ENOMEM;
	}
	for (size_t i = 0; i < config->outputs_count && r == 0; i++) {
		struct worker *worker = &deliver->workers[i];

		worker->config = config;
		worker->output = &config->outputs[i];
		worker->journal = journal;
		deliver->count++;
		r = start_worker(worker, error);
	}
	if (r < 0) {
		deliver_stop(deliver, START_GRACE_MS);
		return r;
	}
	*ret = deliver;
	return 0;
}

bool deliver_stop(struct deliver *deliver, int64_t grace_ms)
{
	struct timespec until;
	int64_t end = clock_now() + grace_ms * NS_PER_MS;
	bool all = true;

	if (deliver == NULL)
		return true;
	until = (struct timespec){ .tv_sec = end / NS_PER_S, .tv_nsec = end % NS_PER_S };
	for (size_t i = 0; i < deliver->count; i++)
		atomic_store(&deliver->workers[i].stop, true);
	journal_wake(deliver->journal);
	for (size_t i = 0; i < deliver->count; i++) {
		struct worker *worker = &deliver->workers[i];

		if (worker->started && pthread_timedjoin_np(worker->thread, NULL, &until) != 0)
			all = false; /* still inside its driver: it keeps its memory until the process ends */
		else
			worker_done(worker);
	}
	if (!all)
		return false;
	free(deliver->workers);
	free(deliver);
	return true;
}

size_t deliver_count(const struct deliver *deliver)
{
	return deliver->count;
}

/* What depends on the journal's end or on the time is worked out here: a worker inside a slow send
 * would tell of the past. */
void deliver_status(struct deliver *deliver, size_t index, struct deliver_status *ret)
{
	struct worker *worker = &deliver->workers[index];
	uint64_t last = journal_last(worker->journal), settled;
	int64_t next_try_ns;

	pthread_mutex_lock(&worker->lock);
	*ret = worker->status;
	ret->oldest_ns = worker->oldest_ns == 0 ? 0 : clock_now() - worker->oldest_ns;
	next_try_ns = worker->status_next_try_ns - clock_mono();
	pthread_mutex_unlock(&worker->lock);
	/* By what is settled, not by the cursor: what was settled beyond it would count twice. */
	settled = worker->start + ret->delivered + ret->dead + ret->suppressed;
	ret->lag = last > settled ? last - settled : 0;
	ret->next_try_ms = next_try_ns > 0 ? next_try_ns / NS_PER_MS : 0;
	if (ret->state == DELIVER_IDLE && ret->lag > 0)
		ret->state = DELIVER_WORKING;
}

bool deliver_kick(struct deliver *deliver, struct str name)
{
	for (size_t i = 0; i < deliver->count; i++) {
		if (!str_eq(str_of(deliver->workers[i].output->name), name))
			continue;
		atomic_store(&deliver->workers[i].kick, true);
		journal_wake(deliver->journal);
		return true;
	}
	return false;
}

/* --- figures ------------------------------------------------------------------------------------ */

static void verdict_metrics(struct deliver *deliver, struct metrics *metrics)
{
	static const char *const names[] = { "untried", "delivered", "later", "never", "broken" };

	metrics_family(metrics, METRIC_COUNTER, "tocsin_hub_deliveries", NULL,
	               "What drivers said of alerts, by output.");
	for (size_t i = 0; i < deliver->count; i++) {
		for (int v = OUTPUT_DELIVERED; v <= OUTPUT_BROKEN; v++) {
			const struct metric_label labels[] = {
				{ "output", str_of(deliver->workers[i].output->name) },
				{ "verdict", str_of(names[v]) }, { 0 } };

			metrics_u64(metrics, labels, counter_get(&deliver->workers[i].verdicts[v]));
		}
	}
}

/* Law 1's equation: accepted = delivered + pending + dead + suppressed. */
static void balance_metrics(struct deliver *deliver, struct metrics *metrics)
{
	static const char *const names[] = { "delivered", "pending", "dead", "suppressed" };

	metrics_family(metrics, METRIC_GAUGE, "tocsin_hub_output_alerts", NULL,
	               "Alerts of the journal by what became of them at an output; the states of one output "
	               "add up to all it was to get.");
	for (size_t i = 0; i < deliver->count; i++) {
		struct deliver_status status;
		uint64_t values[4];

		deliver_status(deliver, i, &status);
		values[0] = status.delivered;
		values[1] = status.lag;
		values[2] = status.dead;
		values[3] = status.suppressed;
		for (int v = 0; v < 4; v++) {
			const struct metric_label labels[] = {
				{ "output", str_of(status.name) }, { "state", str_of(names[v]) }, { 0 } };

			metrics_u64(metrics, labels, values[v]);
		}
	}
}

static void gauge(struct deliver *deliver, struct metrics *metrics, const char *name, const char *unit,
                  const char *help, double (*value)(const struct deliver_status *status))
{
	metrics_family(metrics, METRIC_GAUGE, name, unit, help);
	for (size_t i = 0; i < deliver->count; i++) {
		struct deliver_status status;
		struct metric_label labels[] = { { "output", { 0 } }, { 0 } };

		deliver_status(deliver, i, &status);
		labels[0].value = str_of(status.name);
		metrics_double(metrics, labels, value(&status));
	}
}

static double value_lag(const struct deliver_status *status)
{
	return (double)status->lag;
}

static double value_oldest(const struct deliver_status *status)
{
	return (double)status->oldest_ns / 1e9;
}

static double value_up(const struct deliver_status *status)
{
	return status->state < DELIVER_BACKOFF;
}

void deliver_metrics(struct deliver *deliver, struct metrics *metrics)
{
	verdict_metrics(deliver, metrics);
	balance_metrics(deliver, metrics);
	gauge(deliver, metrics, "tocsin_hub_output_queue_length", NULL,
	      "Alerts behind the end of the journal that an output has not settled.", value_lag);
	gauge(deliver, metrics, "tocsin_hub_output_oldest_seconds", "seconds",
	      "Age of the oldest alert that an output has not settled.", value_oldest);
	gauge(deliver, metrics, "tocsin_hub_output_up", NULL,
	      "0 while an output backs off or is on hold.", value_up);
	metrics_family(metrics, METRIC_HISTOGRAM, "tocsin_hub_delivery_seconds", "seconds",
	               "From acceptance to delivery.");
	for (size_t i = 0; i < deliver->count; i++) {
		const struct metric_label labels[] = {
			{ "output", str_of(deliver->workers[i].output->name) }, { 0 } };

		metrics_histogram(metrics, labels, &deliver->workers[i].latency);
	}
}
