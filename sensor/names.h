/* Names of users and groups, from /etc/passwd and /etc/group and nowhere else: a lookup over the
 * network in the middle of an event would stop the sensor. Read again when a file changes. */
#ifndef SENSOR_NAMES_H
#define SENSOR_NAMES_H

#include "base/buf.h"

enum {
	NAMES_MAX = 4096, /* entries kept of a file; the rest is not known */
	NAMES_LEN_MAX = 32,
	NAMES_HOME_MAX = 96, /* bytes of a home directory or a shell; longer ones are not known */
};

/* A line of passwd(5) or group(5), which has neither home nor shell. */
struct names_line {
	uint32_t id;
	struct str name, home, shell;
};

/* False: it is none, or its name is too long. */
bool names_parse(struct str line, struct names_line *ret);

struct names;

/* `path` is in the format of passwd(5) or group(5): name in the first column, number in the third.
 * NULL: out of memory. A file that is not there has no names. */
struct names *names_new(const char *path);
/* Of a text in that format, and nothing else from then on. */
struct names *names_new_text(struct str text);
void names_free(struct names *names);

/* The table in that format, the columns left out that nobody asks for. */
void names_add_text(const struct names *names, struct buf *out);

/* Reads the file again if it has changed; looks at most once a second. `now_ns` is monotonic. */
void names_refresh(struct names *names, int64_t now_ns);

/* The name of a number; empty when not known. Valid until the next refresh. */
struct str names_find(const struct names *names, uint32_t id);

/* The user's home directory and shell; empty when not known. Valid as long. */
struct str names_home(const struct names *names, uint32_t id);
struct str names_shell(const struct names *names, uint32_t id);

#endif
