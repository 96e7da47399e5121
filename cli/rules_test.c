/* tocsin rules test: do the events of test files make the rules fire that they should? */
#include "cli/rules_test.h"

#include "cli/rules_alert.h"
#include "cli/rules_play.h"
#include "cli/rules_test_report.h"
#include "rules/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FIRED_MAX = 4096, FIRED_SHOWN = 20, KEPT_MAX = 256 << 20 };

static bool verbose, tap, uncovered;
static const char *junit, *only;

static const struct cli_option options[] = {
	{ "only", 'k', "PATTERN", NULL, "only tests of this name; * stands for any run of characters", &only, NULL },
	{ "verbose", 'v', NULL, NULL, "name the tests that passed too", NULL, &verbose },
	{ "tap", 0, NULL, NULL, "print TAP (Test Anything Protocol)", NULL, &tap },
	{ "junit", 0, "FILE", NULL, "write a JUnit report as well", &junit, NULL },
	{ "untested", 0, NULL, NULL, "name the enabled rules that no test made fire", NULL, &uncovered },
	{ 0 },
};

struct fired {
	const struct rule *rule;
	struct str message, fields;
};

struct job {
	struct rules_settings settings;
	struct test_report report;
	struct rules_set set;
	struct play play;
	struct test_file *file;
	struct arena kept; /* of one test */
	struct fired fired[FIRED_MAX];
	size_t count;
	bool overflowed;
};

static struct str keep(struct job *job, struct buf *text)
{
	struct str kept = arena_str(&job->kept, buf_str(text));

	buf_clear(text);
	return kept.at == NULL ? STR("") : kept;
}

static void keep_fired(void *userdata, const struct rule *rule)
{
	struct job *job = userdata;
	struct rules_set *set = &job->set;
	struct buf text = { 0 }, fields = { 0 };

	report_cover(&job->report, rule);
	if (job->count == FIRED_MAX) {
		job->overflowed = true;
		return;
	}
	rules_format(set->rules, set->scratch, rule, &set->event, &text, &fields);
	job->fired[job->count].rule = rule;
	job->fired[job->count].message = alert_message(keep(job, &text));
	job->fired[job->count++].fields = keep(job, &fields);
	buf_done(&text);
	buf_done(&fields);
}

/* An event without a time of its own happens at the one of the defaults, and after what was waited for. */
static bool play_one(struct job *job, const struct yaml *event, int64_t waited_ns, struct buf *diff, size_t number)
{
	struct buf text = { .max = SET_EVENT_MAX };
	struct reject reject = { .reason = "out of memory" };
	bool good;
	size_t end;

	test_add_event(job->file, event, &text);
	if (!buf_ok(&text))
		reject.reason = "the event is too large";
	good = buf_ok(&text) && set_read(&job->set, buf_str(&text), 0, &end, &reject) == 0;
	if (good) {
		if (yaml_get(event, STR("time")) == NULL)
			job->set.event.time_ns += waited_ns;
		play_event(&job->play);
	} else {
		buf_addf(diff, "    event %zu (line %u): %s\n", number, event->line, reject.reason);
	}
	buf_done(&text);
	return good;
}

/* All events of a test, one after the other. False, with the reason, for one that is none. */
static bool play(struct job *job, const struct test_case *test, struct buf *diff)
{
	int64_t waited_ns = 0;
	bool good = play_again(&job->play);

	arena_reset(&job->kept);
	job->count = 0;
	job->overflowed = false;
	for (size_t i = 0; i < test->events_count && good; i++) {
		int64_t wait_ns = test_wait_ns(test->events[i]);

		waited_ns += wait_ns;
		if (wait_ns > 0)
			play_wait(&job->play, wait_ns);
		else
			good = play_one(job, test->events[i], waited_ns, diff, i + 1);
	}
	if (good && test->after_ns > 0)
		play_wait(&job->play, test->after_ns);
	if (job->play.failed || (!good && diff->len == 0))
		buf_add(diff, STR("    out of memory\n"));
	return good;
}

static void add_name(struct str name, bool first, struct buf *out)
{
	if (!first)
		buf_add(out, STR("             "));
	buf_add_printable(out, name);
	buf_add_char(out, '\n');
}

static void add_both(const struct job *job, const struct test_case *test, struct buf *diff)
{
	buf_add(diff, STR("    expected: "));
	for (size_t i = 0; i < test->fires->count && i < FIRED_SHOWN; i++)
		add_name(test_rule_name(test->fires->items[i]), i == 0, diff);
	if (test->fires->count == 0)
		buf_add(diff, STR("nothing\n"));
	buf_add(diff, STR("    fired:   "));
	buf_add_char(diff, ' ');
	for (size_t i = 0; i < job->count && i < FIRED_SHOWN; i++) {
		if (i > 0)
			buf_add(diff, STR("              "));
		buf_add_printable(diff, rule_name(job->fired[i].rule));
		buf_add(diff, STR(" — "));
		buf_add_printable(diff, str_cut(job->fired[i].message, 300));
		buf_add_char(diff, '\n');
	}
	if (job->count == 0)
		buf_add(diff, STR("nothing\n"));
	if (job->count > FIRED_SHOWN)
		buf_addf(diff, "              and %zu more\n", job->count - FIRED_SHOWN);
}

/* Exactly these, in this order. */
static void check_fires(struct job *job, const struct test_case *test, struct buf *diff)
{
	size_t same = 0;

	while (same < job->count && same < test->fires->count &&
	       str_eq(rule_name(job->fired[same].rule), test_rule_name(test->fires->items[same])))
		same++;
	if (same < job->count || same < test->fires->count || job->overflowed) {
		add_both(job, test, diff);
		return;
	}
	for (size_t i = 0; i < same; i++) {
		struct buf own = { 0 };

		if (!test_alert_matches(&job->set, test->fires->items[i], job->fired[i].rule, job->fired[i].message,
		                        job->fired[i].fields, &own)) {
			buf_add(diff, STR("    rule "));
			buf_add_printable(diff, rule_name(job->fired[i].rule));
			buf_addf(diff, " (line %u)\n", test->fires->items[i]->line);
			buf_add(diff, buf_str(&own));
		}
		buf_done(&own);
	}
}

static void check_never(struct job *job, const struct test_case *test, struct buf *diff)
{
	for (size_t i = 0; i < test->never->count; i++) {
		for (size_t j = 0; j < job->count; j++) {
			if (!str_eq(rule_name(job->fired[j].rule), test_rule_name(test->never->items[i])))
				continue;
			buf_add(diff, STR("    must not fire, but did: "));
			buf_add_printable(diff, rule_name(job->fired[j].rule));
			buf_add(diff, STR(" — "));
			buf_add_printable(diff, str_cut(job->fired[j].message, 300));
			buf_add_char(diff, '\n');
		}
	}
}

static void run_case(struct job *job, const struct test_case *test)
{
	struct buf diff = { 0 };

	if (only != NULL && !text_wildcard(str_of(only), test->name))
		return;
	if (play(job, test, &diff)) {
		if (test->fires != NULL)
			check_fires(job, test, &diff);
		if (test->never != NULL)
			check_never(job, test, &diff);
	}
	report_case(&job->report, job->file, test, buf_str(&diff));
	buf_done(&diff);
}

static void run_cases(struct job *job)
{
	struct rules_settings settings = job->settings;

	if (settings.files.count == 0)
		settings.files = job->file->rules;
	if (!set_match_given())
		settings.match_all = job->file->match_all;
	set_add_sources(&settings, &job->file->sources);
	if (settings.files.count == 0) {
		test_fault(job->file, NULL, "which rules? \"rules: [FILE]\" in the file or --rules says it");
		return;
	}
	if (set_load(&settings, &job->set) != CLI_YES) {
		set_tell(&job->set, false);
		job->file->errors.more++;
	} else if (test_file_check(job->file, job->set.rules)) {
		report_rules(&job->report, job->set.rules);
		if (!play_begin(&job->play, &job->set, keep_fired, job))
			job->file->errors.more++;
		for (size_t i = 0; i < job->file->count && job->file->errors.more == 0; i++)
			run_case(job, &job->file->cases[i]);
		play_end(&job->play);
	}
	set_free(&job->set);
}

static void run_file(struct job *job, const char *path)
{
	struct test_file file;

	job->file = &file;
	report_begin(&job->report, path);
	if (test_file_read(path, &file))
		run_cases(job);
	report_end(&job->report, &file);
	test_file_free(&file);
}

static int is_test_file(const struct dirent *entry)
{
	struct str name = str_of(entry->d_name);

	return entry->d_name[0] != '.' && (str_ends(name, STR(".yaml")) || str_ends(name, STR(".yml")));
}

static bool run_folder(struct job *job, const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_test_file, alphasort);

	if (count < 0) {
		cli_complain("%s: %s", path, strerror(errno));
		return false;
	}
	for (int i = 0; i < count; i++) {
		struct buf full = { .max = 8192 };

		buf_addf(&full, "%s/%s", path, entries[i]->d_name);
		if (buf_text(&full) != NULL)
			run_file(job, full.at);
		buf_done(&full);
		free(entries[i]);
	}
	free(entries);
	if (count == 0)
		cli_complain("%s: there is no test file in it", path);
	return count > 0;
}

static int run(int argc, char **argv)
{
	static struct job job;
	bool good = true;
	int status;

	if (!set_all_settings(&job.settings))
		return CLI_USAGE;
	if (argc == 0)
		return cli_usage("rules test wants test files or folders of them");
	if (tap && cli.json)
		return cli_usage("--tap or -o json, not both");
	arena_init(&job.kept, KEPT_MAX);
	report_open(&job.report, verbose, tap, junit, uncovered);
	for (int i = 0; i < argc; i++) {
		struct stat about;

		if (stat(argv[i], &about) == 0 && S_ISDIR(about.st_mode))
			good &= run_folder(&job, argv[i]);
		else
			run_file(&job, argv[i]);
	}
	status = report_close(&job.report);
	arena_done(&job.kept);
	return good ? status : CLI_NO;
}

const struct cli_verb verb_rules_test = {
	.name = "rules test",
	.arguments = "FILE...",
	.summary = "run test files: which events must make which rules fire",
	.examples = "  tocsin rules test tests/                                a folder of test files\n"
	            "  tocsin rules test --rules new_rules.yaml tests/ssh.yaml   with other rules\n"
	            "  tocsin rules test -k '*shadow*' -v tests/ && echo good\n"
	            "  tocsin rules test --junit report.xml tests/             for CI",
	.needs = CLI_RULES | CLI_FORMAT | CLI_COLOR,
	.options = options,
	.run = run,
};
