/* Keys stand in the order in which Falco has them, which is that of the alphabet. Falco counts from
 * zero, people count from one. */
#include "rules/validation.h"

const char *validation_word(const struct rules_file *file)
{
	return file->has_error ? "Invalid" : file->has_warning ? "Ok, with warnings" : "Ok";
}

static void add_member(struct buf *out, const char *key, const char *value)
{
	buf_addf(out, "\"%s\":", key);
	buf_add_json(out, str_of(value));
}

static void add_snippet(const struct rules_source *source, struct buf *out)
{
	struct buf text = { .max = 4096 };

	if (source->text != NULL) {
		buf_add(&text, source->before ? STR("...") : STR(""));
		buf_add(&text, str_of(source->text));
		buf_add(&text, source->after ? STR("...\n") : STR("\n"));
		for (unsigned i = 0; i < source->at + (source->before ? 3 : 0); i++)
			buf_add_char(&text, ' ');
		buf_add(&text, STR("^\n"));
	}
	buf_add_json(out, buf_str(&text));
	buf_done(&text);
}

static void add_location(const struct rules_location *location, struct buf *out)
{
	buf_add_char(out, '{');
	add_member(out, "item_name", location->item_name);
	buf_add_char(out, ',');
	add_member(out, "item_type", location->item_type);
	buf_addf(out, ",\"position\":{\"column\":%u,\"line\":%u,", location->column - 1,
		 location->line - 1);
	add_member(out, "name", location->file);
	buf_addf(out, ",\"offset\":%zu}}", location->offset);
}

static void add_result(const struct rules_note *note, struct buf *out)
{
	buf_add_char(out, '{');
	add_member(out, "code", rules_code_name(note->code));
	buf_add_char(out, ',');
	add_member(out, "codedesc", rules_code_text(note->code));
	buf_add(out, STR(",\"context\":{\"locations\":["));
	for (size_t i = 0; i < note->locations_count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		add_location(&note->locations[i], out);
	}
	buf_add(out, STR("],\"snippet\":"));
	add_snippet(&note->snippet, out);
	buf_add(out, STR("},"));
	if (note->deprecated_field != NULL) {
		add_member(out, "deprecated_field", note->deprecated_field);
		buf_add_char(out, ',');
	}
	add_member(out, "message", note->text);
	buf_add_char(out, '}');
}

static void add_results(const struct rules_report *report, size_t file, bool errors, struct buf *out)
{
	bool first = true;

	for (size_t i = 0; i < report->count; i++) {
		const struct rules_note *note = &report->notes[i];

		if (note->file_number != file || rules_code_is_error(note->code) != errors)
			continue;
		if (!first)
			buf_add_char(out, ',');
		first = false;
		add_result(note, out);
	}
}

static void add_file(const struct rules_report *report, size_t number, struct buf *out)
{
	const struct rules_file *file = report->files[number];

	buf_add(out, STR("{\"errors\":["));
	add_results(report, number, true, out);
	buf_add(out, STR("],"));
	add_member(out, "name", file->name);
	buf_addf(out, ",\"schema_valid\":%s,\"schema_warnings\":[",
		 file->schema_count == 0 ? "true" : "false");
	for (size_t i = 0; i < file->schema_count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		buf_add_json(out, str_of(file->schema[i]));
	}
	buf_addf(out, "],\"successful\":%s,\"warnings\":[", file->has_error ? "false" : "true");
	add_results(report, number, false, out);
	buf_add(out, STR("]}"));
}

void validation_files(const struct rules_report *report, struct buf *out)
{
	for (size_t i = 0; i < report->files_count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		add_file(report, i, out);
	}
}

static void add_uses(const struct rules_note *note, struct buf *out)
{
	buf_add(out, STR(",\"uses\":["));
	for (size_t i = 0; i < note->uses_count; i++) {
		buf_addf(out, "%s{\"macro\":", i > 0 ? "," : "");
		buf_add_json(out, str_of(note->uses[i].item_name));
		buf_add(out, i == 0 ? STR(",\"rule\":") : STR(",\"by\":"));
		buf_add_json(out, str_of(i == 0 ? note->user : note->uses[i - 1].item_name));
		buf_add(out, STR(",\"file\":"));
		buf_add_json(out, str_of(note->uses[i].file));
		buf_addf(out, ",\"line\":%u,\"column\":%u}", note->uses[i].line,
			 note->uses[i].column);
	}
	buf_add_char(out, ']');
}

static void add_note(const struct rules_note *note, struct buf *out)
{
	buf_add_char(out, '{');
	add_member(out, "file", note->file);
	buf_addf(out, ",\"line\":%u,\"column\":%u,\"severity\":\"%s\",", note->line, note->column,
		 rules_code_is_error(note->code) ? "error" : "warning");
	add_member(out, "code", rules_code_name(note->code));
	buf_add_char(out, ',');
	add_member(out, "text", note->text);
	if (note->item_kind != NULL && note->item_name != NULL) {
		buf_add_char(out, ',');
		add_member(out, note->item_kind, note->item_name);
	}
	if (note->did_you_mean != NULL) {
		buf_add_char(out, ',');
		add_member(out, "did_you_mean", note->did_you_mean);
	}
	if (note->uses_count > 0)
		add_uses(note, out);
	buf_add_char(out, '}');
}

void validation_notes(const struct rules_report *report, bool errors, struct buf *out)
{
	for (size_t i = 0; i < report->count; i++) {
		if (rules_code_is_error(report->notes[i].code) != errors)
			continue;
		if (out->len > 0 && out->at[out->len - 1] == '}')
			buf_add_char(out, ',');
		add_note(&report->notes[i], out);
	}
}
