/* What a run of tests has to say: text, TAP or JSON on stdout, and JUnit's XML in a file. */
#ifndef CLI_RULES_TEST_REPORT_H
#define CLI_RULES_TEST_REPORT_H

#include "cli/rules_test.h"

struct test_report {
	bool verbose, tap, uncovered;
	const char *junit; /* NULL: none */
	struct buf out, xml, cases; /* cases: one file's <testcase>s */
	size_t files, tests, failed, errors;
	size_t file_tests, file_failed;
	/* Names of enabled rules, and which of them fired. */
	struct arena arena;
	struct str *names;
	bool *fired;
	size_t names_count, names_cap;
};

void report_open(struct test_report *report, bool verbose, bool tap, const char *junit, bool uncovered);

/* A file's tests stand between these two; its errors are told at the end of it. */
void report_begin(struct test_report *report, const char *path);
void report_end(struct test_report *report, const struct test_file *file);

/* One test; an empty diff: it passed. */
void report_case(struct test_report *report, const struct test_file *file, const struct test_case *test,
                 struct str diff);

/* The rules that a file is about, and one that fired. */
void report_rules(struct test_report *report, const struct rules *rules);
void report_cover(struct test_report *report, const struct rule *rule);

/* Prints all. CLI_NO when something failed. */
int report_close(struct test_report *report);

#endif
