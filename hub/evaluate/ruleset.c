/* A generation of rules: made whole or not at all. */
#include "hub/evaluate/ruleset.h"

#include "base/log.h"
#include "hub/rules_file.h"

#include <errno.h>
#include <stdlib.h>

/* Who disables a rule wants it quiet, and should hear of a name that is not one. */
static void tell_idle(const struct config *config, const struct rules *rules)
{
	for (size_t i = 0; i < config->choices_count; i++)
		if (!rules_choice_hits(rules, &config->choices[i]))
			log_warning("rules: no rule has the %s \"%s\" that the settings %s",
			            config->choices[i].by_tag ? "tag" : "name", config->choices[i].pattern,
			            config->choices[i].enable ? "enable" : "disable");
}

static int fill(struct ruleset *set, const struct config *config, struct rules_report *report)
{
	struct rules_settings settings;
	int r;

	set->fields = fields_new();
	if (set->fields == NULL)
		return -ENOMEM;
	if (config->rules_files.count > 0) {
		rules_file_settings(config, &settings);
		r = rules_load(&settings, set->fields, report, &set->rules);
		if (r < 0)
			return r;
		tell_idle(config, set->rules);
		set->scratch = rules_scratch_new(set->rules);
		if (set->scratch == NULL)
			return -ENOMEM;
	}
	return event_init(&set->event, fields_count(set->fields));
}

int ruleset_new(const struct config *config, struct rules_report *report, struct ruleset **ret)
{
	struct ruleset *set = calloc(1, sizeof(*set));
	int r;

	if (set == NULL)
		return -ENOMEM;
	set->refs = 1;
	r = fill(set, config, report);
	if (r < 0) {
		ruleset_unref(set);
		return r;
	}
	*ret = set;
	return 0;
}

struct ruleset *ruleset_ref(struct ruleset *set)
{
	set->refs++;
	return set;
}

void ruleset_unref(struct ruleset *set)
{
	if (set == NULL || --set->refs > 0)
		return;
	event_done(&set->event);
	rules_scratch_free(set->scratch);
	rules_free(set->rules);
	fields_free(set->fields);
	free(set);
}
