/* tocsin rules describe: all about one rule, macro or list, or about all of them. */
#include "base/conf.h"
#include "cli/rules_words.h"

#include <stdlib.h>

enum { WIDTH = 100, INDENT = 12 };

static bool all;

static const struct cli_option options[] = {
	{ "all", 'a', NULL, NULL, "every rule, and with -o json every macro and list", NULL, &all },
	{ 0 },
};

struct job {
	struct rules_settings settings;
	struct rules_description about;
	struct rules_set set;
	struct buf out;
};

/* --- for people --- */

/* A text behind its label, wrapped at blanks. */
static void add_labelled(struct buf *out, const char *label, struct str text)
{
	size_t column = INDENT;

	if (text.len == 0)
		return;
	cli_add_color(out, CLI_BOLD);
	buf_addf(out, "%-*s", INDENT, label);
	cli_add_color(out, CLI_PLAIN);
	while (text.len > 0) {
		size_t len = 0;

		while (len < text.len && strchr(" \t\r\n", text.at[len]) == NULL)
			len++;
		if (column + 1 + len > WIDTH && column > INDENT) {
			buf_addf(out, "\n%*s", INDENT, "");
			column = INDENT;
		} else if (column > INDENT) {
			buf_add_char(out, ' ');
			column++;
		}
		buf_add_printable(out, str_cut(text, len));
		column += len;
		while (len < text.len && strchr(" \t\r\n", text.at[len]) != NULL)
			len++;
		text = str_from(text, len);
	}
	buf_add_char(out, '\n');
}

static void add_words(struct buf *out, const char *label, const struct words *words)
{
	struct buf text = { 0 };

	words_add(&text, words);
	add_labelled(out, label, buf_str(&text));
	buf_done(&text);
}

static void add_place(struct buf *out, const struct described *item)
{
	struct buf text = { 0 };

	buf_addf(&text, "%s:%u", item->file, item->line);
	add_labelled(out, "Place", buf_str(&text));
	buf_done(&text);
}

static void add_types(struct buf *out, const struct described *item)
{
	struct buf text = { 0 };

	types_add(&text, &item->types, SIZE_MAX);
	if (item->has_types)
		add_labelled(out, "Event types", buf_str(&text));
	buf_done(&text);
}

static const struct described *find(const struct described *items, size_t count, struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(items[i].name, name))
			return &items[i];
	return NULL;
}

/* The lists that are named, each with what it stands for. */
static void add_lists(struct job *job, const struct described *item)
{
	for (size_t i = 0; i < item->lists.count; i++) {
		const struct described *list = find(job->about.lists, job->about.lists_count, item->lists.at[i]);
		struct buf text = { 0 };

		buf_add(&text, item->lists.at[i]);
		if (list != NULL) {
			buf_add(&text, STR(" = "));
			words_add(&text, &list->resolved);
		}
		add_labelled(&job->out, i == 0 ? "Lists" : "", buf_str(&text));
		buf_done(&text);
	}
}

/* Who decides, when the condition alone does not. */
static void add_opa(struct job *job, const struct described *rule)
{
	const struct rule *compiled = rules_at(job->set.rules, rule->index);
	const struct rule_opa *opa = compiled == NULL ? NULL : rule_opa(compiled);
	struct buf text = { 0 };

	if (opa == NULL)
		return;
	buf_addf(&text, "asks OPA at %s/v1/data/%s; ", opa->unix_socket != NULL ? opa->unix_socket : opa->url,
	         opa->path);
	buf_add(&text, opa->on_error_pass ? STR("passes") : STR("fires"));
	buf_add(&text, STR(" without an answer within "));
	conf_add_duration(opa->timeout_ms, &text);
	if (opa->cache_ms > 0) {
		buf_add(&text, STR("; keeps answers for "));
		conf_add_duration(opa->cache_ms, &text);
	}
	add_labelled(&job->out, "Verdict", buf_str(&text));
	buf_done(&text);
}

/* What a sensor that enforces does. */
static void add_respond(struct job *job, const struct described *rule)
{
	const struct rule *compiled = rules_at(job->set.rules, rule->index);
	struct buf text = { 0 };

	if (compiled != NULL)
		respond_add(rule_respond(compiled), &text);
	add_labelled(&job->out, "Response", buf_str(&text));
	buf_done(&text);
}

static void rule_text(struct job *job, const struct described *rule)
{
	struct buf state = { 0 };

	state_add(&state, &job->settings, &job->set.report, rule);
	add_labelled(&job->out, "Rule", rule->name);
	add_labelled(&job->out, "Description", rule->description);
	add_place(&job->out, rule);
	add_labelled(&job->out, "State", buf_str(&state));
	add_labelled(&job->out, "Priority", str_of(priority_name(rule->priority)));
	add_labelled(&job->out, "Source", rule->source);
	buf_clear(&state);
	set_add_kind(&job->set, rule->name, &state);
	if (state.len > 0)
		add_labelled(&job->out, "Kind", buf_str(&state));
	add_words(&job->out, "Tags", &rule->tags);
	if (str_eq(rule->source, STR("syscall")))
		add_types(&job->out, rule);
	add_labelled(&job->out, "Condition", rule->condition);
	add_labelled(&job->out, "Compiled", rule->canonical);
	add_opa(job, rule);
	add_respond(job, rule);
	add_labelled(&job->out, "Output", rule->output);
	add_words(&job->out, "Macros", &rule->macros);
	add_lists(job, rule);
	add_words(&job->out, "Operators", &rule->operators);
	add_words(&job->out, "Fields", &rule->fields);
	add_words(&job->out, "in output", &rule->output_fields);
	add_words(&job->out, "Exceptions", &rule->exception_names);
	buf_done(&state);
}

static void macro_text(struct job *job, const struct described *macro)
{
	add_labelled(&job->out, "Macro", macro->name);
	add_place(&job->out, macro);
	add_labelled(&job->out, "Used", macro->used ? STR("yes") : STR("no"));
	add_types(&job->out, macro);
	add_labelled(&job->out, "Condition", macro->condition);
	add_labelled(&job->out, "Compiled", macro->canonical);
	add_words(&job->out, "Macros", &macro->macros);
	add_lists(job, macro);
	add_words(&job->out, "Operators", &macro->operators);
	add_words(&job->out, "Fields", &macro->fields);
}

static void list_text(struct job *job, const struct described *list)
{
	add_labelled(&job->out, "List", list->name);
	add_place(&job->out, list);
	add_labelled(&job->out, "Used", list->used ? STR("yes") : STR("no"));
	add_words(&job->out, "Items", &list->items);
	if (list->lists.count > 0)
		add_words(&job->out, "Resolved", &list->resolved);
}

/* --- for programs: as Falco describes, keys sorted --- */

static void key(struct buf *out, const char *name)
{
	const char last = out->at[out->len - 1];

	buf_addf(out, "%s\"%s\":", last == '{' ? "" : ",", name);
}

static void key_str(struct buf *out, const char *name, struct str text)
{
	key(out, name);
	buf_add_json(out, text);
}

static void key_words(struct buf *out, const char *name, const struct words *words)
{
	key(out, name);
	words_add_json(out, words);
}

static void key_bool(struct buf *out, const char *name, bool value)
{
	key(out, name);
	buf_add(out, value ? STR("true") : STR("false"));
}

static void key_types(struct buf *out, const struct described *item)
{
	static const struct type_set none = { .words = { 0 } };

	key(out, "events");
	types_add_json(out, item->has_types ? &item->types : &none);
}

/* Falco's plugins, by the fields that they supply and the source that they bring. */
static const struct {
	const char *name, *prefix, *source;
} plugin_rows[] = {
	{ "cloudtrail", "ct.", "aws_cloudtrail" }, { "container", "container.", NULL }, { "container", "k8s.", NULL },
	{ "container", "proc.is_container_", NULL }, { "gcpaudit", "gcp.", "gcp_auditlog" },
	{ "github", "github.", "github" }, { "gitlab", "gitlab.", "gitlab" }, { "json", "jevt.", NULL },
	{ "json", "json.", NULL }, { "k8saudit", "ka.", "k8s_audit" }, { "keycloak", "keycloak.", "keycloak" },
	{ "okta", "okta.", "okta" },
};

static bool begins_one(const struct words *fields, const char *prefix)
{
	for (size_t i = 0; i < fields->count; i++)
		if (str_starts(fields->at[i], str_of(prefix)))
			return true;
	return false;
}

static void key_plugins(struct buf *out, const struct described *item)
{
	const char *last = "";

	key(out, "plugins");
	buf_add_char(out, '[');
	for (size_t i = 0; i < ARRAY_LEN(plugin_rows); i++) {
		const char *source = plugin_rows[i].source;

		if (strcmp(plugin_rows[i].name, last) == 0 ||
		    !(begins_one(&item->fields, plugin_rows[i].prefix) ||
		      begins_one(&item->output_fields, plugin_rows[i].prefix) ||
		      begins_one(&item->exception_fields, plugin_rows[i].prefix) ||
		      (source != NULL && str_eq(item->source, str_of(source)))))
			continue;
		buf_addf(out, "%s\"%s\"", *last == '\0' ? "" : ",", plugin_rows[i].name);
		last = plugin_rows[i].name;
	}
	buf_add_char(out, ']');
}

/* Only where a rule has one: Falco knows no such key. */
static void key_respond(struct job *job, const struct described *rule)
{
	const struct rule *compiled = rules_at(job->set.rules, rule->index);
	const struct rule_respond respond = compiled == NULL ? (struct rule_respond){ 0 } : rule_respond(compiled);

	if (respond.action == RESPOND_NONE)
		return;
	key_str(&job->out, "respond", str_of(respond_action_name(respond.action)));
	if (respond.action == RESPOND_DENY)
		key_str(&job->out, "respond_errno", str_of(strerrorname_np(respond.error)));
}

static void rule_json(struct job *job, const struct described *rule)
{
	struct buf *out = &job->out, state = { 0 };

	buf_add(out, STR("{\"details\":{"));
	key_str(out, "condition_compiled", rule->canonical);
	key_words(out, "condition_fields", &rule->fields);
	key_words(out, "condition_operators", &rule->operators);
	key_types(out, rule);
	key_words(out, "exception_fields", &rule->exception_fields);
	key_words(out, "exception_names", &rule->exception_names);
	key_words(out, "exception_operators", &rule->exception_operators);
	key_words(out, "lists", &rule->lists);
	key_words(out, "macros", &rule->macros);
	key_str(out, "output_compiled", rule->index == SIZE_MAX ? rule->output
	                                                       : rule_output(rules_at(job->set.rules, rule->index)));
	key_words(out, "output_fields", &rule->output_fields);
	key_plugins(out, rule);
	buf_add(out, STR("},\"info\":{"));
	key_bool(out, "capture", rule->capture);
	key(out, "capture_duration");
	buf_add_u64(out, rule->capture_ms);
	key_str(out, "condition", rule->condition);
	key_str(out, "description", rule->description);
	key_bool(out, "enabled", state_add(&state, &job->settings, &job->set.report, rule));
	key_str(out, "file", str_of(rule->file));
	key(out, "line");
	buf_add_u64(out, rule->line);
	key_str(out, "name", rule->name);
	key_str(out, "output", rule->output);
	key_str(out, "priority", str_of(priority_name(rule->priority)));
	key_respond(job, rule);
	key_str(out, "source", rule->source);
	key_str(out, "state", buf_str(&state));
	key_words(out, "tags", &rule->tags);
	buf_add(out, STR("}}"));
	buf_done(&state);
}

static void macro_json(struct job *job, const struct described *macro)
{
	struct buf *out = &job->out;

	buf_add(out, STR("{\"details\":{"));
	key_str(out, "condition_compiled", macro->canonical);
	key_words(out, "condition_fields", &macro->fields);
	key_words(out, "condition_operators", &macro->operators);
	key_types(out, macro);
	key_words(out, "lists", &macro->lists);
	key_words(out, "macros", &macro->macros);
	key_plugins(out, macro);
	key_bool(out, "used", macro->used);
	buf_add(out, STR("},\"info\":{"));
	key_str(out, "condition", macro->condition);
	key_str(out, "name", macro->name);
	buf_add(out, STR("}}"));
}

static void list_json(struct job *job, const struct described *list)
{
	struct buf *out = &job->out;

	buf_add(out, STR("{\"details\":{"));
	key_words(out, "items_compiled", &list->resolved);
	key_words(out, "lists", &list->lists);
	key(out, "plugins");
	buf_add(out, STR("[]"));
	key_bool(out, "used", list->used);
	buf_add(out, STR("},\"info\":{"));
	key_words(out, "items", &list->items);
	key_str(out, "name", list->name);
	buf_add(out, STR("}}"));
}

typedef void add_fn(struct job *job, const struct described *item);

static void add_array(struct job *job, const char *name, const struct described *items, size_t count, add_fn *add)
{
	key(&job->out, name);
	buf_add_char(&job->out, '[');
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_add_char(&job->out, ',');
		add(job, &items[i]);
	}
	buf_add_char(&job->out, ']');
}

static void all_json(struct job *job)
{
	const struct rules_description *about = &job->about;

	buf_add_char(&job->out, '{');
	add_array(job, "lists", about->lists, about->lists_count, list_json);
	add_array(job, "macros", about->macros, about->macros_count, macro_json);
	key_str(&job->out, "required_engine_version", about->engine_version);
	key_words(&job->out, "required_plugin_versions", &about->plugins);
	add_array(job, "rules", about->rules, about->rules_count, rule_json);
	buf_add(&job->out, STR("}\n"));
}

static void one_json(struct job *job, const char *kind, const struct described *item, add_fn *add)
{
	buf_add_char(&job->out, '{');
	add_array(job, kind, item, 1, add);
	buf_add(&job->out, STR("}\n"));
}

/* --- */

static const char *nearest(const struct rules_description *about, const char *name)
{
	const char **names = calloc(about->rules_count + about->macros_count + about->lists_count + 1, sizeof(*names));
	const char *meant = NULL;
	size_t count = 0;

	for (size_t i = 0; names != NULL && i < about->rules_count; i++)
		names[count++] = about->rules[i].name.at;
	for (size_t i = 0; names != NULL && i < about->macros_count; i++)
		names[count++] = about->macros[i].name.at;
	for (size_t i = 0; names != NULL && i < about->lists_count; i++)
		names[count++] = about->lists[i].name.at;
	if (names != NULL)
		meant = conf_closest(str_of(name), names);
	/* What was begun, but not written in full. */
	for (size_t i = 0; meant == NULL && i < count; i++)
		if (str_find(str_of(names[i]), str_of(name)) >= 0)
			meant = names[i];
	free(names);
	return meant;
}

static int describe_one(struct job *job, const char *name)
{
	const struct {
		const char *kind;
		const struct described *items;
		size_t count;
		add_fn *text, *json;
	} kinds[] = {
		{ "rules", job->about.rules, job->about.rules_count, rule_text, rule_json },
		{ "macros", job->about.macros, job->about.macros_count, macro_text, macro_json },
		{ "lists", job->about.lists, job->about.lists_count, list_text, list_json },
	};
	const char *meant;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct described *item = find(kinds[i].items, kinds[i].count, str_of(name));

		if (item != NULL && cli.json)
			one_json(job, kinds[i].kind, item, kinds[i].json);
		else if (item != NULL)
			kinds[i].text(job, item);
		if (item != NULL)
			return CLI_YES;
	}
	meant = nearest(&job->about, name);
	cli_complain("there is no rule, macro or list \"%s\"%s%s%s", name, meant == NULL ? "" : ", did you mean \"",
	             meant == NULL ? "" : meant, meant == NULL ? "" : "\"?");
	return CLI_NO;
}

static int describe(struct job *job, const char *name)
{
	if (name != NULL)
		return describe_one(job, name);
	if (cli.json) {
		all_json(job);
		return CLI_YES;
	}
	for (size_t i = 0; i < job->about.rules_count; i++) {
		if (i > 0)
			buf_add_char(&job->out, '\n');
		rule_text(job, &job->about.rules[i]);
	}
	return CLI_YES;
}

static int run(int argc, char **argv)
{
	struct job job = { 0 };
	const char *name = NULL;
	int status;

	if (!set_all_settings(&job.settings))
		return CLI_USAGE;
	/* without a name there are only files */
	if (!all && argc > 0 && !set_is_rules_file(argv[0]))
		name = argv[0];
	if (!set_operands(&job.settings, argc - (name != NULL), argv + (name != NULL), NULL))
		return CLI_USAGE;
	rules_description_init(&job.about);
	job.settings.description = &job.about;
	status = set_load(&job.settings, &job.set);
	if (status != CLI_YES)
		set_tell(&job.set, false);
	else
		status = describe(&job, name);
	if (status == CLI_YES)
		status = cli_print(&job.out);
	buf_done(&job.out);
	set_free(&job.set);
	rules_description_done(&job.about);
	return status;
}

const struct cli_verb verb_rules_describe = {
	.name = "rules describe",
	.arguments = "[NAME] FILE...",
	.summary = "tell all about one rule, macro or list, or about every rule",
	.examples = "  tocsin rules describe 'Read sensitive file untrusted' falco_rules.yaml\n"
	            "  tocsin rules describe spawned_process falco_rules.yaml local.yaml\n"
	            "  tocsin rules describe -o json falco_rules.yaml | jq -r '.rules[].details.condition_compiled'",
	.needs = CLI_RULES | CLI_FORMAT | CLI_COLOR,
	.options = options,
	.run = run,
};
