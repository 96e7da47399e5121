/* Looking up fields at load time. */
#include "rules/fieldname.h"

#include "rules/near.h"
#include "rules/params.h"

/* The entry with this very name, or FIELD_NONE. */
static field_id entry_of(struct str name)
{
	for (field_id id = 1; id < FIELD_CATALOGUE_END; id++)
		if (str_eq(field_info_at(id)->name, name))
			return id;
	return FIELD_NONE;
}

/* The entry of which the name is "entry.argument". */
static field_id entry_with_dot(struct str name, struct str *ret_arg)
{
	for (size_t i = name.len; i-- > 1;) {
		field_id id;

		if (name.at[i] != '.')
			continue;
		id = entry_of(str_cut(name, i));
		if (id != FIELD_NONE && (field_info_at(id)->flags & FIELD_ARG_REQUIRED)) {
			*ret_arg = str_from(name, i + 1);
			return id;
		}
	}
	return FIELD_NONE;
}

/* Of evt.arg and evt.rawarg. */
static enum fieldname find_param(const struct ast_term *term, field_id id, struct str name)
{
	if (term->has_arg)
		return id == FIELD_EVT_RAWARG ? FIELDNAME_NOT_BY_NUMBER : FIELDNAME_OK;
	if (param_find(name) != NULL)
		return FIELDNAME_OK;
	return param_begins(name) ? FIELDNAME_UNKNOWN : FIELDNAME_NO_PARAMETER;
}

enum fieldname fieldname_find(const struct ast_term *term, field_id *ret_base, struct str *ret_arg)
{
	field_id id = entry_of(term->name);
	struct str arg = term->arg;
	unsigned flags;

	if (id == FIELD_NONE) {
		id = entry_with_dot(term->name, &arg);
		if (id == FIELD_NONE)
			return FIELDNAME_UNKNOWN;
		if (term->has_arg)
			return FIELDNAME_TAKES_NO_ARGUMENT;
	} else {
		flags = field_info_at(id)->flags;
		if (term->has_arg && !(flags & (FIELD_ARG_REQUIRED | FIELD_ARG_ALLOWED)))
			return FIELDNAME_TAKES_NO_ARGUMENT;
		if (!term->has_arg && (flags & FIELD_ARG_REQUIRED) && id != FIELD_EVT_ABSPATH)
			return FIELDNAME_NEEDS_ARGUMENT;
	}
	if (ret_base != NULL)
		*ret_base = id;
	if (ret_arg != NULL)
		*ret_arg = arg;
	return id == FIELD_EVT_ARG || id == FIELD_EVT_RAWARG ? find_param(term, id, arg) : FIELDNAME_OK;
}

bool fieldname_is_field(struct str text, struct arena *arena)
{
	struct parse_error error;
	struct ast_term *term;
	size_t end;

	return ast_parse_term(text, 0, arena, &term, &end, &error) == 0 && end == text.len &&
	       term->kind == AST_FIELD && fieldname_find(term, NULL, NULL) == FIELDNAME_OK;
}

struct str fieldname_nearest(struct str name)
{
	struct near near = near_to(name);

	for (field_id id = 1; id < FIELD_CATALOGUE_END; id++)
		near_try(&near, field_info_at(id)->name);
	return near.best;
}
