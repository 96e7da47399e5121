/* The answer of OPA's data API: {"result": …}, or {} when the rule is undefined. */
#include "hub/evaluate/opa_inner.h"

static bool add_message(const struct json *json, uint32_t node, struct buf *message)
{
	struct str raw = json_raw(json, node);

	if (json->nodes[node].kind != JSON_STRING)
		return false;
	if (message->len > OPA_MESSAGE_MAX)
		return true; /* to be cut anyway, but the rest must be messages, too */
	if (message->len > 0)
		buf_add(message, STR("; "));
	if (buf_reserve(message, raw.len + 1))
		message->len += json_unescape(raw, message->at + message->len);
	return buf_ok(message);
}

static bool read_list(const struct json *json, uint32_t list, struct buf *message, enum opa_verdict *ret)
{
	*ret = OPA_NO;
	for (uint32_t i = json_first(json, list); i != json_end(json, list); i = json->nodes[i].next) {
		*ret = OPA_YES;
		if (!add_message(json, i, message))
			return false;
	}
	buf_cut(message, OPA_MESSAGE_MAX);
	return true;
}

bool opa_read_answer(struct str text, struct json_node nodes[OPA_NODES_MAX], struct buf *message,
                     enum opa_verdict *ret)
{
	struct json json = { .text = text, .nodes = nodes, .cap = OPA_NODES_MAX, .depth_max = 32 };
	uint32_t result;
	size_t end;

	if (json_read(&json, 0, &end) < 0 || json_blanks(text, end) != text.len ||
	    nodes[0].kind != JSON_OBJECT)
		return false;
	result = json_get(&json, 0, STR("result"));
	if (result == 0) {
		*ret = OPA_NO;
		return true;
	}
	switch (nodes[result].kind) {
	case JSON_TRUE: *ret = OPA_YES; return true;
	case JSON_FALSE: *ret = OPA_NO; return true;
	case JSON_ARRAY: return read_list(&json, result, message, ret);
	default: return false;
	}
}
