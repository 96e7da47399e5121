/* The compiler's state while rules are loaded. */
#ifndef RULES_COMPILER_H
#define RULES_COMPILER_H

#include "rules/compiled.h"
#include "rules/describe.h"
#include "rules/load.h"

struct compiler {
	struct loader *loader;
	struct rules *rules;
	struct fields *fields;
	struct table term_names, predicate_names, node_names;
	size_t terms_cap, predicates_cap, nodes_cap, children_cap;
	uint32_t node_false, node_true;
	size_t regex_total; /* bytes of compiled regular expressions */
	struct buf key;	    /* what says whether the thing at hand is there already; see key_begin() */

	/* The condition or output being compiled: */
	const struct text *text;
	struct problem *problem;
	bool is_watch;	   /* watch.count and so on may be named */
	bool any_field;	   /* another source's rule: fields that we do not know are text */
	bool skip_unknown; /* the rule is skipped when something in it is unknown */
};

/* All return false with c->problem set, or with loader->out_of_memory. */
bool compile_term(struct compiler *c, const struct ast_term *term, uint32_t *ret);
bool compile_check(struct compiler *c, const struct ast *check, uint32_t *ret_predicate);
bool compile_condition(struct compiler *c, const struct ast *ast, uint32_t *ret_node);

/* Parses an output's text. `where` maps offsets to places; transformed says whether what stands
 * inside a transformer, and the transformer itself, get fields of their own. */
bool compile_format(struct compiler *c, struct str text, bool transformed, struct format *ret);

/* Literals numbered, children ordered: once all is compiled. */
bool compile_finish(struct compiler *c);

bool compile_init(struct compiler *c);
void compile_done(struct compiler *c);

/* Fills in what settings->description asks for. */
bool describe_all(struct compiler *c, struct rules_description *description);

/* Marks the fields that enabled rules read as wanted. */
bool wanted_mark(struct compiler *c);

/* Always false. */
bool complain(struct compiler *c, enum rules_code code, size_t at, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* A key that says whether two things are the same is made in one place, one at a time, and kept in the
 * loader's memory only when the thing is new. */
void key_begin(struct compiler *c);
bool key_keep(struct compiler *c, struct table *names, uint32_t number);

/* Looks the key up; false as well when it could not be made, which loader->out_of_memory says. */
bool key_find(struct compiler *c, const struct table *names, uint32_t *ret);

/* Part of a key. */
static inline void key_add(struct buf *key, uint32_t number)
{
	buf_add(key, (struct str){ (const char *)&number, sizeof(number) });
}

/* Memory that lives as long as the rules. NULL sets loader->out_of_memory. */
void *compile_take(struct compiler *c, size_t size);
struct str compile_str(struct compiler *c, struct str text);

/* Room for one more in a table of the rules, which doubles by copying. */
bool compile_grow(struct compiler *c, void **items, size_t count, size_t *cap, size_t size);

/* Fields that rules should no longer name. */
enum { DEPRECATED_FIELDS = 6 };
extern const struct str deprecated_fields[DEPRECATED_FIELDS];
#define DEPRECATED_FIELD_FORMAT "usage of deprecated field '%.*s' has been detected in the rule "

/* What is odd in a condition, as warnings about the place's item. */
void warn_condition(struct loader *loader, const struct ast *ast, const struct text *text,
		    const char *item_kind, struct str item_name);

#endif
