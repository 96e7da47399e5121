/* What the verbs that tell of rules share. */
#include "cli/rules_words.h"

#include "rules/text.h"

void words_add_json(struct buf *out, const struct words *words)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < words->count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		buf_add_json(out, words->at[i]);
	}
	buf_add_char(out, ']');
}

void words_add(struct buf *out, const struct words *words)
{
	for (size_t i = 0; i < words->count; i++) {
		if (i > 0)
			buf_add(out, STR(", "));
		buf_add_printable(out, words->at[i]);
	}
}

void types_add_json(struct buf *out, const struct type_set *types)
{
	bool first = true;

	buf_add_char(out, '[');
	for (size_t id = EVTTYPE_FIRST; id < evttypes_count(); id++) {
		if (!type_set_has(types, id))
			continue;
		if (!first)
			buf_add_char(out, ',');
		first = false;
		buf_add_json(out, evttype_name(id));
	}
	buf_add_char(out, ']');
}

void types_add(struct buf *out, const struct type_set *types, size_t max)
{
	size_t count = type_set_count(types), shown = 0;

	if (type_set_is_all(types)) {
		buf_add(out, STR("all"));
		return;
	}
	if (count == 0)
		buf_add(out, STR("none"));
	for (size_t id = EVTTYPE_FIRST; id < evttypes_count() && shown < max; id++) {
		if (!type_set_has(types, id))
			continue;
		buf_addf(out, "%s%.*s", shown > 0 ? ", " : "", STR_ARG(evttype_name(id)));
		shown++;
	}
	if (count > shown)
		buf_addf(out, " and %zu more", count - shown);
}

static bool has_tag(const struct described *rule, struct str tag)
{
	for (size_t i = 0; i < rule->tags.count; i++)
		if (str_eq(rule->tags.at[i], tag))
			return true;
	return false;
}

/* The last choice that says something of the rule, or NULL. */
static const struct rules_choice *deciding(const struct rules_settings *settings, const struct described *rule)
{
	const struct rules_choice *found = NULL;

	for (size_t i = 0; i < settings->choices_count; i++) {
		const struct rules_choice *choice = &settings->choices[i];
		struct str pattern = str_of(choice->pattern);

		if (choice->by_tag ? has_tag(rule, pattern) : text_wildcard(pattern, rule->name))
			found = choice;
	}
	return found;
}

static void add_skipped(struct buf *out, const struct rules_report *report, const struct described *rule)
{
	buf_add(out, STR("skipped"));
	for (size_t i = 0; i < report->count; i++) {
		const struct rules_note *note = &report->notes[i];

		if (note->code != RULES_UNKNOWN_FILTER || note->item_name == NULL ||
		    !str_eq(str_of(note->item_name), rule->name))
			continue;
		buf_add(out, STR(": "));
		buf_add_printable(out, str_of(note->text));
		return;
	}
}

bool state_add(struct buf *out, const struct rules_settings *settings, const struct rules_report *report,
               const struct described *rule)
{
	const struct rules_choice *choice = deciding(settings, rule);

	if (rule->source_is_unknown) {
		buf_add(out, STR("unknown source"));
	} else if (rule->index == SIZE_MAX) {
		add_skipped(out, report, rule);
	} else if (choice == NULL && !rule->enabled) {
		buf_add(out, STR("disabled by its own word"));
	} else if (choice != NULL && !choice->enable && settings->choices == choice && settings->choices_count > 1 &&
	           settings->choices[1].enable) {
		buf_add(out, STR("disabled: none of the tags wanted"));
	} else if (choice != NULL && !choice->enable) {
		buf_addf(out, "disabled by %s ", choice->by_tag ? "--disable-tag" : "--disable");
		buf_add_printable(out, str_of(choice->pattern));
	} else if (rule->priority > settings->priority_max) {
		buf_addf(out, "disabled: less severe than %s", priority_name(settings->priority_max));
	} else {
		buf_add(out, STR("enabled"));
		return true;
	}
	return false;
}
