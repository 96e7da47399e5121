/* The command line: one table gives getopt its rows and --help its text. */
#include "sensor/options.h"

#include "base/cleanup.h"
#include "base/conf.h"
#include "sensor/container.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <unistd.h>

#define SPOOL_DIR_DEFAULT "/var/lib/tocsin-sensor"

enum option_id {
	OPTION_FILTER = 256,
	OPTION_EVENT,
	OPTION_PID,
	OPTION_CONTAINER,
	OPTION_FOLLOW,
	OPTION_ATTACH_CONTAINER,
	OPTION_ATTACH_ALL,
	OPTION_NO_FOLLOW,
	OPTION_OUTPUT,
	OPTION_COLOR,
	OPTION_HUB,
	OPTION_TOKEN,
	OPTION_RULES,
	OPTION_ALL_EVENTS,
	OPTION_LIFECYCLE,
	OPTION_PROBE,
	OPTION_ENFORCE,
	OPTION_SPOOL_DIR,
	OPTION_HOSTNAME,
	OPTION_CA,
	OPTION_CERT,
	OPTION_KEY,
	OPTION_INSECURE,
	OPTION_METRICS,
	OPTION_SECCOMP,
	OPTION_SECCOMP_MODE,
	OPTION_CONTAINER_ROOT,
	OPTION_CONTAINER_WAIT,
	OPTION_RING_URGENT,
	OPTION_RING_BULK,
	OPTION_PRINT,
	OPTION_ON_FAILURE,
	OPTION_RECORD,
	OPTION_REPLAY,
	OPTION_DOCTOR,
	OPTION_INTEREST,
	OPTION_LOG_LEVEL,
	OPTION_LOG_FORMAT,
	OPTION_VERSION,
	OPTION_HELP,
};

/* Whose an option is. */
enum option_mode { SENSOR = 0, BOTH, OBSERVE, ATTACH };

static const struct option_row {
	const char *name, *argument;
	enum option_id id;
	const char *help;
	enum option_mode mode;
} rows[] = {
	{ "filter", "CONDITION", OPTION_FILTER,
	  "only events for which this is true, as in a rule; may be given again: all have to be", OBSERVE },
	{ "event", "TYPE[,TYPE]", OPTION_EVENT,
	  "only these: system calls, procexit, or exec, fork, exit, open, file, net, signal, privilege", OBSERVE },
	{ "pid", "N", OPTION_PID, "only of this process; may be given again", OBSERVE },
	{ "container", "ID|NAME", OPTION_CONTAINER,
	  "only in this container, \"host\" for none; may be given again", OBSERVE },
	{ "follow", NULL, OPTION_FOLLOW,
	  "all that processes do to which the filters apply once, and those that they start", OBSERVE },
	{ "container", "ID", OPTION_ATTACH_CONTAINER,
	  "all processes of this container, also those that enter it later", ATTACH },
	{ "all", NULL, OPTION_ATTACH_ALL,
	  "all processes that can be seen, but those that the sensor was started by: for a sidecar", ATTACH },
	{ "no-follow", NULL, OPTION_NO_FOLLOW, "not their descendants, neither those of now nor those to come", ATTACH },
	{ "output", "FORM", OPTION_OUTPUT, "of observe and --doctor: compact or json (compact); also -o", BOTH },
	{ "color", "WHEN", OPTION_COLOR, "auto, always or never (auto)", OBSERVE },
	{ "hub", "URL", OPTION_HUB, "where events go, e.g. http://hub:2801", SENSOR },
	{ "token", "SECRET", OPTION_TOKEN, "bearer token for the hub, as file:PATH or env:NAME", SENSOR },
	{ "rules", "FILE", OPTION_RULES,
	  "rules file or folder, may be given again (the hub's rules, as they change)", SENSOR },
	{ "all-events", NULL, OPTION_ALL_EVENTS, "load no rules: send whatever is observed", SENSOR },
	{ "lifecycle", NULL, OPTION_LIFECYCLE, "also send every exec, fork and exit", SENSOR },
	{ "probe", "KIND", OPTION_PROBE, "auto, ebpf or ptrace (auto)", BOTH },
	{ "enforce", "MODE", OPTION_ENFORCE,
	  "what rules say under respond: off, dry-run (only told) or on (off)", SENSOR },
	{ "spool-dir", "DIR", OPTION_SPOOL_DIR,
	  "keeps events while the hub is away, and the sensor's id (" SPOOL_DIR_DEFAULT ")", SENSOR },
	{ "hostname", "NAME", OPTION_HOSTNAME, "as events show it (the machine's)", BOTH },
	{ "ca-file", "FILE", OPTION_CA, "certificates to trust, PEM (the system's)", SENSOR },
	{ "cert-file", "FILE", OPTION_CERT, "client certificate, PEM", SENSOR },
	{ "key-file", "FILE", OPTION_KEY, "its key, PEM", SENSOR },
	{ "insecure", NULL, OPTION_INSECURE, "do not check the hub's certificate", SENSOR },
	{ "metrics", "HOST:PORT", OPTION_METRICS, "answer Prometheus there on /metrics", SENSOR },
	{ "seccomp", "FILE", OPTION_SECCOMP, "profile (OCI, Docker) of what the COMMAND may call; read again when it changes",
	  SENSOR },
	{ "seccomp-mode", "MODE", OPTION_SECCOMP_MODE,
	  "enforce, audit (tell only) or strict (the kernel refuses, untold and for good) (enforce)", SENSOR },
	{ "container-root", "DIR", OPTION_CONTAINER_ROOT,
	  "where the machine's root is mounted, for container runtimes' files and sockets (/)", BOTH },
	{ "container-wait", "MS", OPTION_CONTAINER_WAIT,
	  "how long events of a new container wait for its name and image, if a rule reads them (200)", BOTH },
	{ "ring-urgent", "SIZE", OPTION_RING_URGENT,
	  "kernel memory for processes and privileges that wait, a power of two (4MiB)", SENSOR },
	{ "ring-bulk", "SIZE", OPTION_RING_BULK, "... for all else (8MiB)", SENSOR },
	{ "print", NULL, OPTION_PRINT, "write events to standard output instead of a hub", SENSOR },
	{ "on-failure", "WHAT", OPTION_ON_FAILURE,
	  "if the sensor fails the command is to continue, or to be killed: continue or kill (continue)", SENSOR },
	{ "record", "FILE", OPTION_RECORD, "also keep the raw records that are observed in FILE", BOTH },
	{ "replay", "FILE", OPTION_REPLAY, "observe a recording in place of this machine, and end", BOTH },
	{ "doctor", NULL, OPTION_DOCTOR, "say what this machine lets a sensor do, and end", SENSOR },
	{ "interest", NULL, OPTION_INTEREST, "say what the rules make the kernel side look for, and end", SENSOR },
	{ "log-level", "LEVEL", OPTION_LOG_LEVEL, "error, warning, notice, info or debug (info)", BOTH },
	{ "log-format", "FORMAT", OPTION_LOG_FORMAT, "text or json (text)", BOTH },
	{ "version", NULL, OPTION_VERSION, "print the version and end", BOTH },
	{ "help", NULL, OPTION_HELP, "print this and end", BOTH },
};

/* What attaches is a sensor in all else. */
static bool is_of(enum option_mode row, enum option_mode mode)
{
	return row == mode || row == BOTH || (row == SENSOR && mode == ATTACH);
}

static enum option_mode mode_of(const struct options *options)
{
	return options->observe.on ? OBSERVE : options->attaches ? ATTACH : SENSOR;
}

static void print_rows(enum option_mode mode)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char left[48];

		if (!is_of(rows[i].mode, mode))
			continue;
		snprintf(left, sizeof(left), "--%s%s%s", rows[i].name,
			 rows[i].argument != NULL ? " " : "",
			 rows[i].argument != NULL ? rows[i].argument : "");
		printf("  %-21s %s\n", left, rows[i].help);
	}
}

static void print_observe_help(void)
{
	printf("Usage: tocsin-sensor observe [OPTION]...\n"
	       "       tocsin-sensor observe [OPTION]... -- COMMAND [ARGUMENT]...\n\n"
	       "Shows what happens on this machine, a line an event, without a hub and without rules: "
	       "programs that\n"
	       "start and end, files opened to write, connections, changes of privileges. With a COMMAND "
	       "it runs that\n"
	       "and shows what it and its children do.\n\n");
	print_rows(OBSERVE);
	printf("\nExamples:\n"
	       "  tocsin-sensor observe --filter 'proc.name = bash' --follow\n"
	       "  tocsin-sensor observe --event open --filter 'fd.name startswith /etc/'\n"
	       "  tocsin-sensor observe --container web --event net -o json\n"
	       "  tocsin-sensor observe --event exec -- make\n");
}

static void print_attach_help(void)
{
	printf("Usage: tocsin-sensor attach [OPTION]... PID...\n"
	       "       tocsin-sensor attach [OPTION]... --container ID\n\n"
	       "Observes processes that run already, and all that they start, by ptrace, until they end or the "
	       "sensor\n"
	       "does; then they go on as before. Each of their system calls stops twice, whether a rule wants it or "
	       "not:\n"
	       "programs that make many run 4 to 10 times slower meanwhile. What is started by the sensor is not "
	       "slowed\n"
	       "down like that: see tocsin-sensor --help.\n\n");
	print_rows(ATTACH);
	printf("\nExamples:\n"
	       "  tocsin-sensor attach --hub https://hub:2801 4711\n"
	       "  tocsin-sensor attach --print --rules rules.yaml --container 3f1c2a7be904\n");
}

static void print_run_help(void)
{
	printf("Usage: tocsin-sensor run [OPTION]... -- COMMAND [ARGUMENT]...\n\n"
	       "Runs a command and observes it and all that comes of it, where no eBPF program can be loaded: no "
	       "privileges\n"
	       "are needed, calls that no rule can match run at their own speed, and nobody is traced. Signals, "
	       "terminal and\n"
	       "exit status are the command's, as PID 1 it reaps; 125: the sensor could not begin, 126 and 127: the "
	       "command\n"
	       "could not. If the sensor is killed or hangs, calls go on unseen until another one has taken over "
	       "(--on-failure).\n\n");
	print_rows(SENSOR);
	printf("\nExamples:\n"
	       "  tocsin-sensor run --hub https://hub:2801 -- /usr/bin/my-service --port 8080\n"
	       "  tocsin-sensor run --print --rules rules.yaml --on-failure kill -- make\n");
}

static void print_help(void)
{
	printf("Usage: tocsin-sensor [OPTION]...                       this machine, by eBPF\n"
	       "       tocsin-sensor run [OPTION]... -- COMMAND...     a command, by seccomp, without privileges\n"
	       "       tocsin-sensor attach [OPTION]... PID...         processes that run already, by ptrace\n"
	       "       tocsin-sensor observe [OPTION]...               shows events here, without a hub\n\n"
	       "Observes system calls and sends what a rule matches to a Tocsin hub. \"run\", \"attach\" and "
	       "\"observe\" have a\n"
	       "--help each; \"run\" may be left out.\n\n");
	print_rows(SENSOR);
	printf("\nExamples:\n"
	       "  tocsin-sensor --hub http://127.0.0.1:2801 --token file:/etc/tocsin/sensor.token\n"
	       "  tocsin-sensor --print --rules rules.yaml\n"
	       "  tocsin-sensor run --hub https://hub:2801 -- /usr/bin/my-service --port 8080\n"
	       "  tocsin-sensor --doctor\n");
}

static int complain(const char *option, const char *value, const char *wanted)
{
	fprintf(stderr, "tocsin-sensor: --%s: \"%s\" is not %s\n", option, value, wanted);
	return -EINVAL;
}

/* The index of a word in a list that ends with NULL, or -1. */
static int choice_of(const char *value, const char *const *choices)
{
	for (int i = 0; choices[i] != NULL; i++)
		if (strcmp(value, choices[i]) == 0)
			return i;
	return -1;
}

static int token_read(const char *from, char **ret)
{
	char text[4096];
	struct str secret;

	if (strncmp(from, "env:", 4) == 0) {
		secret = str_of(getenv(from + 4));
		if (secret.len == 0)
			return complain("token", from, "a variable of the environment");
		unsetenv(from + 4); /* a command must not inherit it; the text stays where it is */
	} else if (strncmp(from, "file:", 5) == 0) {
		autoclose int fd = open(from + 5, O_RDONLY | O_CLOEXEC);
		ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));

		if (len <= 0)
			return complain("token", from, "a file that can be read");
		secret = str_trim((struct str){ text, (size_t)len });
	} else {
		/* The value itself is not repeated: it may be the secret. */
		fprintf(stderr,
			"tocsin-sensor: --token takes file:PATH or env:NAME, because the command "
			"line is visible to everybody\n");
		return -EINVAL;
	}
	if (secret.len == 0 || memchr(secret.at, '\n', secret.len) != NULL ||
	    memchr(secret.at, '\r', secret.len) != NULL)
		return complain("token", from, "one line");
	free(*ret);
	*ret = str_dup(secret);
	return *ret == NULL ? -ENOMEM : 0;
}

static int set_log(struct options *options, enum option_id id, const char *value)
{
	static const char *const levels[] = { "error", "warning", "notice", "info", "debug", NULL };
	static const char *const formats[] = { "text", "json", NULL };
	int choice;

	if (id == OPTION_LOG_LEVEL) {
		choice = choice_of(value, levels);
		if (choice < 0)
			return complain("log-level", value,
					"error, warning, notice, info or debug");
		options->log_level = (enum log_level)(LOG_LEVEL_ERR + choice);
		return 0;
	}
	choice = choice_of(value, formats);
	if (choice < 0)
		return complain("log-format", value, "text or json");
	options->log_format = (enum log_format)choice;
	return 0;
}

static int set_probe(struct options *options, const char *value)
{
	static const char *const probes[] = { "auto", "ebpf", "ptrace", NULL };
	int choice = choice_of(value, probes);

	if (choice < 0)
		return complain("probe", value, "auto, ebpf or ptrace");
	options->probe = (enum probe_choice)choice;
	return 0;
}

static int set_on_failure(struct options *options, const char *value)
{
	static const char *const whats[] = { "continue", "kill", NULL };
	int choice = choice_of(value, whats);

	if (choice < 0)
		return complain("on-failure", value, "continue or kill");
	options->on_failure_kill = choice == 1;
	return 0;
}

static int set_seccomp_mode(struct options *options, const char *value)
{
	static const char *const modes[] = { "enforce", "audit", "strict", NULL };
	int choice = choice_of(value, modes);

	if (choice < 0)
		return complain("seccomp-mode", value, "enforce, audit or strict");
	options->seccomp_mode = (enum decide_mode)choice;
	return 0;
}

static int set_hostname(struct options *options, const char *value)
{
	free(options->hostname);
	options->hostname = str_dup(str_of(value));
	return options->hostname == NULL ? -ENOMEM : 0;
}

static int set_hub(struct options *options, const char *value)
{
	if (strncmp(value, "http://", 7) != 0 && strncmp(value, "https://", 8) != 0)
		return complain("hub", value, "an http:// or https:// address");
	options->hub = value;
	return 0;
}

/* The kernel takes only powers of two, at least a page; beyond the limit nothing is won but lag. */
static int set_ring(const char *name, const char *value, uint32_t *ret)
{
	int64_t bytes;

	if (!conf_parse_size(str_of(value), &bytes) || bytes < OPTIONS_RING_MIN || bytes > OPTIONS_RING_MAX ||
	    (bytes & (bytes - 1)) != 0)
		return complain(name, value, "a power of two from 256KiB to 256MiB");
	*ret = (uint32_t)bytes;
	return 0;
}

static int set_container_wait(struct options *options, const char *value)
{
	uint64_t ms;

	if (!str_to_u64(str_of(value), &ms) || ms > OPTIONS_CONTAINER_WAIT_MAX)
		return complain("container-wait", value, "a number of milliseconds up to 5000");
	options->container_wait_ms = (unsigned)ms;
	return 0;
}

static int add_filter(struct observe_options *observe, const char *value)
{
	if (observe->filters_count == OPTIONS_FILTERS_MAX)
		return complain("filter", value, "one of at most 16");
	observe->filters[observe->filters_count++] = value;
	return 0;
}

static int add_pid(struct observe_options *observe, const char *value)
{
	uint64_t pid;

	if (!str_to_u64(str_of(value), &pid) || pid == 0 || pid > INT32_MAX)
		return complain("pid", value, "a process id");
	if (observe->pids_count == OPTIONS_FILTERS_MAX)
		return complain("pid", value, "one of at most 16");
	observe->pids[observe->pids_count++] = (uint32_t)pid;
	return 0;
}

/* What can stand in a condition as it is. */
static bool is_container(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!isalnum((unsigned char)text.at[i]) && strchr("_.:/-", text.at[i]) == NULL)
			return false;
	return text.len > 0 && text.len < 256;
}

static int set_attach_container(struct options *options, const char *value)
{
	struct str text = str_of(value);

	if (!is_container(text) || text.len < CONTAINER_SHORT_MAX)
		return complain("container", value, "the id of a container, or its first twelve digits");
	options->attach.container = value;
	return 0;
}

static int add_container(struct observe_options *observe, const char *value)
{
	if (!is_container(str_of(value)))
		return complain("container", value, "the id or name of a container");
	if (observe->containers_count == OPTIONS_FILTERS_MAX)
		return complain("container", value, "one of at most 16");
	observe->containers[observe->containers_count++] = value;
	return 0;
}

static int set_observe_output(struct observe_options *observe, enum option_id id, const char *value)
{
	static const char *const forms[] = { "compact", "json", NULL };
	static const char *const whens[] = { "auto", "always", "never", NULL };
	int choice = choice_of(value, id == OPTION_COLOR ? whens : forms);

	if (choice < 0 && id == OPTION_COLOR)
		return complain("color", value, "auto, always or never");
	if (choice < 0)
		return complain("output", value, "compact or json");
	if (id == OPTION_OUTPUT)
		observe->json = choice == 1;
	else
		observe->color = choice == 1 || (choice == 0 && observe->color);
	return 0;
}

static int add_rules(struct options *options, const char *value)
{
	if (options->rules_count == OPTIONS_RULES_MAX)
		return complain("rules", value, "one of at most 64 files");
	options->rules[options->rules_count++] = value;
	return 0;
}

static int set_enforce(struct options *options, const char *value)
{
	static const char *const modes[] = { "off", "dry-run", "on", NULL };
	int choice = choice_of(value, modes);

	if (choice < 0)
		return complain("enforce", value, "off, dry-run or on");
	options->enforce = (enum enforce_mode)choice;
	return 0;
}

static void print_any_help(const struct options *options)
{
	if (options->observe.on)
		print_observe_help();
	else if (options->attaches)
		print_attach_help();
	else if (options->runs)
		print_run_help();
	else
		print_help();
}

/* 0, 1 (printed, end) or -errno. */
static int take(struct options *options, enum option_id id, const char *value)
{
	switch (id) {
	case OPTION_FILTER: return add_filter(&options->observe, value);
	case OPTION_EVENT: options->observe.events = value; return 0;
	case OPTION_PID: return add_pid(&options->observe, value);
	case OPTION_CONTAINER: return add_container(&options->observe, value);
	case OPTION_FOLLOW: options->observe.follow = true; return 0;
	case OPTION_ATTACH_CONTAINER: return set_attach_container(options, value);
	case OPTION_ATTACH_ALL: options->attach.all = true; return 0;
	case OPTION_NO_FOLLOW: options->attach.alone = true; return 0;
	case OPTION_OUTPUT:
	case OPTION_COLOR: return set_observe_output(&options->observe, id, value);
	case OPTION_HUB: return set_hub(options, value);
	case OPTION_TOKEN: return token_read(value, &options->token);
	case OPTION_RULES: return add_rules(options, value);
	case OPTION_ALL_EVENTS: options->all_events = true; return 0;
	case OPTION_LIFECYCLE: options->lifecycle = true; return 0;
	case OPTION_PROBE: return set_probe(options, value);
	case OPTION_ENFORCE: return set_enforce(options, value);
	case OPTION_SPOOL_DIR: options->spool_dir = value; return 0;
	case OPTION_HOSTNAME: return set_hostname(options, value);
	case OPTION_CA: options->ca_file = value; return 0;
	case OPTION_CERT: options->cert_file = value; return 0;
	case OPTION_KEY: options->key_file = value; return 0;
	case OPTION_INSECURE: options->insecure = true; return 0;
	case OPTION_METRICS: options->metrics = value; return 0;
	case OPTION_CONTAINER_ROOT: options->container_root = strcmp(value, "/") == 0 ? "" : value; return 0;
	case OPTION_RING_URGENT: return set_ring("ring-urgent", value, &options->ring_urgent);
	case OPTION_RING_BULK: return set_ring("ring-bulk", value, &options->ring_bulk);
	case OPTION_CONTAINER_WAIT: return set_container_wait(options, value);
	case OPTION_ON_FAILURE: return set_on_failure(options, value);
	case OPTION_SECCOMP: options->seccomp = value; return 0;
	case OPTION_SECCOMP_MODE: return set_seccomp_mode(options, value);
	case OPTION_PRINT: options->print = true; return 0;
	case OPTION_RECORD: options->record = value; return 0;
	case OPTION_REPLAY: options->replay = value; return 0;
	case OPTION_DOCTOR: options->doctor = true; return 0;
	case OPTION_INTEREST: options->interest = true; return 0;
	case OPTION_LOG_LEVEL:
	case OPTION_LOG_FORMAT: return set_log(options, id, value);
	case OPTION_VERSION: puts("tocsin-sensor " TOCSIN_VERSION); return 1;
	case OPTION_HELP: print_any_help(options); return 1;
	}
	return -EINVAL;
}

static int add_attach_pid(struct attach_whom *whom, const char *value)
{
	uint64_t pid;

	if (!str_to_u64(str_of(value), &pid) || pid == 0 || pid > INT32_MAX || whom->pids_count == ATTACH_PIDS_MAX) {
		fprintf(stderr, "tocsin-sensor: attach: \"%s\" is not %s\n", value,
			whom->pids_count == ATTACH_PIDS_MAX ? "one of at most 64 processes" : "a process id");
		return -EINVAL;
	}
	whom->pids[whom->pids_count++] = (uint32_t)pid;
	return 0;
}

static int take_whom(struct options *options, int argc, char **argv)
{
	struct attach_whom *whom = &options->attach;

	for (; optind < argc; optind++)
		if (add_attach_pid(whom, argv[optind]) < 0)
			return -EINVAL;
	if ((whom->pids_count > 0) + (whom->container != NULL) + whom->all != 1) {
		fprintf(stderr, "tocsin-sensor: attach: to whom? Give process ids, or --container ID, or --all\n");
		return -EINVAL;
	}
	if (options->probe == PROBE_EBPF || options->replay != NULL) {
		fprintf(stderr, "tocsin-sensor: attach: processes are attached to by ptrace: no --probe ebpf, no --replay\n");
		return -EINVAL;
	}
	return 0;
}

static int finish(struct options *options, int argc, char **argv)
{
	if (options->attaches && !options->doctor && !options->interest && take_whom(options, argc, argv) < 0)
		return -EINVAL;
	if (optind < argc) {
		if (strcmp(argv[optind - 1], "--") != 0) {
			fprintf(stderr, "tocsin-sensor: unexpected argument \"%s\": a COMMAND stands behind --\n",
				argv[optind]);
			return -EINVAL;
		}
		options->command = argv + optind;
	}
	if (options->hostname == NULL) {
		char name[HOST_NAME_MAX + 1] = "";

		gethostname(name, sizeof(name) - 1);
		if (set_hostname(options, name[0] != '\0' ? name : "localhost") < 0)
			return -ENOMEM;
	}
	options->hub_rules = options->rules_count == 0 && !options->all_events && options->hub != NULL && !options->interest &&
			     !options->print;
	if (options->rules_count == 0 && !options->all_events && !options->hub_rules)
		options->rules[options->rules_count++] = TOCSIN_RULES_FILE;
	if (options->all_events)
		options->rules_count = 0;
	if (options->hub == NULL && !options->print && !options->doctor && !options->interest) {
		fprintf(stderr,
			"tocsin-sensor: where to? Give --hub URL, or --print to see events here\n");
		return -EINVAL;
	}
	if (options->replay != NULL && (options->command != NULL || options->record != NULL)) {
		fprintf(stderr, "tocsin-sensor: --replay takes no COMMAND and no --record: all is in the file\n");
		return -EINVAL;
	}
	if (options->seccomp != NULL && options->command == NULL) {
		fprintf(stderr, "tocsin-sensor: --seccomp is for a COMMAND, which stands behind --\n");
		return -EINVAL;
	}
	options->decider = options->seccomp == NULL ? NULL : decider_new();
	if (options->seccomp != NULL && options->decider == NULL)
		return -ENOMEM;
	if (options->command != NULL && options->probe == PROBE_EBPF) {
		fprintf(stderr,
			"tocsin-sensor: a COMMAND is observed by ptrace, not by --probe ebpf\n");
		return -EINVAL;
	}
	return 0;
}

/* It is the first word, or is not there. */
static bool takes_word(int *argc, char ***argv, const char *word)
{
	if (*argc < 2 || strcmp((*argv)[1], word) != 0)
		return false;
	(*argc)--;
	(*argv)++;
	return true;
}

static void set_defaults(struct options *options)
{
	struct observe_options *observe = &options->observe;
	bool runs = options->runs, attaches = options->attaches;

	*options = (struct options){ .spool_dir = SPOOL_DIR_DEFAULT, .container_root = "",
				     .container_wait_ms = 200, .log_level = LOG_LEVEL_INFO,
				     .observe = *observe, .attaches = attaches, .runs = runs };
	if (!observe->on)
		return;
	options->print = options->all_events = true;
	options->log_level = LOG_LEVEL_WARNING;
	observe->color = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
}

int options_parse(int argc, char **argv, struct options *ret)
{
	struct option longs[ARRAY_LEN(rows) + 1] = { 0 };
	size_t count = 0;
	int id, r;

	ret->observe = (struct observe_options){ .on = takes_word(&argc, &argv, "observe") };
	ret->runs = !ret->observe.on && takes_word(&argc, &argv, "run");
	ret->attaches = !ret->observe.on && !ret->runs && takes_word(&argc, &argv, "attach");
	set_defaults(ret);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (is_of(rows[i].mode, mode_of(ret)))
			longs[count++] = (struct option){ .name = rows[i].name,
							  .has_arg = rows[i].argument != NULL ? required_argument
											      : no_argument,
							  .val = (int)rows[i].id };
	/* '+': what stands behind the command are its own options. */
	while ((id = getopt_long(argc, argv, ret->attaches ? "ho:" : "+ho:", longs, NULL)) != -1) {
		if (id == '?') {
			fprintf(stderr, "tocsin-sensor: see %s--help\n",
				ret->observe.on ? "observe " : ret->attaches ? "attach " : ret->runs ? "run " : "");
			return -EINVAL;
		}
		r = take(ret, id == 'h' ? OPTION_HELP : id == 'o' ? OPTION_OUTPUT : (enum option_id)id, optarg);
		if (r != 0)
			return r;
	}
	r = finish(ret, argc, argv);
	if (r == 0 && ret->runs && ret->command == NULL) {
		fprintf(stderr, "tocsin-sensor: run: which command? It stands behind --\n");
		return -EINVAL;
	}
	return r;
}

void options_done(struct options *options)
{
	if (options->token != NULL)
		explicit_bzero(options->token, strlen(options->token));
	free(options->token);
	free(options->hostname);
	decider_free(options->decider);
}
