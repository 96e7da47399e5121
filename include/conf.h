/* Settings as tables. One row is the whole truth about one setting: the YAML reader, the environment
 * override, --help, the manual page and the schema are made from it. Values land in a plain struct
 * at `offset`; strings in it are owned by the configuration's arena. */
#ifndef INCLUDE_CONF_H
#define INCLUDE_CONF_H

#include "base/arena.h"
#include "base/buf.h"

#include <stddef.h>

enum conf_type {
	CONF_STRING = 1, /* const char *, NULL when not set */
	CONF_BOOL,       /* bool */
	CONF_INT,        /* int64_t */
	CONF_DURATION,   /* int64_t ms: "500ms" "10s" "5m" "2h" "7d" */
	CONF_SIZE,       /* int64_t bytes: "64KiB" "8MiB" "1GiB" "100MB", plain bytes */
	CONF_CHOICE,     /* int64_t: index into choices */
	CONF_SECRET,     /* const char *: literal, "file:PATH", "env:NAME" or "credential:NAME", resolved;
	                    never shown again */
	CONF_STRINGS,    /* struct conf_strings: a YAML sequence of scalars, or one scalar */
	CONF_MAP,        /* struct conf_map: a YAML mapping of scalars, in file order */
	CONF_SECRET_MAP, /* struct conf_map whose values are secrets (HTTP headers) */
	CONF_ADDRESS,    /* const char *: "HOST:PORT", "[V6]:PORT", "unix:PATH" */
};

enum conf_flag {
	CONF_REQUIRED = 1 << 0,
	CONF_RELOAD = 1 << 1, /* takes effect on reload; others want a restart */
	CONF_OR_OFF = 1 << 2, /* CONF_ADDRESS: "off" and "" are taken too */
};

struct conf_strings {
	const char *const *at;
	size_t count;
};

struct conf_pair {
	const char *key;
	const char *value;
};

struct conf_map {
	const struct conf_pair *at;
	size_t count;
};

struct conf_field {
	const char *key;
	enum conf_type type;
	size_t offset;
	unsigned flags;
	const char *fallback;       /* as a user would write it; NULL: unset / 0 / false */
	int64_t min, max;           /* both 0: any */
	const char *const *choices; /* CONF_CHOICE only, ends with NULL */
	const char *help;           /* one line, for people */
};

/* Something wrong with a configuration or rules file, with its place. line and column from 1;
 * 0: not known (the whole file, or the environment). */
struct conf_error {
	const char *file;
	unsigned line, column;
	const char *text;  /* "outputs.slack-soc.timeout: \"10 minutes\" is not a duration (try 10m)" */
	const char *source; /* the offending line, values of secrets masked, or NULL */
	bool warning;       /* odd, but it works */
};

enum { CONF_ERRORS_MAX = 20 };

/* All that is wrong, up to CONF_ERRORS_MAX; `more` counts the rest. Texts live in the arena. */
struct conf_errors {
	struct conf_error at[CONF_ERRORS_MAX];
	size_t count;
	size_t more;
	size_t warnings; /* of count + more, how many are only warnings */
	struct arena *arena;
};

/* How many are errors. */
static inline size_t conf_errors_failed(const struct conf_errors *errors)
{
	return errors->count + errors->more - errors->warnings;
}

void conf_error_add(struct conf_errors *errors, const char *file, unsigned line, unsigned column,
                    const char *source, const char *format, ...) __attribute__((format(printf, 6, 7)));
void conf_warning_add(struct conf_errors *errors, const char *file, unsigned line, unsigned column,
                      const char *source, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* As people read them: "hub.yaml:14:14: text", the line, and a caret below the column; "2 errors" at
 * the end. Nothing when there is nothing to say. */
void conf_errors_print(const struct conf_errors *errors, struct buf *out);

/* For editors and CI: {"ok":false,"errors":[{"file":…,"line":…,"column":…,"severity":"error",
 * "text":…},…],"more":0}. */
void conf_errors_json(const struct conf_errors *errors, struct buf *out);

#endif
