/* tocsin-hub: arguments and start. */
#include "base/cleanup.h"
#include "base/log.h"
#include "hub/evaluate/ruleset.h"
#include "hub/hub.h"
#include "hub/process.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum { EXIT_USAGE = 2 };

static const char help[] =
	"Usage: tocsin-hub [--config FILE] [--check]\n"
	"\n"
	"  tocsin-hub                                  with defaults: takes events, keeps and shows them\n"
	"  tocsin-hub --config /etc/tocsin/tocsin.yaml\n"
	"  tocsin-hub --config hub.yaml --check        reads configuration and rules, says what is wrong\n"
	"\n"
	"Takes security events and alerts over HTTP, evaluates Falco rules, and delivers alerts to outputs.\n"
	"\n"
	"  -c, --config FILE     configuration, YAML (default: $TOCSIN_CONFIG, else none)\n"
	"      --check           check the configuration and end: 0 good, 1 not\n"
	"      --log-level L     error, warning, notice, info, debug (default: info, or log.level)\n"
	"      --log-format F    text or json (default: text, or log.format)\n"
	"  -V, --version         print the version and end\n"
	"  -h, --help            print this and end\n"
	"\n"
	"Every setting can also come from the environment: TOCSIN_ and its path in capitals, such as\n"
	"TOCSIN_DATA_DIR or TOCSIN_OUTPUTS_SLACK_SOC_TIMEOUT. See tocsin.yaml(5).\n";

struct arguments {
	const char *config;
	const char *level, *format;
	bool check;
};

enum { OPTION_CHECK = 256, OPTION_LEVEL, OPTION_FORMAT };

/* -1: go on; else the exit status. */
static int read_arguments(int argc, char **argv, struct arguments *ret)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, OPTION_CHECK },
		{ "log-level", required_argument, NULL, OPTION_LEVEL },
		{ "log-format", required_argument, NULL, OPTION_FORMAT },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	ret->config = getenv("TOCSIN_CONFIG");
	while ((option = getopt_long(argc, argv, "c:Vh", options, NULL)) != -1) {
		switch (option) {
		case 'c': ret->config = optarg; break;
		case OPTION_CHECK: ret->check = true; break;
		case OPTION_LEVEL: ret->level = optarg; break;
		case OPTION_FORMAT: ret->format = optarg; break;
		case 'V': puts("tocsin-hub " TOCSIN_VERSION); return 0;
		case 'h': fputs(help, stdout); return 0;
		default: fputs("try tocsin-hub --help\n", stderr); return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "tocsin-hub: unexpected argument \"%s\"\ntry tocsin-hub --help\n", argv[optind]);
		return EXIT_USAGE;
	}
	return -1;
}

/* The index of a word among choices, or -1. */
static int choice(const char *word, const char *const *choices)
{
	for (int i = 0; choices[i] != NULL; i++)
		if (strcmp(word, choices[i]) == 0)
			return i;
	return -1;
}

static bool setup_log(const struct arguments *arguments, const struct config *config)
{
	static const char *const levels[] = { "error", "warning", "notice", "info", "debug", NULL };
	static const char *const formats[] = { "text", "json", NULL };
	int level = (int)config->log.level, format = (int)config->log.format;

	if (arguments->level != NULL)
		level = choice(arguments->level, levels);
	if (arguments->format != NULL)
		format = choice(arguments->format, formats);
	if (level < 0)
		fprintf(stderr, "tocsin-hub: --log-level: \"%s\" is not error, warning, notice, info or debug\n",
		        arguments->level);
	if (format < 0)
		fprintf(stderr, "tocsin-hub: --log-format: \"%s\" is not text or json\n", arguments->format);
	if (level < 0 || format < 0) {
		fputs("try tocsin-hub --help\n", stderr);
		return false;
	}
	log_setup((enum log_level)(level + LOG_LEVEL_ERR), (enum log_format)format);
	return true;
}

static int load_config(const char *path, struct config **ret)
{
	struct conf_errors errors = { 0 };
	struct arena arena;
	struct buf text = { 0 };
	int r;

	arena_init(&arena, 16 << 20);
	errors.arena = &arena;
	r = config_load(path, ret, &errors);
	if (errors.count > 0) {
		conf_errors_print(&errors, &text);
		fwrite(text.at, 1, text.len, stderr);
	}
	buf_done(&text);
	arena_done(&arena);
	return r;
}

static int check(const struct config *config)
{
	struct rules_report *report = malloc(sizeof(*report));
	struct ruleset *set = NULL;
	struct buf text = { 0 };
	int r;

	if (report == NULL)
		return 1;
	rules_report_init(report);
	r = ruleset_new(config, report, &set);
	rules_report_print(report, &text);
	if (text.len > 0)
		fwrite(text.at, 1, text.len, stderr);
	if (r == 0)
		printf("%s: ok (%zu outputs, %zu rules)\n", config->path == NULL ? "defaults" : config->path,
		       config->outputs_count, set->rules == NULL ? (size_t)0 : rules_count(set->rules));
	buf_done(&text);
	rules_report_done(report);
	free(report);
	ruleset_unref(set);
	return r == 0 ? 0 : 1;
}

static int serve(const struct config *config)
{
	struct hub *hub;
	int r = hub_new(config, &hub);

	if (r < 0)
		return 1;
	r = hub_run(hub);
	hub_free(hub);
	return r == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	struct config *config = NULL;
	int status = read_arguments(argc, argv, &arguments);

	if (status >= 0)
		return status;
	mallopt(M_ARENA_MAX, 2); /* many threads, each with little: one heap each would only hold air */
	process_raise_limits();
	if (load_config(arguments.config, &config) < 0)
		return 1;
	if (!setup_log(&arguments, config))
		status = EXIT_USAGE;
	else
		status = arguments.check ? check(config) : serve(config);
	config_free(config);
	return status;
}
