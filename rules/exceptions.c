/* Exceptions: read, checked, and written out as the conditions that they stand for. */
#include "rules/load.h"

#include "rules/fieldname.h"

static bool refuse(struct loader *loader, enum rules_code code, const struct exception *exception,
		   const struct yaml *node, const char *text)
{
	struct place place = { .node = node,
			       .item_kind = "exception",
			       .item_name = exception->name };

	report_add(loader->report, code, &place, "%s", text);
	return false;
}

static bool refuse_word(struct loader *loader, const struct exception *exception,
			const struct yaml *node, const char *what)
{
	struct place place = { .node = node,
			       .item_kind = "exception",
			       .item_name = exception->name };

	report_add(loader->report, RULES_ERR_VALIDATE, &place, "'%.*s' is not a supported %s",
		   STR_ARG(node->text), what);
	return false;
}

static bool takes_list(enum op op, enum modifier modifier)
{
	return op == OP_IN || op == OP_PMATCH || op == OP_INTERSECTS || modifier != MODIFIER_NONE;
}

/* A field, or a transformer over one. */
static bool field_is_known(struct loader *loader, struct str text)
{
	struct parse_error error;
	struct ast_term *term;
	size_t end;

	text = str_trim(text);
	return ast_parse_term(text, 0, loader->arena, &term, &end, &error) == 0 &&
	       end == text.len &&
	       (term->kind == AST_CALL || fieldname_find(term, NULL, NULL) == FIELDNAME_OK);
}

static bool check_field(struct loader *loader, const struct rule_item *rule,
			const struct exception *exception, const struct yaml *field)
{
	if (field->kind != YAML_SCALAR)
		return refuse(loader, RULES_ERR_YAML_VALIDATE, exception, field,
			      "sequence value is not scalar");
	if (field->text.len == 0)
		return refuse(loader, RULES_ERR_YAML_VALIDATE, exception, field, "Value must be non-empty");
	if (rule->source_is_unknown || !str_eq(rule->source, STR("syscall")) ||
	    field_is_known(loader, field->text))
		return true;
	return refuse_word(loader, exception, field, "filter field");
}

static bool check_comp(struct loader *loader, const struct exception *exception,
		       const struct yaml *comp)
{
	enum modifier modifier;
	enum op op;

	if (comp->kind == YAML_SCALAR && op_parse(comp->text, &op, &modifier) && op != OP_EXISTS)
		return true;
	return refuse_word(loader, exception, comp, "comparison operator");
}

static bool check_single(struct loader *loader, const struct rule_item *rule,
			 const struct exception *exception)
{
	enum modifier modifier = MODIFIER_NONE;
	enum op op = OP_IN;

	if (exception->comps != NULL && exception->comps->kind != YAML_SCALAR)
		return refuse(loader, RULES_ERR_VALIDATE, exception, exception->comps,
			      "Fields and comps must both be strings");
	if (exception->comps != NULL &&
	    (!op_parse(exception->comps->text, &op, &modifier) || !takes_list(op, modifier)))
		return refuse(loader, RULES_ERR_VALIDATE, exception, exception->comps,
			      "When fields is a single value, comps must be one of (in, pmatch, "
			      "intersects) "
			      "or a modifier operator such as 'startswith anyof'");
	return check_field(loader, rule, exception, exception->fields);
}

static bool check_several(struct loader *loader, const struct rule_item *rule,
			  const struct exception *exception)
{
	const struct yaml *fields = exception->fields, *comps = exception->comps;

	if (comps != NULL && comps->kind != YAML_SEQUENCE)
		return refuse(loader, RULES_ERR_VALIDATE, exception, comps,
			      "Fields and comps lists must have equal length");
	if (comps != NULL && comps->count != fields->count)
		return refuse(loader, RULES_ERR_VALIDATE, exception, comps,
			      "Fields and comps lists must have equal length");
	for (size_t i = 0; comps != NULL && i < comps->count; i++)
		if (!check_comp(loader, exception, comps->items[i]))
			return false;
	for (size_t i = 0; i < fields->count; i++)
		if (!check_field(loader, rule, exception, fields->items[i]))
			return false;
	return true;
}

static bool check_fields(struct loader *loader, const struct rule_item *rule,
			 const struct exception *exception)
{
	if (exception->fields->kind == YAML_SCALAR)
		return check_single(loader, rule, exception);
	if (exception->fields->kind == YAML_SEQUENCE && exception->fields->count > 0)
		return check_several(loader, rule, exception);
	return refuse(loader, RULES_ERR_VALIDATE, exception, exception->fields,
		      "Rule exception must have fields property with a list of fields");
}

static struct exception *find(struct rule_item *rule, struct str name)
{
	for (size_t i = 0; i < rule->exceptions_count; i++)
		if (str_eq(rule->exceptions[i].name, name))
			return &rule->exceptions[i];
	return NULL;
}

static bool add_values(struct loader *loader, struct exception *exception,
		       const struct yaml *values)
{
	if (values == NULL)
		return true;
	if (values->kind != YAML_SEQUENCE)
		return refuse(loader, RULES_ERR_YAML_VALIDATE, exception, values,
			      "Rule exception values must be a sequence");
	for (size_t i = 0; i < values->count; i++) {
		void *bigger = load_grow(loader, exception->values, exception->values_count,
					 &exception->values_cap, sizeof(*exception->values));

		if (bigger == NULL)
			return false;
		exception->values = bigger;
		exception->values[exception->values_count++] = values->items[i];
	}
	return true;
}

static bool add_exception(struct loader *loader, struct rule_item *rule,
			  const struct exception *exception, const struct yaml *values)
{
	struct exception *bigger;

	if (rule->exceptions_count >= RULES_EXCEPTIONS_MAX)
		return refuse(loader, RULES_ERR_VALIDATE, exception, exception->node,
			      "the rule has too many exceptions");
	bigger = load_grow(loader, rule->exceptions, rule->exceptions_count,
			   &rule->exceptions_cap, sizeof(*bigger));
	if (bigger == NULL)
		return false;
	bigger[rule->exceptions_count] = *exception;
	rule->exceptions = bigger;
	if (!check_fields(loader, rule, exception) ||
	    !add_values(loader, &bigger[rule->exceptions_count], values))
		return false;
	rule->exceptions_count++;
	return true;
}

static bool append_known(struct loader *loader, struct exception *known, const struct yaml *entry)
{
	const struct yaml *values = yaml_get(entry, STR("values"));
	struct place place = { .node = entry, .item_kind = "exception", .item_name = known->name };

	if (yaml_get(entry, STR("fields")) != NULL)
		return refuse(loader, RULES_ERR_VALIDATE, known, entry,
			      "Can not append exception fields to existing exception, only values");
	if (yaml_get(entry, STR("comps")) != NULL)
		return refuse(loader, RULES_ERR_VALIDATE, known, entry,
			      "Can not append exception comps to existing exception, only values");
	if (values == NULL)
		report_add(loader->report, RULES_APPEND_NO_VALUES, &place,
			   "Overriding/appending exception with no values");
	return add_values(loader, known, values);
}

static bool append_new(struct loader *loader, struct rule_item *rule,
		       const struct exception *exception, const struct yaml *entry)
{
	if (exception->fields == NULL)
		return refuse(loader, RULES_ERR_VALIDATE, exception, entry,
			      "Rule exception must have fields property with a list of fields");
	if (yaml_get(entry, STR("values")) == NULL)
		return refuse(loader, RULES_ERR_VALIDATE, exception, entry,
			      "Rule exception must have values property with a list of values");
	return add_exception(loader, rule, exception, yaml_get(entry, STR("values")));
}

static bool load_exception(struct loader *loader, struct rule_item *rule, const struct yaml *entry,
			   enum exceptions_mode mode)
{
	static const struct str known_keys[] = {
		STR("name"), STR("fields"), STR("comps"), STR("values"), { 0 }
	};
	struct place place = { .node = entry, .item_kind = "exception" };
	struct exception exception = { .node = entry };
	const struct yaml *name;

	if (entry->kind != YAML_MAPPING)
		return refuse(loader, RULES_ERR_YAML_VALIDATE, &exception, entry,
			      "Rule exception must be a mapping");
	if (!item_text(loader, &place, entry, STR("name"), false, &name))
		return false;
	exception.name = place.item_name = name->text;
	exception.fields = yaml_get(entry, STR("fields"));
	exception.comps = yaml_get(entry, STR("comps"));
	item_unknown_keys(loader, &place, entry, known_keys);
	if (mode == EXCEPTIONS_APPEND) {
		struct exception *known = find(rule, name->text);

		return known != NULL ? append_known(loader, known, entry)
				     : append_new(loader, rule, &exception, entry);
	}
	if (exception.fields == NULL)
		return refuse(loader, RULES_ERR_YAML_VALIDATE, &exception, entry,
			      "Item has no mapping for key 'fields'");
	if (find(rule, name->text) != NULL)
		report_add(loader->report, RULES_EXCEPTION_NAME_NOT_UNIQUE, &place,
			   "Multiple definitions of exception '%s' in the same rule",
			   name->text.at);
	return add_exception(loader, rule, &exception, yaml_get(entry, STR("values")));
}

bool load_exceptions(struct loader *loader, struct rule_item *rule, const struct yaml *item,
		     enum exceptions_mode mode)
{
	const struct yaml *list = yaml_get(item, STR("exceptions"));
	struct place place = { .node = list, .item_kind = "exceptions", .item_name = rule->name };

	if (list->is_null)
		return true;
	if (list->kind != YAML_SEQUENCE) {
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &place,
			   "Rule exceptions must be a sequence");
		return false;
	}
	for (size_t i = 0; i < list->count; i++)
		if (!load_exception(loader, rule, list->items[i], mode))
			return false;
	return true;
}

static bool print_scalars(struct loader *loader, struct buf *out, const struct exception *exception,
			  const struct yaml *const *items, size_t count)
{
	buf_add_char(out, '(');
	for (size_t i = 0; i < count; i++) {
		if (items[i]->kind != YAML_SCALAR)
			return refuse(loader, RULES_ERR_VALIDATE, exception, items[i],
				      "Expected values array to contain a list of strings");
		if (i > 0)
			buf_add(out, STR(", "));
		item_print(out, items[i]->text);
	}
	buf_add_char(out, ')');
	return true;
}

/* One field of a tuple, its operator and its value. */
static bool print_check(struct loader *loader, struct buf *out, const struct exception *exception,
			size_t at, const struct yaml *value)
{
	struct str comp =
		exception->comps == NULL ? STR("=") : str_trim(exception->comps->items[at]->text);
	enum modifier modifier = MODIFIER_NONE;
	enum op op = OP_EQ;

	op_parse(comp, &op, &modifier);
	buf_add(out, exception->fields->items[at]->text);
	buf_add_char(out, ' ');
	buf_add(out, comp);
	buf_add_char(out, ' ');
	if (value->kind == YAML_SEQUENCE)
		return print_scalars(loader, out, exception, value->items, value->count);
	if (value->kind != YAML_SCALAR)
		return refuse(loader, RULES_ERR_VALIDATE, exception, value,
			      "Expected values array to contain a list of strings");
	if (takes_list(op, modifier) && !str_starts(value->text, STR("(")))
		return print_scalars(loader, out, exception, &value, 1);
	item_print(out, value->text);
	return true;
}

static bool print_tuple(struct loader *loader, struct buf *out, const struct exception *exception,
			const struct yaml *tuple)
{
	if (tuple->kind != YAML_SEQUENCE || tuple->count != exception->fields->count)
		return refuse(loader, RULES_ERR_VALIDATE, exception, tuple,
			      "Fields and values lists must have equal length");
	for (size_t i = 0; i < tuple->count; i++) {
		if (i > 0)
			buf_add(out, STR(" and "));
		if (!print_check(loader, out, exception, i, tuple->items[i]))
			return false;
	}
	return true;
}

static bool add_piece(struct loader *loader, struct buf *out, const struct yaml *node,
		      struct pieces *ret)
{
	struct str text = arena_str(loader->arena, buf_str(out));

	buf_clear(out);
	if (text.at == NULL || !buf_ok(out)) {
		loader->out_of_memory = true;
		return false;
	}
	return pieces_add(loader, ret, text, node, false);
}

static bool print_single(struct loader *loader, struct buf *out, const struct exception *exception,
			 struct pieces *ret)
{
	buf_add(out, exception->fields->text);
	buf_add_char(out, ' ');
	buf_add(out, exception->comps == NULL ? STR("in") : str_trim(exception->comps->text));
	buf_add_char(out, ' ');
	return print_scalars(loader, out, exception, exception->values, exception->values_count) &&
	       add_piece(loader, out, exception->values[0], ret);
}

static bool print_tuples(struct loader *loader, struct buf *out, const struct exception *exception,
			 struct pieces *ret)
{
	for (size_t i = 0; i < exception->values_count; i++) {
		if (i > 0)
			buf_add(out, STR("or "));
		if (!print_tuple(loader, out, exception, exception->values[i]) ||
		    !add_piece(loader, out, exception->values[i], ret))
			return false;
	}
	return true;
}

bool exception_condition(struct loader *loader, const struct rule_item *rule,
			 const struct exception *exception, struct pieces *ret)
{
	struct buf out = { .max = RULES_TEXT_MAX };
	bool ok;

	(void)rule;
	*ret = (struct pieces){ 0 };
	if (exception->values_count == 0)
		return true;
	ok = exception->fields->kind == YAML_SCALAR ? print_single(loader, &out, exception, ret)
						    : print_tuples(loader, &out, exception, ret);
	buf_done(&out);
	return ok;
}
