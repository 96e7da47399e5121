/* Loading: files in, items collected, each rule compiled, all of it indexed by event type. */
#include "rules/rules.h"

#include "base/hash.h"
#include "rules/compiler.h"
#include "rules/guards.h"
#include "rules/text.h"

#include <errno.h>
#include <stdio.h>

static const struct str syscall_source = STR("syscall");

/* What one rule is compiled with. */
struct work {
	struct compiler *c;
	struct rule_item *item;
	struct rule rule;
	struct problem problem;
	struct text text, output_text, opa_text;
	struct text step_texts[WATCH_STEPS_MAX], by_text, of_text;
	uint32_t steps[WATCH_STEPS_MAX];
};

static struct place rule_place(const struct rule_item *item, const struct yaml *node)
{
	return (struct place){ .node = node, .item_kind = "rule", .item_name = item->name };
}

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

static bool parse_pieces(struct work *work, const struct pieces *pieces, struct text *text,
			 struct ast **ret)
{
	struct loader *loader = work->c->loader;
	struct parse_error error = { 0 };
	int r;

	if (!text_expand(loader, pieces, text))
		return false;
	r = ast_parse(text->text, RULES_DEPTH_MAX, loader->arena, ret, &error);
	if (r == -EBADMSG)
		problem_set(loader, &work->problem, RULES_ERR_COMPILE_CONDITION, text, error.at,
			    "%s", error.text);
	if (r == -EBADMSG)
		problem_suggest(loader, &work->problem, error.near);
	else if (r < 0)
		loader->out_of_memory = true;
	return r == 0 && macros_bind(loader, *ret, text, &work->problem);
}

/* Fields are looked at even when a macro is not there: one run tells of all that is wrong. */
static bool compile_text(struct work *work, const struct pieces *pieces, struct text *text,
			 struct ast **ret, uint32_t *ret_node)
{
	struct loader *loader = work->c->loader;
	struct problems problems = { 0 };
	bool ok;

	*ret = NULL;
	work->c->text = text;
	ok = parse_pieces(work, pieces, text, ret);
	if (problem_aside(loader, &work->problem, &problems) && *ret != NULL &&
	    !compile_condition(work->c, *ret, ret_node)) {
		ok = false;
		problem_aside(loader, &work->problem, &problems);
	}
	problem_gather(&problems, &work->problem);
	return ok;
}

/* One exception as a node, negated. *ret is node_true when it has no values. */
static bool compile_exception(struct work *work, const struct exception *exception, uint32_t *ret,
			      struct ast **ret_ast)
{
	struct loader *loader = work->c->loader;
	struct ast *inner, *not_ast, **items;
	struct pieces pieces;
	struct text *text;

	*ret_ast = NULL;
	if (!exception_condition(loader, work->item, exception, &pieces)) {
		work->item->is_broken = true;
		return false;
	}
	if (pieces.count == 0)
		return true;
	text = arena_zalloc(loader->arena, sizeof(*text));
	not_ast = arena_zalloc(loader->arena, sizeof(*not_ast));
	items = arena_alloc(loader->arena, sizeof(struct ast *));
	if (text == NULL || not_ast == NULL || items == NULL) {
		loader->out_of_memory = true;
		return false;
	}
	if (!compile_text(work, &pieces, text, &inner, ret))
		return false;
	items[0] = inner;
	*not_ast = (struct ast){ .kind = AST_NOT, .items = items, .count = 1 };
	*ret_ast = not_ast;
	if (!compile_condition(work->c, not_ast, ret))
		return false;
	warn_condition(loader, inner, text, "rule", work->item->name);
	return true;
}

/* The steps of a sequence, each a node of its own, and as one tree that holds when any does. */
static bool compile_steps(struct work *work, struct ast **ret)
{
	struct loader *loader = work->c->loader;
	size_t count = work->item->watch.steps_count;
	struct ast **parts = arena_zalloc(loader->arena, (count + 1) * sizeof(*parts));
	struct ast *any = arena_zalloc(loader->arena, sizeof(*any));
	struct problems problems = { 0 };
	bool ok = true;

	if (parts == NULL || any == NULL) {
		loader->out_of_memory = true;
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		struct text *text = &work->step_texts[i];

		if (!compile_text(work, &work->item->watch.steps[i], text, &parts[i], &work->steps[i])) {
			ok = false;
			if (!problem_aside(loader, &work->problem, &problems))
				break;
			continue;
		}
		warn_condition(loader, parts[i], text, "rule", work->item->name);
	}
	*any = (struct ast){ .kind = AST_OR, .items = parts, .count = (uint32_t)count };
	*ret = any;
	problem_gather(&problems, &work->problem);
	return ok;
}

static bool compile_own(struct work *work, struct ast **ret, uint32_t *ret_node)
{
	if (work->item->watch.kind == WATCH_SEQUENCE)
		return compile_steps(work, ret) && compile_condition(work->c, *ret, ret_node);
	if (!compile_text(work, &work->item->condition, &work->text, ret, ret_node))
		return false;
	warn_condition(work->c->loader, *ret, &work->text, "rule", work->item->name);
	return true;
}

/* The condition and its exceptions as one tree, for its types and its canonical spelling, and as
 * one node. Each part is parsed by itself, so that no parenthesis can leak from one into the next.
 */
static bool compile_parts(struct work *work, struct ast **ret)
{
	struct loader *loader = work->c->loader;
	size_t count = work->item->exceptions_count + 1;
	struct ast **parts = arena_zalloc(loader->arena, count * sizeof(*parts));
	struct ast *whole = arena_zalloc(loader->arena, sizeof(*whole));
	struct problems problems = { 0 };
	uint32_t unused;
	bool ok;

	if (parts == NULL || whole == NULL) {
		loader->out_of_memory = true;
		return false;
	}
	ok = compile_own(work, &parts[0], &work->rule.node);
	if (!ok && !problem_aside(loader, &work->problem, &problems))
		return problem_gather(&problems, &work->problem) && false;
	*whole = (struct ast){ .kind = AST_AND, .items = parts, .count = 1 };
	for (size_t i = 0; i < work->item->exceptions_count; i++) {
		struct ast *part;

		if (!compile_exception(work, &work->item->exceptions[i], &unused, &part)) {
			ok = false;
			if (!problem_aside(loader, &work->problem, &problems))
				break;
		}
		if (part != NULL)
			parts[whole->count++] = part;
	}
	problem_gather(&problems, &work->problem);
	if (!ok)
		return false;
	*ret = whole->count == 1 ? parts[0] : whole;
	return whole->count == 1 || compile_condition(work->c, whole, &work->rule.node);
}

static bool compile_rule_condition(struct work *work)
{
	struct loader *loader = work->c->loader;
	struct rule_item *item = work->item;
	struct place place = rule_place(item, item->node);
	struct buf canonical = { .max = RULES_TEXT_MAX };
	struct type_pair types;
	struct ast *ast;

	if (!compile_parts(work, &ast))
		return false;
	item->ast = ast;
	evttypes_of(ast, &types, NULL);
	work->rule.types = types.can;
	if (loader->canonical_total < RULES_CANONICAL_TOTAL_MAX)
		ast_print(&canonical, ast);
	loader->canonical_total += canonical.len;
	work->rule.canonical =
		compile_str(work->c, buf_ok(&canonical) ? buf_str(&canonical) : STR(""));
	buf_done(&canonical);
	if (item->warn_evttypes && str_eq(item->source, syscall_source) &&
	    type_set_count(&types.can) > 100)
		report_add(
			loader->report, RULES_NO_EVTTYPE, &place,
			"Rule matches too many evt.type values. This has a significant performance "
			"penalty.");
	return !loader->out_of_memory;
}

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
static bool compile_rule_output(struct work *work)
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

static const char *copy_or_null(struct compiler *c, struct str text)
{
	return text.len == 0 ? NULL : compile_str(c, text).at;
}

/* The fields of the question are an output's: named, typed and wanted the same way. */
static bool compile_rule_opa(struct work *work)
{
	const struct opa_item *item = work->item->opa;
	struct rule_opa *opa;
	struct format *input = &work->rule.opa_input;

	if (item == NULL)
		return true;
	opa = compile_take(work->c, sizeof(*opa));
	if (opa == NULL)
		return false;
	*opa = (struct rule_opa){ .url = copy_or_null(work->c, item->url),
				  .unix_socket = copy_or_null(work->c, item->unix_socket),
				  .path = copy_or_null(work->c, item->path),
				  .token = copy_or_null(work->c, item->token),
				  .on_error_pass = item->on_error_pass,
				  .timeout_ms = item->timeout_ms,
				  .cache_ms = item->cache_ms,
				  .all_fields = item->input.count == 0 };
	work->rule.opa = opa;
	if (opa->all_fields)
		return true;
	if (!text_expand(work->c->loader, &item->input, &work->opa_text))
		return false;
	work->c->text = &work->opa_text;
	if (!compile_format(work->c, work->opa_text.text, false, input))
		return false;
	input->partial = true;
	return true;
}

static bool compile_fields(struct work *work, const struct pieces *pieces, struct text *text,
			   struct format *ret)
{
	if (pieces->count == 0)
		return true;
	if (!text_expand(work->c->loader, pieces, text))
		return false;
	work->c->text = text;
	if (!compile_format(work->c, text->text, false, ret))
		return false;
	ret->partial = true;
	return true;
}

/* Keys of output_fields are names as they stand in a format: that of `by` tells it from others. */
static uint64_t watch_version(const struct work *work)
{
	const struct watch_item *item = &work->item->watch;
	const struct hash_key open_key = { 0 };
	struct hash_state state;

	hash_begin(&state, &open_key);
	hash_add_u64(&state, (uint64_t)item->kind);
	hash_add(&state, work->item->source);
	hash_add(&state, work->rule.canonical.len > 0 ? work->rule.canonical : work->text.text);
	for (size_t i = 0; i < item->steps_count; i++)
		hash_add(&state, work->step_texts[i].text);
	hash_add(&state, work->by_text.text);
	hash_add(&state, work->of_text.text);
	hash_add_u64(&state, item->by_hostname);
	hash_add_u64(&state, item->of_hostname);
	hash_add_u64(&state, (uint64_t)item->within_ns);
	hash_add_u64(&state, (uint64_t)item->learn_ns);
	hash_add_u64(&state, item->count);
	return hash_end(&state).lo;
}

static bool compile_watch(struct work *work)
{
	const struct watch_item *item = &work->item->watch;
	struct watch_code *watch;

	if (item->kind == WATCH_NONE)
		return true;
	watch = compile_take(work->c, sizeof(*watch));
	if (watch == NULL)
		return false;
	if (!compile_fields(work, &item->by, &work->by_text, &watch->by) ||
	    !compile_fields(work, &item->of, &work->of_text, &watch->of))
		return false;
	watch->by_hostname = item->by_hostname;
	watch->of_hostname = item->of_hostname;
	memcpy(watch->steps, work->steps, sizeof(watch->steps));
	watch->said = (struct rule_watch){ .kind = item->kind,
					   .within_ns = item->within_ns,
					   .learn_ns = item->learn_ns,
					   .count = item->count,
					   .steps = (uint32_t)item->steps_count,
					   .version = watch_version(work) };
	work->rule.watch = watch;
	return true;
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
	ok &= compile_part(work, compile_watch);
	ok &= load_respond_agrees(c->loader, item);
	c->is_watch = false;
	if (ok && !item->is_broken && copy_tags(work)) {
		describe(work);
		c->rules->rules[c->rules->rules_count++] = work->rule;
		c->rules->enabled_count += work->rule.enabled;
	}
	return !c->loader->out_of_memory;
}

static bool compile_rules(struct compiler *c)
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

static void warn_unused(struct loader *loader)
{
	for (size_t i = 0; i < loader->macros_count; i++) {
		const struct macro *macro = loader->macros[i];
		struct place place = { .node = macro->node,
				       .item_kind = "macro",
				       .item_name = macro->name };

		if (!macro->used)
			report_add(loader->report, RULES_UNUSED_MACRO, &place,
				   "Macro not referred to by any other rule/macro");
	}
	for (size_t i = 0; i < loader->lists_count; i++) {
		const struct list *list = &loader->lists[i];
		struct place place = { .node = list->node,
				       .item_kind = "list",
				       .item_name = list->name };

		if (!list->used)
			report_add(loader->report, RULES_UNUSED_LIST, &place,
				   "List not referred to by any other rule/macro");
	}
}

/* Most rules have few of the many types. */
static bool list_by_type(struct compiler *c, struct source *source, const uint32_t *own, size_t own_count)
{
	uint32_t next[EVTTYPE_WORDS * 64 + 1] = { 0 }, total = 0;
	const struct rule *rules = c->rules->rules;

	for (size_t i = 0; i < own_count; i++)
		for (size_t type = 0; type_set_next(&rules[own[i]].types, &type); type++)
			next[type]++;
	for (size_t type = 0; type <= evttypes_count(); type++) {
		source->first[type] = total;
		total += next[type];
		next[type] = source->first[type];
	}
	source->by_type = compile_take(c, ((size_t)total + 1) * sizeof(*source->by_type));
	if (source->by_type == NULL)
		return false;
	for (size_t i = 0; i < own_count; i++)
		for (size_t type = 0; type_set_next(&rules[own[i]].types, &type); type++)
			source->by_type[next[type]++] = own[i];
	return true;
}

/* The rules of a source, type by type, in definition order. */
static bool index_source(struct compiler *c, struct source *source)
{
	const struct rules *rules = c->rules;
	uint32_t *own = arena_alloc(c->loader->arena, (rules->rules_count + 1) * sizeof(*own));
	size_t own_count = 0;

	if (own == NULL) {
		c->loader->out_of_memory = true;
		return false;
	}
	for (size_t i = 0; i < rules->rules_count; i++) {
		if (!str_eq(rules->rules[i].source, source->name))
			continue;
		rules->rules[i].source_number = (uint32_t)(source - rules->sources);
		if (rules->rules[i].enabled && rules->rules[i].watch == NULL)
			own[own_count++] = (uint32_t)i;
	}
	return list_by_type(c, source, own, own_count);
}

/* The same of the hub-only rules, of which there are few. */
static bool index_watches(struct compiler *c, struct source *source)
{
	const struct rules *rules = c->rules;
	struct by_type *index;
	size_t total = 0, at = 0;

	for (size_t i = 0; i < rules->rules_count; i++)
		if (rules->rules[i].enabled && rules->rules[i].watch != NULL &&
		    str_eq(rules->rules[i].source, source->name))
			for (size_t type = 0; type < evttypes_count(); type++)
				total += type_set_has(&rules->rules[i].types, type);
	if (total == 0)
		return true;
	index = compile_take(c, sizeof(*index));
	if (index == NULL)
		return false;
	index->rules = compile_take(c, total * sizeof(*index->rules));
	if (index->rules == NULL)
		return false;
	for (size_t type = 0; type < evttypes_count(); type++) {
		index->first[type] = (uint32_t)at;
		for (size_t i = 0; i < rules->rules_count; i++)
			if (rules->rules[i].enabled && rules->rules[i].watch != NULL &&
			    str_eq(rules->rules[i].source, source->name) &&
			    type_set_has(&rules->rules[i].types, type))
				index->rules[at++] = (uint32_t)i;
	}
	index->first[evttypes_count()] = (uint32_t)at;
	source->watches = index;
	return true;
}

/* `told` is known of the children, which stand before it: nodes are shared, so each is looked at once. */
static bool is_told_anyway(const struct rules *rules, const struct node *node, const bool *told)
{
	const struct term *term;
	size_t count = 0;

	if (node->kind == AST_CHECK) {
		term = &rules->terms[rules->predicates[node->first].term];
		return term->kind == AST_FIELD && term->base >= FIELD_SECCOMP_ACTION && term->base <= FIELD_SECCOMP_ARGS;
	}
	if (node->kind != AST_AND && node->kind != AST_OR)
		return false;
	for (uint32_t i = 0; i < node->count; i++) {
		uint32_t child = rules->children[node->first + i];

		count += child < (size_t)(node - rules->nodes) && told[child];
	}
	return node->kind == AST_AND ? count > 0 : count == node->count;
}

/* A rule that is only true of what a profile of system calls says wants no type: a sensor tells that unasked. */
static bool collect_types(struct rules *rules)
{
	autofree bool *told = calloc(rules->nodes_count + 1, sizeof(*told));

	if (told == NULL)
		return false;
	for (size_t i = 0; i < rules->nodes_count; i++)
		told[i] = is_told_anyway(rules, &rules->nodes[i], told);
	for (size_t i = 0; i < rules->rules_count; i++) {
		const struct rule *rule = &rules->rules[i];

		if (!rule->enabled || !str_eq(rule->source, syscall_source) ||
		    (rule->node < rules->nodes_count && told[rule->node]))
			continue;
		for (size_t j = 0; j < EVTTYPE_WORDS; j++)
			rules->wanted_types.words[j] |= rule->types.words[j];
	}
	return true;
}

static bool index_sources(struct compiler *c)
{
	const struct rules_settings *settings = c->loader->settings;
	struct rules *rules = c->rules;

	rules->sources = compile_take(c, (settings->sources.count + 1) * sizeof(*rules->sources));
	if (rules->sources == NULL)
		return false;
	rules->sources[0].name = syscall_source;
	rules->sources_count = 1;
	for (size_t i = 0; i < settings->sources.count; i++)
		rules->sources[rules->sources_count++].name =
			compile_str(c, str_of(settings->sources.at[i]));
	for (size_t i = 0; i < rules->sources_count; i++)
		if (!index_source(c, &rules->sources[i]) || !index_watches(c, &rules->sources[i]))
			return false;
	if (!collect_types(rules))
		c->loader->out_of_memory = true;
	return !c->loader->out_of_memory;
}

static bool intern_fixed(struct compiler *c)
{
	static const char *const names[ANCESTOR_KINDS] = {
		"proc.aname[1]", "proc.aexe[1]",  "proc.aexepath[1]", "proc.acmdline[1]",
		"proc.apid[1]",	 "proc.aargs[1]", "proc.aenv[1]",
	};
	struct rules *rules = c->rules;

	rules->arg_flags = fields_intern(c->fields, STR("evt.arg.flags"));
	rules->arg_mode = fields_intern(c->fields, STR("evt.arg.mode"));
	rules->arg_uid = fields_intern(c->fields, STR("evt.arg.uid"));
	for (int i = 0; i < ANCESTOR_KINDS; i++)
		rules->ancestors[i][1] = fields_intern(c->fields, str_of(names[i]));
	return true;
}

static int compile_all(struct loader *loader, struct fields *fields, struct rules *rules)
{
	struct compiler c = { .loader = loader, .rules = rules, .fields = fields };
	bool ok = lists_resolve(loader) && macros_resolve(loader) && intern_fixed(&c) &&
		  compile_init(&c) && compile_rules(&c);

	if (ok) {
		warn_unused(loader);
		load_check_plugins(loader);
	}
	ok = ok && index_sources(&c) && guards_make(&c);
	rules->fields_count = fields_count(fields);
	ok = ok && wanted_mark(&c);
	if (ok && loader->settings->description != NULL)
		ok = describe_all(&c, loader->settings->description);
	compile_done(&c);
	return ok && !loader->out_of_memory ? 0 : -ENOMEM;
}

static struct rules *rules_new(const struct rules_settings *settings)
{
	struct rules *rules = calloc(1, sizeof(*rules));

	if (rules == NULL)
		return NULL;
	arena_init(&rules->arena, RULES_MEMORY_MAX);
	rules->match_all = settings->match_all;
	return rules;
}

void rules_free(struct rules *rules)
{
	if (rules == NULL)
		return;
	for (uint32_t i = 0; i < rules->predicates_count; i++)
		for (uint32_t j = 0;
		     rules->predicates[i].op == OP_REGEX && j < rules->predicates[i].count; j++)
			pcre2_code_free(rules->predicates[i].literals[j].regex);
	for (uint32_t i = 0; i < rules->terms_count; i++)
		table_done(&rules->terms[i].words);
	table_done(&rules->types);
	arena_done(&rules->arena);
	free(rules);
}

static void loader_done(struct loader *loader)
{
	table_done(&loader->list_names);
	table_done(&loader->macro_names);
	table_done(&loader->rule_names);
	table_done(&loader->broken);
}

/* Not keyed: two hubs with the same files say the same. */
static void set_version(struct rules *rules, const struct rules_text *files, size_t count)
{
	const struct hash_key open_key = { 0 };
	struct hash_state state;

	hash_begin(&state, &open_key);
	for (size_t i = 0; i < count; i++) {
		hash_add(&state, str_of(files[i].name));
		hash_add(&state, files[i].text);
	}
	snprintf(rules->version, sizeof(rules->version), "%016llx",
		 (unsigned long long)hash_end(&state).lo);
}

static bool keep_files(struct rules *rules, const struct rules_text *files, size_t count)
{
	rules->files = arena_alloc(&rules->arena, (count + 1) * sizeof(*files));
	for (size_t i = 0; rules->files != NULL && i < count; i++) {
		struct rules_text *kept = &rules->files[i];

		kept->name = arena_str(&rules->arena, str_of(files[i].name)).at;
		kept->text = arena_str(&rules->arena, files[i].text);
		if (kept->name == NULL || kept->text.at == NULL)
			return false;
		rules->files_loaded++;
	}
	return rules->files != NULL;
}

size_t rules_files_count(const struct rules *rules)
{
	return rules->files_loaded;
}

struct rules_text rules_file_at(const struct rules *rules, size_t index)
{
	return rules->files[index];
}

struct str rules_version(const struct rules *rules)
{
	return str_of(rules->version);
}

/* Whose fault it was, as far as one can say. */
static int out_of_memory(struct loader *loader)
{
	struct place place = { .node = loader->at };

	report_add(loader->report, RULES_ERR_VALIDATE, &place,
		   "here the rules began to take more memory than there is, or than the %d MB that "
		   "they may",
		   RULES_MEMORY_MAX >> 20);
	return -EINVAL;
}

static int load_text(struct loader *loader, const struct rules_text *text)
{
	struct yaml_file *file = arena_alloc(loader->arena, sizeof(*file));

	if (file == NULL)
		return -ENOMEM;
	/* Files of a folder are entered when they are read, those in memory now. */
	*file = (struct yaml_file){ .name = text->name,
				    .text = text->text,
				    .number = text->is_entered ?
						      text->number :
						      report_file(loader->report, text->name) };
	return load_file(loader, file);
}

int rules_load_text(const struct rules_settings *settings, const struct rules_text *files,
		    size_t files_count, struct fields *fields, struct rules_report *report,
		    struct rules **ret)
{
	CLEANUP(rules_free_p) struct rules *rules = rules_new(settings);
	struct rules_settings own = *settings;
	struct arena arena;
	struct loader loader = { .settings = &own, .arena = &arena, .report = report };
	int r = rules == NULL ? -ENOMEM : 0;

	arena_init(&arena, RULES_MEMORY_MAX);
	if (r == 0 && !load_add_sources(&arena, settings, &own.sources))
		r = -ENOMEM;
	report->first_error = settings->first_error;
	for (size_t i = 0; i < files_count && r == 0; i++)
		r = load_text(&loader, &files[i]);
	/* What a file that is not YAML would have defined is not worth a hundred errors. */
	if (r == 0 && !loader.has_bad_yaml && !report_is_over(report))
		r = compile_all(&loader, fields, rules);
	if (r == -ENOMEM && loader.at != NULL)
		r = out_of_memory(&loader);
	loader_done(&loader);
	arena_done(&arena);
	if (r < 0)
		return r;
	if (report->errors > 0)
		return -EINVAL;
	set_version(rules, files, files_count);
	if (!keep_files(rules, files, files_count))
		return -ENOMEM;
	*ret = TAKE(rules);
	return 0;
}
