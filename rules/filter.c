/* A rule around a condition, and the way back from a place in the file to one in the condition. */
#include "rules/filter.h"

#include <errno.h>
#include <stdlib.h>

/* What stands before the condition on its line. */
#define INDENT "    "

static const char checked[] = "filter";

static void add_line(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		buf_add_char(out, (unsigned char)text.at[i] < ' ' || text.at[i] == 0x7f ? ' ' : text.at[i]);
}

void rules_filter_add(struct buf *out, const char *name, struct str condition)
{
	/* How far it is indented is said, so that it may begin with blanks. */
	buf_addf(out, "- rule: %s\n  desc: asked for\n  condition: |2-\n" INDENT, name);
	add_line(out, condition);
	buf_add(out, STR("\n  output: asked for\n  priority: EMERGENCY\n"));
}

/* The text without "rule 'filter': ", which nobody has written. */
static struct str told(const struct rules_note *note)
{
	struct str text = str_of(note->text), prefix = STR("rule 'filter': ");

	return str_starts(text, prefix) ? str_from(text, prefix.len) : text;
}

static void add_note(struct buf *out, const struct rules_note *note, struct str condition)
{
	const unsigned before = sizeof(INDENT) - 1;
	unsigned column = note->column > before ? note->column - before : 1;

	if (column > condition.len + 1)
		column = (unsigned)condition.len + 1;
	buf_addf(out, "column %u: ", column);
	buf_add_printable(out, told(note));
	buf_add(out, STR("\n  "));
	buf_add_printable(out, condition);
	buf_addf(out, "\n  %*s\n", (int)column, "^");
}

static int check(struct str condition, struct rules_report *report, struct buf *ret_why)
{
	const struct rules_settings settings = { .priority_max = PRIORITY_DEBUG, .sources = rules_hub_sources };
	struct fields *fields = fields_new();
	struct buf text = { 0 };
	struct rules *rules = NULL;
	int r = -ENOMEM;

	rules_filter_add(&text, checked, condition);
	if (fields != NULL && buf_ok(&text)) {
		const struct rules_text file = { .name = checked, .text = buf_str(&text) };

		r = rules_load_text(&settings, &file, 1, fields, report, &rules);
	}
	for (size_t i = 0; i < report->count; i++)
		if (rules_code_is_error(report->notes[i].code))
			add_note(ret_why, &report->notes[i], condition);
	rules_free(rules);
	fields_free(fields);
	buf_done(&text);
	return r;
}

int rules_filter_check(struct str condition, struct buf *ret_why)
{
	autofree struct rules_report *report = malloc(sizeof(*report));
	int r;

	if (str_trim(condition).len == 0) {
		buf_add(ret_why, STR("column 1: a condition is missing, such as proc.name = bash\n"));
		return -EINVAL;
	}
	if (condition.len > RULES_FILTER_MAX) {
		buf_addf(ret_why, "column %d: the condition is too long\n", RULES_FILTER_MAX + 1);
		return -EINVAL;
	}
	if (report == NULL)
		return -ENOMEM;
	rules_report_init(report);
	r = check(condition, report, ret_why);
	rules_report_done(report);
	return r;
}
