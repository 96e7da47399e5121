/* What is wrong with a file of settings: collecting it, and printing it for people and for programs. */
#include "include/conf.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT_MAX = 512, LINE_SHOWN = 100 };

static void __attribute__((format(printf, 3, 0)))
add(struct conf_errors *errors, const struct conf_error *error, const char *format, va_list args)
{
	char text[TEXT_MAX];

	if (error->warning)
		errors->warnings++;
	if (errors->count == CONF_ERRORS_MAX) {
		errors->more++;
		return;
	}
	vsnprintf(text, sizeof(text), format, args);
	errors->at[errors->count] = *error;
	errors->at[errors->count].text = arena_str(errors->arena, str_of(text)).at;
	if (errors->at[errors->count].text == NULL)
		errors->at[errors->count].text = "out of memory";
	errors->count++;
}

void conf_error_add(struct conf_errors *errors, const char *file, unsigned line, unsigned column,
                    const char *source, const char *format, ...)
{
	const struct conf_error error = {
		.file = file, .line = line, .column = column, .source = source,
	};
	va_list args;

	va_start(args, format);
	add(errors, &error, format, args);
	va_end(args);
}

void conf_warning_add(struct conf_errors *errors, const char *file, unsigned line, unsigned column,
                      const char *source, const char *format, ...)
{
	const struct conf_error error = {
		.file = file, .line = line, .column = column, .source = source, .warning = true,
	};
	va_list args;

	va_start(args, format);
	add(errors, &error, format, args);
	va_end(args);
}

static size_t char_len(struct str s)
{
	size_t len = utf8_len(s);

	return len == 0 ? 1 : len;
}

/* One character, one column: what would move the caret or drive the terminal is replaced. */
static void add_char_shown(struct str s, struct buf *out)
{
	size_t before = out->len;

	if (s.len == 1 && s.at[0] == '\t') {
		buf_add_char(out, ' ');
		return;
	}
	buf_add_printable(out, s);
	if (out->len != before + s.len) {
		buf_cut(out, before);
		buf_add_char(out, '?');
	}
}

/* The part of a line around the column, so that a very long line stays one line. */
static void print_source(const struct conf_error *error, struct buf *out)
{
	struct str rest = str_of(error->source);
	unsigned column = 1;
	unsigned from = error->column > LINE_SHOWN - 20 ? error->column - LINE_SHOWN / 2 : 1;

	buf_addf(out, "%5u | ", error->line);
	for (; rest.len > 0 && column < from + LINE_SHOWN; column++) {
		size_t len = char_len(rest);

		if (column >= from)
			add_char_shown(str_cut(rest, len), out);
		rest = str_from(rest, len);
	}
	buf_add(out, STR("\n"));
	if (error->column > 0)
		buf_addf(out, "      | %*s\n", (int)(error->column - from + 1), "^");
}

static void print_one(const struct conf_error *error, struct buf *out)
{
	if (error->file != NULL) {
		buf_add_printable(out, str_of(error->file));
		buf_add_char(out, ':');
	}
	if (error->line > 0)
		buf_addf(out, "%u:", error->line);
	if (error->line > 0 && error->column > 0)
		buf_addf(out, "%u:", error->column);
	if (error->file != NULL)
		buf_add_char(out, ' ');
	if (error->warning)
		buf_add(out, STR("warning: "));
	buf_add_printable(out, str_of(error->text));
	buf_add_char(out, '\n');
	if (error->source != NULL && error->line > 0)
		print_source(error, out);
}

static void add_counted(size_t count, const char *noun, struct buf *out)
{
	buf_addf(out, "%zu %s%s", count, noun, count == 1 ? "" : "s");
}

void conf_errors_print(const struct conf_errors *errors, struct buf *out)
{
	size_t failed = conf_errors_failed(errors);

	for (size_t i = 0; i < errors->count; i++)
		print_one(&errors->at[i], out);
	if (errors->count == 0)
		return;
	if (failed > 0)
		add_counted(failed, "error", out);
	if (failed > 0 && errors->warnings > 0)
		buf_add(out, STR(", "));
	if (errors->warnings > 0)
		add_counted(errors->warnings, "warning", out);
	if (errors->more > 0)
		buf_addf(out, " (the first %d are shown)", CONF_ERRORS_MAX);
	buf_add_char(out, '\n');
}

void conf_errors_json(const struct conf_errors *errors, struct buf *out)
{
	buf_addf(out, "{\"ok\":%s,\"errors\":[", conf_errors_failed(errors) == 0 ? "true" : "false");
	for (size_t i = 0; i < errors->count; i++) {
		const struct conf_error *error = &errors->at[i];

		buf_add(out, i > 0 ? STR(",{\"file\":") : STR("{\"file\":"));
		buf_add_json(out, str_of(error->file));
		buf_addf(out, ",\"line\":%u,\"column\":%u,\"severity\":\"%s\",\"text\":", error->line,
		         error->column, error->warning ? "warning" : "error");
		buf_add_json(out, str_of(error->text));
		buf_add_char(out, '}');
	}
	buf_addf(out, "],\"more\":%zu}", errors->more);
}
