/* Test files for rules: which events must make which rules fire. Read whole, checked whole: every
 * mistake is told with its place. */
#ifndef CLI_RULES_TEST_H
#define CLI_RULES_TEST_H

#include "base/conf.h"
#include "cli/rules_set.h"
#include "rules/document.h"

enum {
	TEST_FILE_MAX = 16 << 20, /* bytes */
	TEST_CASES_MAX = 100000,  /* of one file */
	TEST_EVENTS_MAX = 10000,  /* of one test */
};

struct test_case {
	struct str name;
	const struct yaml *node;
	const struct yaml *const *events;
	size_t events_count;
	int64_t after_ns; /* what is waited behind the last event */
	const struct yaml *fires, *never; /* sequences; NULL: not given */
};

struct test_file {
	struct arena arena;
	struct conf_errors errors;
	struct yaml_file text;
	struct conf_strings rules; /* as paths from here */
	struct conf_strings sources;
	bool match_all, has_match;
	const struct yaml *defaults; /* NULL: none */
	struct test_case *cases;
	size_t count;
};

/* Reads `path` ("-": standard input). False when something is wrong: see ret->errors. The file must
 * be freed in any case. */
bool test_file_read(const char *path, struct test_file *ret);
void test_file_free(struct test_file *file);

/* Something is wrong at a node. */
void test_fault(struct test_file *file, const struct yaml *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The name of the rule that an item of `fires` or `never` is about. */
struct str test_rule_name(const struct yaml *item);

/* How long `{wait: 5m}` among the events says; 0: it is an event. */
int64_t test_wait_ns(const struct yaml *event);

/* Tells of names in `fires` and `never` that are no rule's, and of fields of system calls that do not
 * exist. False when there are any. */
bool test_file_check(struct test_file *file, const struct rules *rules);

/* One event with the defaults under it, as a line of JSON. */
void test_add_event(const struct test_file *file, const struct yaml *event, struct buf *out);

/* A node as JSON: plain scalars are numbers, booleans and null where they look so. */
void test_add_json(const struct yaml *node, struct buf *out);

/* What an alert has to be like; adds what differs to `diff`. `fields` is its output_fields. */
bool test_alert_matches(struct rules_set *set, const struct yaml *item, const struct rule *rule,
                        struct str message, struct str fields, struct buf *diff);

#endif
