/* Terms: fields and transformers, checked for type and entered into the table once each. */
#include "rules/compiler.h"

#include "rules/fieldname.h"
#include "rules/params.h"

#include <stdarg.h>
#include <stdio.h>

bool complain(struct compiler *c, enum rules_code code, size_t at, const char *format, ...)
{
	char text[1000];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	problem_set(c->loader, c->problem, code, c->text, at, "%s", text);
	return false;
}

static bool refuse(struct compiler *c, const struct ast_term *term, const char *text)
{
	return complain(c, RULES_ERR_COMPILE_CONDITION, term->at, "%.*s: %s", STR_ARG(term->name),
			text);
}

void *compile_take(struct compiler *c, size_t size)
{
	void *memory = arena_zalloc(&c->rules->arena, size);

	if (memory == NULL)
		c->loader->out_of_memory = true;
	return memory;
}

struct str compile_str(struct compiler *c, struct str text)
{
	struct str copy = arena_str(&c->rules->arena, text);

	if (copy.at == NULL) {
		c->loader->out_of_memory = true;
		return STR("");
	}
	return copy;
}

bool compile_grow(struct compiler *c, void **items, size_t count, size_t *cap, size_t size)
{
	size_t bigger_cap = *cap == 0 ? 8 : *cap * 2; /* each rule's outputs begin one */
	void *bigger;

	if (count < *cap)
		return true;
	bigger = compile_take(c, bigger_cap * size);
	if (bigger == NULL)
		return false;
	if (count > 0)
		memcpy(bigger, *items, count * size);
	*items = bigger;
	*cap = bigger_cap;
	return true;
}

static enum class class_of(enum field_type type)
{
	switch (type) {
	case FIELD_TYPE_STR: return CLASS_TEXT;
	case FIELD_TYPE_BYTES: return CLASS_BYTES;
	case FIELD_TYPE_BOOL: return CLASS_BOOL;
	case FIELD_TYPE_DOUBLE: return CLASS_REAL;
	case FIELD_TYPE_IPADDR: return CLASS_ADDRESS;
	case FIELD_TYPE_IPNET: return CLASS_NETWORK;
	case FIELD_TYPE_DYN:
	case FIELD_TYPE_OPAQUE: return CLASS_ANY;
	default: return CLASS_NUMBER;
	}
}

static bool is_two_sided(field_id base)
{
	return base == FIELD_FD_IP || base == FIELD_FD_PORT || base == FIELD_FD_NET ||
	       base == FIELD_FD_PROTO;
}

static bool unknown_field(struct compiler *c, const struct ast_term *term)
{
	complain(c, RULES_ERR_COMPILE_CONDITION, term->at,
		 "filter_check called with nonexistent field %.*s", STR_ARG(term->name));
	if (load_may_suggest(c->loader, FIELD_CATALOGUE_END))
		problem_suggest(c->loader, c->problem, fieldname_nearest(term->name));
	c->problem->is_unknown_filter = true;
	return false;
}

static bool unknown_parameter(struct compiler *c, const struct ast_term *term, struct str name)
{
	complain(c, RULES_ERR_COMPILE_CONDITION, term->at, "unknown event argument %.*s", STR_ARG(name));
	problem_suggest(c->loader, c->problem, param_nearest(name));
	return false;
}

/* Fields of which the argument counts: the ancestor, the word. */
static bool is_numbered(field_id base)
{
	switch (base) {
	case FIELD_PROC_ANAME:
	case FIELD_PROC_AEXE:
	case FIELD_PROC_AEXEPATH:
	case FIELD_PROC_ACMDLINE:
	case FIELD_PROC_APID:
	case FIELD_PROC_ARGS:
	case FIELD_PROC_AARGS:
	case FIELD_EVT_ARG: return true;
	default: return false;
	}
}

static bool fill_field(struct compiler *c, const struct ast_term *ast, struct term *term)
{
	const struct field_info *info;
	const struct param_info *param;
	uint64_t index;

	switch (fieldname_find(ast, &term->base, &term->arg)) {
	case FIELDNAME_OK: break;
	case FIELDNAME_NEEDS_ARGUMENT: return refuse(c, ast, "the field needs an argument");
	case FIELDNAME_TAKES_NO_ARGUMENT: return refuse(c, ast, "the field takes no argument");
	case FIELDNAME_NO_PARAMETER:
		/* Other engines' events have others. */
		if (!c->any_field)
			return unknown_parameter(c, ast, term->arg);
		break;
	case FIELDNAME_NOT_BY_NUMBER:
		return refuse(c, ast, "the argument must be named: evt.rawarg.NAME");
	case FIELDNAME_UNKNOWN:
		if (!c->any_field && !(c->is_watch && watch_is_field(ast->name)))
			return unknown_field(c, ast);
		term->base = FIELD_NONE;
		term->class = CLASS_ANY;
		return true;
	}
	info = field_info_at(term->base);
	param = term->base == FIELD_EVT_RAWARG ? param_find(term->arg) : NULL;
	term->type = param == NULL ? info->type : param->type;
	term->format = param == NULL ? info->format : param->format;
	term->class = class_of(term->type);
	term->is_list = (info->flags & FIELD_IS_LIST) && term->arg.len == 0;
	term->two_sided = is_two_sided(term->base);
	term->is_many = ancestor_kind(term->base) >= 0 && term->arg.len == 0;
	term->is_unsigned = term->type == FIELD_TYPE_UINT || term->type == FIELD_TYPE_UINT32 ||
			    term->type == FIELD_TYPE_RELTIME || term->type == FIELD_TYPE_ABSTIME;
	if (str_to_u64(term->arg, &index) && index < INT32_MAX)
		term->index = (int64_t)index;
	if (ast->has_arg && term->index < 0 && is_numbered(term->base))
		return refuse(c, ast, "the field's argument is a number");
	return true;
}

/* What an argument of a transformer is. */
static const struct term *item(const struct compiler *c, const struct term *term, uint32_t i)
{
	return &c->rules->terms[term->items[i]];
}

static bool is_text(const struct term *term)
{
	return term->class == CLASS_TEXT || term->class == CLASS_ANY;
}

static bool is_plain_text(const struct term *term)
{
	return is_text(term) && !term->is_list;
}

static bool check_count(struct compiler *c, const struct ast_term *ast, uint32_t min, uint32_t max)
{
	if (ast->count >= min && ast->count <= max)
		return true;
	return complain(c, RULES_ERR_COMPILE_CONDITION, ast->at,
			"transformer %.*s takes %u argument%s, not %zu", STR_ARG(ast->name), min,
			min == 1     ? ""
			: min == max ? "s"
				     : "s or more",
			ast->count);
}

static bool check_concat(struct compiler *c, const struct ast_term *ast, const struct term *term)
{
	if (!check_count(c, ast, 2, 64))
		return false;
	for (uint32_t i = 0; i < term->count; i++)
		if (!is_plain_text(item(c, term, i)))
			return refuse(c, ast, "takes strings");
	return true;
}

static bool check_getopt(struct compiler *c, const struct ast_term *ast, struct term *term)
{
	const struct term *list;

	if (!check_count(c, ast, 2, 2))
		return false;
	list = item(c, term, 0);
	if (!list->is_list && list->base != FIELD_PROC_ARGS && list->base != FIELD_PROC_AARGS)
		return refuse(c, ast, "takes a list of arguments first");
	if (!is_plain_text(item(c, term, 1)))
		return refuse(c, ast, "takes a string of options second");
	if (ast->has_arg && ast->arg.len != 1)
		return refuse(c, ast, "one option in brackets is one character");
	term->is_list = !ast->has_arg;
	return true;
}

static bool check_call(struct compiler *c, const struct ast_term *ast, struct term *term)
{
	const struct term *first = term->count > 0 ? item(c, term, 0) : NULL;

	term->class = CLASS_TEXT;
	if (ast->has_arg && ast->call != TRANSFORMER_GETOPT)
		return refuse(c, ast, "takes no argument in brackets");
	switch (ast->call) {
	case TRANSFORMER_TOLOWER:
	case TRANSFORMER_TOUPPER:
		if (!check_count(c, ast, 1, 1))
			return false;
		term->is_list = first->is_list;
		return is_text(first) || refuse(c, ast, "takes a string");
	case TRANSFORMER_BASENAME:
		return check_count(c, ast, 1, 1) &&
		       (is_plain_text(first) || refuse(c, ast, "takes a string"));
	case TRANSFORMER_B64:
		if (!check_count(c, ast, 1, 1))
			return false;
		term->class = first->class;
		return is_plain_text(first) || first->class == CLASS_BYTES ||
		       refuse(c, ast, "takes a string or a buffer");
	case TRANSFORMER_LEN:
		if (!check_count(c, ast, 1, 1))
			return false;
		term->class = CLASS_NUMBER;
		term->type = FIELD_TYPE_UINT;
		term->is_unsigned = true;
		return is_text(first) || first->class == CLASS_BYTES || first->is_list ||
		       refuse(c, ast, "takes a string, a buffer or a list");
	case TRANSFORMER_JOIN:
		return check_count(c, ast, 2, 2) &&
		       ((is_plain_text(first) && item(c, term, 1)->is_list) ||
			refuse(c, ast, "takes a separator and a list"));
	case TRANSFORMER_CONCAT: return check_concat(c, ast, term);
	case TRANSFORMER_GETOPT: return check_getopt(c, ast, term);
	case TRANSFORMER_COUNT: break;
	}
	return false;
}

static bool fill_items(struct compiler *c, const struct ast_term *ast, struct term *term)
{
	uint32_t *items;

	if (ast->count == 0)
		return true;
	items = compile_take(c, ast->count * sizeof(*items));
	if (items == NULL)
		return false;
	for (size_t i = 0; i < ast->count; i++) {
		const struct term *inner;

		if (!compile_term(c, ast->items[i], &items[i]))
			return false;
		inner = &c->rules->terms[items[i]];
		if (inner->kind == AST_FIELD && inner->base != FIELD_NONE &&
		    (field_info_at(inner->base)->flags & FIELD_NO_TRANSFORMER))
			return refuse(c, ast->items[i], "the field cannot be transformed");
		if (ast->kind == AST_LIST && inner->is_list)
			return refuse(c, ast->items[i], "a list cannot be an item of a list");
	}
	term->items = items;
	term->count = (uint32_t)ast->count;
	return true;
}

static bool fill_number(struct compiler *c, const struct ast_term *ast, struct term *term)
{
	term->class = CLASS_NUMBER;
	if (str_to_i64(term->name, &term->literal.i)) {
		term->literal.kind = VALUE_INT;
		return true;
	}
	if (!str_to_double(term->name, &term->literal.d))
		return refuse(c, ast, "the number is out of range");
	term->literal.kind = VALUE_DOUBLE;
	return true;
}

static bool fill_term(struct compiler *c, const struct ast_term *ast, struct term *term)
{
	switch (ast->kind) {
	case AST_FIELD: return fill_field(c, ast, term);
	case AST_STRING:
		if (ast->name.len > RULES_LITERAL_MAX)
			return refuse(c, ast, "the string is longer than 255 bytes");
		term->literal = value_str(compile_str(c, ast->name));
		return true;
	case AST_NUMBER: return fill_number(c, ast, term);
	case AST_LIST: term->is_list = true; return true;
	case AST_CALL: term->call = ast->call; return check_call(c, ast, term);
	}
	return false;
}

/* The field ids that a term reads by itself; those it may be derived from are marked when wanted.
 */
static bool intern_ids(struct compiler *c, const struct ast_term *ast, struct term *term)
{
	int kind = ancestor_kind(term->base);
	struct buf name = { .max = 256 };

	term->id = fields_intern(c->fields, term->name);
	for (int i = 1; kind >= 0 && term->is_many && i <= RULES_ANCESTORS_MAX; i++) {
		buf_clear(&name);
		buf_add(&name, field_info_at(term->base)->name);
		buf_addf(&name, "[%d]", i);
		c->rules->ancestors[kind][i] = fields_intern(c->fields, buf_str(&name));
		if (c->rules->ancestors[kind][i] == FIELD_NONE)
			term->id = FIELD_NONE;
	}
	buf_done(&name);
	return term->id != FIELD_NONE ||
	       complain(c, RULES_ERR_COMPILE_CONDITION, ast->at, "more than %d fields", FIELDS_MAX);
}

/* Everything that makes two terms the same; of what is inside, the terms' numbers. */
static void term_key(struct compiler *c, const struct ast_term *ast, const uint32_t *items)
{
	key_begin(c);
	key_add(&c->key, ast->kind);
	key_add(&c->key, c->any_field);
	key_add(&c->key, (uint32_t)ast->name.len);
	buf_add(&c->key, ast->name);
	key_add(&c->key, (uint32_t)ast->count);
	buf_add(&c->key, (struct str){ (const char *)items, ast->count * sizeof(*items) });
	if (ast->has_arg) {
		buf_add_char(&c->key, '[');
		buf_add(&c->key, ast->arg);
	}
}

static bool canonical_name(struct compiler *c, const struct ast_term *ast, struct str *ret)
{
	struct ast_term bare = *ast;
	struct buf name = { .max = RULES_TEXT_MAX };

	bare.is_val = false;
	ast_term_print(&name, &bare);
	if (!buf_ok(&name))
		c->loader->out_of_memory = true;
	*ret = compile_str(c, buf_str(&name));
	buf_done(&name);
	return !c->loader->out_of_memory;
}

bool compile_term(struct compiler *c, const struct ast_term *ast, uint32_t *ret)
{
	struct term term = { .kind = ast->kind, .index = -1 };
	struct rules *rules = c->rules;

	if (!fill_items(c, ast, &term))
		return false;
	term_key(c, ast, term.items);
	if (key_find(c, &c->term_names, ret))
		return true;
	if (!buf_ok(&c->key) || !canonical_name(c, ast, &term.name) || !fill_term(c, ast, &term))
		return false;
	term.arg = compile_str(c, ast->kind == AST_CALL ? ast->arg : term.arg);
	if (ast->kind == AST_FIELD && !intern_ids(c, ast, &term))
		return false;
	if (!compile_grow(c, (void **)&rules->terms, rules->terms_count, &c->terms_cap,
			  sizeof(term)) ||
	    !key_keep(c, &c->term_names, rules->terms_count))
		return false;
	rules->terms[rules->terms_count] = term;
	*ret = rules->terms_count++;
	return true;
}
