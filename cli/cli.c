/* Finding the verb, reading its options, and its help: all from the tables. */
#include "cli/cli.h"

#include "base/cleanup.h"
#include "base/read.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

enum { OPTIONS_MAX = 40, FIRST_LONG = 256, READ_SIZE = 64 << 10 };

struct cli_shared cli;

static const struct cli_verb *current;
static const char *format_word, *color_word;
static bool help_wanted;

static const struct cli_option hub_options[] = {
	{ "url", 0, "URL", "$TOCSIN_URL, else http://127.0.0.1:2802", "the hub's admin listener", &cli.url, NULL },
	{ "token-file", 0, "FILE", "DATA_DIR/admin.token", "the admin token; $TOCSIN_TOKEN holds one itself",
	  &cli.token_file, NULL },
	{ "ca-file", 0, "FILE", "$TOCSIN_CA_FILE, else the system's", "certificates to trust, PEM", &cli.ca_file, NULL },
	{ 0 },
};

static const struct cli_option config_options[] = {
	{ "config", 'c', "FILE", "$TOCSIN_CONFIG", "the hub's configuration: where it listens and keeps its token",
	  &cli.config, NULL },
	{ 0 },
};

static const struct cli_option format_options[] = {
	{ "output-format", 'o', "FORMAT", "text", "text or json", &format_word, NULL },
	{ 0 },
};

static const struct cli_option color_options[] = {
	{ "color", 0, "WHEN", "auto", "auto, always or never; NO_COLOR is heeded", &color_word, NULL },
	{ 0 },
};

static const struct cli_option help_options[] = {
	{ "help", 'h', NULL, NULL, "print this and end", NULL, &help_wanted },
	{ 0 },
};

/* The tables that apply to a verb, its own first; how many options in all. */
static size_t collect(const struct cli_verb *verb, const struct cli_option **ret)
{
	const struct cli_option *const tables[] = {
		verb->options,
		verb->needs & CLI_RULES ? cli_rules_options : NULL,
		verb->needs & CLI_HUB ? hub_options : NULL,
		verb->needs & (CLI_HUB | CLI_CONFIG) ? config_options : NULL,
		verb->needs & CLI_FORMAT ? format_options : NULL,
		verb->needs & CLI_COLOR ? color_options : NULL,
		help_options,
	};
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		for (const struct cli_option *option = tables[i]; option != NULL && option->name != NULL; option++)
			if (count < OPTIONS_MAX)
				ret[count++] = option;
	return count;
}

void cli_tell(struct buf *out)
{
	if (out->len > 0)
		fwrite(out->at, 1, out->len, stderr);
	buf_done(out);
}

void cli_complain(const char *format, ...)
{
	struct buf out = { 0 };
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buf_add(&out, STR("tocsin: "));
	buf_add_printable(&out, str_of(text));
	buf_add_char(&out, '\n');
	cli_tell(&out);
}

int cli_usage(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cli_complain("%s", text);
	fprintf(stderr, "try tocsin %s%s--help\n", current == NULL ? "" : current->name,
	        current == NULL ? "" : " ");
	return CLI_USAGE;
}

bool cli_read(const char *path, struct buf *out)
{
	const bool standard = strcmp(path, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -errno : 1;

	while (n > 0 && buf_reserve(out, READ_SIZE)) {
		n = read_full(fd, out->at + out->len, READ_SIZE);
		out->len += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0 && !standard)
		close(fd);
	if (n != 0)
		cli_complain("%s: %s", path, n < 0 ? strerror((int)-n) : "too large");
	return n == 0;
}

int cli_print(struct buf *out)
{
	bool good = buf_ok(out) &&
	            (out->len == 0 || fwrite(out->at, 1, out->len, stdout) == out->len) && fflush(stdout) == 0;

	if (!good)
		cli_complain("cannot write the result");
	buf_clear(out);
	return good ? CLI_YES : CLI_NO;
}

void cli_add_color(struct buf *out, enum cli_color color)
{
	static const char *const codes[] = {
		[CLI_PLAIN] = "0", [CLI_BOLD] = "1", [CLI_DIM] = "2", [CLI_RED] = "1;31", [CLI_YELLOW] = "33",
		[CLI_GREEN] = "32", [CLI_CYAN] = "36", [CLI_MAGENTA] = "1;35",
	};

	if (cli.color)
		buf_addf(out, "\033[%sm", codes[color]);
}

bool cli_number(const char *option, const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value;

	if (!str_to_u64(str_of(text), &value) || value > max) {
		cli_usage("%s: \"%s\" is not a number up to %llu", option, text, (unsigned long long)max);
		return false;
	}
	*ret = value;
	return true;
}

static void print_verb_help(const struct cli_verb *verb)
{
	const struct cli_option *options[OPTIONS_MAX];
	size_t count = collect(verb, options);

	printf("Usage: tocsin %s [OPTION]...%s%s\n\n%s\n\n%c%s.\n\n", verb->name,
	       *verb->arguments == '\0' ? "" : " ", verb->arguments, verb->examples,
	       verb->summary[0] - 'a' + 'A', verb->summary + 1);
	for (size_t i = 0; i < count; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%c%c%s --%s%s%s", options[i]->letter == 0 ? ' ' : '-',
		         options[i]->letter == 0 ? ' ' : options[i]->letter, options[i]->letter == 0 ? " " : ",",
		         options[i]->name, options[i]->argument == NULL ? "" : " ",
		         options[i]->argument == NULL ? "" : options[i]->argument);
		printf("  %-28s %s", left, options[i]->help);
		if (options[i]->fallback != NULL)
			printf(" (default: %s)", options[i]->fallback);
		putchar('\n');
	}
}

static void print_help(void)
{
	fputs("Usage: tocsin VERB [OPTION]... [ARGUMENT]...\n\n"
	      "  tocsin check /etc/tocsin/tocsin.yaml    is the configuration good, rules included?\n"
	      "  tocsin tail --priority warning          alerts as they come\n"
	      "  tocsin outputs                          where alerts go and how far they are\n\n", stdout);
	for (size_t i = 0; cli_verbs[i] != NULL; i++)
		printf("  %-20s %s\n", cli_verbs[i]->name, cli_verbs[i]->summary);
	fputs("\ntocsin VERB --help tells more. Exit status: 0 yes, 1 no, 2 wrong usage, 3 hub unreachable,\n"
	      "4 not allowed. See tocsin(1).\n", stdout);
}

static bool is_in_group(const struct cli_verb *verb, const char *group)
{
	const size_t len = strlen(group);

	return strncmp(verb->name, group, len) == 0 && verb->name[len] == ' ';
}

/* The first word of some verbs asked for help. False when it is none. */
static bool print_group_help(int argc, char **argv)
{
	bool found = false;

	if (argc != 3 || (strcmp(argv[2], "--help") != 0 && strcmp(argv[2], "-h") != 0))
		return false;
	for (size_t i = 0; cli_verbs[i] != NULL; i++) {
		if (!is_in_group(cli_verbs[i], argv[1]))
			continue;
		if (!found)
			printf("Usage: tocsin %s VERB [OPTION]... [ARGUMENT]...\n\n", argv[1]);
		found = true;
		printf("  %-20s %s\n", cli_verbs[i]->name, cli_verbs[i]->summary);
	}
	if (found)
		printf("\ntocsin %s VERB --help tells more.\n", argv[1]);
	return found;
}

static int settle_shared(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	const char *when = color_word == NULL ? "auto" : color_word;

	if (format_word != NULL && strcmp(format_word, "text") != 0 && strcmp(format_word, "json") != 0)
		return cli_usage("-o: \"%s\" is not text or json", format_word);
	cli.json = format_word != NULL && strcmp(format_word, "json") == 0;
	if (strcmp(when, "always") == 0)
		cli.color = true;
	else if (strcmp(when, "auto") == 0)
		cli.color = (no_color == NULL || *no_color == '\0') && isatty(STDOUT_FILENO) == 1 &&
		            (term == NULL || strcmp(term, "dumb") != 0);
	else if (strcmp(when, "never") != 0)
		return cli_usage("--color: \"%s\" is not auto, always or never", when);
	if (cli.config == NULL)
		cli.config = getenv("TOCSIN_CONFIG");
	return CLI_DONE;
}

/* The tables as getopt_long() wants them. */
static void make_getopt(const struct cli_option *const *options, size_t count, char *letters,
                        struct option *longs)
{
	for (size_t i = 0; i < count; i++) {
		longs[i] = (struct option){
			.name = options[i]->name,
			.has_arg = options[i]->argument == NULL ? no_argument : required_argument,
			.val = FIRST_LONG + (int)i,
		};
		if (options[i]->letter == 0)
			continue;
		*letters++ = options[i]->letter;
		if (options[i]->argument != NULL)
			*letters++ = ':';
	}
	*letters = '\0';
	longs[count] = (struct option){ 0 };
}

static const struct cli_option *option_of(const struct cli_option *const *options, size_t count, int value)
{
	if (value >= FIRST_LONG)
		return options[value - FIRST_LONG];
	for (size_t i = 0; i < count; i++)
		if (options[i]->letter == value)
			return options[i];
	return NULL;
}

/* One word more of an option that may be repeated. */
static bool take_word(const struct cli_option *option, const char *word)
{
	size_t count = 0;

	while (option->value[count] != NULL)
		count++;
	if (count == CLI_WORDS_MAX) {
		cli_usage("--%s can be given %d times", option->name, CLI_WORDS_MAX);
		return false;
	}
	option->value[count] = word;
	*option->flag = true;
	return true;
}

static int parse(int argc, char **argv)
{
	const struct cli_option *options[OPTIONS_MAX];
	struct option longs[OPTIONS_MAX + 1];
	char letters[2 * OPTIONS_MAX + 2] = "";
	size_t count = collect(current, options);
	int value;

	make_getopt(options, count, letters, longs);
	opterr = 0;
	while ((value = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const struct cli_option *option = value == '?' ? NULL : option_of(options, count, value);

		if (option == NULL && optopt >= FIRST_LONG)
			return cli_usage("--%s wants a value", options[optopt - FIRST_LONG]->name);
		if (option == NULL && optopt != 0 && option_of(options, count, optopt) != NULL)
			return cli_usage("-%c wants a value", optopt);
		if (option == NULL)
			return cli_usage("%s: there is no such option of %s", argv[optind - 1], current->name);
		if (option->value != NULL && option->flag != NULL) {
			if (!take_word(option, optarg))
				return CLI_USAGE;
		} else if (option->value != NULL)
			*option->value = optarg;
		else
			*option->flag = true;
	}
	if (help_wanted) {
		print_verb_help(current);
		return CLI_YES;
	}
	return settle_shared();
}

/* The verb that the words name, and of how many words its name is. */
static const struct cli_verb *find_verb(int argc, char **argv, int *ret_words)
{
	for (size_t i = 0; cli_verbs[i] != NULL; i++) {
		const char *name = cli_verbs[i]->name, *blank = strchr(name, ' ');
		size_t first = blank == NULL ? strlen(name) : (size_t)(blank - name);

		if (strlen(argv[1]) != first || strncmp(argv[1], name, first) != 0)
			continue;
		*ret_words = blank == NULL ? 1 : 2;
		if (blank == NULL || (argc > 2 && strcmp(argv[2], blank + 1) == 0))
			return cli_verbs[i];
	}
	return NULL;
}

static int no_such_verb(int argc, char **argv)
{
	struct buf names = { 0 };

	for (size_t i = 0; cli_verbs[i] != NULL; i++)
		if (is_in_group(cli_verbs[i], argv[1]))
			buf_addf(&names, "%s%s", names.len > 0 ? " or " : "",
			         cli_verbs[i]->name + strlen(argv[1]) + 1);
	if (names.len == 0)
		cli_usage("there is no verb \"%s\"", argv[1]);
	else if (argc > 2)
		cli_usage("%s %s: say %.*s", argv[1], argv[2], STR_ARG(names));
	else
		cli_usage("%s what? say %.*s", argv[1], STR_ARG(names));
	for (size_t i = 0; names.len > 0 && argc == 2 && cli_verbs[i] != NULL; i++)
		if (is_in_group(cli_verbs[i], argv[1]))
			fprintf(stderr, "  %-20s %s\n", cli_verbs[i]->name, cli_verbs[i]->summary);
	buf_done(&names);
	return CLI_USAGE;
}

int cli_main(int argc, char **argv)
{
	int words = 1, status;

	if (argc < 2)
		return cli_usage("a verb is wanted");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
		print_help();
		return CLI_YES;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		argv[1] = (char *)(uintptr_t)"version";
	current = find_verb(argc, argv, &words);
	if (current == NULL && print_group_help(argc, argv))
		return CLI_YES;
	if (current == NULL)
		return no_such_verb(argc, argv);
	argc -= words;
	argv += words;
	status = parse(argc, argv);
	if (status != CLI_DONE)
		return status;
	return current->run(argc - optind, argv + optind);
}
