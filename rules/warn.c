/* What a condition's author may not have meant: comparisons with <NA>, deprecated fields, literals
 * that look like fields, regular expressions that need not be one. */
#include "rules/compiler.h"
#include "rules/fieldname.h"

const struct str deprecated_fields[DEPRECATED_FIELDS] = { STR("evt.dir"),	     STR("evt.latency"),
						     STR("evt.latency.s"),     STR("evt.latency.ns"),
						     STR("evt.latency.human"), STR("evt.wait_latency") };

struct walk {
	struct loader *loader;
	const struct text *text;
	const char *item_kind;
	struct str item_name;
};

static struct rules_note *warn(struct walk *walk, enum rules_code code, size_t at, const char *format,
		 struct str what)
{
	struct place place = walk->text == NULL ? (struct place){ 0 } : text_place(walk->text, at);
	struct buf text = { .max = 1000 };
	struct rules_note *note;

	place.item_kind = walk->item_kind;
	place.item_name = walk->item_name;
	buf_addf(&text, "'%.*s' ", STR_ARG(str_cut(what, 300)));
	note = report_add(walk->loader->report, code, &place, "%s%s",
			  buf_ok(&text) ? buf_text(&text) : "", format);
	buf_done(&text);
	return note;
}

static struct rules_note *warn_field(struct walk *walk, const struct ast_term *term)
{
	struct place place = walk->text == NULL ? (struct place){ 0 } : text_place(walk->text, term->at);

	place.item_kind = walk->item_kind;
	place.item_name = walk->item_name;
	return report_add(walk->loader->report, RULES_DEPRECATED_ITEM, &place, DEPRECATED_FIELD_FORMAT "condition",
			  STR_ARG(term->name));
}

static void warn_deprecated(struct walk *walk, const struct ast_term *term)
{
	for (size_t i = 0; term->kind == AST_FIELD && i < ARRAY_LEN(deprecated_fields); i++)
		if (str_eq(deprecated_fields[i], term->name))
			report_deprecated(walk->loader->report,
					  warn_field(walk, term),
					  term->name);
	for (size_t i = 0; i < term->count; i++)
		warn_deprecated(walk, term->items[i]);
}

static bool compares_equal(enum op op)
{
	return op == OP_EQ || op == OP_NE || op == OP_IN || op == OP_INTERSECTS || op == OP_PMATCH;
}

static void warn_na(struct walk *walk, const struct ast *check)
{
	struct str name = check->left->name;

	if (check->left->kind != AST_FIELD || !compares_equal(check->op) ||
	    (!str_starts(name, STR("ka.")) && !str_starts(name, STR("jevt."))))
		return;
	for (size_t i = 0; i < check->values_count; i++)
		if (str_eq(check->values[i].text, STR("<NA>")))
			warn(walk, RULES_UNSAFE_NA_CHECK, check->values[i].at,
			     "is compared to <NA>, which is unsafe: use `exists`", name);
}

/* Looks like toupper(proc.name) or val(proc.name). */
static bool looks_like_call(struct str text, struct arena *arena)
{
	struct parse_error error;
	struct ast_term *term;
	size_t end;

	if (str_starts(text, STR("val(")) && text.at[text.len - 1] == ')') {
		text = str_trim(str_cut(str_from(text, 4), text.len - 5));
		return fieldname_is_field(text, arena);
	}
	return ast_parse_term(text, 0, arena, &term, &end, &error) == 0 && end == text.len &&
	       term->kind == AST_CALL;
}

static void warn_literal(struct walk *walk, const struct ast_value *value)
{
	struct arena *arena = walk->loader->arena;
	struct str text = str_trim(value->text);

	if (text.len < 3 || memchr(text.at, '.', text.len) == NULL)
		return;
	if (fieldname_is_field(text, arena))
		warn(walk, RULES_COMPILE_CONDITION, value->at,
		     "may be a valid field misused as a const string value", value->text);
	else if (memchr(text.at, '(', text.len) != NULL && looks_like_call(text, arena))
		warn(walk, RULES_COMPILE_CONDITION, value->at,
		     "may be a valid field transformer misused as a const string value",
		     value->text);
}

/* ".*" and the like at an end, which a plain operator says better. */
static bool cut_any(struct str *text, bool front)
{
	struct str end;

	if (text->len < 2)
		return false;
	end = front ? str_cut(*text, 2) : str_from(*text, text->len - 2);
	if (end.at[0] != '.' || strchr("*+?", end.at[1]) == NULL)
		return false;
	*text = front ? str_from(*text, 2) : str_cut(*text, text->len - 2);
	return true;
}

static void warn_regex(struct walk *walk, const struct ast_value *value)
{
	struct str text = value->text;

	if (str_starts(text, STR("^")))
		text = str_from(text, 1);
	if (str_ends(text, STR("$")))
		text = str_cut(text, text.len - 1);
	cut_any(&text, true);
	cut_any(&text, false);
	for (size_t i = 0; i < text.len; i++)
		if (strchr("\\^$.|?*+()[]{}", text.at[i]) != NULL)
			return;
	warn(walk, RULES_COMPILE_CONDITION, value->at,
	     "as a regular expression can be replaced by =, contains, startswith or endswith",
	     value->text);
}

static void walk_check(struct walk *walk, const struct ast *check)
{
	warn_deprecated(walk, check->left);
	if (check->right != NULL)
		warn_deprecated(walk, check->right);
	warn_na(walk, check);
	for (size_t i = 0; i < check->values_count; i++) {
		warn_literal(walk, &check->values[i]);
		if (check->op == OP_REGEX)
			warn_regex(walk, &check->values[i]);
	}
}

void warn_condition(struct loader *loader, const struct ast *ast, const struct text *text,
		    const char *item_kind, struct str item_name)
{
	struct walk walk = {
		.loader = loader, .text = text, .item_kind = item_kind, .item_name = item_name
	};

	if (ast->kind == AST_CHECK)
		walk_check(&walk, ast);
	for (size_t i = 0; i < ast->count; i++)
		warn_condition(loader, ast->items[i], text, item_kind, item_name);
	/* A macro's oddities are told once, as its own. */
	if (ast->kind == AST_MACRO && ast->macro != NULL && !ast->macro->is_warned) {
		ast->macro->is_warned = true;
		warn_condition(loader, ast->macro->ast, &ast->macro->text, "macro",
			       ast->macro->name);
	}
}
