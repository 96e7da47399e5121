/* Which rules, for the verbs that load some. */
#include "cli/rules_set.h"

#include "rules/watch.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { NODES_MAX = 65536, DEPTH_MAX = 128, EVENT_ARENA_MAX = 64 << 20, CHOICES_MAX = 3 * CLI_WORDS_MAX + 1 };

static const char *files[CLI_WORDS_MAX + 1], *disable[CLI_WORDS_MAX + 1], *disable_tags[CLI_WORDS_MAX + 1],
	*tags[CLI_WORDS_MAX + 1], *sources[CLI_WORDS_MAX + 1], *appended[CLI_WORDS_MAX + 1], *plugins[CLI_WORDS_MAX + 1], *priority,
	*match;
static bool has_files, has_disable, has_disable_tags, has_tags, has_sources, has_appended, has_plugins, suggested;

const struct cli_option cli_rules_options[] = {
	{ "rules", 'r', "FILE", NULL, "a rules file or a folder of them; repeat it for more", files, &has_files },
	{ "priority", 'p', "P", "debug", "only rules this severe or more", &priority, NULL },
	{ "tag", 't', "TAG", NULL, "only rules with this tag", tags, &has_tags },
	{ "disable", 'D', "PATTERN", NULL, "no rule of this name; * stands for any run of characters", disable,
	  &has_disable },
	{ "disable-tag", 'T', "TAG", NULL, "no rule with this tag", disable_tags, &has_disable_tags },
	{ "source", 's', "NAME", NULL, "an event source beside syscall and those that the hub knows", sources,
	  &has_sources },
	{ "plugin", 0, "NAME:VERSION", NULL, "a plugin of Falco whose events come in", plugins, &has_plugins },
	{ "match", 'm', "first|all", "first", "which of the rules that match an event", &match, NULL },
	{ "append-output", 0, "TEXT", NULL, "put it behind the output of every rule", appended, &has_appended },
	{ "suggested-output", 0, NULL, NULL, "put container and pod behind it, as Falco does", NULL, &suggested },
	{ 0 },
};

static size_t count_words(const char *const *words)
{
	size_t count = 0;

	while (words[count] != NULL)
		count++;
	return count;
}

void set_add_sources(struct rules_settings *settings, const struct conf_strings *more)
{
	static const char *all[SET_SOURCES_MAX];
	size_t count = settings->sources.count;

	for (size_t i = count; i < rules_hub_sources.count; i++)
		all[count++] = rules_hub_sources.at[i];
	for (size_t i = 0; i < more->count && count < SET_SOURCES_MAX; i++) {
		size_t known = 0;

		while (known < count && strcmp(all[known], more->at[i]) != 0)
			known++;
		if (known == count && strcmp(more->at[i], "syscall") != 0)
			all[count++] = more->at[i];
	}
	settings->sources = (struct conf_strings){ .at = all, .count = count };
}

/* As Falco takes them: -t leaves nothing but its tags, -D and -T take away. */
static void set_choices(struct rules_settings *settings)
{
	static struct rules_choice choices[CHOICES_MAX];
	size_t count = 0;

	if (has_tags)
		choices[count++] = (struct rules_choice){ .pattern = "*" };
	for (size_t i = 0; tags[i] != NULL; i++)
		choices[count++] = (struct rules_choice){ .enable = true, .by_tag = true, .pattern = tags[i] };
	for (size_t i = 0; disable[i] != NULL; i++)
		choices[count++] = (struct rules_choice){ .pattern = disable[i] };
	for (size_t i = 0; disable_tags[i] != NULL; i++)
		choices[count++] = (struct rules_choice){ .by_tag = true, .pattern = disable_tags[i] };
	settings->choices = choices;
	settings->choices_count = count;
}

static void set_extras(struct rules_settings *settings)
{
	static struct rules_extra extras[CLI_WORDS_MAX];
	size_t count = 0;

	for (; appended[count] != NULL; count++)
		extras[count] = (struct rules_extra){ .output = appended[count] };
	settings->extras = extras;
	settings->extras_count = count;
}

bool set_match_given(void)
{
	return match != NULL;
}

/* "NAME:VERSION": the name's copy lives as long as the run. */
static bool set_plugins(struct rules_settings *settings)
{
	static struct rules_plugin all[CLI_WORDS_MAX];
	static char names[CLI_WORDS_MAX][64];
	size_t count = 0;

	for (; plugins[count] != NULL; count++) {
		const char *colon = strchr(plugins[count], ':');
		const size_t len = colon == NULL ? 0 : (size_t)(colon - plugins[count]);

		if (len == 0 || len >= sizeof(names[0]) || !rules_is_version(str_of(colon + 1))) {
			cli_usage("--plugin: \"%s\" is not like k8saudit:0.7.0", plugins[count]);
			return false;
		}
		memcpy(names[count], plugins[count], len);
		all[count] = (struct rules_plugin){ .name = names[count], .version = colon + 1 };
	}
	settings->plugins = all;
	settings->plugins_count = count;
	return true;
}

bool set_settings(struct rules_settings *ret)
{
	const struct conf_strings more = { .at = sources, .count = count_words(sources) };

	*ret = (struct rules_settings){ .files = { .at = files, .count = count_words(files) },
		                        .priority_max = PRIORITY_DEBUG, .suggested_output = suggested };
	if (priority != NULL && !priority_parse(str_of(priority), &ret->priority_max)) {
		cli_usage("--priority: \"%s\" is unknown (emergency, alert, critical, error, warning, notice, "
		          "informational, debug)", priority);
		return false;
	}
	if (match != NULL && strcmp(match, "first") != 0 && strcmp(match, "all") != 0) {
		cli_usage("--match: \"%s\" is not first or all", match);
		return false;
	}
	ret->match_all = match != NULL && strcmp(match, "all") == 0;
	set_choices(ret);
	set_extras(ret);
	set_add_sources(ret, &more);
	return set_plugins(ret);
}

bool set_is_rules_file(const char *name)
{
	struct str text = str_of(name);
	struct stat about;

	return str_ends(text, STR(".yaml")) || str_ends(text, STR(".yml")) ||
	       (stat(name, &about) == 0 && S_ISDIR(about.st_mode));
}

bool set_operands(struct rules_settings *settings, int argc, char **argv, const char **ret_events)
{
	static const char *all[SET_FILES_MAX];
	size_t count = settings->files.count, operands = (size_t)argc;
	/* getopt leaves the "--" in front of what is left */
	const bool dashes = strcmp(argv[-1], "--") == 0;

	memcpy(all, settings->files.at, count * sizeof(*all));
	if (ret_events != NULL) {
		const char *last = operands == 0 ? NULL : argv[operands - 1];

		*ret_events = last != NULL && (dashes || !set_is_rules_file(last)) ? last : NULL;
		operands -= *ret_events != NULL;
	}
	if (count + operands > SET_FILES_MAX) {
		cli_usage("more than %d rules files", SET_FILES_MAX);
		return false;
	}
	for (size_t i = 0; i < operands; i++)
		all[count++] = argv[i];
	if (count == 0) {
		cli_usage("which rules? name files or folders");
		return false;
	}
	settings->files = (struct conf_strings){ .at = all, .count = count };
	return true;
}

bool set_all_settings(struct rules_settings *ret)
{
	if (!set_settings(ret))
		return false;
	set_add_sources(ret, &rules_plugin_sources);
	return true;
}

void set_tell_idle(const struct rules_settings *settings, const struct rules *rules)
{
	for (size_t i = 0; rules_count(rules) > 0 && i < settings->choices_count; i++)
		if (!rules_choice_hits(rules, &settings->choices[i]))
			cli_complain("no rule has the %s \"%s\"", settings->choices[i].by_tag ? "tag" : "name",
			             settings->choices[i].pattern);
}

int set_load(const struct rules_settings *settings, struct rules_set *ret)
{
	int r;

	*ret = (struct rules_set){ .fields = fields_new() };
	rules_report_init(&ret->report);
	arena_init(&ret->arena, EVENT_ARENA_MAX);
	r = ret->fields == NULL ? -ENOMEM : rules_load(settings, ret->fields, &ret->report, &ret->rules);
	if (r == 0) {
		set_tell_idle(settings, ret->rules);
		ret->scratch = rules_scratch_new(ret->rules);
		r = ret->scratch == NULL ? -ENOMEM : event_init(&ret->event, fields_count(ret->fields));
	}
	if (r == 0)
		r = normalise_init(&ret->normalise, ret->fields, NODES_MAX, DEPTH_MAX, SET_EVENT_MAX);
	ret->normalise.as_events = true;
	if (r == -ENOMEM)
		cli_complain("out of memory");
	return r == 0 ? CLI_YES : CLI_NO;
}

void set_free(struct rules_set *set)
{
	normalise_done(&set->normalise);
	event_done(&set->event);
	rules_scratch_free(set->scratch);
	rules_free(set->rules);
	rules_report_done(&set->report);
	fields_free(set->fields);
	arena_done(&set->arena);
}

void set_tell(const struct rules_set *set, bool warnings)
{
	struct rules_report kept = set->report;
	struct buf text = { 0 };

	kept.count = 0;
	for (size_t i = 0; i < set->report.count; i++)
		if (warnings || rules_code_is_error(set->report.notes[i].code))
			kept.notes[kept.count++] = set->report.notes[i];
	if (!warnings) {
		kept.warnings = 0;
	}
	rules_report_print(&kept, &text);
	cli_tell(&text);
}

int set_read(struct rules_set *set, struct str text, size_t from, size_t *ret_end, struct reject *ret)
{
	struct item item;

	event_clear(&set->event);
	arena_reset(&set->arena);
	return normalise_item(&set->normalise, text, from, false, clock_now(), &set->arena, &set->event, &item,
	                      ret_end, ret);
}

void set_add_kind(const struct rules_set *set, struct str name, struct buf *out)
{
	for (size_t i = 0; set->rules != NULL && i < rules_count(set->rules); i++)
		if (str_eq(rule_name(rules_at(set->rules, i)), name))
			rule_watch_add(rules_at(set->rules, i), out);
}
