/* AWS GuardDuty: every finding is an alert. EventBridge's envelope, a bare finding (S3, API), keys in
 * camelCase or CapitalCase. */
#include "hub/normalise/engines.h"

enum { LINEAGE_MAX = 32 };

static const struct {
	double severity; /* from this on */
	enum priority priority;
} priorities[] = {
	{ 9, PRIORITY_CRITICAL }, { 7, PRIORITY_ERROR }, { 4, PRIORITY_WARNING }, { 1, PRIORITY_NOTICE },
};

static enum priority priority_of(struct map *map, uint32_t finding)
{
	double severity = 0;

	map_real(map, map_at(map, finding, "severity"), &severity);
	for (size_t i = 0; i < sizeof(priorities) / sizeof(priorities[0]); i++)
		if (severity >= priorities[i].severity)
			return priorities[i].priority;
	return PRIORITY_INFORMATIONAL;
}

/* The first of the paths that holds a text. */
static struct str first_text(struct map *map, uint32_t object, const char *const *paths, size_t count)
{
	struct str text = { 0 };

	for (size_t i = 0; i < count && text.len == 0; i++)
		text = map_text(map, map_at(map, object, paths[i]));
	return text;
}

#define FIRST_TEXT(map, object, ...)                             \
	first_text(map, object, (const char *const[]){ __VA_ARGS__ }, \
	           sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

static struct str name_of(struct map *map, uint32_t process)
{
	struct str path = map_text(map, map_at(map, process, "executablePath"));

	return path.len > 0 ? map_basename(path) : map_text(map, map_at(map, process, "name"));
}

static void put_lineage(struct map *map, uint32_t lineage)
{
	uint32_t parent = map_first(map, lineage);
	unsigned generation = 1;

	if (parent == MAP_NOWHERE)
		return;
	map_put(map, STR("proc.pname"), name_of(map, parent));
	map_text_of(map, STR("proc.pexepath"), map_at(map, parent, "executablePath"));
	map_int_of(map, STR("proc.ppid"), map_at(map, parent, "pid"));
	for (uint32_t i = parent; i != MAP_NOWHERE && generation <= LINEAGE_MAX;
	     i = map_next(map, lineage, i), generation++)
		map_put(map, map_name(map, "proc.aname[%u]", generation), name_of(map, i));
}

static void put_process(struct map *map, uint32_t runtime)
{
	static const struct {
		const char *key;
		struct str field;
	} texts[] = {
		{ "name", STR("proc.name") }, { "executablePath", STR("proc.exepath") },
		{ "pwd", STR("proc.cwd") },   { "user", STR("user.name") },
		{ "executableSha256", STR("guardduty.sha256") },
	}, numbers[] = {
		{ "pid", STR("proc.pid") }, { "namespacePid", STR("proc.vpid") }, { "userId", STR("user.uid") },
	};
	uint32_t process = map_at(map, runtime, "process"), context = map_at(map, runtime, "context");

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		map_text_of(map, texts[i].field, map_at(map, process, texts[i].key));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		map_int_of(map, numbers[i].field, map_at(map, process, numbers[i].key));
	put_lineage(map, map_at(map, process, "lineage"));
	map_text_of(map, STR("proc.cmdline"), map_at(map, context, "commandLineExample"));
	map_put(map, STR("fd.name"),
	        FIRST_TEXT(map, context, "socketPath", "scriptPath", "libraryPath", "filePath",
	                   "moduleFilePath", "threatFilePath"));
	map_flat(map, STR("guardduty.context"), context, true);
}

static void put_resource(struct map *map, uint32_t resource)
{
	uint32_t container = map_at(map, resource, "containerDetails");
	uint32_t workload = map_at(map, resource, "kubernetesDetails.kubernetesWorkloadDetails");

	if (!map_is(map, container, JSON_OBJECT)) /* a pod's or a task's first one */
		container = map_first(map, map_at(map, workload, "containers"));
	if (container == MAP_NOWHERE)
		container = map_first(map, map_at(map, resource, "ecsClusterDetails.taskDetails.containers"));
	map_container(map, map_text(map, map_at(map, container, "id")));
	map_text_of(map, STR("container.name"), map_at(map, container, "name"));
	map_image(map, map_text(map, map_at(map, container, "image")));
	map_bool_of(map, STR("container.privileged"), map_at(map, container, "securityContext.privileged"));
	map_text_of(map, STR("k8s.ns.name"), map_at(map, workload, "namespace"));
	map_text_of(map, STR("k8s.pod.name"), map_at(map, workload, "name"));
}

/* "PrivilegeEscalation:Runtime/DockerSocketAccessed.A!DNS": its purpose and its family. */
static void put_type_tags(struct map *map, struct str type)
{
	ptrdiff_t colon = str_find(type, STR(":")), slash = str_find(type, STR("/"));
	struct str family = str_from(type, slash < 0 ? type.len : (size_t)slash + 1);
	size_t len = 0;

	if (colon > 0)
		map_tag(map, str_cut(type, (size_t)colon));
	while (len < family.len && family.at[len] != '.' && family.at[len] != '!')
		len++;
	map_tag(map, str_cut(family, len));
}

static void put_alert(struct map *map, uint32_t finding)
{
	struct str type = map_text(map, map_at(map, finding, "type"));

	map->finding = true;
	map_rule(map, type);
	map->event->priority = priority_of(map, finding);
	buf_clear(map->line);
	buf_add(map->line, FIRST_TEXT(map, finding, "title", "description", "type"));
	map_output(map);
	put_type_tags(map, type);
	map_tag(map, map_text(map, map_at(map, finding, "resource.resourceType")));
	map_tag(map, map_text(map, map_at(map, finding, "region")));
	map_tag(map, map_text(map, map_at(map, finding, "service.featureName")));
}

/* A finding is updated under its id: each update is an alert, each once. */
static void put_identity(struct map *map, uint32_t finding)
{
	struct str id = map_text(map, map_at(map, finding, "id"));
	struct str updated = map_text(map, map_at(map, finding, "updatedAt"));

	if (id.len > 0 && updated.len > 0)
		map->identity = map_join(map, id, "\n", updated);
}

void guardduty_map(struct map *map)
{
	uint32_t detail = map_at(map, map->root, "detail");
	uint32_t finding = map_is(map, detail, JSON_OBJECT) ? detail : map->root;
	uint32_t service = map_at(map, finding, "service");

	map->fold = true;
	if (!map_time(map, map_at(map, service, "eventLastSeen")) &&
	    !map_time(map, map_at(map, finding, "updatedAt")))
		map_time(map, map_at(map, map->root, "time"));
	map->event->hostname = FIRST_TEXT(map, finding, "resource.instanceDetails.instanceId",
	                                  "resource.eksClusterDetails.name",
	                                  "resource.ecsClusterDetails.name", "accountId");
	map_text_of(map, STR("aws.account"), map_at(map, finding, "accountId"));
	map_text_of(map, STR("aws.region"), map_at(map, finding, "region"));
	map_text_of(map, STR("aws.finding_id"), map_at(map, finding, "id"));
	map_int_of(map, STR("aws.count"), map_at(map, service, "count"));
	put_resource(map, map_at(map, finding, "resource"));
	put_process(map, map_at(map, service, "runtimeDetails"));
	put_alert(map, finding);
	put_identity(map, finding);
	map_text_of(map, STR("guardduty.type"), map_at(map, finding, "type"));
	map_flat(map, STR("guardduty.severity"), map_at(map, finding, "severity"), true);
	map_text_of(map, STR("guardduty.description"), map_at(map, finding, "description"));
	map_text_of(map, STR("guardduty.action"), map_at(map, service, "action.actionType"));
	map_flat(map, STR("guardduty.resource"), map_at(map, finding, "resource"), false);
	map_flat(map, STR("guardduty.service"), service, false);
}
