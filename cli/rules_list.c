/* tocsin rules list: the rules, macros or lists of some files. */
#include "cli/rules_words.h"

#include "cli/table.h"

enum { TYPES_SHOWN = 4 };

static bool macros, lists, enabled_only;

static const struct cli_option options[] = {
	{ "macros", 0, NULL, NULL, "the macros instead", NULL, &macros },
	{ "lists", 0, NULL, NULL, "the lists instead", NULL, &lists },
	{ "enabled", 0, NULL, NULL, "only rules that take part", NULL, &enabled_only },
	{ 0 },
};

struct job {
	struct rules_settings settings;
	struct rules_description about;
	struct rules_set set;
	struct buf out;
};

static void add_place(const struct described *item, struct table *table)
{
	table_addf(table, "%s:%u", item->file, item->line);
}

static struct rule_respond respond_of(const struct job *job, const struct described *rule)
{
	const struct rule *compiled = rules_at(job->set.rules, rule->index);

	return compiled == NULL ? (struct rule_respond){ 0 } : rule_respond(compiled);
}

static void add_rule(struct job *job, const struct described *rule, struct table *table)
{
	struct buf text = { 0 };

	if (!state_add(&text, &job->settings, &job->set.report, rule) && enabled_only) {
		buf_done(&text);
		return;
	}
	table_add(table, rule->name);
	if (respond_of(job, rule).action != RESPOND_NONE) {
		buf_add(&text, STR(", responds: "));
		respond_add(respond_of(job, rule), &text);
	}
	table_add(table, str_of(priority_name(rule->priority)));
	table_add(table, rule->source);
	table_add(table, buf_str(&text));
	buf_clear(&text);
	set_add_kind(&job->set, rule->name, &text);
	/* What a hub-only rule waits for says more than the types of its events. */
	if (text.len == 0 && rule->has_types && str_eq(rule->source, STR("syscall")))
		types_add(&text, &rule->types, TYPES_SHOWN);
	else if (text.len == 0)
		buf_add(&text, STR("-"));
	table_add(table, buf_str(&text));
	buf_clear(&text);
	words_add(&text, &rule->tags);
	table_add(table, buf_str(&text));
	buf_done(&text);
}

static void rules_text(struct job *job)
{
	struct table table = { .columns = 6, .heads = { "RULE", "PRIORITY", "SOURCE", "STATE", "EVENT TYPES OR KIND", "TAGS" } };

	for (size_t i = 0; i < job->about.rules_count; i++)
		add_rule(job, &job->about.rules[i], &table);
	table_print(&table, &job->out);
}

static void macros_text(struct job *job)
{
	struct table table = { .columns = 4, .heads = { "MACRO", "USED", "PLACE", "CONDITION" } };

	for (size_t i = 0; i < job->about.macros_count; i++) {
		const struct described *macro = &job->about.macros[i];

		table_add(&table, macro->name);
		table_add(&table, macro->used ? STR("yes") : STR("no"));
		add_place(macro, &table);
		table_add(&table, macro->condition.len > 100 ? str_cut(macro->condition, 100) : macro->condition);
	}
	table_print(&table, &job->out);
}

static void lists_text(struct job *job)
{
	struct table table = { .columns = 5, .heads = { "LIST", "USED", "ITEMS", "PLACE", "OF" }, .right = { [2] = true } };

	for (size_t i = 0; i < job->about.lists_count; i++) {
		const struct described *list = &job->about.lists[i];
		struct buf items = { 0 };

		table_add(&table, list->name);
		table_add(&table, list->used ? STR("yes") : STR("no"));
		table_addf(&table, "%zu", list->resolved.count);
		add_place(list, &table);
		words_add(&items, &list->items);
		table_add(&table, str_cut(buf_str(&items), 100));
		buf_done(&items);
	}
	table_print(&table, &job->out);
}

static void json_begin(struct job *job, const struct described *item)
{
	if (job->out.at[job->out.len - 1] == '}')
		buf_add_char(&job->out, ',');
	buf_add(&job->out, STR("{\"name\":"));
	buf_add_json(&job->out, item->name);
	buf_add(&job->out, STR(",\"file\":"));
	buf_add_json(&job->out, str_of(item->file));
	buf_addf(&job->out, ",\"line\":%u", item->line);
}

static void rule_json(struct job *job, const struct described *rule)
{
	struct buf state = { 0 };
	bool enabled = state_add(&state, &job->settings, &job->set.report, rule);

	if (enabled || !enabled_only) {
		json_begin(job, rule);
		buf_add(&job->out, STR(",\"source\":"));
		buf_add_json(&job->out, rule->source);
		buf_addf(&job->out, ",\"priority\":\"%s\",\"enabled\":%s,\"state\":", priority_name(rule->priority),
		         enabled ? "true" : "false");
		buf_add_json(&job->out, buf_str(&state));
		buf_clear(&state);
		set_add_kind(&job->set, rule->name, &state);
		buf_add(&job->out, STR(",\"hub_only\":"));
		if (state.len > 0)
			buf_add_json(&job->out, buf_str(&state));
		else
			buf_add(&job->out, STR("null"));
		buf_add(&job->out, STR(",\"respond\":"));
		if (respond_of(job, rule).action != RESPOND_NONE)
			buf_add_json(&job->out, str_of(respond_action_name(respond_of(job, rule).action)));
		else
			buf_add(&job->out, STR("null"));
		buf_add(&job->out, STR(",\"tags\":"));
		words_add_json(&job->out, &rule->tags);
		buf_add(&job->out, STR(",\"events\":"));
		if (rule->has_types && !type_set_is_all(&rule->types))
			types_add_json(&job->out, &rule->types);
		else
			buf_add(&job->out, STR("null"));
		buf_add_char(&job->out, '}');
	}
	buf_done(&state);
}

static void add_json(struct job *job)
{
	const struct rules_description *about = &job->about;

	buf_addf(&job->out, "{\"%s\":[", macros ? "macros" : lists ? "lists" : "rules");
	for (size_t i = 0; i < about->rules_count && !macros && !lists; i++)
		rule_json(job, &about->rules[i]);
	for (size_t i = 0; i < about->macros_count && macros; i++) {
		json_begin(job, &about->macros[i]);
		buf_addf(&job->out, ",\"used\":%s,\"condition\":", about->macros[i].used ? "true" : "false");
		buf_add_json(&job->out, about->macros[i].condition);
		buf_add_char(&job->out, '}');
	}
	for (size_t i = 0; i < about->lists_count && lists; i++) {
		json_begin(job, &about->lists[i]);
		buf_addf(&job->out, ",\"used\":%s,\"items\":", about->lists[i].used ? "true" : "false");
		words_add_json(&job->out, &about->lists[i].items);
		buf_add_char(&job->out, '}');
	}
	buf_add(&job->out, STR("]}\n"));
}

static int run(int argc, char **argv)
{
	struct job job = { 0 };
	int status;

	if (macros && lists)
		return cli_usage("--macros or --lists, not both");
	if (!set_all_settings(&job.settings) || !set_operands(&job.settings, argc, argv, NULL))
		return CLI_USAGE;
	rules_description_init(&job.about);
	job.settings.description = &job.about;
	status = set_load(&job.settings, &job.set);
	if (status != CLI_YES)
		set_tell(&job.set, false);
	else if (cli.json)
		add_json(&job);
	else if (macros)
		macros_text(&job);
	else if (lists)
		lists_text(&job);
	else
		rules_text(&job);
	if (status == CLI_YES)
		status = cli_print(&job.out);
	buf_done(&job.out);
	set_free(&job.set);
	rules_description_done(&job.about);
	return status;
}

const struct cli_verb verb_rules_list = {
	.name = "rules list",
	.arguments = "FILE...",
	.summary = "list rules: priority, source, event types, tags, and whether each takes part or why not",
	.examples = "  tocsin rules list /etc/tocsin/rules\n"
	            "  tocsin rules list -t mitre_execution --enabled falco_rules.yaml local.yaml\n"
	            "  tocsin rules list --lists -o json falco_rules.yaml | jq '.lists[].name'",
	.needs = CLI_RULES | CLI_FORMAT | CLI_COLOR,
	.options = options,
	.run = run,
};
