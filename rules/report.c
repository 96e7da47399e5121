/* What a load has to say. Out of memory loses a note's text, never its count. */
#include "rules/report.h"

#include "rules/locate.h"

#include <stdarg.h>
#include <stdio.h>

enum {
	SOURCE_BESIDE = 80, /* bytes of a line shown on either side of the place, as in Falco */
	TEXT_MAX = 2000,
	NAME_MAX_SHOWN = 500,
};

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

static const char *const code_texts[] = {
	[RULES_ERR_FILE_READ] = "File read error",
	[RULES_ERR_YAML_PARSE] = "YAML parse error",
	[RULES_ERR_YAML_VALIDATE] = "Error validating internal structure of YAML file",
	[RULES_ERR_COMPILE_CONDITION] = "Error compiling condition",
	[RULES_ERR_COMPILE_OUTPUT] = "Error compiling output",
	[RULES_ERR_VALIDATE] = "Error validating rule/macro/list/exception objects",
	[RULES_UNKNOWN_SOURCE] = "A rule is for an event source that is not known, and is not loaded",
	[RULES_UNSAFE_NA_CHECK] = "A condition compares a field with <NA>, which does not say that it is missing",
	[RULES_NO_EVTTYPE] = "A condition is not limited to some event types, which makes it slow",
	[RULES_UNKNOWN_FILTER] = "A condition or an output names a field or an event type that is not known",
	[RULES_UNUSED_MACRO] = "A macro is used by no rule and no other macro",
	[RULES_UNUSED_LIST] = "A list is used by no rule, macro or other list",
	[RULES_UNKNOWN_ITEM] = "An item of a rules file is of no kind that is known",
	[RULES_DEPRECATED_ITEM] = "Something is used that will not be part of the language for ever",
	[RULES_APPEND_NO_VALUES] = "An exception is overridden or appended to without any values",
	[RULES_EXCEPTION_NAME_NOT_UNIQUE] = "A rule has several exceptions of the same name",
	[RULES_INVALID_MACRO_NAME] = "The name of a macro has characters that it should not have",
	[RULES_INVALID_LIST_NAME] = "The name of a list has characters that it should not have",
	[RULES_COMPILE_CONDITION] = "A condition may not say what its author meant",
	[RULES_UNKNOWN_KEY] = "An item has a key that is not known, and which is ignored",
};

const char *rules_code_name(enum rules_code code)
{
	return code_names[code];
}

const char *rules_code_text(enum rules_code code)
{
	return code_texts[code];
}

void rules_report_init(struct rules_report *report)
{
	*report = (struct rules_report){ 0 };
	arena_init(&report->arena, 8 << 20);
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

size_t report_file(struct rules_report *report, const char *name)
{
	size_t count = report->files_count;
	struct rules_file *file = arena_zalloc(&report->arena, sizeof(*file)), **bigger;

	if ((count & (count - 1)) == 0) {
		bigger = arena_alloc(&report->arena, (count == 0 ? 1 : count * 2) * sizeof(file));
		if (bigger == NULL)
			return 0;
		if (count > 0)
			memcpy(bigger, report->files, count * sizeof(file));
		report->files = bigger;
	}
	if (file == NULL)
		return 0;
	file->name = keep(report, str_of(name));
	report->files[report->files_count++] = file;
	return count;
}

bool report_schema_is_full(const struct rules_report *report, size_t file)
{
	return file >= report->files_count ||
	       report->files[file]->schema_count == RULES_SCHEMA_NOTES_MAX;
}

void report_schema(struct rules_report *report, size_t number, const char *format, ...)
{
	struct rules_file *file;
	char text[400];
	va_list args;

	if (report_schema_is_full(report, number))
		return;
	file = report->files[number];
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	file->schema[file->schema_count++] = keep(report, str_of(text));
}

/* Errors and warnings have a share each, so that neither crowds out the other. */
static struct rules_note *next_note(struct rules_report *report, enum rules_code code)
{
	bool error = rules_code_is_error(code);

	if (report_is_over(report))
		return NULL;
	if (error ? report->errors++ >= RULES_NOTES_MAX : report->warnings++ >= RULES_NOTES_MAX)
		return NULL;
	report->notes[report->count] = (struct rules_note){ .code = code, .file = "", .text = "" };
	return &report->notes[report->count++];
}

static void set_source(struct rules_report *report, const struct yaml_file *file,
		       struct yaml_place place, struct rules_source *ret)
{
	struct str line = yaml_line(file, place.offset), shown = line;
	size_t at = place.column - 1;

	if (line.at == NULL)
		return;
	at = at < line.len ? at : line.len;
	if (at > SOURCE_BESIDE) {
		shown = str_from(shown, at - SOURCE_BESIDE);
		/* not into the middle of a character */
		while (shown.len > 0 && ((unsigned char)shown.at[0] & 0xc0) == 0x80)
			shown = str_from(shown, 1);
		ret->before = true;
	}
	at = (size_t)(line.at + at - shown.at);
	if (shown.len > at + SOURCE_BESIDE) {
		shown = str_cut(shown, at + SOURCE_BESIDE);
		while (shown.len > at && ((unsigned char)shown.at[shown.len] & 0xc0) == 0x80)
			shown.len--;
		ret->after = true;
	}
	ret->text = keep(report, shown);
	ret->at = (unsigned)at;
}

static void set_place(struct rules_report *report, struct rules_note *note,
		      const struct yaml_file *file, struct yaml_place at)
{
	struct rules_file *known =
		file->number < report->files_count ? report->files[file->number] : NULL;

	note->file = known != NULL ? known->name : keep(report, str_of(file->name));
	note->file_number = file->number;
	if (known != NULL && rules_code_is_error(note->code))
		known->has_error = true;
	else if (known != NULL)
		known->has_warning = true;
	note->line = at.line;
	note->column = at.column;
	note->offset = at.offset;
	if (at.line > 0)
		set_source(report, file, at, &note->source);
	note->snippet = note->source;
}

static struct yaml_place place_of(const struct place *place)
{
	return place->node->kind == YAML_SCALAR ? yaml_inside(place->node, place->offset) :
						  yaml_start(place->node);
}

static struct rules_location location_at(struct rules_report *report, const char *type,
					 struct str name, const struct yaml_file *file,
					 struct yaml_place at)
{
	return (struct rules_location){
		.item_type = type,
		.item_name = name.len == 0 ? "" : keep(report, str_cut(name, NAME_MAX_SHOWN)),
		.file = file->number < report->files_count ? report->files[file->number]->name :
							     keep(report, str_of(file->name)),
		.line = at.line,
		.column = at.column,
		.offset = at.offset,
	};
}

/* The steps to a node, and into its text when a place in it is meant. */
static size_t add_steps(struct rules_report *report, const struct place *place,
			struct rules_location *ret)
{
	struct step steps[STEPS_MAX];
	size_t count = locate(place->node, steps);
	const char *last = steps[count - 1].type, *inside = NULL;

	for (size_t i = 0; i < count; i++)
		ret[i] = location_at(report, steps[i].type, steps[i].name, steps[i].node->file,
				     yaml_start(steps[i].node));
	if (strcmp(last, "rule condition") == 0 || strcmp(last, "macro condition") == 0)
		inside = "condition expression";
	else if (strcmp(last, "rule output") == 0)
		inside = "rule output expression";
	if (inside != NULL && place->node->kind == YAML_SCALAR && place->is_inside)
		ret[count++] = location_at(report, inside, (struct str){ 0 }, place->node->file,
					   place_of(place));
	return count;
}

static void set_locations(struct rules_report *report, struct rules_note *note,
			  const struct yaml_file *file, const struct rules_location *locations, size_t count)
{
	struct rules_location *copy = arena_alloc(&report->arena, count * sizeof(*copy));

	if (copy == NULL)
		return;
	memcpy(copy, locations, count * sizeof(*copy));
	note->locations = copy;
	note->locations_count = count;
	if (copy[count - 1].offset != note->offset)
		set_source(report, file,
			   (struct yaml_place){ .column = copy[count - 1].column,
						.offset = copy[count - 1].offset },
			   &note->snippet);
}

struct rules_note *report_add(struct rules_report *report, enum rules_code code,
			      const struct place *place, const char *format, ...)
{
	struct rules_location locations[STEPS_MAX + 1];
	struct rules_note *note = next_note(report, code);
	char text[TEXT_MAX];
	va_list args;

	if (note == NULL)
		return NULL;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	note->text = keep(report, str_of(text));
	note->item_kind = place->item_kind;
	if (place->item_name.len > 0)
		note->item_name = keep(report, place->item_name);
	if (place->node == NULL)
		return note;
	set_place(report, note, place->node->file, place_of(place));
	set_locations(report, note, place->node->file, locations,
		      add_steps(report, place, locations));
	return note;
}

struct rules_note *report_add_at(struct rules_report *report, enum rules_code code,
				 const struct yaml_file *file, struct yaml_place at,
				 const char *item_kind, const char *text)
{
	struct rules_note *note = next_note(report, code);
	struct rules_location content;

	if (note == NULL)
		return NULL;
	note->text = keep(report, str_of(text));
	note->item_kind = item_kind;
	set_place(report, note, file, at);
	if (at.line == 0)
		at = (struct yaml_place){ .line = 1, .column = 1 };
	content = location_at(report, "rules content", (struct str){ 0 }, file, at);
	set_locations(report, note, file, &content, 1);
	return note;
}

void report_suggest(struct rules_report *report, struct rules_note *note, struct str near)
{
	struct buf text = { .max = 2 * TEXT_MAX };

	if (note == NULL || near.len == 0)
		return;
	buf_addf(&text, "%s%s Did you mean '%.*s'?", note->text,
		 str_ends(str_of(note->text), STR(".")) ? "" : ".", STR_ARG(near));
	note->did_you_mean = keep(report, near);
	if (buf_ok(&text))
		note->text = keep(report, buf_str(&text));
	buf_done(&text);
}

void report_deprecated(struct rules_report *report, struct rules_note *note, struct str field)
{
	if (note != NULL)
		note->deprecated_field = keep(report, field);
}

static void copy_steps(struct rules_location *to, size_t *used, const struct rules_location *steps,
		       size_t count)
{
	/* The file stands there once. */
	for (size_t i = *used > 0 ? 1 : 0; i < count; i++)
		to[(*used)++] = steps[i];
}

void report_uses(struct rules_report *report, struct rules_note *note, struct str rule,
		 const struct use *uses, size_t count)
{
	struct rules_location *all, *names, steps[STEPS_MAX + 1];
	size_t used = 0;

	if (note == NULL || count == 0 || note->uses_count > 0)
		return;
	all = arena_alloc(&report->arena, (count + 1) * ARRAY_LEN(steps) * sizeof(*all));
	names = arena_alloc(&report->arena, count * sizeof(*names));
	if (all == NULL || names == NULL)
		return;
	for (size_t i = 0; i < count; i++) {
		names[i] = location_at(report, "macro", uses[i].macro, uses[i].place.node->file,
				       place_of(&uses[i].place));
		copy_steps(all, &used, steps, add_steps(report, &uses[i].place, steps));
	}
	copy_steps(all, &used, note->locations, note->locations_count);
	note->uses = names;
	note->uses_count = count;
	note->user = keep(report, rule);
	note->locations = all;
	note->locations_count = used;
}

static void add_name(struct buf *out, const char *kind, const char *name)
{
	buf_addf(out, "%s '", kind == NULL ? "item" : kind);
	buf_add_printable(out, str_of(name));
	buf_add_char(out, '\'');
}

static void add_place(struct buf *out, const char *file, unsigned line, unsigned column)
{
	buf_add_printable(out, str_of(file));
	if (line > 0)
		buf_addf(out, ":%u:%u", line, column);
	buf_add(out, STR(": "));
}

static void print_caret(const struct rules_source *source, struct buf *out)
{
	struct buf before = { .max = 4096 };

	buf_add(out, source->before ? STR("  ...") : STR("  "));
	buf_add_printable(out, str_of(source->text));
	buf_add(out, source->after ? STR("...\n") : STR("\n"));
	buf_add(out, source->before ? STR("     ") : STR("  "));
	buf_add_printable(&before, str_cut(str_of(source->text), source->at));
	for (size_t i = 0; i < before.len; i++)
		if (((unsigned char)before.at[i] & 0xc0) != 0x80)
			buf_add_char(out, before.at[i] == '\t' ? '\t' : ' ');
	buf_add(out, STR("^\n"));
	buf_done(&before);
}

/* Innermost first: from the error outwards. */
static void print_uses(const struct rules_note *note, struct buf *out)
{
	for (size_t i = note->uses_count; i-- > 0;) {
		const struct rules_location *use = &note->uses[i];

		add_place(out, use->file, use->line, use->column);
		buf_add(out, STR("note: "));
		add_name(out, "macro", use->item_name);
		buf_add(out, STR(" is used here"));
		if (i > 0) {
			buf_add(out, STR(" by "));
			add_name(out, "macro", note->uses[i - 1].item_name);
		} else {
			buf_add(out, STR(" by "));
			add_name(out, "rule", note->user);
		}
		buf_add_char(out, '\n');
	}
}

void rules_note_print(const struct rules_note *note, struct buf *out)
{
	add_place(out, note->file, note->line, note->column);
	buf_addf(out, "%s %s: ", rules_code_is_error(note->code) ? "error" : "warning",
		 code_names[note->code]);
	if (note->item_name != NULL) {
		add_name(out, note->item_kind, note->item_name);
		buf_add(out, STR(": "));
	}
	buf_add_printable(out, str_of(note->text));
	buf_add_char(out, '\n');
	if (note->source.text != NULL && str_trim(str_of(note->source.text)).len > 0)
		print_caret(&note->source, out);
	print_uses(note, out);
}

void rules_report_print(const struct rules_report *report, struct buf *out)
{
	for (size_t i = 0; i < report->count; i++)
		rules_note_print(&report->notes[i], out);
	if (report->errors + report->warnings > report->count)
		buf_addf(out, "and %zu more\n", report->errors + report->warnings - report->count);
}
