/* Macros: parsed once each, resolved by reference. What is wrong with one is kept with it and told
 * by the rule that meets it, or at the end when none does. */
#include "rules/load.h"

#include "rules/near.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void problem_set(struct loader *loader, struct problem *problem, enum rules_code code,
		 const struct text *where, size_t offset, const char *format, ...)
{
	char text[1000];
	va_list args;

	if (problem->text != NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	*problem = (struct problem){ .code = code,
				     .where = where,
				     .offset = offset,
				     .told = arena_zalloc(loader->arena,
							  sizeof(struct told)),
				     .text = arena_str(loader->arena, str_of(text)).at };
	if (problem->text == NULL || problem->told == NULL) {
		loader->out_of_memory = true;
		problem->text = NULL;
	}
}

void problem_suggest(struct loader *loader, struct problem *problem, struct str near)
{
	if (near.len > 0 && problem->near == NULL)
		problem->near = arena_str(loader->arena, near).at;
}

static struct problem *problem_keep(struct loader *loader, const struct problem *problem)
{
	struct problem *copy = arena_alloc(loader->arena, sizeof(*copy));

	if (copy == NULL)
		loader->out_of_memory = true;
	else
		*copy = *problem;
	return copy;
}

/* The same one is met again by another way to its macro. */
static bool problem_is_in(const struct problems *problems, const struct problem *problem)
{
	for (const struct problem *at = problems->first; at != NULL; at = at->more)
		if (at->told == problem->told)
			return true;
	return false;
}

bool problem_aside(struct loader *loader, struct problem *problem, struct problems *ret)
{
	bool is_final = problem->is_final;

	for (const struct problem *at = problem; at != NULL && at->text != NULL; at = at->more) {
		struct problem *kept;

		if (ret->count == PROBLEMS_MAX || problem_is_in(ret, at))
			continue;
		kept = problem_keep(loader, at);
		if (kept == NULL)
			return false;
		kept->more = NULL;
		if (ret->first == NULL)
			ret->first = kept;
		else
			ret->last->more = kept;
		ret->last = kept;
		ret->count++;
	}
	*problem = (struct problem){ 0 };
	return !is_final && !loader->out_of_memory;
}

bool problem_gather(const struct problems *problems, struct problem *ret)
{
	if (problems->first == NULL)
		return false;
	*ret = *problems->first;
	return true;
}

bool problem_copy(struct loader *loader, const struct problem *from, struct problem *ret)
{
	*ret = *from;
	for (struct problem **more = &ret->more; *more != NULL; more = &(*more)->more) {
		*more = problem_keep(loader, *more);
		if (*more == NULL)
			return false;
	}
	return true;
}

void problem_inside(struct loader *loader, struct problem *problem, struct str macro,
		    const struct text *where, size_t offset)
{
	for (; problem != NULL && problem->text != NULL; problem = problem->more) {
		struct frame *frame = arena_alloc(loader->arena, sizeof(*frame));

		if (frame == NULL) {
			loader->out_of_memory = true;
			return;
		}
		*frame = (struct frame){
			.macro = macro, .where = where, .offset = offset, .inner = problem->frames
		};
		problem->frames = frame;
	}
}

bool load_may_suggest(struct loader *loader, size_t names)
{
	loader->suggestions += names;
	return loader->suggestions <= RULES_SUGGESTIONS_MAX;
}

enum { EXPANDED_DEPTH_MAX = 2 * RULES_DEPTH_MAX };

static struct str nearest_macro(struct loader *loader, struct str name)
{
	struct near near = near_to(name);

	if (!load_may_suggest(loader, loader->macros_count))
		return (struct str){ 0 };
	for (size_t i = 0; i < loader->macros_count; i++)
		if (loader->macros[i]->name.len > 0 && !str_eq(loader->macros[i]->name, name))
			near_try(&near, loader->macros[i]->name);
	return near.best;
}

static void macro_resolve(struct loader *loader, struct macro *macro);

/* One condition whose macro references are being bound. */
struct binding {
	struct loader *loader;
	const struct macro *from; /* NULL: a rule's condition */
	const struct text *text;
	struct problem *problem;
	struct problems all;
	unsigned deepest;
};

static bool undefined(struct binding *b, const struct ast *ast)
{
	uint32_t unused;

	problem_set(b->loader, b->problem, RULES_ERR_VALIDATE, b->text, ast->at,
		    "Undefined macro '%.*s' used in filter.", STR_ARG(ast->name));
	problem_suggest(b->loader, b->problem, nearest_macro(b->loader, ast->name));
	/* Its own definition was refused: that has been said already. */
	if (table_get(&b->loader->broken, ast->name, &unused) && b->problem->told != NULL)
		b->problem->told->is_told = true;
	return false;
}

static bool too_deep(struct binding *b, const struct ast *ast)
{
	problem_set(b->loader, b->problem, RULES_ERR_COMPILE_CONDITION, b->text, ast->at,
		    "nested more than %d deep, macros included", EXPANDED_DEPTH_MAX);
	b->problem->is_final = true;
	return false;
}

static bool bind_macro(struct binding *b, struct ast *ast, unsigned level)
{
	struct macro *macro;
	uint32_t at;

	if (!table_get(&b->loader->macro_names, ast->name, &at))
		return undefined(b, ast);
	macro = b->loader->macros[at];
	if (b->from != NULL && macro->index >= b->from->visibility)
		return undefined(b, ast);
	macro->used = true;
	if (macro->stage == STAGE_BUSY) {
		problem_set(b->loader, b->problem, RULES_ERR_VALIDATE, b->text, ast->at,
			    "reference loop in macro '%.*s'", STR_ARG(macro->name));
		return false;
	}
	macro_resolve(b->loader, macro);
	if (macro->ast == NULL) {
		problem_copy(b->loader, &macro->problem, b->problem);
		problem_inside(b->loader, b->problem, macro->name, b->text, ast->at);
		return false;
	}
	ast->macro = macro;
	if (level + macro->depth > EXPANDED_DEPTH_MAX)
		return too_deep(b, ast);
	if (level + macro->depth > b->deepest)
		b->deepest = level + macro->depth;
	return true;
}

/* False: it makes no sense to go on. */
static bool bind(struct binding *b, struct ast *ast, unsigned level)
{
	bool ok = true;

	if (level > EXPANDED_DEPTH_MAX || b->loader->bind_depth > EXPANDED_DEPTH_MAX)
		return problem_aside(b->loader, (too_deep(b, ast), b->problem), &b->all);
	if (level > b->deepest)
		b->deepest = level;
	b->loader->bind_depth++;
	if (ast->kind == AST_MACRO && !bind_macro(b, ast, level))
		ok = problem_aside(b->loader, b->problem, &b->all);
	for (size_t i = 0; i < ast->count && ok; i++)
		ok = bind(b, ast->items[i], level + 1);
	b->loader->bind_depth--;
	return ok;
}

static bool bind_all(struct binding *b, struct ast *ast)
{
	bind(b, ast, 1);
	return !problem_gather(&b->all, b->problem) && !b->loader->out_of_memory;
}

bool macros_bind(struct loader *loader, struct ast *ast, const struct text *text,
		 struct problem *problem)
{
	struct binding binding = { .loader = loader, .text = text, .problem = problem };

	return bind_all(&binding, ast);
}

static void macro_resolve(struct loader *loader, struct macro *macro)
{
	struct binding binding = {
		.loader = loader, .from = macro, .text = &macro->text, .problem = &macro->problem
	};
	struct parse_error error = { 0 };
	struct ast *ast;
	int r;

	if (macro->stage != STAGE_NEW)
		return;
	macro->stage = STAGE_BUSY;
	if (!text_expand(loader, &macro->condition, &macro->text)) {
		macro->stage = STAGE_DONE;
		return;
	}
	r = ast_parse(macro->text.text, RULES_DEPTH_MAX, loader->arena, &ast, &error);
	if (r == -EBADMSG)
		problem_set(loader, &macro->problem, RULES_ERR_COMPILE_CONDITION, &macro->text,
			    error.at, "%s", error.text);
	if (r == -EBADMSG)
		problem_suggest(loader, &macro->problem, error.near);
	else if (r < 0)
		loader->out_of_memory = true;
	else if (bind_all(&binding, ast))
		macro->ast = ast;
	macro->depth = binding.deepest;
	macro->stage = STAGE_DONE;
}

/* Told of the macro that has it; the way there is added when a rule takes it. */
static void macro_complain(struct loader *loader, const struct macro *macro,
			   const struct problem *problem)
{
	struct place place;

	if (problem->text == NULL || problem->told->is_told || problem->frames != NULL)
		return;
	problem->told->is_told = true;
	place = text_place(problem->where, problem->offset);
	place.item_kind = "macro";
	place.item_name = macro->name;
	problem->told->note =
		report_add(loader->report, problem->code, &place, "%s", problem->text);
	report_suggest(loader->report, problem->told->note, str_of(problem->near));
}

bool macros_resolve(struct loader *loader)
{
	for (size_t i = 0; i < loader->macros_count && !loader->out_of_memory; i++)
		macro_resolve(loader, loader->macros[i]);
	for (size_t i = 0; i < loader->macros_count && !loader->out_of_memory; i++)
		for (const struct problem *problem = &loader->macros[i]->problem; problem != NULL;
		     problem = problem->more)
			macro_complain(loader, loader->macros[i], problem);
	return !loader->out_of_memory;
}
