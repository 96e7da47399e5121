/* tocsin rules fmt: rules files in one layout. */
#include "cli/cli.h"
#include "cli/rules_layout.h"
#include "rules/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { ARENA_MAX = 1 << 30, WIDTH_MIN = 40, WIDTH_MAX = 1000 };

static bool check, in_place;
static const char *width_word = "100";

static const struct cli_option options[] = {
	{ "check", 0, NULL, NULL, "print nothing but the names of files that would change; exit 1 when there are some",
	  NULL, &check },
	{ "write", 'w', NULL, NULL, "write the files instead of printing them", NULL, &in_place },
	{ "width", 0, "N", "100", "columns of a line", &width_word, NULL },
	{ 0 },
};

static bool write_all(int fd, struct str text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.at, text.len);

		if (n < 0 && errno != EINTR)
			return false;
		text = str_from(text, n < 0 ? 0 : (size_t)n);
	}
	return true;
}

/* A new file in the place of the old one, so that nobody reads half of it. */
static bool replace(const char *path, struct str text)
{
	struct buf name = { .max = 8192 };
	struct stat about;
	bool good = false;
	int fd = -1;

	buf_addf(&name, "%s.XXXXXX", path);
	if (buf_text(&name) != NULL && stat(path, &about) == 0)
		fd = mkostemp(name.at, O_CLOEXEC);
	if (fd >= 0) {
		good = fchmod(fd, about.st_mode & 07777) == 0 && write_all(fd, text) && fsync(fd) == 0;
		good &= close(fd) == 0;
		good = good && rename(name.at, path) == 0;
		if (!good)
			unlink(name.at);
	}
	if (!good)
		cli_complain("%s: %s", path, strerror(errno));
	buf_done(&name);
	return good;
}

static int tell(const char *path, const struct yaml_error *error)
{
	cli_complain("%s:%u:%u: %s", path, error->place.line, error->place.column,
	             error->text == NULL ? "it is no YAML" : error->text);
	return CLI_NO;
}

static int give(const char *path, struct str before, struct buf *out)
{
	struct buf name = { 0 };
	int status;

	if (!check && !in_place)
		return cli_print(out);
	if (str_eq(before, buf_str(out)))
		return CLI_YES;
	if (in_place && !check)
		return replace(path, buf_str(out)) ? CLI_YES : CLI_NO;
	buf_add_printable(&name, str_of(path));
	buf_add_char(&name, '\n');
	status = cli_print(&name);
	buf_done(&name);
	return status == CLI_YES ? CLI_NO : status;
}

static int format(const char *path, unsigned width)
{
	struct buf text = { .max = RULES_FILE_MAX }, out = { 0 };
	struct yaml_error error = { 0 };
	struct yaml_file file = { .name = path };
	struct arena arena;
	int status = CLI_NO, r;

	arena_init(&arena, ARENA_MAX);
	if (cli_read(path, &text)) {
		file.text = buf_str(&text);
		r = layout_file(&file, width, &arena, &out, &error);
		if (r == -ENOMEM)
			cli_complain("%s: out of memory", path);
		else
			status = r < 0 ? tell(path, &error) : give(path, file.text, &out);
	}
	arena_done(&arena);
	buf_done(&text);
	buf_done(&out);
	return status;
}

static int run(int argc, char **argv)
{
	uint64_t width;
	int status = CLI_YES;

	if (argc == 0)
		return cli_usage("rules fmt wants files (- is standard input)");
	if (!cli_number("--width", width_word, WIDTH_MAX, &width))
		return CLI_USAGE;
	if (width < WIDTH_MIN)
		return cli_usage("--width: not below %d", WIDTH_MIN);
	for (int i = 0; i < argc; i++) {
		if (in_place && strcmp(argv[i], "-") == 0)
			return cli_usage("-w: standard input cannot be written");
		if (format(argv[i], (unsigned)width) != CLI_YES)
			status = CLI_NO;
	}
	return status;
}

const struct cli_verb verb_rules_fmt = {
	.name = "rules fmt",
	.arguments = "FILE...",
	.summary = "lay rules files out in one way: order of keys, wrapped conditions and lists",
	.examples = "  tocsin rules fmt rules.yaml               print it laid out\n"
	            "  tocsin rules fmt -w rules/*.yaml          rewrite the files\n"
	            "  tocsin rules fmt --check rules/*.yaml     for CI: exit 1 when one would change",
	.options = options,
	.run = run,
};
