/* tocsin rules parse: is this a condition, and what is its canonical spelling? Syntax only: no field,
 * macro or list need be there. */
#include "cli/cli.h"
#include "rules/ast.h"
#include "rules/rules.h"

#include <errno.h>

enum { ARENA_MAX = 256 << 20, SHOWN_BEFORE = 60, SHOWN_MAX = 120 };

static const char *depth_word = "100";

static const struct cli_option options[] = {
	{ "max-depth", 0, "N", "100", "how deep parentheses may nest (rules files may: 1000)", &depth_word, NULL },
	{ 0 },
};

/* The line around an offset, cut to what a terminal shows, and where in it the offset is. */
static struct str line_around(struct str text, size_t *at)
{
	size_t from = *at, end = *at;

	while (from > 0 && text.at[from - 1] != '\n' && *at - from < SHOWN_BEFORE)
		from--;
	/* not into the middle of a character */
	while (from < *at && ((unsigned char)text.at[from] & 0xc0) == 0x80)
		from++;
	while (end < text.len && text.at[end] != '\n' && text.at[end] != '\r' && end - from < SHOWN_MAX)
		end++;
	*at -= from;
	return str_cut(str_from(text, from), end - from);
}

static void add_caret(struct str line, size_t at, struct buf *out)
{
	struct buf before = { 0 };

	buf_add(out, STR("  "));
	buf_add_printable(out, line);
	buf_add(out, STR("\n  "));
	buf_add_printable(&before, str_cut(line, at));
	for (size_t i = 0; i < before.len; i++)
		if (((unsigned char)before.at[i] & 0xc0) != 0x80)
			buf_add_char(out, before.at[i] == '\t' ? '\t' : ' ');
	buf_add(out, STR("^\n"));
	buf_done(&before);
}

static void tell_error(struct str text, const struct parse_error *error)
{
	unsigned line = 1, column = 1;
	struct buf out = { 0 };
	size_t at = error->at < text.len ? error->at : text.len;
	struct str shown;

	/* what is missing at the end is missing behind the last word, not behind the newline */
	if (str_trim(str_from(text, at)).len == 0)
		while (at > 0 && str_trim((struct str){ text.at + at - 1, 1 }).len == 0)
			at--;

	for (size_t i = 0; i < at; i++) {
		line += text.at[i] == '\n';
		column = text.at[i] == '\n' ? 1 : column + 1;
	}
	if (cli.json) {
		buf_addf(&out, "{\"ok\":false,\"line\":%u,\"column\":%u,\"offset\":%zu,\"text\":", line, column, at);
		buf_add_json(&out, str_of(error->text));
		buf_add(&out, STR("}\n"));
		cli_print(&out);
		buf_done(&out);
		return;
	}
	buf_addf(&out, "%u:%u: error: ", line, column);
	buf_add_printable(&out, str_of(error->text));
	if (error->near.len > 0)
		buf_addf(&out, ". Did you mean '%.*s'?", STR_ARG(error->near));
	buf_add_char(&out, '\n');
	shown = line_around(text, &at);
	add_caret(shown, at, &out);
	cli_tell(&out);
}

static int tell_canonical(const struct ast *ast)
{
	struct buf text = { 0 }, out = { 0 };
	int status;

	ast_print(&text, ast);
	if (cli.json) {
		buf_add(&out, STR("{\"ok\":true,\"canonical\":"));
		buf_add_json(&out, buf_str(&text));
		buf_add_char(&out, '}');
	} else {
		buf_add(&out, buf_str(&text));
	}
	buf_add_char(&out, '\n');
	status = buf_ok(&text) ? cli_print(&out) : CLI_NO;
	buf_done(&text);
	buf_done(&out);
	return status;
}

static int parse(struct str text, unsigned depth_max)
{
	struct parse_error error = { 0 };
	struct arena arena;
	struct ast *ast;
	int status = CLI_NO, r;

	arena_init(&arena, ARENA_MAX);
	r = ast_parse(text, depth_max, &arena, &ast, &error);
	if (r == 0)
		status = tell_canonical(ast);
	else if (r == -EBADMSG)
		tell_error(text, &error);
	else
		cli_complain("out of memory");
	arena_done(&arena);
	return status;
}

static int run(int argc, char **argv)
{
	struct buf text = { .max = RULES_TEXT_MAX };
	uint64_t depth_max;
	int status = CLI_NO;

	if (argc != 1)
		return cli_usage("rules parse wants one condition, in quotes (- reads standard input)");
	if (!cli_number("--max-depth", depth_word, RULES_DEPTH_MAX, &depth_max))
		return CLI_USAGE;
	if (strcmp(argv[0], "-") != 0)
		buf_add(&text, str_of(argv[0]));
	else if (!cli_read("-", &text))
		text.failed = true;
	if (buf_ok(&text))
		status = parse(buf_str(&text), (unsigned)depth_max);
	buf_done(&text);
	return status;
}

const struct cli_verb verb_rules_parse = {
	.name = "rules parse",
	.arguments = "CONDITION|-",
	.summary = "check one condition's syntax and print it in its canonical spelling",
	.examples = "  tocsin rules parse 'evt.type in (open,openat) and not proc.name=cat'\n"
	            "  tocsin rules parse -o json - < condition.txt     for editors\n"
	            "  tocsin rules parse --max-depth 1000 \"$CONDITION\"",
	.needs = CLI_FORMAT,
	.options = options,
	.run = run,
};
