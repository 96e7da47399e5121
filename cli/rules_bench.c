/* tocsin rules bench: what these rules cost on these events. One thread, in memory: what is measured
 * is matching alone, not the reading of events nor the writing of alerts. */
#include "base/clock.h"
#include "cli/rules_bench.h"
#include "cli/rules_words.h"
#include "cli/table.h"

#include <stdlib.h>
#include <sys/resource.h>

enum {
	EVENTS_MAX = 20000,       /* kept in memory; the rest of a file is left out */
	EVENTS_BUILT_IN = 2000,
	EVENTS_ALONE = 2000,      /* for each rule by itself */
	TEXT_MAX = 256 << 20,
	SECONDS_MAX = 3600,
	RULES_ALONE_MAX = 2000,
	ARENA_MAX = 1 << 30,
	IN_A_ROW = 16,
	TIMES = 4,
};

static const char *seconds_word = "2", *top_word = "10";

static const struct cli_option options[] = {
	{ "seconds", 0, "N", "2", "how long to measure, and about as long again for the table of rules", &seconds_word,
	  NULL },
	{ "top", 'n', "N", "10", "how many of the dearest rules; 0: none", &top_word, NULL },
	{ 0 },
};

/* Events of one load: field ids are its own. */
struct events {
	struct event *at;
	size_t count;
	struct arena arena;
};

struct cost {
	struct str name;
	double ns;
	size_t fired;
};

struct job {
	struct rules_settings settings;
	const char *name; /* of the events; NULL: built in */
	struct buf text;
	uint64_t seconds, top;
	size_t left_out, bad;
	/* Found: */
	double load_ms, ns, p50, p99, most;
	size_t events, fired, enabled, rules;
	struct cost *costs;
	size_t costs_count;
};

static void events_done(struct events *events)
{
	for (size_t i = 0; i < events->count; i++)
		event_done(&events->at[i]);
	free(events->at);
	arena_done(&events->arena);
}

/* One event of its own, out of the set's. */
static bool keep_event(struct rules_set *set, struct events *events)
{
	struct event *event = &events->at[events->count];

	if (event_init(event, fields_count(set->fields)) < 0)
		return false;
	events->count++;
	return true;
}

static bool read_events(struct job *job, struct rules_set *set, size_t max, struct events *ret)
{
	struct str text = buf_str(&job->text);
	struct reject reject;
	struct item item;
	size_t at = 0;

	*ret = (struct events){ .at = calloc(max, sizeof(*ret->at)) };
	arena_init(&ret->arena, ARENA_MAX);
	job->left_out = job->bad = 0;
	while (ret->at != NULL && (at = json_blanks(text, at)) < text.len) {
		if (ret->count == max) {
			const char *newline = memchr(text.at + at, '\n', text.len - at);

			job->left_out++;
			at = newline == NULL ? text.len : (size_t)(newline - text.at) + 1;
			continue;
		}
		if (!keep_event(set, ret))
			return false;
		if (normalise_item(&set->normalise, text, at, false, clock_now(), &ret->arena, &ret->at[ret->count - 1],
		                   &item, &at, &reject) == 0)
			continue;
		event_done(&ret->at[--ret->count]);
		job->bad++;
	}
	return ret->at != NULL;
}

/* All events once. How many rules fired. */
static size_t one_round(struct rules_set *set, const struct events *events)
{
	const struct rule *hits[SET_HITS_MAX];
	size_t fired = 0;

	for (size_t i = 0; i < events->count; i++)
		fired += rules_match(set->rules, set->scratch, &events->at[i], hits, SET_HITS_MAX);
	return fired;
}

/* Nanoseconds an event, over whole rounds: the mean of the best half, since others use the machine too. */
static double measure(struct rules_set *set, const struct events *events, int64_t budget_ns)
{
	enum { ROUNDS_MAX = 4096 };
	static int64_t rounds[ROUNDS_MAX];
	const int64_t end = clock_mono() + budget_ns;
	size_t count = 0;
	int64_t best = 0;

	one_round(set, events);
	do {
		int64_t from = clock_mono(), took;
		size_t at = count;

		one_round(set, events);
		took = clock_mono() - from;
		for (; at > 0 && rounds[at - 1] > took; at--)
			rounds[at] = rounds[at - 1];
		rounds[at] = took;
		count++;
	} while (clock_mono() < end && count < ROUNDS_MAX);
	for (size_t i = 0; i < (count + 1) / 2; i++)
		best += rounds[i];
	return (double)best / (double)((count + 1) / 2) / (double)events->count;
}

static int compare_times(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Each event by itself, several times in a row: a look at the clock costs as much as a match and spoils
 * the one behind it, where the clock is a system call. The best of some tries: others use the machine
 * too. */
static bool measure_each(struct job *job, struct rules_set *set, const struct events *events)
{
	const struct rule *hits[SET_HITS_MAX];
	int64_t *times = malloc(events->count * sizeof(*times));

	if (times == NULL)
		return false;
	for (size_t i = 0; i < events->count; i++) {
		times[i] = INT64_MAX;
		for (int k = 0; k < TIMES; k++) {
			int64_t from = clock_mono(), took;

			for (int j = 0; j < IN_A_ROW; j++)
				rules_match(set->rules, set->scratch, &events->at[i], hits, SET_HITS_MAX);
			took = (clock_mono() - from) / IN_A_ROW;
			times[i] = took < times[i] ? took : times[i];
		}
	}
	qsort(times, events->count, sizeof(*times), compare_times);
	job->p50 = (double)times[events->count / 2];
	job->p99 = (double)times[events->count * 99 / 100];
	job->most = (double)times[events->count - 1];
	free(times);
	return true;
}

/* One rule without the others, or (NULL) none at all. */
static bool measure_alone(struct job *job, const char *name, int64_t budget_ns, double *ret_ns, size_t *ret_fired)
{
	const struct rules_choice choices[] = { { .pattern = "*" }, { .enable = true, .pattern = name } };
	struct rules_settings settings = job->settings;
	struct events events = { 0 };
	struct rules_set set;
	bool good;

	settings.choices = choices;
	settings.choices_count = name == NULL ? 1 : 2;
	settings.priority_max = PRIORITY_DEBUG;
	good = set_load(&settings, &set) == CLI_YES && read_events(job, &set, EVENTS_ALONE, &events);
	if (good) {
		*ret_ns = measure(&set, &events, budget_ns);
		*ret_fired = one_round(&set, &events);
	}
	events_done(&events);
	set_free(&set);
	return good;
}

static int compare_costs(const void *a, const void *b)
{
	const double x = ((const struct cost *)a)->ns, y = ((const struct cost *)b)->ns;

	return x > y ? -1 : x < y;
}

static bool measure_rules(struct job *job, const struct rules *rules)
{
	const size_t count = rules_enabled_count(rules);
	int64_t budget = (int64_t)job->seconds * NS_PER_S / (int64_t)(count + 1);
	double nothing;
	size_t unused;

	if (!measure_alone(job, NULL, budget, &nothing, &unused))
		return false;
	job->costs = calloc(count + 1, sizeof(*job->costs));
	for (size_t i = 0; job->costs != NULL && i < rules_count(rules) && job->costs_count < RULES_ALONE_MAX; i++) {
		const struct rule *rule = rules_at(rules, i);
		struct cost *cost = &job->costs[job->costs_count];
		char *name;
		bool good;

		if (!rule_is_enabled(rule))
			continue;
		name = str_dup(rule_name(rule));
		good = name != NULL && measure_alone(job, name, budget, &cost->ns, &cost->fired);
		free(name);
		if (!good)
			return false;
		cost->name = rule_name(rule);
		cost->ns = cost->ns > nothing ? cost->ns - nothing : 0;
		job->costs_count++;
	}
	if (job->costs != NULL)
		qsort(job->costs, job->costs_count, sizeof(*job->costs), compare_costs);
	return job->costs != NULL;
}

static double peak_mib(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) < 0 ? 0 : (double)usage.ru_maxrss / 1024;
}

static void add_text(const struct job *job, double loaded_mib, struct buf *out)
{
	struct table table = { .columns = 3, .heads = { "NS AN EVENT", "FIRED", "RULE, WITHOUT THE OTHERS" },
		               .right = { true, true } };

	buf_addf(out, "Rules      %zu of %zu enabled, loaded in %.1f ms; %.0f MiB at most\n", job->enabled, job->rules,
	         job->load_ms, loaded_mib);
	buf_addf(out, "Events     %zu (%s), %zu alerts\n", job->events, job->name == NULL ? "built in" : job->name, job->fired);
	buf_addf(out, "Speed      %.0f events a second, %.0f ns an event\n", 1e9 / job->ns, job->ns);
	buf_addf(out, "One event  p50 %.0f ns, p99 %.0f ns, most %.0f ns\n", job->p50, job->p99, job->most);
	if (job->costs_count == 0)
		return;
	buf_add_char(out, '\n');
	for (size_t i = 0; i < job->costs_count && i < job->top; i++) {
		table_addf(&table, "%.0f", job->costs[i].ns);
		table_addf(&table, "%zu", job->costs[i].fired);
		table_add(&table, job->costs[i].name);
	}
	table_print(&table, out);
}

static void add_json(const struct job *job, double loaded_mib, struct buf *out)
{
	buf_addf(out, "{\"rules\":%zu,\"enabled\":%zu,\"load_ms\":%.3f,\"memory_mib\":%.1f,\"events\":%zu,\"alerts\":%zu,"
	         "\"events_per_second\":%.0f,\"ns_per_event\":%.1f,\"p50_ns\":%.0f,\"p99_ns\":%.0f,\"max_ns\":%.0f,\"by_rule\":[",
	         job->rules, job->enabled, job->load_ms, loaded_mib, job->events, job->fired, 1e9 / job->ns, job->ns,
	         job->p50, job->p99, job->most);
	for (size_t i = 0; i < job->costs_count && i < job->top; i++) {
		buf_addf(out, "%s{\"ns_per_event\":%.1f,\"alerts\":%zu,\"rule\":", i > 0 ? "," : "", job->costs[i].ns,
		         job->costs[i].fired);
		buf_add_json(out, job->costs[i].name);
		buf_add_char(out, '}');
	}
	buf_add(out, STR("]}\n"));
}

static int bench(struct job *job, struct rules_set *set)
{
	struct events events;
	struct buf out = { 0 };
	double mib = peak_mib();
	int status = CLI_NO;

	if (!read_events(job, set, EVENTS_MAX, &events)) {
		cli_complain("out of memory");
	} else if (events.count == 0) {
		cli_complain("%s: there is no event in it", job->name);
	} else {
		if (job->bad > 0)
			cli_complain("%zu events cannot be read and are left out", job->bad);
		if (job->left_out > 0)
			cli_complain("only the first %d events are taken", EVENTS_MAX);
		job->events = events.count;
		job->rules = rules_count(set->rules);
		job->enabled = rules_enabled_count(set->rules);
		job->ns = measure(set, &events, (int64_t)job->seconds * NS_PER_S);
		job->fired = one_round(set, &events);
		if (measure_each(job, set, &events) && (job->top == 0 || measure_rules(job, set->rules))) {
			if (cli.json)
				add_json(job, mib, &out);
			else
				add_text(job, mib, &out);
			status = cli_print(&out);
		}
	}
	events_done(&events);
	buf_done(&out);
	return status;
}

static int run(int argc, char **argv)
{
	struct job job = { .text = { .max = TEXT_MAX } };
	struct rules_set set;
	int64_t from;
	int status;

	if (!set_all_settings(&job.settings) || !set_operands(&job.settings, argc, argv, &job.name) ||
	    !cli_number("--seconds", seconds_word, SECONDS_MAX, &job.seconds) ||
	    !cli_number("--top", top_word, RULES_ALONE_MAX, &job.top))
		return CLI_USAGE;
	if (job.name == NULL)
		bench_events(EVENTS_BUILT_IN, &job.text);
	else if (!cli_read(job.name, &job.text))
		return CLI_NO;
	from = clock_mono();
	status = set_load(&job.settings, &set);
	job.load_ms = (double)(clock_mono() - from) / (double)NS_PER_MS;
	if (status != CLI_YES)
		set_tell(&set, false);
	else
		status = bench(&job, &set);
	set_free(&set);
	buf_done(&job.text);
	free(job.costs);
	return status;
}

const struct cli_verb verb_rules_bench = {
	.name = "rules bench",
	.arguments = "--rules FILE... [EVENTS|-]",
	.summary = "measure what rules cost: events a second, and the dearest rules",
	.examples = "  tocsin rules bench --rules /etc/tocsin/rules\n"
	            "  tocsin rules bench --rules falco_rules.yaml --match all events.ndjson\n"
	            "  tocsin rules bench -r rules.yaml --seconds 10 --top 0 -o json | jq .ns_per_event",
	.needs = CLI_RULES | CLI_FORMAT | CLI_COLOR,
	.options = options,
	.run = run,
};
