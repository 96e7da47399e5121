/* What rules cost: a stream of varied events (events.h) against all rules of the given files, one thread.
 * The baseline is the same engine in its plain mode: rule by rule, every check each time it is met, no
 * index by type, nothing shared. Usage: bench_rules [--rounds N] [--events N] [--match first|all] [--json]
 * RULES.yaml… */
#include "rules/eval.h"

#include "base/clock.h"
#include "hub/normalise/normalise.h"
#include "tests/bench/copies.h"
#include "tests/bench/events.h"
#include "tests/bench/figures.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	DISTINCT = 8192,      /* events that are made; they take turns */
	FIELDS_OF_EVENT = 64,
	ROUNDS_MAX = 31,
	HITS_MAX = 64,
	PLAIN_SHARE = 16,     /* the baseline sees every sixteenth event of a round */
	AT_ONCE = 32,         /* events that are made ready, then measured: in the cache, as after reading */
	RULES_MANY = 10000,   /* of the last row of copies */
	REPEATS = 16,         /* of one event when one is timed: the clock costs more than the match */
};

/* An event as a reader of JSON leaves it. */
struct sample {
	uint32_t count;
	field_id ids[FIELDS_OF_EVENT];
	struct value values[FIELDS_OF_EVENT];
	struct str json;
};

struct bench {
	struct fields *fields;
	struct rules *rules;
	struct rules_scratch *scratch;
	struct normalise normalise;
	struct event event, ready[AT_ONCE];
	struct arena arena;
	struct sample *samples;
	struct buf text;
	unsigned rounds;
	size_t events;
};

typedef size_t match_fn(const struct rules *rules, struct rules_scratch *scratch,
                        const struct event *event, const struct rule **hits, size_t max);

static uint64_t allocations; /* of our own code, while counting */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	allocations++;
	return __real_realloc(memory, size);
}

static void give_up(const char *why)
{
	fprintf(stderr, "bench_rules: %s\n", why);
	exit(1);
}

/* CPU time: what others do on the machine disturbs less. */
static int64_t busy_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* --- rules and events --------------------------------------------------------------------------- */

static struct rules *load(const struct rules_settings *settings, const struct rules_text *text,
                          struct fields *fields, double *ret_ms)
{
	struct rules_report *report = malloc(sizeof(*report));
	struct rules *rules = NULL;
	struct buf out = { 0 };
	int64_t start = busy_ns();
	int r;

	if (report == NULL)
		give_up("out of memory");
	rules_report_init(report);
	r = text == NULL ? rules_load(settings, fields, report, &rules)
	                 : rules_load_text(settings, text, 1, fields, report, &rules);
	*ret_ms = (double)(busy_ns() - start) / 1e6;
	if (r < 0) {
		rules_report_print(report, &out);
		fputs(buf_text(&out), stderr);
		give_up("the rules do not load");
	}
	rules_report_done(report);
	free(report);
	return rules;
}

static void decode(struct bench *b, const struct sample *sample, struct arena *arena)
{
	struct reject reject;
	struct item item;
	size_t end;

	event_clear(&b->event);
	if (normalise_item(&b->normalise, sample->json, 0, false, 0, arena, &b->event, &item, &end, &reject) < 0)
		give_up("an event cannot be read");
}

static void make_samples(struct bench *b)
{
	b->samples = calloc(DISTINCT, sizeof(*b->samples));
	if (b->samples == NULL)
		give_up("out of memory");
	for (uint64_t i = 0; i < DISTINCT; i++)
		bench_event(i, &b->text);
	for (size_t i = 0, at = 0; i < DISTINCT; i++) {
		struct sample *sample = &b->samples[i];
		struct str rest = str_from(buf_str(&b->text), at);

		sample->json = str_cut(rest, (size_t)((const char *)memchr(rest.at, '\n', rest.len) - rest.at));
		at += sample->json.len + 1;
		decode(b, sample, &b->arena);
		for (size_t j = 0; j < b->event.set_count && j < FIELDS_OF_EVENT; j++, sample->count++) {
			sample->ids[j] = b->event.set[j];
			sample->values[j] = b->event.values[b->event.set[j]];
		}
	}
}

static void open_bench(struct bench *b, struct rules *rules, struct fields *fields)
{
	b->rules = rules;
	b->fields = fields;
	b->scratch = rules_scratch_new(rules);
	arena_init(&b->arena, (size_t)1 << 30);
	if (b->scratch == NULL || event_init(&b->event, fields_count(fields)) < 0 ||
	    normalise_init(&b->normalise, fields, 4096, 32, 1 << 20) < 0)
		give_up("out of memory");
	for (size_t i = 0; i < AT_ONCE; i++)
		if (event_init(&b->ready[i], fields_count(fields)) < 0)
			give_up("out of memory");
	make_samples(b);
}

static void close_bench(struct bench *b)
{
	free(b->samples);
	buf_done(&b->text);
	arena_done(&b->arena);
	event_done(&b->event);
	for (size_t i = 0; i < AT_ONCE; i++)
		event_done(&b->ready[i]);
	normalise_done(&b->normalise);
	rules_scratch_free(b->scratch);
	rules_free(b->rules);
	fields_free(b->fields);
}

static uint64_t touched; /* so that the compiler does not leave the reading out */

/* As the reader leaves it: its fields set, its bytes just seen. */
static void make_ready(struct event *event, const struct sample *sample)
{
	event_clear(event);
	event->sensor.seq = 1;
	for (uint32_t i = 0; i < sample->count; i++)
		event_set(event, sample->ids[i], sample->values[i]);
	for (size_t i = 0; i < sample->json.len; i += 64)
		touched += (unsigned char)sample->json.at[i];
}

/* --- measuring ---------------------------------------------------------------------------------- */

/* Nanoseconds an event. */
static double measure(struct bench *b, match_fn *match, size_t count, size_t *ret_hits)
{
	const struct rule *hits[HITS_MAX];
	int64_t spent = 0;
	size_t found = 0, done = 0;

	while (done < count) {
		int64_t start;

		for (size_t i = 0; i < AT_ONCE; i++)
			make_ready(&b->ready[i], &b->samples[(done + i) * 61 % DISTINCT]);
		start = busy_ns();
		for (size_t i = 0; i < AT_ONCE; i++)
			found += match(b->rules, b->scratch, &b->ready[i], hits, HITS_MAX) > 0;
		spent += busy_ns() - start;
		done += AT_ONCE;
	}
	*ret_hits = found;
	return (double)spent / (double)done;
}

/* The same from the JSON text on. */
static double measure_json(struct bench *b, size_t count)
{
	const struct rule *hits[HITS_MAX];
	struct arena arena;
	int64_t start = busy_ns();

	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < count; i++) {
		arena_reset(&arena);
		decode(b, &b->samples[i * 61 % DISTINCT], &arena);
		rules_match(b->rules, b->scratch, &b->event, hits, HITS_MAX);
	}
	start = busy_ns() - start;
	arena_done(&arena);
	return (double)start / (double)count;
}

/* p50 and p99 of one match, each event timed as the best of four runs of a few. */
static void measure_each(struct bench *b, double *ret_p50, double *ret_p99)
{
	const struct rule *hits[HITS_MAX];
	double *each = calloc(DISTINCT, sizeof(*each));

	if (each == NULL)
		give_up("out of memory");
	for (size_t i = 0; i < DISTINCT; i++) {
		make_ready(&b->event, &b->samples[i]);
		for (int run = 0; run < 4; run++) {
			int64_t start = clock_mono();
			double ns;

			for (int j = 0; j < REPEATS; j++)
				rules_match(b->rules, b->scratch, &b->event, hits, HITS_MAX);
			ns = (double)(clock_mono() - start) / REPEATS;
			if (run == 0 || ns < each[i])
				each[i] = ns;
		}
	}
	qsort(each, DISTINCT, sizeof(*each), compare);
	*ret_p50 = each[DISTINCT / 2];
	*ret_p99 = each[DISTINCT * 99 / 100];
	free(each);
}

static struct figure figure_of(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), compare);
	return (struct figure){ values[count / 2], values[0], values[count - 1] };
}

/* The rounds of all ways take turns, so that the machine's moods hit each alike. */
static void compare_modes(struct bench *b, struct figures *ret)
{
	double fast[ROUNDS_MAX], plain[ROUNDS_MAX], json[ROUNDS_MAX];
	size_t hits = 0, unused;

	for (unsigned i = 0; i < b->rounds; i++) {
		fast[i] = measure(b, rules_match, b->events, &hits);
		json[i] = measure_json(b, b->events / 4);
		plain[i] = measure(b, rules_match_plain, b->events / PLAIN_SHARE, &unused);
	}
	ret->allocations = allocations;
	measure(b, rules_match, DISTINCT, &unused);
	ret->allocations = allocations - ret->allocations;
	measure_each(b, &ret->p50, &ret->p99);
	ret->plain = figure_of(plain, b->rounds);
	ret->fast = figure_of(fast, b->rounds);
	ret->json = figure_of(json, b->rounds);
	ret->matching = (double)hits / (double)b->events;
}

static size_t in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static struct copies_figures run_copies(const struct bench *of, unsigned copies, size_t events)
{
	const struct rules_settings settings = { .priority_max = PRIORITY_DEBUG, .match_all = rules_match_all(of->rules) };
	struct bench b = { .rounds = of->rounds < 5 ? of->rounds : 5, .events = events };
	struct copies_figures ret = { .copies = copies };
	struct fields *fields = fields_new();
	struct buf text = { 0 };
	struct rules_text file = { .name = "copies.yaml" };
	double times[ROUNDS_MAX];
	struct rules *copied;
	size_t before, hits;

	bench_copies(of->rules, copies, &text);
	file.text = buf_str(&text);
	if (fields == NULL || !buf_ok(&text))
		give_up("out of memory");
	before = in_use();
	copied = load(&settings, &file, fields, &ret.load.ms);
	ret.load.bytes = in_use() - before;
	ret.load.rules = rules_count(copied);
	ret.load.enabled = rules_enabled_count(copied);
	open_bench(&b, copied, fields);
	for (unsigned i = 0; i < b.rounds; i++)
		times[i] = measure(&b, rules_match, events, &hits);
	ret.ns = figure_of(times, b.rounds).median;
	close_bench(&b);
	buf_done(&text);
	return ret;
}

/* 1, 10 and 100 copies, and as many as make ten thousand rules. */
static void run_all_copies(const struct bench *b, size_t events, struct figures *ret)
{
	size_t one;

	for (unsigned copies = 1; copies <= 100; copies *= 10)
		ret->copies[ret->copies_count++] = run_copies(b, copies, events);
	one = ret->copies[0].load.rules;
	if (one > 0 && events >= RULES_MANY)
		ret->copies[ret->copies_count++] = run_copies(b, (unsigned)((RULES_MANY + one - 1) / one), events);
}

static int usage(void)
{
	fputs("usage: bench_rules [--rounds N] [--events N] [--match first|all] [--json] RULES.yaml...\n", stderr);
	return 2;
}

static bool number_option(int *argc, char ***argv, const char *name, uint64_t max, uint64_t *ret)
{
	if (*argc < 3 || strcmp((*argv)[1], name) != 0)
		return true;
	if (!str_to_u64(str_of((*argv)[2]), ret) || *ret == 0 || *ret > max)
		return false;
	*argc -= 2;
	*argv += 2;
	return true;
}

static bool match_option(int *argc, char ***argv, bool *ret)
{
	if (*argc < 3 || strcmp((*argv)[1], "--match") != 0)
		return true;
	*ret = strcmp((*argv)[2], "all") == 0;
	if (!*ret && strcmp((*argv)[2], "first") != 0)
		return false;
	*argc -= 2;
	*argv += 2;
	return true;
}

static bool json_option(int *argc, char ***argv)
{
	if (*argc < 2 || strcmp((*argv)[1], "--json") != 0)
		return false;
	--*argc;
	++*argv;
	return true;
}

int main(int argc, char **argv)
{
	struct rules_settings settings = { .priority_max = PRIORITY_DEBUG, .sources = rules_hub_sources };
	struct figures figures = { .distinct = DISTINCT };
	uint64_t rounds = 7, events = 1000000;
	struct bench b = { 0 };
	struct fields *fields = fields_new();
	size_t before;
	bool json;

	if (!number_option(&argc, &argv, "--rounds", ROUNDS_MAX, &rounds) ||
	    !number_option(&argc, &argv, "--events", 1000000000, &events) ||
	    !match_option(&argc, &argv, &settings.match_all) || fields == NULL)
		return usage();
	json = json_option(&argc, &argv);
	if (argc < 2)
		return usage();
	settings.files = (struct conf_strings){ .at = (const char *const *)argv + 1, .count = (size_t)argc - 1 };
	figures.match_all = settings.match_all;
	figures.rounds = b.rounds = (unsigned)rounds;
	figures.events = b.events = events;
	before = in_use();
	b.rules = load(&settings, NULL, fields, &figures.load.ms);
	figures.load.bytes = in_use() - before;
	figures.load.rules = rules_count(b.rules);
	figures.load.enabled = rules_enabled_count(b.rules);
	figures.checks = b.rules->predicates_count;
	figures.nodes = b.rules->nodes_count;
	figures.terms = b.rules->terms_count;
	open_bench(&b, b.rules, fields);
	compare_modes(&b, &figures);
	run_all_copies(&b, events / 4, &figures);
	figures_print(&figures, json);
	close_bench(&b);
	return 0;
}
