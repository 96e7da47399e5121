/* Which output gets which alert. */
#include "hub/deliver/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static const struct output_ops chat_ops = { .type = "chat", .changes = true }, archive_ops = { .type = "archive" };
static const struct config_output chat = { .name = "chat", .ops = &chat_ops, .minimum_priority = PRIORITY_DEBUG };
static const struct config_output archive = { .name = "archive", .ops = &archive_ops, .minimum_priority = PRIORITY_DEBUG };
static const struct config_output severe = { .name = "severe", .ops = &archive_ops, .minimum_priority = PRIORITY_ERROR };

#define LIST(...) { .at = (const char *const[]){ __VA_ARGS__ }, .count = sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *) }

static const struct config_matcher shells[] = { { "proc.name", LIST("bash", "z*") }, { "rule", LIST("Write *") } };
static const struct config_matcher tagged[] = { { "tags", LIST("mitre_*") } };
static const struct config_matcher hosts[] = { { "hostname", LIST("web-[0-9]") } };
static const struct config_matcher missing[] = { { "k8s.ns.name", LIST("*") } };

#define DEBUG_UP .minimum_priority = PRIORITY_DEBUG

static const struct row {
	const char *name;
	struct config_route routes[3];
	size_t routes_count;
	const struct config_output *output;
	enum alert_change change;
	enum journal_outcome want;
} rows[] = {
	{ "without routes everything goes everywhere", { { 0 } }, 0, &archive, ALERT_REPEAT, 0 },
	{ "chat gets changes only", { { 0 } }, 0, &chat, ALERT_REPEAT, JOURNAL_SUPPRESSED_REPEAT },
	{ "chat gets an opening", { { 0 } }, 0, &chat, ALERT_OPENED, 0 },
	{ "chat hears that it is over", { { 0 } }, 0, &chat, ALERT_RESOLVED, 0 },
	{ "an archive gets no notes", { { 0 } }, 0, &archive, ALERT_ONGOING, JOURNAL_SUPPRESSED_CHANGE },
	{ "the output's minimum holds", { { 0 } }, 0, &severe, ALERT_OPENED, JOURNAL_SUPPRESSED_PRIORITY },
	{ "all matchers hold",
	  { { .matchers = shells, .matchers_count = 2, .outputs = LIST("archive"), DEBUG_UP } }, 1, &archive,
	  ALERT_OPENED, 0 },
	{ "tags match when one does",
	  { { .matchers = tagged, .matchers_count = 1, .outputs = LIST("archive"), DEBUG_UP } }, 1, &archive,
	  ALERT_OPENED, 0 },
	{ "a host that is another does not match",
	  { { .matchers = hosts, .matchers_count = 1, .outputs = LIST("archive"), DEBUG_UP } }, 1, &archive,
	  ALERT_OPENED, JOURNAL_SUPPRESSED_ROUTE },
	{ "a field that is null or absent matches nothing",
	  { { .matchers = missing, .matchers_count = 1, .outputs = LIST("archive"), DEBUG_UP } }, 1, &archive,
	  ALERT_OPENED, JOURNAL_SUPPRESSED_ROUTE },
	{ "the first match ends the search",
	  { { .matchers = tagged, .matchers_count = 1, DEBUG_UP }, { .outputs = LIST("archive"), DEBUG_UP } }, 2,
	  &archive, ALERT_OPENED, JOURNAL_SUPPRESSED_ROUTE },
	{ "continue goes on",
	  { { .matchers = tagged, .matchers_count = 1, .proceed = true, DEBUG_UP },
	    { .outputs = LIST("archive"), DEBUG_UP } }, 2, &archive, ALERT_OPENED, 0 },
	{ "a route's minimum is one more matcher",
	  { { .outputs = LIST("archive"), .minimum_priority = PRIORITY_ERROR } }, 1, &archive, ALERT_OPENED,
	  JOURNAL_SUPPRESSED_PRIORITY },
	{ "below the first route's minimum the next decides",
	  { { .outputs = LIST("archive"), .minimum_priority = PRIORITY_ERROR },
	    { .outputs = LIST("archive"), DEBUG_UP } }, 2, &archive, ALERT_OPENED, 0 },
	{ "a route can ask for every alert",
	  { { .outputs = LIST("chat"), .deliver = CONFIG_DELIVER_EVERY, DEBUG_UP } }, 1, &chat, ALERT_REPEAT, 0 },
	{ "a route can ask for changes",
	  { { .outputs = LIST("archive"), .deliver = CONFIG_DELIVER_CHANGES, DEBUG_UP } }, 1, &archive,
	  ALERT_REPEAT, JOURNAL_SUPPRESSED_REPEAT },
	{ "one route folds, the next wants all",
	  { { .outputs = LIST("archive"), .deliver = CONFIG_DELIVER_CHANGES, .proceed = true, DEBUG_UP },
	    { .outputs = LIST("archive"), .deliver = CONFIG_DELIVER_EVERY, DEBUG_UP } }, 2, &archive,
	  ALERT_REPEAT, 0 },
};

static void decide(void **state)
{
	const struct row *row = *state;
	struct config config = { .routes = row->routes, .routes_count = row->routes_count };
	struct alert alert = {
		.priority = PRIORITY_WARNING, .change = row->change,
		.json = STR("{\"rule\":\"Write below etc\",\"hostname\":\"db-1\",\"source\":\"syscall\",\"tags\":"
		            "[\"host\",\"mitre_persistence\"],\"output_fields\":{\"proc.name\":\"zsh\",\"k8s.ns.name\":null}}"),
	};
	struct arena arena;

	arena_init(&arena, 1 << 20);
	assert_int_equal(route_decide(&config, row->output, &alert, &arena), row->want);
	arena_done(&arena);
}

int main(void)
{
	struct CMUnitTest tests[sizeof(rows) / sizeof(rows[0])];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].name, .test_func = decide,
			                        .initial_state = (void *)(uintptr_t)&rows[i] };
	return cmocka_run_group_tests_name("routes", tests, NULL, NULL);
}
