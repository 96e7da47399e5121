/* Reading a test file. */
#include "cli/rules_test.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "rules/fieldname.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_MAX = 256 << 20, KEYS_MAX = 16, RULES_MAX = 256 };

static const int64_t WAIT_MAX_MS = (int64_t)365 * 24 * 3600 * 1000;

static const char *const file_keys[] = { "rules", "match", "sources", "defaults", "tests", "desc", NULL };
static const char *const case_keys[] = { "name", "desc", "event", "events", "after", "fires", "never", NULL };
static const char *const event_keys[] = { "source", "time", "hostname", "fields", "output_fields", "rule",
	                                  "priority", "output", "tags", "uuid", "sensor", NULL };
static const char *const wait_keys[] = { "wait", NULL };
static const char *const fires_keys[] = { "rule", "output", "contains", "priority", "source", "fields", NULL };

void test_fault(struct test_file *file, const struct yaml *node, const char *format, ...)
{
	struct yaml_place at = node == NULL ? (struct yaml_place){ 0 } : yaml_start(node);
	struct str source = { 0 };
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (node != NULL)
		source = arena_str(&file->arena, yaml_line(&file->text, at.offset));
	conf_error_add(&file->errors, file->text.name, at.line, at.column, source.at, "%s", text);
}

static void check_keys(struct test_file *file, const struct yaml *mapping, const char *const *known)
{
	for (size_t i = 0; i + 1 < mapping->count; i += 2) {
		const struct yaml *key = mapping->items[i];
		const char *meant = NULL;
		size_t j = 0;

		while (known[j] != NULL && (key->kind != YAML_SCALAR || !str_eq(key->text, str_of(known[j]))))
			j++;
		if (known[j] == NULL && key->kind == YAML_SCALAR)
			meant = conf_closest(key->text, known);
		if (known[j] == NULL)
			test_fault(file, key, "unknown key \"%.80s\"%s%s%s",
			           key->kind == YAML_SCALAR ? key->text.at : "", meant == NULL ? "" : ", did you mean \"",
			           meant == NULL ? "" : meant, meant == NULL ? "" : "\"?");
		for (j = 0; j < i; j += 2)
			if (key->kind == YAML_SCALAR && mapping->items[j]->kind == YAML_SCALAR &&
			    str_eq(mapping->items[j]->text, key->text))
				test_fault(file, key, "\"%.80s\" stands here twice", key->text.at);
	}
}

static bool is_mapping(struct test_file *file, const struct yaml *node, const char *what)
{
	if (node->kind == YAML_MAPPING)
		return true;
	test_fault(file, node, "%s is a mapping", what);
	return false;
}

/* A sequence, or one value that stands for a sequence of it. NULL: neither. */
static const struct yaml *as_sequence(struct test_file *file, const struct yaml *node)
{
	struct yaml *sequence;
	const struct yaml **items;

	if (node == NULL || node->kind == YAML_SEQUENCE)
		return node;
	sequence = arena_zalloc(&file->arena, sizeof(*sequence));
	items = arena_alloc(&file->arena, sizeof(*items));
	if (sequence == NULL || items == NULL)
		return NULL;
	*sequence = *node;
	sequence->kind = YAML_SEQUENCE;
	sequence->items = items;
	sequence->count = node->is_null ? 0 : 1;
	items[0] = node;
	return sequence;
}

/* A path in the file means one from where the file is. */
static const char *beside(struct test_file *file, struct str path)
{
	const char *slash = strrchr(file->text.name, '/');
	struct buf full = { .max = 8192 };
	const char *kept;

	if (slash != NULL && path.len > 0 && path.at[0] != '/')
		buf_add(&full, (struct str){ file->text.name, (size_t)(slash - file->text.name) + 1 });
	buf_add(&full, path);
	kept = buf_ok(&full) ? arena_str(&file->arena, buf_str(&full)).at : NULL;
	buf_done(&full);
	return kept == NULL ? "" : kept;
}

static struct conf_strings take_strings(struct test_file *file, const struct yaml *node, bool are_paths)
{
	const struct yaml *sequence = as_sequence(file, node);
	struct conf_strings ret = { 0 };
	const char **at;

	if (sequence == NULL)
		return ret;
	at = arena_alloc(&file->arena, (sequence->count + 1) * sizeof(*at));
	for (size_t i = 0; at != NULL && i < sequence->count && ret.count < RULES_MAX; i++) {
		const struct yaml *item = sequence->items[i];

		if (item->kind != YAML_SCALAR || item->is_null)
			test_fault(file, item, "a word is wanted here");
		else
			at[ret.count++] = are_paths ? beside(file, item->text) : item->text.at;
	}
	ret.at = at;
	return ret;
}

static void take_match(struct test_file *file, const struct yaml *node)
{
	bool first = node != NULL && node->kind == YAML_SCALAR && str_eq(node->text, STR("first"));

	file->has_match = node != NULL;
	file->match_all = !first;
	if (node != NULL && !first && (node->kind != YAML_SCALAR || !str_eq(node->text, STR("all"))))
		test_fault(file, node, "match is first or all");
}

static bool parse_wait(const struct yaml *node, int64_t *ret_ns)
{
	int64_t ms;

	if (node->kind != YAML_SCALAR || !conf_parse_duration(node->text, &ms) || ms < 1 || ms > WAIT_MAX_MS)
		return false;
	*ret_ns = ms * NS_PER_MS;
	return true;
}

int64_t test_wait_ns(const struct yaml *event)
{
	const struct yaml *wait = yaml_get(event, STR("wait"));
	int64_t ns = 0;

	return wait != NULL && parse_wait(wait, &ns) ? ns : 0;
}

static int64_t check_wait(struct test_file *file, const struct yaml *node)
{
	int64_t ns = 0;

	if (!parse_wait(node, &ns))
		test_fault(file, node, "a duration from 1ms to 365d is wanted here, like 30s, 5m, 1h");
	return ns;
}

static void check_event(struct test_file *file, const struct yaml *event, const char *what)
{
	const struct yaml *fields;

	if (!is_mapping(file, event, what))
		return;
	check_keys(file, event, event_keys);
	fields = yaml_get(event, STR("fields"));
	if (fields != NULL && !fields->is_null && is_mapping(file, fields, "fields"))
		for (size_t i = 0; i + 1 < fields->count; i += 2)
			if (fields->items[i]->kind != YAML_SCALAR)
				test_fault(file, fields->items[i], "a field's name is wanted here");
}

struct str test_rule_name(const struct yaml *item)
{
	const struct yaml *name = item->kind == YAML_MAPPING ? yaml_get(item, STR("rule")) : item;

	return name != NULL && name->kind == YAML_SCALAR && !name->is_null ? name->text : (struct str){ 0 };
}

static void check_fires(struct test_file *file, const struct yaml *item)
{
	const struct yaml *priority, *fields;
	enum priority value;

	if (test_rule_name(item).len == 0)
		test_fault(file, item, "a rule's name is wanted here");
	if (item->kind != YAML_MAPPING)
		return;
	check_keys(file, item, fires_keys);
	priority = yaml_get(item, STR("priority"));
	if (priority != NULL && (priority->kind != YAML_SCALAR || !priority_parse(priority->text, &value)))
		test_fault(file, priority, "this is no priority");
	fields = yaml_get(item, STR("fields"));
	if (fields != NULL)
		is_mapping(file, fields, "fields");
}

static void take_events(struct test_file *file, const struct yaml *node, struct test_case *test)
{
	const struct yaml *event = yaml_get(node, STR("event")), *events = yaml_get(node, STR("events"));
	const struct yaml *sequence = as_sequence(file, event != NULL ? event : events);

	if ((event == NULL) == (events == NULL)) {
		test_fault(file, node, event == NULL ? "a test wants an event (or events)"
		                                     : "a test has event or events, not both");
		return;
	}
	if (event != NULL && event->kind == YAML_SEQUENCE)
		test_fault(file, event, "event is one: several stand under events");
	if (sequence == NULL)
		return;
	if (sequence->count > TEST_EVENTS_MAX)
		test_fault(file, sequence, "more than %d events", TEST_EVENTS_MAX);
	for (size_t i = 0; i < sequence->count; i++)
		if (sequence->items[i]->kind == YAML_MAPPING && yaml_get(sequence->items[i], STR("wait")) != NULL) {
			check_keys(file, sequence->items[i], wait_keys);
			check_wait(file, yaml_get(sequence->items[i], STR("wait")));
		} else {
			check_event(file, sequence->items[i], "an event");
		}
	test->events = sequence->items;
	test->events_count = sequence->count;
}

static void take_case(struct test_file *file, const struct yaml *node)
{
	struct test_case *test = &file->cases[file->count];
	const struct yaml *name;

	if (!is_mapping(file, node, "a test"))
		return;
	*test = (struct test_case){ .node = node };
	check_keys(file, node, case_keys);
	name = yaml_get(node, STR("name"));
	if (name == NULL || name->kind != YAML_SCALAR || name->text.len == 0)
		test_fault(file, name == NULL ? node : name, "a test wants a name");
	else
		test->name = name->text;
	take_events(file, node, test);
	if (yaml_get(node, STR("after")) != NULL)
		test->after_ns = check_wait(file, yaml_get(node, STR("after")));
	test->fires = as_sequence(file, yaml_get(node, STR("fires")));
	test->never = as_sequence(file, yaml_get(node, STR("never")));
	if (test->fires == NULL && test->never == NULL)
		test_fault(file, node, "this test expects nothing: fires or never is wanted (fires: [] for none)");
	for (size_t i = 0; test->fires != NULL && i < test->fires->count; i++)
		check_fires(file, test->fires->items[i]);
	for (size_t i = 0; test->never != NULL && i < test->never->count; i++)
		if (test->never->items[i]->kind != YAML_SCALAR || test_rule_name(test->never->items[i]).len == 0)
			test_fault(file, test->never->items[i], "a rule's name is wanted here");
	file->count++;
}

static void take_root(struct test_file *file, const struct yaml *root)
{
	const struct yaml *tests;

	if (!is_mapping(file, root, "a test file (rules: …, tests: …)"))
		return;
	check_keys(file, root, file_keys);
	file->rules = take_strings(file, yaml_get(root, STR("rules")), true);
	file->sources = take_strings(file, yaml_get(root, STR("sources")), false);
	take_match(file, yaml_get(root, STR("match")));
	file->defaults = yaml_get(root, STR("defaults"));
	if (file->defaults != NULL && file->defaults->is_null)
		file->defaults = NULL;
	if (file->defaults != NULL)
		check_event(file, file->defaults, "defaults");
	tests = yaml_get(root, STR("tests"));
	if (tests == NULL || tests->kind != YAML_SEQUENCE) {
		test_fault(file, tests == NULL ? root : tests, "tests is wanted: a sequence of tests");
		return;
	}
	if (tests->count > TEST_CASES_MAX) {
		test_fault(file, tests, "more than %d tests", TEST_CASES_MAX);
		return;
	}
	file->cases = arena_alloc(&file->arena, (tests->count + 1) * sizeof(*file->cases));
	for (size_t i = 0; file->cases != NULL && i < tests->count; i++)
		take_case(file, tests->items[i]);
}

static void read_text(struct test_file *file)
{
	const struct yaml **roots;
	struct yaml_error error = { 0 };
	size_t count;
	int r = yaml_read(&file->text, &file->arena, &roots, &count, &error);

	if (r == -EBADMSG)
		conf_error_add(&file->errors, file->text.name, error.place.line, error.place.column,
		               arena_str(&file->arena, yaml_line(&file->text, error.place.offset)).at, "%s",
		               error.text);
	else if (r < 0)
		test_fault(file, NULL, "out of memory");
	else if (count != 1)
		test_fault(file, count == 0 ? NULL : roots[1], "one document with tests is wanted");
	else
		take_root(file, roots[0]);
}

bool test_file_read(const char *path, struct test_file *ret)
{
	struct buf text = { .max = TEST_FILE_MAX };

	*ret = (struct test_file){ .text.name = path, .match_all = true };
	arena_init(&ret->arena, ARENA_MAX);
	ret->errors.arena = &ret->arena;
	if (!cli_read(path, &text)) {
		ret->errors.more++;
	} else {
		ret->text.text = arena_str(&ret->arena, buf_str(&text));
		if (ret->text.text.at == NULL)
			test_fault(ret, NULL, "out of memory");
		else
			read_text(ret);
	}
	buf_done(&text);
	return conf_errors_failed(&ret->errors) == 0;
}

void test_file_free(struct test_file *file)
{
	arena_done(&file->arena);
}

static const struct rule *rule_named(const struct rules *rules, struct str name)
{
	for (size_t i = 0; i < rules_count(rules); i++)
		if (str_eq(rule_name(rules_at(rules, i)), name))
			return rules_at(rules, i);
	return NULL;
}

/* The nearest name of a rule, or NULL. */
static const char *nearest_rule(struct test_file *file, const struct rules *rules, struct str name)
{
	const char **names = arena_alloc(&file->arena, (rules_count(rules) + 1) * sizeof(*names));
	size_t count = 0;

	for (size_t i = 0; names != NULL && i < rules_count(rules); i++) {
		names[count] = arena_str(&file->arena, rule_name(rules_at(rules, i))).at;
		count += names[count] != NULL;
	}
	if (names == NULL)
		return NULL;
	names[count] = NULL;
	return conf_closest(name, names);
}

static void check_names(struct test_file *file, const struct rules *rules, const struct yaml *list, bool must_fire)
{
	for (size_t i = 0; list != NULL && i < list->count; i++) {
		struct str name = test_rule_name(list->items[i]);
		const struct rule *rule = rule_named(rules, name);
		const char *meant;

		if (rule != NULL && must_fire && !rule_is_enabled(rule))
			test_fault(file, list->items[i], "rule \"%.200s\" is not enabled: it cannot fire", name.at);
		if (rule != NULL)
			continue;
		meant = nearest_rule(file, rules, name);
		if (meant != NULL)
			test_fault(file, list->items[i], "there is no rule \"%.200s\", did you mean \"%.200s\"?", name.at, meant);
		else
			test_fault(file, list->items[i], "there is no rule \"%.200s\"", name.at);
	}
}

/* Fields of system calls are all known: one that is not is a slip, and its test would prove nothing. */
static void check_fields(struct test_file *file, const struct yaml *event)
{
	const struct yaml *source = yaml_get(event, STR("source")), *fields = yaml_get(event, STR("fields"));
	struct arena scratch;

	if (source == NULL && file->defaults != NULL)
		source = yaml_get(file->defaults, STR("source"));
	if (fields == NULL || fields->kind != YAML_MAPPING ||
	    (source != NULL && (source->kind != YAML_SCALAR || !str_eq(source->text, STR("syscall")))))
		return;
	arena_init(&scratch, 1 << 20);
	for (size_t i = 0; i + 1 < fields->count; i += 2) {
		struct str name = fields->items[i]->text, meant;

		if (field_info(name) != NULL || fieldname_is_field(name, &scratch))
			continue;
		meant = fieldname_nearest(str_cut(name, strcspn(name.at, "[")));
		if (meant.len > 0)
			test_fault(file, fields->items[i], "there is no field \"%.200s\", did you mean \"%.*s\"?", name.at,
			           STR_ARG(meant));
		else
			test_fault(file, fields->items[i], "there is no field \"%.200s\"", name.at);
	}
	arena_done(&scratch);
}

bool test_file_check(struct test_file *file, const struct rules *rules)
{
	if (file->defaults != NULL)
		check_fields(file, file->defaults);
	for (size_t i = 0; i < file->count; i++) {
		check_names(file, rules, file->cases[i].fires, true);
		check_names(file, rules, file->cases[i].never, false);
		for (size_t j = 0; j < file->cases[i].events_count; j++)
			check_fields(file, file->cases[i].events[j]);
	}
	return conf_errors_failed(&file->errors) == 0;
}
