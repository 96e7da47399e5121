/* A JSON text from a hub, made easy to ask. */
#ifndef CLI_ANSWER_H
#define CLI_ANSWER_H

#include "base/json.h"

enum { ANSWER_NODES_MAX = 1 << 20 };

struct answer {
	struct json json;
	struct arena arena; /* unescaped strings */
};

/* Reads `text` (borrowed). 0, -EBADMSG or -ENOMEM. */
int answer_read(struct str text, struct answer *ret);
void answer_done(struct answer *answer);

/* Members of an object by key: the bytes of a string (numbers as they are written), "" without one. */
struct str answer_text(struct answer *answer, uint32_t object, const char *key);
uint64_t answer_u64(struct answer *answer, uint32_t object, const char *key);
double answer_double(struct answer *answer, uint32_t object, const char *key);

/* The string or number at a node. */
struct str answer_value(struct answer *answer, uint32_t node);

/* The first element of the array under a key and, in ret_end, where it ends: equal when there is none. */
uint32_t answer_list(struct answer *answer, uint32_t object, const char *key, uint32_t *ret_end);

#endif
