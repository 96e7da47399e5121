/* The text of /metrics, in Prometheus text format 0.0.4 or OpenMetrics 1.0. Rooms own their counters
 * (relaxed atomics) and each has one function that writes its families through this writer, so the
 * two formats' differences (family names without _total, UNIT lines, # EOF) live in one place. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include "base/buf.h"

#include <stdatomic.h>

typedef _Atomic uint64_t counter;

static inline void counter_add(counter *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static inline uint64_t counter_get(const counter *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/* Cumulative histogram with fixed upper bounds in seconds; lock-free, summed when read. */
enum { HISTOGRAM_BUCKETS = 16 };
extern const double histogram_bounds[HISTOGRAM_BUCKETS];

struct histogram {
	counter buckets[HISTOGRAM_BUCKETS + 1];
	counter sum_ns;
};

void histogram_add(struct histogram *histogram, int64_t ns);

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_INFO };

struct metrics {
	struct buf *out;
	bool openmetrics;
	const char *name; /* of the family being written */
	enum metric_type type;
};

/* One label; a list of them ends with a NULL name. */
struct metric_label {
	const char *name;
	struct str value;
};

/* Begins a family. `name` as in the sample, without _total for counters and without _info. `unit` is
 * "seconds", "bytes" or NULL; the name must end with it. All samples of a family follow in one go. */
void metrics_family(struct metrics *metrics, enum metric_type type, const char *name,
                    const char *unit, const char *help);

/* One sample of the current family; labels may be NULL. */
void metrics_u64(struct metrics *metrics, const struct metric_label *labels, uint64_t value);
void metrics_double(struct metrics *metrics, const struct metric_label *labels, double value);
void metrics_histogram(struct metrics *metrics, const struct metric_label *labels,
                       const struct histogram *histogram);

/* The closing line where the format has one. */
void metrics_end(struct metrics *metrics);

#endif
