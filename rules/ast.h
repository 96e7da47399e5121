/* A condition as a tree. Made by the parser in an arena; every node knows its offset in the text,
 * so that whatever is found wrong later can be shown where it stands. */
#ifndef RULES_AST_H
#define RULES_AST_H

#include "base/arena.h"
#include "base/buf.h"

enum op {
	OP_EXISTS = 0,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_CONTAINS,
	OP_ICONTAINS,
	OP_BCONTAINS,
	OP_STARTSWITH,
	OP_BSTARTSWITH,
	OP_ENDSWITH,
	OP_GLOB,
	OP_IGLOB,
	OP_REGEX,
	OP_IN,
	OP_INTERSECTS,
	OP_PMATCH,
	OP_COUNT,
};

/* How many of the right values an operator must hold for. */
enum modifier {
	MODIFIER_NONE = 0,
	MODIFIER_ONEOF, /* exactly one */
	MODIFIER_ANYOF,
	MODIFIER_ALLOF,
};

enum transformer {
	TRANSFORMER_TOLOWER = 0,
	TRANSFORMER_TOUPPER,
	TRANSFORMER_B64,
	TRANSFORMER_BASENAME,
	TRANSFORMER_LEN,
	TRANSFORMER_JOIN,
	TRANSFORMER_CONCAT,
	TRANSFORMER_GETOPT,
	TRANSFORMER_COUNT,
};

enum ast_term_kind {
	AST_FIELD = 0,
	AST_CALL,
	AST_STRING,
	AST_NUMBER,
	AST_LIST,
};

/* Something that has a value for an event. */
struct ast_term {
	enum ast_term_kind kind;
	uint32_t at;
	struct str name; /* field; or the text of a literal */
	struct str arg;	 /* what stood in brackets */
	bool has_arg;
	bool is_val; /* written val(field) */
	enum transformer call;
	struct ast_term **items; /* of a call or a list */
	size_t count;
};

struct ast_value {
	struct str text; /* without quotes, escapes resolved */
	uint32_t at;
};

enum ast_kind {
	AST_AND = 0,
	AST_OR,
	AST_NOT,
	AST_MACRO,
	AST_CHECK,
};

struct macro;

struct ast {
	enum ast_kind kind;
	uint32_t at;

	struct ast **items; /* AND, OR, NOT */
	size_t count;

	struct str name;     /* MACRO */
	struct macro *macro; /* set when it is resolved */

	struct ast_term *left; /* CHECK */
	enum op op;
	enum modifier modifier;
	bool is_doubled;	  /* "=" is written "==" */
	bool is_list;		  /* the right side is a list, of `values_count` */
	bool is_named;		  /* a list's name without parentheses, as the one value */
	struct ast_value *values; /* literals on the right */
	size_t values_count;
	struct ast_term *right; /* or a field or transformer there */
};

const char *op_name(enum op op);
const char *modifier_name(enum modifier modifier);
const char *transformer_name(enum transformer call);

/* "=", "startswith anyof", … as exceptions write it, blanks trimmed. False: no such operator. */
bool op_parse(struct str text, enum op *ret_op, enum modifier *ret_modifier);

struct parse_error {
	size_t at;	  /* byte offset */
	const char *text; /* lives in the arena */
	struct str near;  /* what may have been meant; empty: nothing */
};

/* Parses a condition, nested at most `depth_max` deep. 0, -EBADMSG (see reterr) or -ENOMEM. */
int ast_parse(struct str text, unsigned depth_max, struct arena *arena, struct ast **ret,
	      struct parse_error *reterr);

/* Parses the field or transformer that begins at `from`; the offset behind it in ret_end. */
int ast_parse_term(struct str text, size_t from, struct arena *arena, struct ast_term **ret,
		   size_t *ret_end, struct parse_error *reterr);

/* The canonical spelling; macros that are resolved are printed as what they stand for. */
void ast_print(struct buf *out, const struct ast *ast);
void ast_term_print(struct buf *out, const struct ast_term *term);

#endif
