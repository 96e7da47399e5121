/* Asking a JSON text for its members. */
#include "cli/answer.h"

#include <errno.h>
#include <stdlib.h>

enum { ARENA_MAX = 256 << 20 };

int answer_read(struct str text, struct answer *ret)
{
	/* A value takes two bytes at least, so half the text bounds its nodes. */
	size_t cap = text.len / 2 + 2;
	size_t end;
	int r;

	*ret = (struct answer){ .json = { .text = text, .depth_max = 64 } };
	arena_init(&ret->arena, ARENA_MAX);
	ret->json.cap = (uint32_t)(cap < ANSWER_NODES_MAX ? cap : ANSWER_NODES_MAX);
	ret->json.nodes = malloc(ret->json.cap * sizeof(*ret->json.nodes));
	if (ret->json.nodes == NULL)
		return -ENOMEM;
	r = json_read(&ret->json, 0, &end);
	if (r == 0 && json_blanks(text, end) != text.len)
		r = -EBADMSG;
	if (r < 0)
		answer_done(ret);
	return r < 0 ? -EBADMSG : 0;
}

void answer_done(struct answer *answer)
{
	free(answer->json.nodes);
	answer->json.nodes = NULL;
	arena_done(&answer->arena);
}

struct str answer_value(struct answer *answer, uint32_t node)
{
	struct str text;

	switch (answer->json.nodes[node].kind) {
	case JSON_STRING:
		text = json_string(&answer->json, node, &answer->arena);
		return text.at == NULL ? STR("") : text;
	case JSON_NULL: return STR("");
	default: return json_raw(&answer->json, node);
	}
}

static uint32_t member(struct answer *answer, uint32_t object, const char *key)
{
	if (answer->json.nodes[object].kind != JSON_OBJECT)
		return 0;
	return json_get(&answer->json, object, str_of(key));
}

struct str answer_text(struct answer *answer, uint32_t object, const char *key)
{
	uint32_t node = member(answer, object, key);

	return node == 0 ? STR("") : answer_value(answer, node);
}

uint64_t answer_u64(struct answer *answer, uint32_t object, const char *key)
{
	uint64_t value = 0;

	str_to_u64(answer_text(answer, object, key), &value);
	return value;
}

double answer_double(struct answer *answer, uint32_t object, const char *key)
{
	double value = 0;

	str_to_double(answer_text(answer, object, key), &value);
	return value;
}

uint32_t answer_list(struct answer *answer, uint32_t object, const char *key, uint32_t *ret_end)
{
	uint32_t node = member(answer, object, key);

	*ret_end = 0;
	if (node == 0 || answer->json.nodes[node].kind != JSON_ARRAY)
		return 0;
	*ret_end = json_end(&answer->json, node);
	return json_first(&answer->json, node);
}
