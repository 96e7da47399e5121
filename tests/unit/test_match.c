/* However matching is made fast, it must say what a plain walk through the conditions says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/random_rules.h"

enum { SETS = 300 };

static void tell(struct random_set *set,
		 size_t (*match)(const struct rules *rules, struct rules_scratch *scratch,
				 const struct event *event, const struct rule **hits, size_t max),
		 const char *name)
{
	const struct rule *hits[RANDOM_RULES_MAX];
	size_t count = match(set->rules[1], set->scratch[1], &set->event, hits, RANDOM_RULES_MAX);

	print_error("%s:", name);
	for (size_t i = 0; i < count; i++)
		print_error(" %.*s", STR_ARG(rule_name(hits[i])));
	print_error("\n");
}

static void check_set(uint64_t seed, size_t *hits)
{
	struct dice dice = { .seed = seed };
	struct buf text = { 0 }, why = { 0 };
	struct random_set set;

	random_rules(&dice, &text);
	if (!random_set_load(&set, buf_str(&text), &why)) {
		print_error("%.1000s\n", buf_text(&why));
		fail_msg("seed %llu does not load", (unsigned long long)seed);
	}
	for (int i = 0; i < RANDOM_EVENTS; i++) {
		size_t some;

		random_event(&dice, &set.event, set.fields);
		if (!random_agrees(&set, &some)) {
			tell(&set, rules_match, "fast");
			tell(&set, rules_match_plain, "plain");
			fputs(buf_text(&text), stderr);
			fail_msg("seed %llu, event %d", (unsigned long long)seed, i);
		}
		*hits += some;
	}
	random_set_done(&set);
	buf_done(&text);
	buf_done(&why);
}

static void fast_and_plain_agree(void **state)
{
	size_t hits = 0;

	(void)state;
	for (uint64_t i = 1; i <= SETS; i++)
		check_set(i * 0x9e3779b97f4a7c15, &hits);
	/* Else the rules would be such that nothing is compared. */
	assert_true(hits > SETS * RANDOM_EVENTS / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fast_and_plain_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
