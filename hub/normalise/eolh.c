/* Eolh: ETW events of Windows containers, and findings of its signatures. Its keys are those of Tracee
 * 0.16 and what Windows adds; `raw` is the ETW event, below `Event` or not. */
#include "hub/normalise/engines.h"

enum { TASK_CREATE_NEW_FILE = 30, OPCODE_START = 1 };

static uint32_t raw_at(const struct map *map, const char *path)
{
	uint32_t event = map_at(map, map->root, "raw.Event");

	return map_at(map, event == MAP_NOWHERE ? map_at(map, map->root, "raw") : event, path);
}

/* Of a task, an opcode, a level: {"Value": 1, "Name": "…"}, or the number alone. */
static bool is_number(struct map *map, uint32_t node, int64_t wanted)
{
	int64_t number;

	return map_number(map, node, &number) && number == wanted;
}

static struct str name_at(struct map *map, const char *path)
{
	return map_text(map, map_at(map, raw_at(map, path), "Name"));
}

/* What kind of event ETW says it is. */
static void put_etw(struct map *map)
{
	uint32_t data = raw_at(map, "EventData"), task = raw_at(map, "System.Task");
	struct str provider = name_at(map, "System.Provider"), name = name_at(map, "System.Task");
	bool started = str_eq(name, STR("ProcessStart")) && is_number(map, raw_at(map, "System.Opcode"), OPCODE_START);

	map_put(map, STR("eolh.provider"), provider);
	map_put(map, STR("eolh.task"), name);
	map_int_of(map, STR("eolh.task_id"), task);
	map_int_of(map, STR("eolh.event_id"), raw_at(map, "System.EventID"));
	if (started) {
		map_put(map, STR("evt.type"), STR("execve"));
		map_int_of(map, STR("proc.ppid"), map_at(map, data, "ParentProcessID"));
	} else if (is_number(map, task, TASK_CREATE_NEW_FILE)) {
		map_put(map, STR("evt.type"), STR("openat"));
		map_text_of(map, STR("fd.name"), map_at(map, data, "FileName"));
		map_put(map, STR("fd.typechar"), STR("f"));
		map_put(map, STR("fd.type"), STR("file"));
	} else if (provider.len > 0) {
		map_put(map, STR("evt.type"), map_join(map, provider, "/", name));
	}
	map_flat(map, STR("eolh.data"), data, true);
	map_flat(map, STR("eolh.user_data"), raw_at(map, "UserData"), false);
}

static void put_finding(struct map *map, struct str name, struct str message, uint32_t metadata)
{
	struct str title = map_text(map, map_at(map, metadata, "Properties.signatureName"));
	struct str id = map_text(map, map_at(map, metadata, "Properties.signatureID"));
	struct str description = map_text(map, map_at(map, metadata, "Description"));
	int64_t severity = 0;

	map->finding = true;
	map_rule(map, title.len > 0 ? title : name);
	map_number(map, map_at(map, metadata, "Properties.Severity"), &severity);
	map->event->priority = tracee_priority(severity);
	map_tags(map, map_at(map, metadata, "Tags"));
	map_tag(map, id);
	map_put(map, STR("eolh.signature_id"), id);
	map_put(map, STR("eolh.signature_name"), title);
	map_put_int(map, STR("eolh.severity"), severity);
	map_put(map, STR("eolh.description"), description);
	map_flat(map, STR("eolh.properties"), map_at(map, metadata, "Properties"), false);
	buf_clear(map->line);
	buf_add(map->line, message.len > 0 ? message : map_join(map, map->event->rule, ": ", description));
	map_output(map);
}

void eolh_map(struct map *map)
{
	uint32_t root = map->root, metadata = map_at(map, root, "metadata");
	struct str name = map_text(map, map_at(map, root, "eventName"));
	struct str message = map_text(map, map_at(map, root, "message"));
	bool host = map_is(map, map_at(map, root, "isHost"), JSON_TRUE);

	map_time(map, map_at(map, root, "timestamp"));
	map->event->hostname = map_text(map, map_at(map, root, "computerName"));
	map_int_of(map, STR("proc.pid"), map_at(map, root, "processId"));
	map_int_of(map, STR("thread.tid"), map_at(map, root, "threadId"));
	map_text_of(map, STR("proc.name"), map_at(map, root, "processName"));
	map_text_of(map, STR("proc.cmdline"), map_at(map, root, "cmdLine"));
	if (host)
		map_container(map, (struct str){ 0 });
	tracee_old_place(map);
	put_etw(map);
	map_int_of(map, STR("proc.ppid"), map_at(map, root, "parentProcessId"));
	map_put(map, STR("evt.type"), name);
	map_put(map, STR("eolh.event"), name);
	map_put(map, STR("eolh.message"), message);
	map_flat(map, STR("eolh.args"), map_at(map, root, "args"), false);
	map_tag(map, STR("windows"));
	if (is_number(map, map_at(map, root, "eventId"), -1) ||
	    map_is(map, map_at(map, metadata, "Properties"), JSON_OBJECT))
		put_finding(map, name, message, metadata);
}
