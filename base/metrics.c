/* The exposition formats. */
#include "base/metrics.h"

#include <stdio.h>

const double histogram_bounds[HISTOGRAM_BUCKETS] = {
	0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600,
};

void histogram_add(struct histogram *histogram, int64_t ns)
{
	double seconds = (double)ns / 1e9;
	int i = 0;

	while (i < HISTOGRAM_BUCKETS && seconds > histogram_bounds[i])
		i++;
	counter_add(&histogram->buckets[i], 1);
	counter_add(&histogram->sum_ns, ns < 0 ? 0 : (uint64_t)ns);
}

void metrics_family(struct metrics *metrics, enum metric_type type, const char *name,
                    const char *unit, const char *help)
{
	static const char *const types[] = { "counter", "gauge", "histogram", "info" };
	const char *suffix = "", *word = types[type];

	metrics->name = name;
	metrics->type = type;
	if (!metrics->openmetrics) { /* the older format names the family as its sample */
		if (type == METRIC_COUNTER)
			suffix = "_total";
		if (type == METRIC_INFO) {
			suffix = "_info";
			word = "gauge";
		}
	}
	buf_addf(metrics->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix, word);
	if (metrics->openmetrics && unit != NULL)
		buf_addf(metrics->out, "# UNIT %s %s\n", name, unit);
}

static void add_label(struct metrics *metrics, const struct metric_label *label, char before)
{
	buf_addf(metrics->out, "%c%s=\"", before, label->name);
	for (size_t i = 0; i < label->value.len;) {
		struct str rest = str_from(label->value, i);
		size_t n = utf8_len(rest);

		if (n == 0)
			buf_add(metrics->out, STR("\xef\xbf\xbd")); /* U+FFFD: labels must be UTF-8 */
		else if (*rest.at == '\\' || *rest.at == '"')
			buf_addf(metrics->out, "\\%c", *rest.at);
		else if (*rest.at == '\n')
			buf_add(metrics->out, STR("\\n"));
		else
			buf_add(metrics->out, str_cut(rest, n));
		i += n == 0 ? 1 : n;
	}
	buf_add_char(metrics->out, '"');
}

static void begin_sample(struct metrics *metrics, const char *suffix,
                         const struct metric_label *labels, const char *le)
{
	char before = '{';

	buf_addf(metrics->out, "%s%s", metrics->name, suffix);
	for (; labels != NULL && labels->name != NULL; labels++, before = ',')
		add_label(metrics, labels, before);
	if (le != NULL) {
		add_label(metrics, &(struct metric_label){ "le", str_of(le) }, before);
		before = ',';
	}
	if (before == ',')
		buf_add_char(metrics->out, '}');
	buf_add_char(metrics->out, ' ');
}

static const char *sample_suffix(const struct metrics *metrics)
{
	switch (metrics->type) {
	case METRIC_COUNTER: return "_total";
	case METRIC_INFO: return "_info";
	default: return "";
	}
}

void metrics_u64(struct metrics *metrics, const struct metric_label *labels, uint64_t value)
{
	begin_sample(metrics, sample_suffix(metrics), labels, NULL);
	buf_add_u64(metrics->out, value);
	buf_add_char(metrics->out, '\n');
}

void metrics_double(struct metrics *metrics, const struct metric_label *labels, double value)
{
	begin_sample(metrics, sample_suffix(metrics), labels, NULL);
	buf_addf(metrics->out, "%.9g\n", value);
}

void metrics_histogram(struct metrics *metrics, const struct metric_label *labels,
                       const struct histogram *histogram)
{
	uint64_t sum = 0;
	char le[32];

	for (int i = 0; i <= HISTOGRAM_BUCKETS; i++) {
		sum += counter_get(&histogram->buckets[i]);
		if (i < HISTOGRAM_BUCKETS)
			snprintf(le, sizeof(le), metrics->openmetrics && histogram_bounds[i] >= 1 &&
			                                         histogram_bounds[i] == (int)histogram_bounds[i]
			                                 ? "%.1f" : "%g", histogram_bounds[i]);
		begin_sample(metrics, "_bucket", labels, i < HISTOGRAM_BUCKETS ? le : "+Inf");
		buf_add_u64(metrics->out, sum);
		buf_add_char(metrics->out, '\n');
	}
	begin_sample(metrics, "_sum", labels, NULL);
	buf_addf(metrics->out, "%.9g\n", (double)counter_get(&histogram->sum_ns) / 1e9);
	begin_sample(metrics, "_count", labels, NULL);
	buf_add_u64(metrics->out, sum);
	buf_add_char(metrics->out, '\n');
}

void metrics_end(struct metrics *metrics)
{
	if (metrics->openmetrics)
		buf_add(metrics->out, STR("# EOF\n"));
}
