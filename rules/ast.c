/* Names of operators, and the canonical spelling of a condition. */
#include "rules/ast.h"

#include "base/cleanup.h"
#include "rules/load.h"

static const char *const op_names[OP_COUNT] = {
	[OP_EXISTS] = "exists",
	[OP_EQ] = "=",
	[OP_NE] = "!=",
	[OP_LT] = "<",
	[OP_LE] = "<=",
	[OP_GT] = ">",
	[OP_GE] = ">=",
	[OP_CONTAINS] = "contains",
	[OP_ICONTAINS] = "icontains",
	[OP_BCONTAINS] = "bcontains",
	[OP_STARTSWITH] = "startswith",
	[OP_BSTARTSWITH] = "bstartswith",
	[OP_ENDSWITH] = "endswith",
	[OP_GLOB] = "glob",
	[OP_IGLOB] = "iglob",
	[OP_REGEX] = "regex",
	[OP_IN] = "in",
	[OP_INTERSECTS] = "intersects",
	[OP_PMATCH] = "pmatch",
};

static const char *const modifier_names[] = {
	[MODIFIER_NONE] = "",
	[MODIFIER_ONEOF] = "oneof",
	[MODIFIER_ANYOF] = "anyof",
	[MODIFIER_ALLOF] = "allof",
};

static const char *const transformer_names[TRANSFORMER_COUNT] = {
	[TRANSFORMER_TOLOWER] = "tolower", [TRANSFORMER_TOUPPER] = "toupper",
	[TRANSFORMER_B64] = "b64",	   [TRANSFORMER_BASENAME] = "basename",
	[TRANSFORMER_LEN] = "len",	   [TRANSFORMER_JOIN] = "join",
	[TRANSFORMER_CONCAT] = "concat",   [TRANSFORMER_GETOPT] = "getopt",
};

const char *op_name(enum op op)
{
	return op_names[op];
}

const char *modifier_name(enum modifier modifier)
{
	return modifier_names[modifier];
}

const char *transformer_name(enum transformer call)
{
	return transformer_names[call];
}

static bool takes_modifier(enum op op)
{
	return op == OP_EQ || op == OP_NE || (op >= OP_CONTAINS && op <= OP_REGEX);
}

bool op_parse(struct str text, enum op *ret_op, enum modifier *ret_modifier)
{
	struct str word = str_trim(text), more = { 0 };
	size_t blank = 0;

	while (blank < word.len && word.at[blank] != ' ' && word.at[blank] != '\t')
		blank++;
	more = str_trim(str_from(word, blank));
	word = str_cut(word, blank);
	*ret_modifier = MODIFIER_NONE;
	if (str_eq(word, STR("==")))
		word = STR("=");
	for (enum op op = 0; op < OP_COUNT; op++) {
		if (!str_eq(word, str_of(op_names[op])))
			continue;
		*ret_op = op;
		if (more.len == 0)
			return true;
		for (enum modifier m = MODIFIER_ONEOF; m <= MODIFIER_ALLOF; m++) {
			if (str_eq(more, str_of(modifier_names[m]))) {
				*ret_modifier = m;
				return takes_modifier(op);
			}
		}
		return false;
	}
	return false;
}

static bool needs_quotes(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		switch (text.at[i]) {
		case '(':
		case ')':
		case '"':
		case '\'':
		case '=':
		case ',':
		case '\\':
		case 0x7f: return true;
		default:
			if ((unsigned char)text.at[i] <= ' ')
				return true;
		}
	}
	return text.len == 0;
}

static void print_value(struct buf *out, struct str text)
{
	if (!needs_quotes(text)) {
		buf_add(out, text);
		return;
	}
	buf_add_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if (c == '"' || c == '\\')
			buf_addf(out, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			buf_addf(out, "\\x%02x", c);
		else
			buf_add_char(out, (char)c);
	}
	buf_add_char(out, '"');
}

static void print_items(struct buf *out, const struct ast_term *term)
{
	buf_add_char(out, '(');
	for (size_t i = 0; i < term->count; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		ast_term_print(out, term->items[i]);
	}
	buf_add_char(out, ')');
}

void ast_term_print(struct buf *out, const struct ast_term *term)
{
	if (term->is_val)
		buf_add(out, STR("val("));
	buf_add(out, term->name);
	if (term->kind == AST_CALL || term->kind == AST_LIST)
		print_items(out, term);
	if (term->has_arg) {
		buf_add_char(out, '[');
		print_value(out, term->arg);
		buf_add_char(out, ']');
	}
	if (term->is_val)
		buf_add_char(out, ')');
}

static void print_check(struct buf *out, const struct ast *check)
{
	ast_term_print(out, check->left);
	buf_addf(out, " %s", check->is_doubled ? "==" : op_names[check->op]);
	if (check->op == OP_EXISTS)
		return;
	buf_add_char(out, ' ');
	if (check->right != NULL) {
		ast_term_print(out, check->right);
		return;
	}
	if (check->modifier != MODIFIER_NONE)
		buf_addf(out, "%s ", modifier_names[check->modifier]);
	if (!check->is_list || check->is_named) {
		print_value(out, check->values[0].text);
		return;
	}
	buf_add_char(out, '(');
	for (size_t i = 0; i < check->values_count; i++) {
		if (i > 0)
			buf_add(out, STR(", "));
		print_value(out, check->values[i].text);
	}
	buf_add_char(out, ')');
}

static void print_joined(struct buf *out, const struct ast *ast)
{
	buf_add_char(out, '(');
	for (size_t i = 0; i < ast->count && buf_ok(out); i++) {
		if (i > 0)
			buf_add(out, ast->kind == AST_AND ? STR(" and ") : STR(" or "));
		ast_print(out, ast->items[i]);
	}
	buf_add_char(out, ')');
}

void ast_print(struct buf *out, const struct ast *ast)
{
	switch (ast->kind) {
	case AST_AND:
	case AST_OR: print_joined(out, ast); break;
	case AST_NOT:
		buf_add(out, STR("not "));
		ast_print(out, ast->items[0]);
		break;
	case AST_MACRO:
		if (ast->macro != NULL && ast->macro->ast != NULL && buf_ok(out))
			ast_print(out, ast->macro->ast);
		else
			buf_add(out, ast->name);
		break;
	case AST_CHECK: print_check(out, ast); break;
	}
}
