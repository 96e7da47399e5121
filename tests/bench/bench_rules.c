/* What matching costs: all rules of the given files on typical events, as the hub matches (indexed
 * by type, every distinct predicate once), and as the baseline does in the same run (rule by rule,
 * every check each time it is met). Usage: bench_rules RULES.yaml… */
#include "rules/eval.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SECONDS = 1, HITS_MAX = 64 };

struct field_text {
	const char *name, *text;
};

static const struct sample {
	const char *name;
	struct field_text fields[24];
} samples[] = {
	{ "openat for reading, no match",
	  { { "evt.type", "openat" },
	    { "evt.is_open_read", "true" },
	    { "evt.is_open_write", "false" },
	    { "fd.name", "/usr/lib/x86_64-linux-gnu/libc.so.6" },
	    { "fd.num", "3" },
	    { "fd.typechar", "f" },
	    { "proc.name", "nginx" },
	    { "proc.exepath", "/usr/sbin/nginx" },
	    { "proc.args", "-g daemon" },
	    { "proc.aname[1]", "nginx" },
	    { "proc.aname[2]", "systemd" },
	    { "user.name", "www-data" },
	    { "user.uid", "33" },
	    { "container.id", "host" },
	    { "evt.rawres", "3" } } },
	{ "openat for writing, no match",
	  { { "evt.type", "openat" },
	    { "evt.is_open_read", "false" },
	    { "evt.is_open_write", "true" },
	    { "fd.name", "/var/lib/postgresql/15/main/pg_wal/000000010000000000000001" },
	    { "fd.num", "12" },
	    { "fd.typechar", "f" },
	    { "evt.arg.flags", "O_RDWR" },
	    { "proc.name", "postgres" },
	    { "proc.aname[1]", "postgres" },
	    { "proc.aname[2]", "systemd" },
	    { "user.name", "postgres" },
	    { "container.id", "host" },
	    { "evt.rawres", "12" } } },
	{ "execve, no match",
	  { { "evt.type", "execve" },
	    { "evt.rawres", "0" },
	    { "proc.name", "grep" },
	    { "proc.exepath", "/usr/bin/grep" },
	    { "proc.args", "--color=auto -r needle src" },
	    { "proc.cmdline", "grep --color=auto -r needle src" },
	    { "proc.pname", "bash" },
	    { "proc.aname[1]", "bash" },
	    { "proc.aname[2]", "sshd" },
	    { "proc.aname[3]", "sshd" },
	    { "proc.aname[4]", "systemd" },
	    { "proc.tty", "34816" },
	    { "user.name", "ann" },
	    { "user.uid", "1000" },
	    { "container.id", "host" },
	    { "proc.cwd", "/home/ann/" } } },
	{ "execve in a container, no match",
	  { { "evt.type", "execve" },
	    { "evt.rawres", "0" },
	    { "proc.name", "python3" },
	    { "proc.exepath", "/usr/bin/python3" },
	    { "proc.args", "/app/worker.py --queue mail" },
	    { "proc.cmdline", "python3 /app/worker.py --queue mail" },
	    { "proc.pname", "gunicorn" },
	    { "proc.aname[1]", "gunicorn" },
	    { "proc.aname[2]", "containerd-shim" },
	    { "proc.tty", "0" },
	    { "user.name", "root" },
	    { "user.uid", "0" },
	    { "container.id", "3f2b5c6d7e8f" },
	    { "container.image.repository", "registry.example/app" },
	    { "proc.cwd", "/app/" } } },
	{ "connect, no match",
	  { { "evt.type", "connect" },
	    { "evt.rawres", "0" },
	    { "fd.typechar", "4" },
	    { "fd.cip", "10.1.2.3" },
	    { "fd.cport", "40000" },
	    { "fd.sip", "10.1.2.9" },
	    { "fd.sport", "443" },
	    { "fd.l4proto", "tcp" },
	    { "proc.name", "curl" },
	    { "proc.pname", "cron" },
	    { "container.id", "host" } } },
	{ "read of /etc/shadow, a match",
	  { { "evt.type", "openat" },
	    { "evt.is_open_read", "true" },
	    { "evt.is_open_write", "false" },
	    { "fd.name", "/etc/shadow" },
	    { "fd.num", "3" },
	    { "fd.typechar", "f" },
	    { "proc.name", "cat" },
	    { "proc.aname[1]", "bash" },
	    { "proc.aname[2]", "sshd" },
	    { "user.name", "root" },
	    { "container.id", "host" },
	    { "evt.rawres", "3" } } },
	{ "close, which no rule wants", { { "evt.type", "close" }, { "proc.name", "cat" } } },
};

static void fill(struct event *event, const struct fields *fields, const struct sample *sample)
{
	event_clear(event);
	event->time_ns = clock_now();
	for (size_t i = 0; i < ARRAY_LEN(sample->fields) && sample->fields[i].name != NULL; i++) {
		struct str text = str_of(sample->fields[i].text);
		int64_t number;

		event_set(event, fields_find(fields, str_of(sample->fields[i].name)),
			  str_to_i64(text, &number) &&
					  strcmp(sample->fields[i].name, "fd.typechar") != 0
				  ? value_i64(number)
				  : value_str(text));
	}
}

/* Processor time of this thread, so that what else runs on the machine counts little. */
static int64_t busy_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

typedef size_t match_fn(const struct rules *rules, struct rules_scratch *scratch,
			const struct event *event, const struct rule **hits, size_t max);

/* ns for one event. */
static double measure(match_fn *match, const struct rules *rules, struct rules_scratch *scratch,
		      const struct event *event, size_t *ret_hits)
{
	const struct rule *hits[HITS_MAX];
	int64_t start = busy_ns(), end = start + SECONDS * NS_PER_S / 4, now = start;
	uint64_t rounds = 0;

	while (now < end) {
		for (int i = 0; i < 1000; i++)
			*ret_hits = match(rules, scratch, event, hits, HITS_MAX);
		rounds += 1000;
		now = busy_ns();
	}
	return (double)(now - start) / (double)rounds;
}

static double measure_format(const struct rules *rules, struct rules_scratch *scratch,
			     const struct event *event)
{
	const struct rule *hits[HITS_MAX];
	struct buf output = { 0 }, members = { 0 };
	int64_t start = busy_ns();
	int rounds = 20000;

	if (rules_match(rules, scratch, event, hits, HITS_MAX) > 0) {
		for (int i = 0; i < rounds; i++) {
			buf_clear(&output);
			buf_clear(&members);
			rules_format(rules, scratch, hits[0], event, &output, &members);
		}
	}
	buf_done(&output);
	buf_done(&members);
	return (double)(busy_ns() - start) / rounds;
}

static void run(const struct rules *rules, const struct fields *fields)
{
	struct rules_scratch *scratch = rules_scratch_new(rules);
	double total = 0, plain_total = 0;
	struct event event;

	if (scratch == NULL || event_init(&event, fields_count(fields)) < 0)
		exit(1);
	printf("%-34s %6s %10s %12s %10s %7s\n", "event", "hits", "ns", "events/s", "baseline",
	       "ratio");
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		double shared, plain;
		size_t hits;

		fill(&event, fields, &samples[i]);
		shared = measure(rules_match, rules, scratch, &event, &hits);
		plain = measure(rules_match_plain, rules, scratch, &event, &hits);
		total += shared;
		plain_total += plain;
		printf("%-34s %6zu %10.0f %12.0f %10.0f %7.1f\n", samples[i].name, hits, shared,
		       1e9 / shared, plain, plain / shared);
		if (hits > 0)
			printf("%-34s %6s %10.0f\n", "  its text and fields", "",
			       measure_format(rules, scratch, &event));
	}
	printf("%-34s %6s %10.0f %12.0f %10.0f %7.1f\n", "all, evenly", "",
	       total / ARRAY_LEN(samples), 1e9 * ARRAY_LEN(samples) / total,
	       plain_total / ARRAY_LEN(samples), plain_total / total);
	event_done(&event);
	rules_scratch_free(scratch);
}

int main(int argc, char **argv)
{
	struct rules_settings settings = {
		.files = { .at = (const char *const *)argv + 1, .count = (size_t)argc - 1 },
		.priority_max = PRIORITY_DEBUG,
	};
	struct rules_report *report = malloc(sizeof(*report));
	struct fields *fields = fields_new();
	struct buf text = { 0 };
	struct rules *rules = NULL;
	int64_t start = clock_mono();

	if (argc < 2 || report == NULL || fields == NULL) {
		fprintf(stderr, "usage: bench_rules RULES.yaml...\n");
		return 2;
	}
	rules_report_init(report);
	if (rules_load(&settings, fields, report, &rules) < 0) {
		rules_report_print(report, &text);
		fputs(buf_text(&text), stderr);
		return 1;
	}
	printf("%zu rules: %u checks, %u nodes, %u terms; loaded in %.1f ms\n", rules_count(rules),
	       rules->predicates_count, rules->nodes_count, rules->terms_count,
	       (double)(clock_mono() - start) / 1e6);
	run(rules, fields);
	rules_free(rules);
	fields_free(fields);
	rules_report_done(report);
	free(report);
	return 0;
}
