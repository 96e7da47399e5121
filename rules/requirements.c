/* What a file requires: the version of the rule engine, and plugins. */
#include "rules/load.h"

#include <inttypes.h>

/* The rule engine whose language this is. */
enum { ENGINE_MAJOR = 0, ENGINE_MINOR = 63, ENGINE_PATCH = 0 };

/* "1.2.3"; false for anything else. */
static bool parse_semver(struct str text, uint64_t ret[3])
{
	for (size_t i = 0; i < 3; i++) {
		const char *dot = i == 2 ? NULL : memchr(text.at, '.', text.len);
		size_t len = i == 2 ? text.len : dot == NULL ? 0 : (size_t)(dot - text.at);

		if (!str_to_u64(str_cut(text, len), &ret[i]))
			return false;
		text = str_from(text, len + 1);
	}
	return true;
}

bool rules_is_version(struct str text)
{
	uint64_t unused[3];

	return parse_semver(text, unused);
}

void load_engine_version(struct loader *loader, const struct yaml *item)
{
	struct place place = { .node = item, .item_kind = "required_engine_version" };
	static const struct str known[] = { STR("required_engine_version"), { 0 } };
	const struct yaml *value = NULL;
	uint64_t want[3] = { 0 };

	if (!item_text(loader, &place, item, known[0], false, &value))
		return;
	item_unknown_keys(loader, &place, item, known);
	place.node = value;
	if (!str_to_u64(value->text, &want[1]) && !parse_semver(value->text, want)) {
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &place,
			   "Unable to parse engine version '%s' as a semver string. Expected "
			   "\"x.y.z\" semver "
			   "format.",
			   value->text.at);
		return;
	}
	loader->engine_version = value->text;
	if (want[0] != ENGINE_MAJOR || want[1] > ENGINE_MINOR ||
	    (want[1] == ENGINE_MINOR && want[2] > ENGINE_PATCH))
		report_add(loader->report, RULES_ERR_VALIDATE, &place,
			   "Rules require engine version %" PRIu64 ".%" PRIu64 ".%" PRIu64
			   ", but engine version is %d.%d.%d",
			   want[0], want[1], want[2], ENGINE_MAJOR, ENGINE_MINOR, ENGINE_PATCH);
}

/* Adds one {name, version} to the requirement; the first one is what is required, others stand in for it. */
static bool requirement_add(struct loader *loader, const struct yaml *entry,
			    struct requirement *requirement)
{
	struct place place = { .node = entry, .item_kind = "required plugin versions entry" };
	const struct yaml *name, *version;
	uint64_t unused[3];

	if (entry->kind != YAML_MAPPING) {
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &place,
			   "Plugin version%s must be a mapping",
			   entry == requirement->node ? "" : " alternative");
		return false;
	}
	if (!item_text(loader, &place, entry, STR("name"), false, &name) ||
	    !item_text(loader, &place, entry, STR("version"), false, &version))
		return false;
	place.item_name = name->text;
	place.node = version;
	if (!parse_semver(version->text, unused)) {
		report_add(loader->report, RULES_ERR_VALIDATE, &place,
			   "'%s' is not a version of the form x.y.z", version->text.at);
		return false;
	}
	for (size_t i = 0; i < requirement->count; i++) {
		if (!str_eq(requirement->names[i], name->text))
			continue;
		report_add(loader->report, RULES_ERR_VALIDATE, &place,
			   "Plugin '%s' is named more than once in one requirement", name->text.at);
		return false;
	}
	if (requirement->count == ARRAY_LEN(requirement->names)) {
		report_add(loader->report, RULES_ERR_VALIDATE, &place, "too many alternatives");
		return false;
	}
	requirement->names[requirement->count] = name->text;
	requirement->versions[requirement->count++] = version->text;
	return true;
}

static void load_requirement(struct loader *loader, const struct yaml *entry)
{
	struct place place = { .item_kind = "required plugin versions entry" };
	struct requirement requirement = { .node = entry };
	const struct yaml *others;
	void *bigger;

	if (!requirement_add(loader, entry, &requirement))
		return;
	others = yaml_get(entry, STR("alternatives"));
	if (others != NULL && others->kind != YAML_SEQUENCE) {
		place.node = others;
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &place,
			   "Value of plugin version alternatives must be a sequence");
		return;
	}
	for (size_t i = 0; others != NULL && i < others->count; i++)
		if (!requirement_add(loader, others->items[i], &requirement))
			return;
	if (loader->requirements_count >= RULES_ITEMS_MAX)
		return;
	bigger = load_grow(loader, loader->requirements, loader->requirements_count,
			   &loader->requirements_cap, sizeof(requirement));
	if (bigger == NULL)
		return;
	loader->requirements = bigger;
	loader->requirements[loader->requirements_count++] = requirement;
}

void load_plugin_versions(struct loader *loader, const struct yaml *item)
{
	struct place place = { .node = item, .item_kind = "required plugin versions" };
	const struct yaml *value = yaml_get(item, STR("required_plugin_versions"));

	if (value->kind != YAML_SEQUENCE) {
		report_add(loader->report, RULES_ERR_YAML_VALIDATE, &place,
			   "Value of required_plugin_versions must be a sequence");
		return;
	}
	for (size_t i = 0; i < value->count; i++)
		load_requirement(loader, value->items[i]);
}

/* The version of a loaded plugin, or NULL. The built-in one stands in for Falco's container plugin.
 */
static const char *plugin_version(const struct rules_settings *settings, struct str name)
{
	for (size_t i = 0; i < settings->plugins_count; i++)
		if (str_eq(str_of(settings->plugins[i].name), name))
			return settings->plugins[i].version;
	return str_eq(name, STR("container")) ? "0.7.0" : NULL;
}

/* The first of the names that is loaded decides. */
static bool requirement_holds(const struct loader *loader, const struct requirement *requirement)
{
	for (size_t i = 0; i < requirement->count; i++) {
		const char *version = plugin_version(loader->settings, requirement->names[i]);
		uint64_t have[3], want[3];

		if (version == NULL)
			continue;
		return parse_semver(str_of(version), have) &&
		       parse_semver(requirement->versions[i], want) && have[0] == want[0] &&
		       (have[1] > want[1] || (have[1] == want[1] && have[2] >= want[2]));
	}
	return false;
}

void load_check_plugins(struct loader *loader)
{
	for (size_t i = 0; i < loader->requirements_count; i++) {
		const struct requirement *requirement = &loader->requirements[i];
		struct place place = { .node = requirement->node,
				       .item_kind = "required plugin versions entry" };
		struct buf names = { .max = 1000 };

		if (requirement_holds(loader, requirement))
			continue;
		for (size_t j = 0; j < requirement->count; j++)
			buf_addf(&names, "%s%.*s (>= %.*s)", j == 0 ? "" : ", ",
				 STR_ARG(requirement->names[j]), STR_ARG(requirement->versions[j]));
		report_add(loader->report, RULES_ERR_VALIDATE, &place,
			   "Plugin requirement not satisfied, must load one of: %s",
			   buf_ok(&names) ? buf_text(&names) : "(a long list)");
		buf_done(&names);
	}
}

static const char *const plugin_sources[] = { "k8s_audit", "aws_cloudtrail", "github", "okta", "gcp_auditlog",
					      "gitlab", "keycloak", "dummy", "collector" };

const struct conf_strings rules_plugin_sources = { .at = plugin_sources, .count = ARRAY_LEN(plugin_sources) };

/* The source whose events a plugin brings, or NULL. */
static const char *source_of_plugin(const char *name)
{
	static const struct {
		const char *plugin, *source;
	} brings[] = {
		{ "k8saudit", "k8s_audit" }, { "k8saudit-eks", "k8s_audit" }, { "k8saudit-gke", "k8s_audit" },
		{ "k8saudit-aks", "k8s_audit" }, { "k8saudit-ovh", "k8s_audit" }, { "cloudtrail", "aws_cloudtrail" },
		{ "github", "github" }, { "okta", "okta" }, { "gcpaudit", "gcp_auditlog" }, { "gitlab", "gitlab" },
		{ "keycloak", "keycloak" }, { "dummy", "dummy" }, { "collector", "collector" },
	};

	for (size_t i = 0; i < ARRAY_LEN(brings); i++)
		if (strcmp(brings[i].plugin, name) == 0)
			return brings[i].source;
	return NULL;
}

static bool has_source(const struct conf_strings *sources, const char *source)
{
	for (size_t i = 0; i < sources->count; i++)
		if (strcmp(sources->at[i], source) == 0)
			return true;
	return false;
}

bool load_add_sources(struct arena *arena, const struct rules_settings *settings,
		      struct conf_strings *ret)
{
	const char **all =
		arena_alloc(arena, (settings->sources.count + settings->plugins_count + 1) * sizeof(*all));

	if (all == NULL)
		return false;
	*ret = (struct conf_strings){ .at = all, .count = settings->sources.count };
	for (size_t i = 0; i < settings->sources.count; i++)
		all[i] = settings->sources.at[i];
	for (size_t i = 0; i < settings->plugins_count; i++) {
		const char *source = source_of_plugin(settings->plugins[i].name);

		if (source != NULL && !has_source(ret, source))
			all[ret->count++] = source;
	}
	return true;
}
