/* A rule's condition, with its exceptions and macros, or the steps of a sequence: parsed, compiled, and told apart by
 * event type. */
#include "rules/work.h"

#include <errno.h>

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

bool compile_rule_condition(struct work *work)
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
