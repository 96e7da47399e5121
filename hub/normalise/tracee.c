/* Tracee: events and detectors' findings, in the present form (workload, data, threat) and that of 0.x
 * (flat keys, args, metadata). */
#include "hub/normalise/engines.h"

static const struct {
	int64_t severity; /* from this on */
	enum priority priority;
} priorities[] = {
	{ 4, PRIORITY_CRITICAL }, { 3, PRIORITY_ERROR }, { 2, PRIORITY_WARNING }, { 1, PRIORITY_NOTICE },
	{ INT64_MIN, PRIORITY_INFORMATIONAL },
};

/* Hooks whose event is a system call by another name. */
static const struct {
	struct str name, type;
} types[] = {
	{ STR("sched_process_exec"), STR("execve") },   { STR("sched_process_exit"), STR("procexit") },
	{ STR("sched_process_fork"), STR("clone") },    { STR("security_file_open"), STR("openat") },
	{ STR("security_socket_connect"), STR("connect") }, { STR("security_socket_bind"), STR("bind") },
};

enum priority tracee_priority(int64_t severity)
{
	size_t i = 0;

	while (severity < priorities[i].severity)
		i++;
	return priorities[i].priority;
}

static struct str type_of(struct str name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_eq(types[i].name, name))
			return types[i].type;
	return name;
}

/* --- arguments ---------------------------------------------------------------------------------- */

/* The value of {"name": …, "u_int32": 7}, whatever its type is called, or {"name": …, "value": 7}. */
static uint32_t value_of(const struct map *map, uint32_t item)
{
	const struct json *json = map->json;
	uint32_t value = map_at(map, item, "value"), inner;

	if (value != MAP_NOWHERE || !map_is(map, item, JSON_OBJECT))
		return value;
	for (uint32_t i = json_first(json, item); i != json_end(json, item); i = json->nodes[i + 1].next)
		if (!str_eq(json_raw(json, i), STR("name")) && !str_eq(json_raw(json, i), STR("type"))) {
			value = i + 1;
			break;
		}
	inner = map_at(map, value, "value"); /* lists: {"str_array": {"value": […]}} */
	return inner == MAP_NOWHERE ? value : inner;
}

static uint32_t argument(struct map *map, uint32_t data, struct str name)
{
	for (uint32_t i = map_first(map, data); i != MAP_NOWHERE; i = map_next(map, data, i))
		if (str_eq(map_text(map, map_at(map, i, "name")), name))
			return value_of(map, i);
	return MAP_NOWHERE;
}

/* 64-bit numbers come as texts: the type's key says that they are numbers. */
static bool is_number_text(const struct map *map, uint32_t item, uint32_t value)
{
	return map_is(map, value, JSON_STRING) && (map_at(map, item, "int64") == value ||
	                                           map_at(map, item, "u_int64") == value);
}

static void put_arguments(struct map *map, uint32_t data)
{
	for (uint32_t i = map_first(map, data); i != MAP_NOWHERE; i = map_next(map, data, i)) {
		struct str name = map_text(map, map_at(map, i, "name"));
		uint32_t value = value_of(map, i);
		int64_t number;

		if (name.len == 0 || str_eq(name, STR("returnValue")))
			continue;
		if (is_number_text(map, i, value) && map_number(map, value, &number))
			map_put_int(map, map_name(map, "evt.arg.%.*s", STR_ARG(name)), number);
		else
			map_flat(map, map_name(map, "evt.arg.%.*s", STR_ARG(name)), value, true);
	}
}

static void put_exec(struct map *map, uint32_t data)
{
	uint32_t argv = argument(map, data, STR("argv")), first = map_first(map, argv);

	map_text_of(map, STR("proc.exepath"), argument(map, data, STR("pathname")));
	map_flat(map, STR("proc.env"), argument(map, data, STR("env")), true);
	if (first == MAP_NOWHERE)
		return;
	map_text_of(map, STR("proc.exe"), first);
	map_put(map, STR("proc.args"), map_words(map, argv, map_next(map, argv, first)));
}

static void put_open(struct map *map, uint32_t data, int64_t result)
{
	uint32_t flags = argument(map, data, STR("flags"));
	int64_t bits;

	map_text_of(map, STR("fd.name"), argument(map, data, STR("pathname")));
	map_put(map, STR("fd.typechar"), STR("f"));
	map_put(map, STR("fd.type"), STR("file"));
	map_put_int(map, STR("fd.num"), result);
	if (map_number(map, flags, &bits)) /* before the arguments: the first has the name */
		map_put(map, STR("evt.arg.flags"), map_open_flags(map, bits));
}

/* {"sa_family": "AF_INET", "sin_addr": …, "sin_port": …}, also under a key of its own. */
static void put_address(struct map *map, uint32_t address)
{
	uint32_t ip = map_at(map, address, "sin_addr"), port = map_at(map, address, "sin_port");
	int64_t number = -1;

	if (ip == MAP_NOWHERE) {
		ip = map_at(map, address, "sin6_addr");
		port = map_at(map, address, "sin6_port");
	}
	map_number(map, port, &number);
	map_connection(map, (struct str){ 0 }, -1, map_text(map, ip), number);
	if (map_is(map, map_at(map, address, "sun_path"), JSON_STRING)) {
		map_text_of(map, STR("fd.name"), map_at(map, address, "sun_path"));
		map_put(map, STR("fd.typechar"), STR("u"));
		map_put(map, STR("fd.type"), STR("unix"));
	}
}

static void put_socket(struct map *map, uint32_t data, struct str type)
{
	static const struct str remote[] = { STR("remote_addr"), STR("addr") };
	static const struct str local[] = { STR("local_addr"), STR("addr") };
	bool server = str_eq(type, STR("bind"));

	map_put_bool(map, STR("fd.is_server"), server);
	map_int_of(map, STR("fd.num"), argument(map, data, STR("sockfd")));
	for (size_t i = 0; i < 2; i++)
		put_address(map, argument(map, data, server ? local[i] : remote[i]));
}

/* What an event of this name says; of a finding also the event that it was found in. */
static void put_event(struct map *map, struct str name, uint32_t data, uint32_t result_node)
{
	struct str type = type_of(name);
	int64_t result = 0;

	if (map_number(map, result_node, &result))
		map_put_int(map, STR("evt.rawres"), result);
	if (str_eq(type, STR("execve")) || str_eq(type, STR("execveat")))
		put_exec(map, data);
	else if (str_eq(type, STR("open")) || str_eq(type, STR("openat")) || str_eq(type, STR("openat2")) ||
	         str_eq(type, STR("creat")))
		put_open(map, data, result);
	else if (str_eq(type, STR("connect")) || str_eq(type, STR("bind")))
		put_socket(map, data, type);
	put_arguments(map, data);
}

/* --- what a finding says ------------------------------------------------------------------------ */

static struct str field_of(struct map *map, const char *field)
{
	const struct value *value = event_get(map->event, fields_find(map->fields, str_of(field)));

	return value->kind == VALUE_STR ? value_as_str(value) : (struct str){ 0 };
}

/* "name: description (proc=… file=…)" */
static void put_output(struct map *map, struct str name, struct str description)
{
	struct str proc = field_of(map, "proc.name"), file = field_of(map, "fd.name");

	if (file.len == 0)
		file = field_of(map, "proc.exepath");
	buf_clear(map->line);
	buf_add(map->line, name);
	if (description.len > 0)
		buf_add(map->line, STR(": "));
	buf_add(map->line, description);
	if (proc.len + file.len == 0) {
		map_output(map);
		return;
	}
	buf_add(map->line, STR(" ("));
	if (proc.len > 0) {
		buf_add(map->line, STR("proc="));
		buf_add(map->line, proc);
	}
	if (file.len > 0) {
		buf_add(map->line, proc.len > 0 ? STR(" file=") : STR("file="));
		buf_add(map->line, file);
	}
	buf_add_char(map->line, ')');
	map_output(map);
}

static void put_place_tag(struct map *map)
{
	map_tag(map, str_eq(field_of(map, "container.id"), STR("host")) ? STR("host") : STR("container"));
}

static void finish(struct map *map, struct str type)
{
	struct str name = field_of(map, "proc.name");

	map_put(map, STR("evt.type"), type);
	if (field_of(map, "proc.args").len > 0)
		map_put(map, STR("proc.cmdline"), map_join(map, name, " ", field_of(map, "proc.args")));
	put_place_tag(map);
}

/* --- the present form --------------------------------------------------------------------------- */

/* A key that used to have another name. */
static uint32_t either(const struct map *map, uint32_t object, const char *a, const char *b)
{
	uint32_t node = map_at(map, object, a);

	return node == MAP_NOWHERE ? map_at(map, object, b) : node;
}

static void put_ancestors(struct map *map, uint32_t ancestors)
{
	uint32_t parent = map_first(map, ancestors), older;
	unsigned generation = 1;

	map_int_of(map, STR("proc.ppid"), map_at(map, parent, "host_pid"));
	map_int_of(map, STR("proc.pvpid"), map_at(map, parent, "pid"));
	map_text_of(map, STR("proc.pname"), map_at(map, parent, "thread.name"));
	map_text_of(map, STR("proc.pexepath"), map_at(map, parent, "executable.path"));
	for (older = parent; older != MAP_NOWHERE && generation <= 32; generation++) {
		older = map_next(map, ancestors, older);
		map_int_of(map, map_name(map, "proc.apid[%u]", generation + 1), map_at(map, older, "host_pid"));
		map_text_of(map, map_name(map, "proc.aname[%u]", generation + 1),
		            map_at(map, older, "thread.name"));
	}
}

static void put_process(struct map *map, uint32_t process)
{
	map_text_of(map, STR("proc.name"), map_at(map, process, "thread.name"));
	map_text_of(map, STR("proc.exepath"), map_at(map, process, "executable.path"));
	map_int_of(map, STR("proc.pid"), map_at(map, process, "host_pid"));
	map_int_of(map, STR("proc.vpid"), map_at(map, process, "pid"));
	map_int_of(map, STR("thread.tid"), map_at(map, process, "thread.host_tid"));
	map_int_of(map, STR("thread.vtid"), map_at(map, process, "thread.tid"));
	map_int_of(map, STR("user.uid"), map_at(map, process, "real_user.id"));
	map_text_of(map, STR("user.name"), map_at(map, process, "real_user.name"));
	put_ancestors(map, map_at(map, process, "ancestors"));
}

static void put_place(struct map *map, uint32_t workload)
{
	uint32_t container = map_at(map, workload, "container");
	uint32_t pod = either(map, workload, "k8s.pod", "pod");

	map_container(map, map_text(map, map_at(map, container, "id")));
	map_text_of(map, STR("container.name"), map_at(map, container, "name"));
	map_image(map, map_text(map, map_at(map, container, "image.name")));
	map_text_of(map, STR("container.image.id"), map_at(map, container, "image.id"));
	map_text_of(map, STR("k8s.pod.name"), map_at(map, pod, "name"));
	map_text_of(map, STR("k8s.pod.uid"), map_at(map, pod, "uid"));
	map_text_of(map, STR("k8s.ns.name"), either(map, workload, "k8s.namespace.name", "pod.namespace.name"));
	map_labels(map, map_at(map, pod, "labels"));
}

static void put_threat(struct map *map, struct str name, uint32_t threat)
{
	struct str title = map_text(map, map_at(map, threat, "name"));
	int64_t severity = 0;

	map->finding = true;
	map_rule(map, title.len > 0 ? title : name);
	map_number(map, map_at(map, threat, "severity"), &severity);
	map->event->priority = tracee_priority(severity);
	map_tag(map, map_text(map, map_at(map, threat, "mitre.technique.id")));
	map_tag(map, map_text(map, map_at(map, threat, "mitre.tactic.name")));
	map_flat(map, STR("tracee.threat"), threat, true);
	put_output(map, map->event->rule, map_text(map, map_at(map, threat, "description")));
}

static void map_present(struct map *map)
{
	uint32_t workload = either(map, map->root, "workload", "context");
	uint32_t process = map_at(map, workload, "process");
	uint32_t threat = map_at(map, map->root, "threat"), from = map_at(map, map->root, "detected_from");
	uint32_t data = either(map, map->root, "data", "event_data"), found = map_at(map, from, "data");
	struct str name = map_text(map, map_at(map, map->root, "name"));
	struct str cause = map_text(map, map_at(map, from, "name"));
	struct str syscall = map_text(map, map_at(map, process, "thread.syscall"));
	bool finding = map_is(map, threat, JSON_OBJECT);

	put_process(map, process);
	put_place(map, workload);
	put_event(map, name, data, argument(map, data, STR("returnValue")));
	put_event(map, cause, found, argument(map, found, STR("returnValue")));
	finish(map, !finding ? type_of(name) : cause.len > 0 ? type_of(cause) : syscall.len > 0 ? syscall : name);
	map_put(map, STR("tracee.event"), name);
	map_put(map, STR("tracee.detected_from"), cause);
	map_put(map, STR("tracee.syscall"), syscall);
	map_flat(map, STR("tracee.policies"), map_at(map, map->root, "policies.matched"), true);
	map_tags(map, map_at(map, map->root, "policies.matched"));
	if (finding)
		put_threat(map, name, threat);
}

/* --- the form of 0.x ---------------------------------------------------------------------------- */

void tracee_old_place(struct map *map)
{
	uint32_t container = map_at(map, map->root, "container"), pod = map_at(map, map->root, "kubernetes");
	struct str id = map_text(map, map_at(map, container, "id"));

	map_container(map, id.len > 0 ? id : map_text(map, map_at(map, map->root, "containerId")));
	map_text_of(map, STR("container.name"), either(map, container, "name", "containerName"));
	map_image(map, map_text(map, map_at(map, container, "image")));
	map_text_of(map, STR("container.image.digest"), map_at(map, container, "imageDigest"));
	map_text_of(map, STR("k8s.pod.name"), map_at(map, pod, "podName"));
	map_text_of(map, STR("k8s.ns.name"), map_at(map, pod, "podNamespace"));
	map_text_of(map, STR("k8s.pod.uid"), map_at(map, pod, "podUID"));
}

static void put_metadata(struct map *map, struct str name, uint32_t metadata)
{
	struct str title = map_text(map, map_at(map, metadata, "Properties.signatureName"));
	int64_t severity = 0;

	map->finding = true;
	map_rule(map, title.len > 0 ? title : name);
	map_number(map, map_at(map, metadata, "Properties.Severity"), &severity);
	map->event->priority = tracee_priority(severity);
	map_tag(map, map_text(map, map_at(map, metadata, "Properties.external_id")));
	map_tag(map, map_text(map, map_at(map, metadata, "Properties.Category")));
	map_tags(map, map_at(map, metadata, "Tags"));
	map_flat(map, STR("tracee.metadata"), metadata, true);
	put_output(map, map->event->rule, map_text(map, map_at(map, metadata, "Description")));
}

static void map_old(struct map *map)
{
	static const struct {
		const char *key;
		struct str field;
	} numbers[] = {
		{ "hostProcessId", STR("proc.pid") },       { "processId", STR("proc.vpid") },
		{ "hostThreadId", STR("thread.tid") },      { "threadId", STR("thread.vtid") },
		{ "hostParentProcessId", STR("proc.ppid") }, { "parentProcessId", STR("proc.pvpid") },
		{ "userId", STR("user.uid") },
	};
	uint32_t metadata = map_at(map, map->root, "metadata"), args = map_at(map, map->root, "args");
	uint32_t cause = argument(map, args, STR("triggeredBy"));
	struct str name = map_text(map, map_at(map, map->root, "eventName"));
	struct str cause_name = map_text(map, map_at(map, cause, "name"));
	struct str syscall = map_text(map, map_at(map, map->root, "syscall"));
	bool finding = map_is(map, map_at(map, metadata, "Properties"), JSON_OBJECT) ||
	               map_text(map, map_at(map, metadata, "Description")).len > 0;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		map_int_of(map, numbers[i].field, map_at(map, map->root, numbers[i].key));
	map->event->hostname = map_text(map, map_at(map, map->root, "hostName"));
	map_text_of(map, STR("proc.name"), map_at(map, map->root, "processName"));
	map_text_of(map, STR("proc.exepath"), map_at(map, map->root, "executable.path"));
	tracee_old_place(map);
	put_event(map, name, args, map_at(map, map->root, "returnValue"));
	put_event(map, cause_name, map_at(map, cause, "args"), map_at(map, cause, "returnValue"));
	finish(map, !finding            ? type_of(name)
	            : cause_name.len > 0 ? type_of(cause_name)
	            : syscall.len > 0    ? syscall : name);
	map_put(map, STR("tracee.event"), name);
	map_put(map, STR("tracee.detected_from"), cause_name);
	map_put(map, STR("tracee.syscall"), syscall);
	map_flat(map, STR("tracee.policies"), map_at(map, map->root, "matchedPolicies"), true);
	map_tags(map, map_at(map, map->root, "matchedPolicies"));
	if (finding)
		put_metadata(map, name, metadata);
}

void tracee_map(struct map *map)
{
	map_time(map, map_at(map, map->root, "timestamp"));
	if (map_is(map, map_at(map, map->root, "eventName"), JSON_STRING))
		map_old(map);
	else
		map_present(map);
}
