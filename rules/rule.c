/* A rule: each of its parts compiled, so that one run tells of all that is wrong, and then kept. */
#include "rules/work.h"

/* Adds the macros between the rule and what is wrong, unless another rule's way stands there. */
static void tell_uses(struct work *work, const struct problem *problem, struct rules_note *note)
{
	struct use uses[RULES_USES_MAX];
	size_t count = 0;

	for (const struct frame *frame = problem->frames;
	     frame != NULL && count < RULES_USES_MAX; frame = frame->inner)
		uses[count++] = (struct use){ .place = text_place(frame->where, frame->offset),
					      .macro = frame->macro };
	report_uses(work->c->loader->report, note, work->item->name, uses, count);
}

/* Tells what is wrong, or, for a rule that wants to be skipped then, what is unknown. */
static void tell_one(struct work *work, const struct problem *problem, bool skip)
{
	struct rules_report *report = work->c->loader->report;
	struct rules_note *note;
	struct place place;

	if (problem->told->is_told && !skip) {
		tell_uses(work, problem, problem->told->note);
		return;
	}
	place = problem->where == NULL ? rule_place(work->item, work->item->node)
				       : text_place(problem->where, problem->offset);
	place.item_kind = "rule";
	place.item_name = work->item->name;
	note = report_add(report, skip ? RULES_UNKNOWN_FILTER : problem->code, &place, "%s",
			  problem->text);
	report_suggest(report, note, str_of(problem->near));
	tell_uses(work, problem, note);
	/* A rule that is skipped for what is unknown does not tell it for the others. */
	if (!skip) {
		problem->told->is_told = true;
		problem->told->note = note;
	}
}

/* Whether the rule is skipped is said by what is met first. */
static void tell(struct work *work)
{
	bool skip = work->item->skip_unknown && work->problem.is_unknown_filter;

	tell_one(work, &work->problem, skip);
	for (const struct problem *more = work->problem.more; more != NULL && !skip; more = more->more)
		tell_one(work, more, false);
}

static bool copy_tags(struct work *work)
{
	const struct rule_item *item = work->item;
	struct str *tags = compile_take(work->c, (item->tags_count + 1) * sizeof(*tags));

	if (tags == NULL)
		return false;
	for (size_t i = 0; i < item->tags_count; i++)
		tags[i] = compile_str(work->c, item->tags[i]);
	work->rule.tags = tags;
	work->rule.tags_count = item->tags_count;
	return true;
}

/* The rule's own word, then the selection in order, then the least priority. */
static bool is_enabled(const struct rules_settings *settings, const struct rule_item *item)
{
	bool enabled = item->enabled;

	for (size_t i = 0; i < settings->choices_count; i++) {
		const struct rules_choice *choice = &settings->choices[i];
		struct str pattern = str_of(choice->pattern);
		bool hit = !choice->by_tag && text_wildcard(pattern, item->name);

		for (size_t j = 0; choice->by_tag && j < item->tags_count; j++)
			hit |= str_eq(item->tags[j], pattern);
		if (hit)
			enabled = choice->enable;
	}
	return enabled && item->priority <= settings->priority_max;
}

static void describe(struct work *work)
{
	struct loader *loader = work->c->loader;
	struct rule_item *item = work->item;
	struct rule *rule = &work->rule;

	rule->name = compile_str(work->c, item->name);
	rule->description = compile_str(work->c, pieces_join(loader, &item->description));
	rule->condition = compile_str(work->c, pieces_join(loader, &item->condition));
	rule->source = compile_str(work->c, item->source);
	rule->priority = item->priority;
	rule->file = compile_str(work->c, str_of(item->node->file->name)).at;
	rule->line = item->node->line;
	rule->enabled = is_enabled(loader->settings, item) &&
			(!loader->settings->responding || item->respond.action != RESPOND_NONE);
	rule->capture = item->capture;
	rule->capture_ms = (uint32_t)item->capture_ms;
	rule->respond = item->respond;
}

/* Both parts are looked at, so that one run tells of both. */
static bool compile_part(struct work *work, bool (*compile)(struct work *work))
{
	bool ok;

	work->problem = (struct problem){ 0 };
	ok = !work->c->loader->out_of_memory && compile(work);
	if (!ok && work->problem.text != NULL)
		tell(work);
	return ok;
}

/* False only when out of memory. */
static bool compile_rule(struct compiler *c, struct rule_item *item)
{
	struct work *work;
	bool ok;

	if (item->source_is_unknown || report_is_over(c->loader->report))
		return true;
	c->loader->at = item->node;
	work = arena_zalloc(c->loader->arena, sizeof(*work));
	if (work == NULL)
		return false;
	work->c = c;
	work->item = item;
	c->problem = &work->problem;
	c->any_field = !str_eq(item->source, syscall_source);
	c->skip_unknown = item->skip_unknown;
	c->is_watch = item->watch.kind != WATCH_NONE;
	/* One that is broken is looked at too, for what else is wrong with it. */
	ok = (item->condition.count > 0 || item->watch.steps_count > 1) &&
	     compile_part(work, compile_rule_condition);
	ok &= item->output.count > 0 && compile_part(work, compile_rule_output);
	ok &= compile_part(work, compile_rule_opa);
	ok &= compile_part(work, compile_rule_watch);
	ok &= load_respond_agrees(c->loader, item);
	c->is_watch = false;
	if (ok && !item->is_broken && copy_tags(work)) {
		describe(work);
		c->rules->rules[c->rules->rules_count++] = work->rule;
		c->rules->enabled_count += work->rule.enabled;
	}
	return !c->loader->out_of_memory;
}

bool compile_rules(struct compiler *c)
{
	struct loader *loader = c->loader;

	c->rules->rules = compile_take(c, (loader->rules_count + 1) * sizeof(struct rule));
	if (c->rules->rules == NULL)
		return false;
	for (size_t i = 0; i < loader->rules_count; i++)
		if (!compile_rule(c, loader->rules[i]))
			return false;
	return compile_finish(c);
}
