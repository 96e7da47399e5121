/* What a load has to say. Out of memory loses a note's text, never its count. */
#include "rules/report.h"

#include <stdarg.h>

enum { SOURCE_MAX = 400, TEXT_MAX = 2000 };

static const char *const code_names[] = {
	[RULES_ERR_FILE_READ] = "LOAD_ERR_FILE_READ",
	[RULES_ERR_YAML_PARSE] = "LOAD_ERR_YAML_PARSE",
	[RULES_ERR_YAML_VALIDATE] = "LOAD_ERR_YAML_VALIDATE",
	[RULES_ERR_COMPILE_CONDITION] = "LOAD_ERR_COMPILE_CONDITION",
	[RULES_ERR_COMPILE_OUTPUT] = "LOAD_ERR_COMPILE_OUTPUT",
	[RULES_ERR_VALIDATE] = "LOAD_ERR_VALIDATE",
	[RULES_UNKNOWN_SOURCE] = "LOAD_UNKNOWN_SOURCE",
	[RULES_UNSAFE_NA_CHECK] = "LOAD_UNSAFE_NA_CHECK",
	[RULES_NO_EVTTYPE] = "LOAD_NO_EVTTYPE",
	[RULES_UNKNOWN_FILTER] = "LOAD_UNKNOWN_FILTER",
	[RULES_UNUSED_MACRO] = "LOAD_UNUSED_MACRO",
	[RULES_UNUSED_LIST] = "LOAD_UNUSED_LIST",
	[RULES_UNKNOWN_ITEM] = "LOAD_UNKNOWN_ITEM",
	[RULES_DEPRECATED_ITEM] = "LOAD_DEPRECATED_ITEM",
	[RULES_APPEND_NO_VALUES] = "LOAD_APPEND_NO_VALUES",
	[RULES_EXCEPTION_NAME_NOT_UNIQUE] = "LOAD_EXCEPTION_NAME_NOT_UNIQUE",
	[RULES_INVALID_MACRO_NAME] = "LOAD_INVALID_MACRO_NAME",
	[RULES_INVALID_LIST_NAME] = "LOAD_INVALID_LIST_NAME",
	[RULES_COMPILE_CONDITION] = "LOAD_COMPILE_CONDITION",
	[RULES_UNKNOWN_KEY] = "LOAD_UNKNOWN_KEY",
};

const char *rules_code_name(enum rules_code code)
{
	return code_names[code];
}

void rules_report_init(struct rules_report *report)
{
	*report = (struct rules_report){ 0 };
	arena_init(&report->arena, 4 << 20);
}

void rules_report_done(struct rules_report *report)
{
	arena_done(&report->arena);
}

static const char *keep(struct rules_report *report, struct str text)
{
	struct str copy = arena_str(&report->arena, text);

	return copy.at == NULL ? "" : copy.at;
}

static struct rules_note *next_note(struct rules_report *report, enum rules_code code)
{
	if (rules_code_is_error(code))
		report->errors++;
	else
		report->warnings++;
	if (report->count == RULES_NOTES_MAX)
		return NULL;
	report->notes[report->count] = (struct rules_note){ .code = code, .file = "", .text = "" };
	return &report->notes[report->count++];
}

static void set_place(struct rules_report *report, struct rules_note *note,
		      const struct yaml_file *file, unsigned line, unsigned column)
{
	struct str source = yaml_line(file, line);

	note->file = keep(report, str_of(file->name));
	note->line = line;
	note->column = column;
	if (line > 0 && source.at != NULL)
		note->source = keep(report, str_cut(source, SOURCE_MAX));
}

void report_add(struct rules_report *report, enum rules_code code, const struct place *place,
		const char *format, ...)
{
	struct rules_note *note = next_note(report, code);
	unsigned line, column;
	char text[TEXT_MAX];
	va_list args;

	if (note == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	note->text = keep(report, str_of(text));
	note->item_kind = place->item_kind;
	if (place->item_name.len > 0)
		note->item_name = keep(report, place->item_name);
	if (place->node == NULL)
		return;
	line = place->node->line;
	column = place->node->column;
	if (place->node->kind == YAML_SCALAR)
		yaml_place(place->node, place->offset, &line, &column);
	set_place(report, note, place->node->file, line, column);
}

void report_add_at(struct rules_report *report, enum rules_code code, const struct yaml_file *file,
		   unsigned line, unsigned column, const char *item_kind, const char *text)
{
	struct rules_note *note = next_note(report, code);

	if (note == NULL)
		return;
	note->text = keep(report, str_of(text));
	note->item_kind = item_kind;
	set_place(report, note, file, line, column);
}

static void print_caret(const struct rules_note *note, struct buf *out)
{
	buf_add(out, STR("  "));
	buf_add_printable(out, str_of(note->source));
	buf_add(out, STR("\n  "));
	for (unsigned i = 1; i < note->column; i++)
		buf_add_char(out,
			     i <= strlen(note->source) && note->source[i - 1] == '\t' ? '\t' : ' ');
	buf_add(out, STR("^\n"));
}

static void print_note(const struct rules_note *note, struct buf *out)
{
	buf_add_printable(out, str_of(note->file));
	if (note->line > 0)
		buf_addf(out, ":%u:%u", note->line, note->column);
	buf_addf(out, ": %s %s: ", rules_code_is_error(note->code) ? "error" : "warning",
		 code_names[note->code]);
	if (note->item_name != NULL) {
		buf_addf(out, "%s '", note->item_kind == NULL ? "item" : note->item_kind);
		buf_add_printable(out, str_of(note->item_name));
		buf_add(out, STR("': "));
	}
	buf_add_printable(out, str_of(note->text));
	buf_add_char(out, '\n');
	if (note->source != NULL && str_trim(str_of(note->source)).len > 0 && note->column <= SOURCE_MAX)
		print_caret(note, out);
}

void rules_report_print(const struct rules_report *report, struct buf *out)
{
	for (size_t i = 0; i < report->count; i++)
		print_note(&report->notes[i], out);
	if (report->errors + report->warnings > report->count)
		buf_addf(out, "and %zu more\n", report->errors + report->warnings - report->count);
}
