/* What the derivations share: reading other fields, giving values. */
#ifndef RULES_DERIVE_H
#define RULES_DERIVE_H

#include "rules/compiled.h"

typedef bool derive_fn(struct rules_scratch *scratch, const struct term *term, struct value *ret);

static inline const struct value *get(struct rules_scratch *scratch, field_id id)
{
	return event_read(scratch->event, id);
}

static inline bool has(const struct value *value)
{
	return value->kind != VALUE_ABSENT && value->kind != VALUE_NULL;
}

/* A field's text, empty when there is none. */
static inline struct str text_of(struct rules_scratch *scratch, field_id id)
{
	struct str text;

	return value_to_text(scratch, get(scratch, id), &text) ? text : (struct str){ 0 };
}

static inline bool number_of(struct rules_scratch *scratch, field_id id, __int128 *ret)
{
	return value_to_number(get(scratch, id), ret);
}

static inline bool give_text(struct value *ret, struct str text)
{
	*ret = value_str(text);
	return text.at != NULL;
}

static inline bool same(struct rules_scratch *scratch, field_id id, struct value *ret)
{
	*ret = *get(scratch, id);
	return has(ret);
}

/* Fields of what an event is about: a file, a socket, a container. */
derive_fn derive_fd_path_part, derive_fd_type, derive_fd_family, derive_fd_endpoint,
	derive_fd_by_role, derive_fd_side_net, derive_fd_dev_part, derive_container_image,
	derive_container_mount;

#endif
