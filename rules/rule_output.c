/* A rule's output, and what the settings append to it. */
#include "rules/work.h"

static bool has_tags(const struct rule_item *item, const struct conf_strings *tags)
{
	for (size_t i = 0; i < tags->count; i++) {
		size_t j = 0;

		while (j < item->tags_count && !str_eq(item->tags[j], str_of(tags->at[i])))
			j++;
		if (j == item->tags_count)
			return false;
	}
	return true;
}

static bool extra_applies(const struct rules_extra *extra, const struct rule_item *item)
{
	return (extra->source == NULL || str_eq(str_of(extra->source), item->source)) &&
	       (extra->rule == NULL || str_eq(str_of(extra->rule), item->name)) &&
	       has_tags(item, &extra->tags);
}

/* " container_id=%container.id …", for the fields that the catalogue suggests. */
static void add_suggested(struct buf *out)
{
	for (field_id id = 1; id < FIELD_CATALOGUE_END; id++) {
		const struct field_info *info = field_info_at(id);

		if (!(info->flags & FIELD_FORMAT_SUGGESTED))
			continue;
		buf_add_char(out, ' ');
		for (size_t i = 0; i < info->name.len; i++)
			buf_add_char(out, info->name.at[i] == '.' ? '_' : info->name.at[i]);
		buf_add(out, STR("=%"));
		buf_add(out, info->name);
	}
}

/* What the settings append, in their order; what is suggested only once. */
static void add_extras(const struct rules_settings *settings, const struct rule_item *item,
		       struct buf *out)
{
	bool suggest = settings->suggested_output;

	for (size_t i = 0; i < settings->extras_count; i++) {
		const struct rules_extra *extra = &settings->extras[i];

		if (!extra_applies(extra, item))
			continue;
		suggest |= extra->suggested;
		if (extra->output != NULL) {
			buf_add_char(out, ' ');
			buf_add(out, str_of(extra->output));
		}
	}
	if (suggest && str_eq(item->source, syscall_source))
		add_suggested(out);
}

/* Rules of old ask for all of a container at once; what it stood for is appended anyway. What is
 * left keeps its origins. */
static bool drop_container_info(struct work *work, struct text *text)
{
	const struct str token = STR("%container.info");
	struct place place = rule_place(work->item, work->item->output.at[0].node);
	struct loader *loader = work->c->loader;
	struct str rest = text->text;
	uint32_t *origin;
	ptrdiff_t hit;
	size_t len = 0;
	char *left;

	if (str_find(rest, token) < 0)
		return true;
	left = arena_alloc(loader->arena, rest.len + 1);
	origin = arena_alloc(loader->arena, (rest.len + 1) * sizeof(*origin));
	if (left == NULL || origin == NULL) {
		loader->out_of_memory = true;
		return false;
	}
	for (;;) {
		size_t end = (hit = str_find(rest, token)) < 0 ? rest.len : (size_t)hit;

		for (size_t i = 0; i < end; i++) {
			origin[len] = text_origin(text, (size_t)(rest.at - text->text.at) + i);
			left[len++] = rest.at[i];
		}
		if (hit < 0)
			break;
		report_deprecated(loader->report,
				  report_add(loader->report, RULES_DEPRECATED_ITEM, &place,
					     "%%container.info is deprecated and no more useful: container and pod are added to outputs by themselves"),
				  STR("container.info"));
		rest = str_from(rest, end + token.len);
	}
	left[len] = '\0';
	origin[len] = text_origin(text, text->text.len);
	text->text = (struct str){ .at = left, .len = len };
	text->origin = origin;
	return true;
}

/* Falco looks for the name anywhere in the text, and so finds the shorter of two as well. */
static void warn_output(struct work *work)
{
	struct rules_report *report = work->c->loader->report;
	struct place place = rule_place(work->item, work->item->output.at[0].node);

	for (size_t i = 0; i < ARRAY_LEN(deprecated_fields); i++)
		if (str_find(work->rule.output, deprecated_fields[i]) >= 0)
			report_deprecated(report,
					  report_add(report, RULES_DEPRECATED_ITEM, &place,
						     DEPRECATED_FIELD_FORMAT "output", STR_ARG(deprecated_fields[i])),
					  deprecated_fields[i]);
}

static bool compile_extra_field(struct work *work, const struct conf_pair *pair)
{
	struct extra_field *extra = &work->rule.extras[work->rule.extras_count];
	struct buf text = { .max = RULES_TEXT_MAX };
	bool ok;

	for (size_t i = 0; i < work->rule.extras_count; i++)
		if (str_eq(work->rule.extras[i].key, str_of(pair->key)))
			return true; /* the first one counts, as in Falco */
	extra->is_raw = pair->value == NULL;
	extra->key = compile_str(work->c, str_of(pair->key));
	buf_addf(&text, "%s%s", extra->is_raw ? "%" : "", extra->is_raw ? pair->key : pair->value);
	ok = compile_format(work->c, compile_str(work->c, buf_str(&text)), false, &extra->format);
	buf_done(&text);
	if (ok && extra->is_raw && (extra->format.count != 1 || extra->format.tokens[0].term == NONE))
		return complain(work->c, RULES_ERR_COMPILE_OUTPUT, 0, "extra_fields: unknown filter: %s", pair->key);
	extra->format.partial = true;
	work->rule.extras_count += ok;
	return ok;
}

static bool compile_extra_fields(struct work *work)
{
	const struct rules_settings *settings = work->c->loader->settings;
	size_t count = 0;

	for (size_t i = 0; i < settings->extras_count; i++)
		if (extra_applies(&settings->extras[i], work->item))
			count += settings->extras[i].fields.count;
	if (count == 0)
		return true;
	work->rule.extras = compile_take(work->c, count * sizeof(*work->rule.extras));
	if (work->rule.extras == NULL)
		return false;
	for (size_t i = 0; i < settings->extras_count; i++)
		for (size_t j = 0; j < settings->extras[i].fields.count; j++)
			if (extra_applies(&settings->extras[i], work->item) &&
			    !compile_extra_field(work, &settings->extras[i].fields.at[j]))
				return false;
	return true;
}

/* Falco puts a `*` before every output: what is missing does not end the text. */
bool compile_rule_output(struct work *work)
{
	const struct rules_settings *settings = work->c->loader->settings;
	struct buf out = { .max = RULES_TEXT_MAX };
	bool ok;

	work->c->text = &work->output_text;
	if (!text_join(work->c->loader, &work->item->output, &work->output_text) ||
	    !drop_container_info(work, &work->output_text))
		return false;
	buf_add(&out, work->output_text.text);
	add_extras(settings, work->item, &out);
	work->rule.output = compile_str(work->c, buf_str(&out));
	ok = buf_ok(&out);
	buf_done(&out);
	if (!ok)
		return complain(work->c, RULES_ERR_COMPILE_OUTPUT, 0, "the output is too long");
	if (!compile_format(work->c, work->rule.output, false, &work->rule.format))
		return false;
	work->rule.format.partial = true;
	warn_output(work);
	return compile_extra_fields(work);
}
