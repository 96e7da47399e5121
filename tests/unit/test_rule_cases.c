/* The language, case by case: ../shared/cases holds what Falco's own tests say, one JSON object a
 * line. Each kind of case has a runner; what is known to differ is listed with its reason. */
#include "rules_fixture.h"

#include "rules/compiler.h"
#include "rules/eval.h"
#include "rules/text.h"

#include <stdio.h>
#include <stdlib.h>

enum { KINDS_MAX = 40, FAILURES_SHOWN = 40 };

/* Cases whose expectation we do not share. */
static const struct {
	const char *id, *reason;
} differs[] = {
	{ "x0134", "the text of the case is cut off behind `and`" },
	{ "x0135", "the text of the case is cut off behind `or`" },
};

struct tally {
	char kind[32];
	unsigned ok, failed, expected;
};

struct suite {
	struct tally kinds[KINDS_MAX];
	unsigned failures;
	json_t *event_sets; /* name: array of events */
	char why[2000];
};

static bool because(struct suite *suite, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool because(struct suite *suite, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(suite->why, sizeof(suite->why), format, args);
	va_end(args);
	return false;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? "" : text;
}

static struct str str_at(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return (struct str){ .at = json_string_value(value), .len = json_string_length(value) };
}

static void load_case(struct loaded *loaded, const struct rules_settings *settings,
		      const json_t *test)
{
	const json_t *list = json_object_get(test, "files");
	struct rules_text files[16] = { { .name = "rules.yaml", .text = str_at(test, "rules") } };
	size_t count = 1;

	if (list != NULL) {
		for (count = 0; count < json_array_size(list) && count < 16; count++) {
			const json_t *file = json_array_get(list, count);

			files[count] = (struct rules_text){ .name = text_of(file, "name"),
							    .text = str_at(file, "rules") };
		}
	}
	load_texts(loaded, settings, files, count);
}

static struct str decode64(const char *text, struct arena *arena)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = arena_alloc(arena, strlen(text) + 1);
	unsigned bits = 0, have = 0;
	size_t len = 0;

	for (; *text != '\0' && *text != '='; text++) {
		bits = bits << 6 | (unsigned)(strchr(digits, *text) - digits);
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[len++] = (char)(bits >> have & 0xff);
		}
	}
	return (struct str){ out, len };
}

static void event_of(struct event *event, const struct loaded *loaded, const json_t *fields,
		     const json_t *fields_b64, struct arena *arena)
{
	const char *key;
	json_t *value;

	assert_int_equal(event_init(event, fields_count(loaded->fields)), 0);
	event_fill(event, loaded->fields, fields, arena);
	json_object_foreach((json_t *)(uintptr_t)fields_b64, key, value)
		event_set(event, fields_find(loaded->fields, str_of(key)),
			  value_str(decode64(json_string_value(value), arena)));
}

static bool run_parse(struct suite *suite, const json_t *test)
{
	bool wanted = strcmp(text_of(test, "kind"), "parse_ok") == 0;
	json_int_t depth = json_integer_value(json_object_get(test, "max_depth"));
	struct parse_error error = { 0 };
	struct arena arena;
	struct ast *ast;
	int r;

	arena_init(&arena, 64 << 20);
	r = ast_parse(str_at(test, "condition"), depth == 0 ? 100 : (unsigned)depth, &arena, &ast,
		      &error);
	if ((r == 0) != wanted)
		because(suite, "parsed: %s", r == 0 ? "yes" : error.text);
	arena_done(&arena);
	return (r == 0) == wanted;
}

static bool run_eval(struct suite *suite, const json_t *test)
{
	bool wanted = json_is_true(json_object_get(test, "expect")), ok;
	const struct rule *hit;
	struct loaded loaded;
	struct arena arena;
	struct event event;
	size_t hits, plain;

	arena_init(&arena, 16 << 20);
	load_condition(&loaded, str_at(test, "condition"), "o");
	if (loaded.result < 0) {
		ok = because(suite, "%s", report_text(&loaded));
	} else {
		event_of(&event, &loaded, json_object_get(test, "fields"),
			 json_object_get(test, "fields_b64"), &arena);
		hits = rules_match(loaded.rules, loaded.scratch, &event, &hit, 1);
		plain = rules_match_plain(loaded.rules, loaded.scratch, &event, &hit, 1);
		event_done(&event);
		ok = hits == plain && (hits == 1) == wanted;
		if (!ok)
			because(suite, "matched %zu, without sharing %zu", hits, plain);
	}
	loaded_done(&loaded);
	arena_done(&arena);
	return ok;
}

static bool has_note(const struct rules_report *report, const json_t *want, bool error)
{
	const char *part = text_of(want, "message_contains"), *item = text_of(want, "item_name");
	const char *kind = text_of(want, "item_type");

	for (size_t i = 0; i < report->count; i++) {
		const struct rules_note *note = &report->notes[i];

		if (rules_code_is_error(note->code) == error &&
		    strcmp(rules_code_name(note->code), text_of(want, "code")) == 0 &&
		    strstr(note->text, part) != NULL &&
		    (item[0] == '\0' ||
		     (note->item_name != NULL && strcmp(note->item_name, item) == 0)) &&
		    (kind[0] == '\0' ||
		     (note->item_kind != NULL && strcmp(note->item_kind, kind) == 0)))
			return true;
	}
	return false;
}

static bool check_notes(struct suite *suite, struct loaded *loaded, const json_t *test)
{
	static const char *const lists[] = { "warnings", "errors" };
	json_t *want, *absent;
	size_t i;

	for (size_t list = 0; list < 2; list++)
		json_array_foreach(
			json_object_get(test, lists[list]), i,
			want) if (!has_note(&loaded->report, want,
					    list == 1)) return because(suite, "no %s %s %s in:\n%s",
								       lists[list],
								       text_of(want, "code"),
								       text_of(want,
									       "message_contains"),
								       report_text(loaded));
	if (json_is_true(json_object_get(test, "no_warnings")) && loaded->report.warnings > 0)
		return because(suite, "warnings:\n%s", report_text(loaded));
	json_array_foreach(
		json_object_get(test, "absent_warnings"), i,
		absent) for (size_t j = 0; j < loaded->report.count;
			     j++) if (strcmp(rules_code_name(loaded->report.notes[j].code),
					     json_string_value(absent)) ==
				      0) return because(suite, "warnings:\n%s",
							report_text(loaded));
	json_array_foreach(json_object_get(test, "absent_warnings_containing"), i,
			   absent) if (strstr(report_text(loaded), json_string_value(absent)) !=
				       NULL) return because(suite, "warnings:\n%s",
							    report_text(loaded));
	return true;
}

static bool check_compiled(struct suite *suite, struct loaded *loaded, const json_t *test)
{
	struct buf text = { 0 };
	const char *name;
	json_t *want;
	bool ok = true;

	json_object_foreach(json_object_get(test, "compiled_conditions"), name, want)
	{
		const struct rule *rule = rule_named(loaded, name);

		buf_clear(&text);
		if (rule != NULL)
			rule_add_canonical(rule, &text);
		if (rule == NULL || strcmp(buf_text(&text), json_string_value(want)) != 0)
			ok = because(suite, "compiled: %s", buf_text(&text));
	}
	buf_done(&text);
	return ok;
}

static bool check_info(struct suite *suite, struct loaded *loaded, const json_t *test)
{
	const json_t *info = json_object_get(test, "rule_info"), *enabled;
	const struct rule *rule = rules_at(loaded->rules, 0);
	const json_t *duration = json_object_get(info, "capture_duration");

	enabled = json_object_get(test, "enabled_rules");
	if (enabled != NULL &&
	    rules_enabled_count(loaded->rules) != (size_t)json_integer_value(enabled))
		return because(suite, "%zu rules enabled", rules_enabled_count(loaded->rules));
	if (info == NULL)
		return true;
	if (json_object_get(info, "condition") != NULL &&
	    !str_eq(rule_condition(rule), str_at(info, "condition")))
		return because(suite, "condition: %.*s", STR_ARG(rule_condition(rule)));
	if (json_object_get(info, "output") != NULL &&
	    !str_eq(rule_output(rule), str_at(info, "output")))
		return because(suite, "output: %.*s", STR_ARG(rule_output(rule)));
	if (json_object_get(info, "description") != NULL &&
	    !str_eq(rule_description(rule), str_at(info, "description")))
		return because(suite, "description: %.*s", STR_ARG(rule_description(rule)));
	if (json_object_get(info, "priority") != NULL &&
	    strcmp(priority_name(rule_priority(rule)), text_of(info, "priority")) != 0)
		return because(suite, "priority: %s", priority_name(rule_priority(rule)));
	if (duration != NULL && rule->capture_ms != (uint32_t)json_integer_value(duration))
		return because(suite, "capture_duration: %u", rule->capture_ms);
	return true;
}

static bool run_load(struct suite *suite, const json_t *test)
{
	struct rules_settings settings = { .priority_max = PRIORITY_DEBUG };
	bool error = strcmp(text_of(test, "kind"), "load_err") == 0, ok;
	struct loaded loaded;

	load_case(&loaded, &settings, test);
	if ((loaded.result < 0) != error)
		ok = because(suite, "loaded: %d\n%s", loaded.result, report_text(&loaded));
	else
		ok = check_notes(suite, &loaded, test) &&
		     (error ||
		      (check_compiled(suite, &loaded, test) && check_info(suite, &loaded, test)));
	loaded_done(&loaded);
	return ok;
}

static bool types_of(const char *condition, struct type_pair *ret)
{
	struct parse_error error;
	struct arena arena;
	struct ast *ast;
	bool ok;

	arena_init(&arena, 16 << 20);
	ok = ast_parse(str_of(condition), 100, &arena, &ast, &error) == 0 &&
	     evttypes_of(ast, ret, NULL);
	arena_done(&arena);
	return ok;
}

static struct type_set set_of(const json_t *want)
{
	const json_t *names = json_is_object(want) ? json_object_get(want, "not") : want;
	struct type_set set = { .words = { 0 } };
	bool negated = !json_is_array(want);

	for (size_t id = EVTTYPE_FIRST; id < evttypes_count(); id++) {
		bool named = false;
		json_t *name;
		size_t i;

		json_array_foreach(names, i, name) named |=
			str_eq(evttype_name(id), str_of(json_string_value(name)));
		if (named != negated)
			type_set_add(&set, id);
	}
	return set;
}

static bool same_types(const struct type_set *a, const struct type_set *b)
{
	for (size_t id = EVTTYPE_FIRST; id < evttypes_count(); id++)
		if (type_set_has(a, id) != type_set_has(b, id))
			return false;
	return true;
}

static bool run_types(struct suite *suite, const json_t *test)
{
	const char *kind = text_of(test, "kind");
	struct type_pair types, others;
	struct type_set want;
	bool ok = types_of(text_of(test, "condition"), &types);

	if (strcmp(kind, "evttypes_err") == 0)
		return !ok || because(suite, "accepted");
	if (!ok)
		return because(suite, "refused");
	if (strcmp(kind, "evttypes_ok") == 0)
		return true;
	if (strcmp(kind, "evttypes_equal") == 0) {
		if (!types_of(text_of(test, "condition2"), &others))
			return because(suite, "the second one is refused");
		return same_types(&types.can, &others.can) || because(suite, "the sets differ");
	}
	want = set_of(json_object_get(test, "expect"));
	return same_types(&types.can, &want) ||
	       because(suite, "%zu types", type_set_count(&types.can));
}

static bool run_canonical(struct suite *suite, const json_t *test)
{
	struct parse_error error = { 0 };
	struct buf text = { 0 };
	struct arena arena;
	struct ast *ast;
	bool ok;

	arena_init(&arena, 16 << 20);
	if (ast_parse(str_at(test, "condition"), 100, &arena, &ast, &error) < 0) {
		ok = because(suite, "%s", error.text);
	} else {
		ast_print(&text, ast);
		ok = str_eq(buf_str(&text), str_at(test, "canonical")) ||
		     because(suite, "%s", buf_text(&text));
	}
	buf_done(&text);
	arena_done(&arena);
	return ok;
}

static bool run_unescape(struct suite *suite, const json_t *test)
{
	bool wanted = strcmp(text_of(test, "kind"), "unescape") == 0;
	struct buf text = { 0 }, hex = { 0 };
	struct parse_error error = { 0 };
	struct arena arena;
	struct ast *ast;
	bool ok;

	arena_init(&arena, 16 << 20);
	buf_add(&text, STR("a.b = "));
	buf_add(&text, str_at(test, "quoted"));
	ok = ast_parse(buf_str(&text), 100, &arena, &ast, &error) == 0;
	for (size_t i = 0; ok && i < ast->values[0].text.len; i++)
		buf_addf(&hex, "%02x", (unsigned char)ast->values[0].text.at[i]);
	if (ok != wanted || (ok && !str_eq(buf_str(&hex), str_at(test, "expect_hex"))))
		ok = because(suite, "%s", ok ? buf_text(&hex) : error.text);
	else
		ok = true;
	buf_done(&text);
	buf_done(&hex);
	arena_done(&arena);
	return ok;
}

static bool run_wildcard(struct suite *suite, const json_t *test)
{
	bool hit = text_wildcard(str_at(test, "pattern"), str_at(test, "string"));

	return hit == json_is_true(json_object_get(test, "expect")) || because(suite, "%d", hit);
}

static bool run_plugins(struct suite *suite, const json_t *test)
{
	const json_t *list = json_object_get(test, "plugins");
	struct rules_plugin plugins[8];
	struct rules_settings settings = { .priority_max = PRIORITY_DEBUG, .plugins = plugins };
	struct loaded loaded;
	bool ok;

	for (size_t i = 0; i < json_array_size(list); i++)
		plugins[settings.plugins_count++] =
			(struct rules_plugin){ .name = text_of(json_array_get(list, i), "name"),
					       .version = text_of(json_array_get(list, i),
								  "version") };
	load_case(&loaded, &settings, test);
	ok = (loaded.result == 0) == json_is_true(json_object_get(test, "expect")) ||
	     because(suite, "%s", report_text(&loaded));
	loaded_done(&loaded);
	return ok;
}

static size_t choices_of(const json_t *list, struct rules_choice *ret)
{
	size_t count = 0, i;
	json_t *entry;

	json_array_foreach(list, i, entry)
	{
		const json_t *enable = json_object_get(entry, "enable");
		const json_t *what = enable != NULL ? enable : json_object_get(entry, "disable");
		bool by_tag = json_object_get(what, "tag") != NULL;

		ret[count++] =
			(struct rules_choice){ .enable = enable != NULL,
					       .by_tag = by_tag,
					       .pattern = text_of(what, by_tag ? "tag" : "rule") };
	}
	return count;
}

static bool run_select(struct suite *suite, const json_t *test)
{
	const json_t *names = json_object_get(test, "enabled");
	struct rules_choice choices[16];
	struct rules_settings settings = { .priority_max = PRIORITY_DEBUG, .choices = choices };
	struct loaded loaded;
	bool ok = true;

	settings.choices_count = choices_of(json_object_get(test, "selection"), choices);
	load_case(&loaded, &settings, test);
	if (loaded.result < 0)
		ok = because(suite, "%s", report_text(&loaded));
	for (size_t i = 0; ok && i < rules_count(loaded.rules); i++) {
		const struct rule *rule = rules_at(loaded.rules, i);
		bool wanted = false;
		json_t *name;
		size_t j;

		json_array_foreach(names, j, name) wanted |=
			str_eq(rule_name(rule), str_of(json_string_value(name)));
		if (rule_is_enabled(rule) != wanted)
			ok = because(suite, "%.*s", STR_ARG(rule_name(rule)));
	}
	loaded_done(&loaded);
	return ok;
}

static bool run_append(struct suite *suite, const json_t *test)
{
	const char *tags[8][8];
	struct rules_extra extras[8];
	struct rules_settings settings = { .priority_max = PRIORITY_DEBUG, .extras = extras };
	struct loaded loaded;
	const char *name;
	json_t *entry, *want;
	bool ok = true;
	size_t i;

	json_array_foreach(json_object_get(test, "append_output"), i, entry)
	{
		const json_t *match = json_object_get(entry, "match");
		const json_t *list = json_object_get(match, "tags");

		for (size_t j = 0; j < json_array_size(list); j++)
			tags[i][j] = json_string_value(json_array_get(list, j));
		extras[i] = (struct rules_extra){
			.rule = json_string_value(json_object_get(match, "rule")),
			.source = json_string_value(json_object_get(match, "source")),
			.tags = { .at = tags[i], .count = json_array_size(list) },
			.output = text_of(entry, "extra_output"),
		};
		settings.extras_count++;
	}
	load_case(&loaded, &settings, test);
	if (loaded.result < 0)
		ok = because(suite, "%s", report_text(&loaded));
	json_object_foreach(json_object_get(test, "output_compiled"), name,
			    want) if (ok && strcmp(rule_output(rule_named(&loaded, name)).at,
						   json_string_value(want)) != 0) ok =
		because(suite, "%s", rule_output(rule_named(&loaded, name)).at);
	loaded_done(&loaded);
	return ok;
}

static bool run_condition_warnings(struct suite *suite, const json_t *test)
{
	struct parse_error error = { 0 };
	struct rules_report report;
	struct arena arena;
	struct loader loader = { .arena = &arena, .report = &report };
	struct ast *ast;
	json_t *code;
	bool ok = true;
	size_t i;

	arena_init(&arena, 16 << 20);
	rules_report_init(&report);
	if (ast_parse(str_at(test, "condition"), 100, &arena, &ast, &error) < 0)
		ok = because(suite, "%s", error.text);
	else
		warn_condition(&loader, ast, NULL, "rule", STR("r"));
	if (ok && (report.warnings > 0) != json_is_true(json_object_get(test, "expect")))
		ok = because(suite, "%zu warnings", report.warnings);
	json_array_foreach(json_object_get(test, "codes"), i, code)
	{
		bool found = false;

		for (size_t j = 0; j < report.count; j++)
			found |= strcmp(rules_code_name(report.notes[j].code),
					json_string_value(code)) == 0;
		if (!found)
			ok = because(suite, "no %s", json_string_value(code));
	}
	rules_report_done(&report);
	arena_done(&arena);
	return ok;
}

/* A compiler with rules to compile a format into. */
struct bench {
	struct arena arena;
	struct rules_report report;
	struct rules_settings settings;
	struct loader loader;
	struct compiler compiler;
	struct problem problem;
	struct text text;
	struct pieces pieces;
	uint32_t origin;
	struct format format;
};

static bool bench_init(struct bench *bench, struct str format, bool transformed)
{
	*bench = (struct bench){ .settings.priority_max = PRIORITY_DEBUG };
	arena_init(&bench->arena, 16 << 20);
	rules_report_init(&bench->report);
	bench->loader = (struct loader){ .settings = &bench->settings,
					 .arena = &bench->arena,
					 .report = &bench->report };
	bench->compiler = (struct compiler){ .loader = &bench->loader,
					     .fields = fields_new(),
					     .rules = calloc(1, sizeof(struct rules)),
					     .problem = &bench->problem,
					     .text = &bench->text };
	arena_init(&bench->compiler.rules->arena, 16 << 20);
	return compile_format(&bench->compiler, format, transformed, &bench->format);
}

static void bench_done(struct bench *bench)
{
	compile_done(&bench->compiler);
	rules_free(bench->compiler.rules);
	fields_free(bench->compiler.fields);
	rules_report_done(&bench->report);
	arena_done(&bench->arena);
}

static bool format_is(struct suite *suite, const json_t *test, struct bench *bench)
{
	bool as_json = strcmp(text_of(test, "mode"), "json") == 0, complete, first = true, ok;
	struct loaded loaded = { .fields = bench->compiler.fields, .rules = bench->compiler.rules };
	struct rules_scratch *scratch = rules_scratch_new(bench->compiler.rules);
	struct buf out = { 0 };
	struct event event;

	event_of(&event, &loaded, json_object_get(test, "fields"), NULL, &bench->arena);
	scratch_begin(scratch, &event);
	if (as_json) {
		json_t *have, *want;

		buf_add_char(&out, '{');
		complete = format_fields(scratch, &bench->format, &out, &first);
		buf_add_char(&out, '}');
		have = json_loads(buf_text(&out), 0, NULL);
		want = json_loads(text_of(test, "output"), 0, NULL);
		ok = json_equal(have, want);
		json_decref(have);
		json_decref(want);
	} else {
		complete = format_text(scratch, &bench->format, &out);
		ok = str_eq(buf_str(&out), str_at(test, "output"));
	}
	ok = ok && complete == json_is_true(json_object_get(test, "complete"));
	if (!ok)
		because(suite, "%s (complete: %d)", buf_text(&out), complete);
	buf_done(&out);
	event_done(&event);
	rules_scratch_free(scratch);
	return ok;
}

static bool run_format(struct suite *suite, const json_t *test)
{
	bool wanted = strcmp(text_of(test, "kind"), "format_err") != 0, ok;
	struct bench bench;

	ok = bench_init(&bench, str_at(test, "format"),
			json_is_true(json_object_get(test, "resolve_transformed_fields")));
	if (ok != wanted)
		ok = because(suite, "%s", ok ? "compiled" : bench.problem.text);
	else
		ok = strcmp(text_of(test, "kind"), "format") != 0 || format_is(suite, test, &bench);
	bench_done(&bench);
	return ok;
}

static bool run_detect(struct suite *suite, const json_t *test)
{
	json_t *events = json_object_get(suite->event_sets, text_of(test, "events"));
	struct rules_choice choices[16];
	struct rules_settings settings = { .priority_max = PRIORITY_DEBUG, .choices = choices };
	struct loaded loaded;
	struct arena arena;
	const char *name;
	json_t *want, *one;
	bool ok = true;
	size_t i;

	priority_parse(str_at(test, "min_priority"), &settings.priority_max);
	settings.choices_count = choices_of(json_object_get(test, "selection"), choices);
	arena_init(&arena, 16 << 20);
	load_case(&loaded, &settings, test);
	if (loaded.result < 0 || events == NULL)
		ok = because(suite, "%s", report_text(&loaded));
	json_object_foreach(json_object_get(test, "expect_counts"), name, want)
	{
		size_t count = 0;

		json_array_foreach(events, i, one)
		{
			const struct rule *hit;
			struct event event;

			if (!ok)
				break;
			event_of(&event, &loaded, one, NULL, &arena);
			if (rules_match(loaded.rules, loaded.scratch, &event, &hit, 1) == 1)
				count += str_eq(rule_name(hit), str_of(name));
			event_done(&event);
		}
		if (ok && count != (size_t)json_integer_value(want))
			ok = because(suite, "%s: %zu times", name, count);
	}
	loaded_done(&loaded);
	arena_done(&arena);
	return ok;
}

static const struct {
	const char *kind;
	bool (*run)(struct suite *suite, const json_t *test);
} runners[] = {
	{ "parse_ok", run_parse },
	{ "parse_err", run_parse },
	{ "eval", run_eval },
	{ "load_ok", run_load },
	{ "load_err", run_load },
	{ "load_warn", run_load },
	{ "evttypes", run_types },
	{ "evttypes_equal", run_types },
	{ "evttypes_ok", run_types },
	{ "evttypes_err", run_types },
	{ "canonical", run_canonical },
	{ "unescape", run_unescape },
	{ "unescape_err", run_unescape },
	{ "wildcard", run_wildcard },
	{ "plugin_req", run_plugins },
	{ "select", run_select },
	{ "append_output", run_append },
	{ "cond_warns", run_condition_warnings },
	{ "format", run_format },
	{ "format_ok", run_format },
	{ "format_err", run_format },
	{ "detect", run_detect },
};

static struct tally *tally_of(struct suite *suite, const char *kind)
{
	size_t i = 0;

	while (i + 1 < KINDS_MAX && suite->kinds[i].kind[0] != '\0' &&
	       strcmp(suite->kinds[i].kind, kind) != 0)
		i++;
	snprintf(suite->kinds[i].kind, sizeof(suite->kinds[i].kind), "%s", kind);
	return &suite->kinds[i];
}

static const char *reason_of(const char *id)
{
	for (size_t i = 0; i < ARRAY_LEN(differs); i++)
		if (strcmp(differs[i].id, id) == 0)
			return differs[i].reason;
	return NULL;
}

static void run_case(struct suite *suite, const json_t *test)
{
	const char *kind = text_of(test, "kind"), *id = text_of(test, "id");
	struct tally *tally = tally_of(suite, kind);
	size_t i = 0;

	if (strcmp(kind, "event_set") == 0)
		return;
	while (i < ARRAY_LEN(runners) && strcmp(runners[i].kind, kind) != 0)
		i++;
	suite->why[0] = '\0';
	if (i == ARRAY_LEN(runners))
		because(suite, "no runner for this kind");
	if (i < ARRAY_LEN(runners) && runners[i].run(suite, test)) {
		tally->ok++;
	} else if (reason_of(id) != NULL) {
		tally->expected++;
	} else {
		tally->failed++;
		if (suite->failures++ < FAILURES_SHOWN)
			print_message("# %s %s: %s\n#   %s\n", id, kind, text_of(test, "condition"),
				      suite->why);
	}
}

static void each_line(struct suite *suite, const char *file,
		      void (*run)(struct suite *suite, const json_t *test))
{
	const char *folder = getenv("TOCSIN_RULE_CASES");
	struct buf path = { 0 };
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	FILE *in;

	buf_addf(&path, "%s/%s", folder == NULL ? TEST_ROOT "/../shared/cases" : folder, file);
	in = fopen(buf_text(&path), "re");
	buf_done(&path);
	assert_non_null(in);
	while ((len = getline(&line, &room, in)) > 0) {
		json_t *test = json_loadb(line, (size_t)len, JSON_ALLOW_NUL, NULL);

		assert_non_null(test);
		run(suite, test);
		json_decref(test);
	}
	free(line);
	fclose(in);
}

static void keep_event_set(struct suite *suite, const json_t *test)
{
	if (strcmp(text_of(test, "kind"), "event_set") == 0)
		json_object_set(suite->event_sets, text_of(test, "name"),
				json_object_get(test, "events"));
}

static void run_file(const char *file)
{
	struct suite suite = { .event_sets = json_object() };

	each_line(&suite, file, keep_event_set);
	each_line(&suite, file, run_case);
	for (size_t i = 0; i < KINDS_MAX && suite.kinds[i].kind[0] != '\0'; i++)
		print_message("# %-15s %4u ok, %u failed, %u known to differ\n",
			      suite.kinds[i].kind, suite.kinds[i].ok, suite.kinds[i].failed,
			      suite.kinds[i].expected);
	json_decref(suite.event_sets);
	assert_int_equal(suite.failures, 0);
}

static void main_cases(void **state)
{
	(void)state;
	run_file("rule-cases.jsonl");
}

static void extra_cases(void **state)
{
	(void)state;
	run_file("rule-cases-extra.jsonl");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{ .name = "conditions, values and loads behave as the cases say",
		  .test_func = main_cases },
		{ .name = "types, formats, selection and scenarios behave as the cases say",
		  .test_func = extra_cases },
	};

	return cmocka_run_group_tests_name("rule cases", tests, NULL, NULL);
}
