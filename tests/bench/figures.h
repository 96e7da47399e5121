/* What bench_rules measured, and how it is told. */
#ifndef TESTS_BENCH_FIGURES_H
#define TESTS_BENCH_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nanoseconds an event, over rounds. */
struct figure {
	double median, least, most;
};

/* A set of rules as it was loaded. */
struct load_figures {
	size_t rules, enabled, bytes;
	double ms;
};

/* The rules on system calls, copied with other constants. */
struct copies_figures {
	unsigned copies;
	double ns;
	struct load_figures load;
};

enum { COPIES_MAX = 4 };

struct figures {
	struct load_figures load;
	uint32_t checks, nodes, terms;
	bool match_all;
	uint64_t events;
	unsigned distinct, rounds;
	struct figure fast, json, plain;
	double p50, p99;
	double matching; /* share of the events */
	uint64_t allocations; /* while `distinct` events were matched */
	struct copies_figures copies[COPIES_MAX];
	size_t copies_count;
};

void figures_print(const struct figures *figures, bool as_json);

#endif
