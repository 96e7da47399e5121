/* A test's events as JSON, and what an alert must be like. */
#include "cli/rules_test.h"

static bool is_number(struct str text)
{
	struct json_node node;
	struct json json = { .text = text, .nodes = &node, .cap = 1, .depth_max = 1 };
	size_t end;

	return text.len > 0 && json_read(&json, 0, &end) == 0 && end == text.len && node.kind == JSON_NUMBER;
}

static void add_scalar(const struct yaml *node, struct buf *out)
{
	if (node->is_null)
		buf_add(out, STR("null"));
	else if (node->is_plain && (str_eq(node->text, STR("true")) || str_eq(node->text, STR("false")) ||
	                            is_number(node->text)))
		buf_add(out, node->text);
	else
		buf_add_json(out, node->text);
}

void test_add_json(const struct yaml *node, struct buf *out)
{
	const bool mapping = node->kind == YAML_MAPPING;

	if (node->kind == YAML_SCALAR) {
		add_scalar(node, out);
		return;
	}
	buf_add_char(out, mapping ? '{' : '[');
	for (size_t i = 0; i < node->count && buf_ok(out); i++) {
		if (i > 0)
			buf_add_char(out, mapping && i % 2 == 1 ? ':' : ',');
		if (mapping && i % 2 == 0)
			buf_add_json(out, node->items[i]->text);
		else
			test_add_json(node->items[i], out);
	}
	buf_add_char(out, mapping ? '}' : ']');
}

/* The members of `over`, then those of `under` that it does not have; none named `but`. */
static void add_members(const struct yaml *over, const struct yaml *under, struct str but, struct buf *out)
{
	const struct yaml *const both[] = { over, under };
	bool first = true;

	for (size_t side = 0; side < 2; side++) {
		const struct yaml *from = both[side];

		for (size_t i = 0; from != NULL && from->kind == YAML_MAPPING && i + 1 < from->count; i += 2) {
			struct str key = from->items[i]->text;

			if (str_eq(key, but) && but.len > 0)
				continue;
			if (side == 1 && over != NULL && over->kind == YAML_MAPPING && yaml_get(over, key) != NULL)
				continue;
			if (!first)
				buf_add_char(out, ',');
			first = false;
			buf_add_json(out, key);
			buf_add_char(out, ':');
			test_add_json(from->items[i + 1], out);
		}
	}
}

static const struct yaml *fields_of(const struct yaml *event)
{
	return event == NULL || event->kind != YAML_MAPPING ? NULL : yaml_get(event, STR("fields"));
}

void test_add_event(const struct test_file *file, const struct yaml *event, struct buf *out)
{
	size_t before;

	buf_add_char(out, '{');
	before = out->len;
	add_members(event, file->defaults, STR("fields"), out);
	if (out->len > before)
		buf_add_char(out, ',');
	buf_add(out, STR("\"fields\":{"));
	add_members(fields_of(event), fields_of(file->defaults), STR(""), out);
	buf_add(out, STR("}}\n"));
}

static void differ(struct buf *diff, const char *what, struct str want, struct str got)
{
	buf_addf(diff, "    %s expected: ", what);
	buf_add_printable(diff, want);
	buf_addf(diff, "\n    %s    got: ", what);
	buf_add_printable(diff, got);
	buf_add_char(diff, '\n');
}

/* Equal as JSON, or both spell the same: 1 and "1". */
static bool same_value(const struct yaml *want, const struct json *json, uint32_t node)
{
	struct buf text = { 0 }, value = { 0 };
	bool same;

	test_add_json(want, &text);
	json_copy(&value, json, node);
	same = str_eq(buf_str(&text), buf_str(&value)) ||
	       (want->kind == YAML_SCALAR && !want->is_null && json->nodes[node].kind != JSON_NULL &&
	        str_eq(want->text, json_raw(json, node)));
	buf_done(&text);
	buf_done(&value);
	return same;
}

static bool fields_match(struct rules_set *set, const struct yaml *want, struct str fields, struct buf *diff)
{
	struct json json = { .text = fields, .nodes = set->normalise.nodes, .cap = set->normalise.nodes_max,
		             .depth_max = set->normalise.depth_max };
	bool good = true;
	size_t end;

	if (json_read(&json, 0, &end) < 0)
		return false;
	for (size_t i = 0; i + 1 < want->count; i += 2) {
		struct buf text = { 0 };
		uint32_t node = json_get(&json, 0, want->items[i]->text);

		if (node != 0 && same_value(want->items[i + 1], &json, node))
			continue;
		good = false;
		test_add_json(want->items[i + 1], &text);
		differ(diff, want->items[i]->text.at, buf_str(&text),
		       node == 0 ? STR("(not among its output_fields)") : json_whole(&json, node));
		buf_done(&text);
	}
	return good;
}

bool test_alert_matches(struct rules_set *set, const struct yaml *item, const struct rule *rule,
                        struct str message, struct str fields, struct buf *diff)
{
	const size_t before = diff->len;
	const struct yaml *want;
	enum priority priority;

	if (item->kind != YAML_MAPPING)
		return true;
	want = yaml_get(item, STR("output"));
	if (want != NULL && !str_eq(want->text, message))
		differ(diff, "output", want->text, message);
	want = yaml_get(item, STR("contains"));
	if (want != NULL && str_find(message, want->text) < 0)
		differ(diff, "part of output", want->text, message);
	want = yaml_get(item, STR("priority"));
	if (want != NULL && priority_parse(want->text, &priority) && priority != rule_priority(rule))
		differ(diff, "priority", str_of(priority_name(priority)), str_of(priority_name(rule_priority(rule))));
	want = yaml_get(item, STR("source"));
	if (want != NULL && !str_eq(want->text, rule_source(rule)))
		differ(diff, "source", want->text, rule_source(rule));
	want = yaml_get(item, STR("fields"));
	if (want != NULL)
		fields_match(set, want, fields, diff);
	return diff->len == before;
}
