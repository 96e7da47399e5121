/* Tetragon: what a tracing policy reports is an alert, the rest of its stream events. */
#include "hub/normalise/engines.h"

#include "hub/normalise/value.h"

enum { ANCESTORS_MAX = 32, NAME_LEN = 15, ARGS_LINE = 16 };

/* The schema has no severity. What stopped something is Critical, other policy events are Warnings; a
 * policy's own tag "priority.NAME" (priority.notice, …) says otherwise. */
static const struct {
	struct str action;
	enum priority priority;
} priorities[] = {
	{ STR("KPROBE_ACTION_SIGKILL"), PRIORITY_CRITICAL },
	{ STR("KPROBE_ACTION_OVERRIDE"), PRIORITY_CRITICAL },
	{ STR("KPROBE_ACTION_SIGNAL"), PRIORITY_CRITICAL },
};
static const struct str priority_tag = STR("priority.");

static const struct kind {
	const char *key;
	struct str type; /* evt.type, unless what was hooked says */
	bool hook;       /* a policy's */
} kinds[] = {
	{ "process_exec", STR("execve"), false },
	{ "process_exit", STR("procexit"), false },
	{ "process_kprobe", STR("kprobe"), true },
	{ "process_tracepoint", STR("tracepoint"), true },
	{ "process_lsm", STR("lsm"), true },
	{ "process_uprobe", STR("uprobe"), true },
	{ "process_usdt", STR("usdt"), true },
	{ "process_loader", STR("loader"), false },
	{ "process_throttle", STR("throttle"), false },
	{ "rate_limit_info", STR("rate_limit"), false },
};

static const struct {
	struct str function, type;
} types[] = {
	{ STR("fd_install"), STR("openat") },
	{ STR("security_file_open"), STR("openat") },
	{ STR("security_file_permission"), STR("openat") },
	{ STR("tcp_connect"), STR("connect") },
	{ STR("security_socket_connect"), STR("connect") },
	{ STR("file_open"), STR("openat") }, /* the same hooks by their LSM names */
	{ STR("file_permission"), STR("openat") },
	{ STR("socket_connect"), STR("connect") },
};

static struct str type_of(struct str function)
{
	static const struct str prefixes[] = { STR("__x64_sys_"), STR("__arm64_sys_"), STR("sys_enter_"),
		                               STR("sys_exit_"), STR("sys_") };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_eq(types[i].function, function))
			return types[i].type;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (str_starts(function, prefixes[i]) && function.len > prefixes[i].len)
			return str_from(function, prefixes[i].len);
	return function;
}

/* --- processes ---------------------------------------------------------------------------------- */

static struct str name_of(struct map *map, uint32_t process)
{
	return str_cut(map_basename(map_text(map, map_at(map, process, "binary"))), NAME_LEN);
}

static struct str line_of(struct map *map, uint32_t process)
{
	return map_join(map, name_of(map, process), " ", map_text(map, map_at(map, process, "arguments")));
}

static void put_user(struct map *map, uint32_t process)
{
	int64_t auid;

	map_int_of(map, STR("user.uid"), map_at(map, process, "uid"));
	map_text_of(map, STR("user.name"), map_at(map, process, "user.name"));
	if (map_number(map, map_at(map, process, "auid"), &auid))
		map_put_int(map, STR("user.loginuid"), auid == UINT32_MAX ? -1 : auid);
}

static void put_environment(struct map *map, uint32_t variables)
{
	buf_clear(map->line);
	for (uint32_t i = map_first(map, variables); i != MAP_NOWHERE; i = map_next(map, variables, i)) {
		if (map->line->len > 0)
			buf_add_char(map->line, ' ');
		buf_add(map->line, map_text(map, map_at(map, i, "key")));
		buf_add_char(map->line, '=');
		buf_add(map->line, map_text(map, map_at(map, i, "value")));
	}
	map_put(map, STR("proc.env"), map_line(map));
}

static void put_capabilities(struct map *map, uint32_t process)
{
	map_flat(map, STR("thread.cap_permitted"), map_at(map, process, "cap.permitted"), true);
	map_flat(map, STR("thread.cap_effective"), map_at(map, process, "cap.effective"), true);
	map_flat(map, STR("thread.cap_inheritable"), map_at(map, process, "cap.inheritable"), true);
}

static void put_process(struct map *map, uint32_t process)
{
	uint32_t start = map_at(map, process, "start_time");
	struct str memory = map_text(map, map_at(map, process, "binary_properties.file.path"));
	int64_t ns;

	map_text_of(map, STR("proc.exepath"), map_at(map, process, "binary"));
	map_put(map, STR("proc.name"), name_of(map, process));
	map_text_of(map, STR("proc.args"), map_at(map, process, "arguments"));
	map_put(map, STR("proc.cmdline"), line_of(map, process));
	map_text_of(map, STR("proc.cwd"), map_at(map, process, "cwd"));
	map_int_of(map, STR("proc.pid"), map_at(map, process, "pid"));
	map_int_of(map, STR("thread.tid"), map_at(map, process, "tid"));
	put_user(map, process);
	put_capabilities(map, process);
	put_environment(map, map_at(map, process, "environment_variables"));
	if (start != MAP_NOWHERE && value_time(map->json, start, map->arena, &ns))
		map_put_int(map, STR("proc.pid.ts"), ns);
	if (str_starts(memory, STR("/memfd:")))
		map_put_bool(map, STR("proc.is_exe_from_memfd"), true);
	map_flat(map, STR("tetragon.binary_properties"), map_at(map, process, "binary_properties"), true);
	map_text_of(map, STR("tetragon.exec_id"), map_at(map, process, "exec_id"));
	map_text_of(map, STR("tetragon.parent_exec_id"), map_at(map, process, "parent_exec_id"));
	map_text_of(map, STR("tetragon.flags"), map_at(map, process, "flags"));
	map_flat(map, STR("tetragon.ns"), map_at(map, process, "ns"), false);
	map_flat(map, STR("tetragon.credentials"), map_at(map, process, "process_credentials"), false);
}

static void put_family(struct map *map, uint32_t event)
{
	uint32_t parent = map_at(map, event, "parent"), ancestors = map_at(map, event, "ancestors");
	unsigned generation = 2;

	map_put(map, STR("proc.pname"), name_of(map, parent));
	map_text_of(map, STR("proc.pexepath"), map_at(map, parent, "binary"));
	map_put(map, STR("proc.pcmdline"), line_of(map, parent));
	map_int_of(map, STR("proc.ppid"), map_at(map, parent, "pid"));
	for (uint32_t i = map_first(map, ancestors); i != MAP_NOWHERE && generation <= ANCESTORS_MAX;
	     i = map_next(map, ancestors, i), generation++) {
		map_put(map, map_name(map, "proc.aname[%u]", generation), name_of(map, i));
		map_text_of(map, map_name(map, "proc.aexepath[%u]", generation), map_at(map, i, "binary"));
		map_put(map, map_name(map, "proc.acmdline[%u]", generation), line_of(map, i));
		map_int_of(map, map_name(map, "proc.apid[%u]", generation), map_at(map, i, "pid"));
	}
}

static void put_place(struct map *map, uint32_t process)
{
	uint32_t pod = map_at(map, process, "pod");
	struct str id = map_text(map, map_at(map, pod, "container.id"));

	map_container(map, id.len > 0 ? id : map_text(map, map_at(map, process, "docker")));
	map_text_of(map, STR("container.name"), map_at(map, pod, "container.name"));
	map_image(map, map_text(map, map_at(map, pod, "container.image.name")));
	map_text_of(map, STR("container.image.id"), map_at(map, pod, "container.image.id"));
	map_bool_of(map, STR("container.privileged"),
	            map_at(map, pod, "container.security_context.privileged"));
	map_int_of(map, STR("proc.vpid"), map_at(map, pod, "container.pid"));
	map_text_of(map, STR("k8s.ns.name"), map_at(map, pod, "namespace"));
	map_text_of(map, STR("k8s.pod.name"), map_at(map, pod, "name"));
	map_text_of(map, STR("k8s.pod.uid"), map_at(map, pod, "uid"));
	map_labels(map, map_at(map, pod, "pod_labels"));
	map_text_of(map, STR("tetragon.workload"), map_at(map, pod, "workload"));
	map_text_of(map, STR("tetragon.workload_kind"), map_at(map, pod, "workload_kind"));
	map_tag(map, map_is(map, pod, JSON_OBJECT) ? STR("pod") : STR("host"));
}

/* --- arguments ---------------------------------------------------------------------------------- */

/* The value of {"int_arg": 2, "label": …}; ret_key says which. */
static uint32_t value_of(const struct map *map, uint32_t item, struct str *ret_key)
{
	const struct json *json = map->json;

	if (!map_is(map, item, JSON_OBJECT))
		return MAP_NOWHERE;
	for (uint32_t i = json_first(json, item); i != json_end(json, item); i = json->nodes[i + 1].next) {
		*ret_key = json_raw(json, i);
		if (!str_eq(*ret_key, STR("label")) && !str_eq(*ret_key, STR("resolve")))
			return i + 1;
	}
	return MAP_NOWHERE;
}

static void put_file(struct map *map, struct str path)
{
	map_put(map, STR("fd.name"), path);
	map_put(map, STR("fd.typechar"), STR("f"));
	map_put(map, STR("fd.type"), STR("file"));
}

static int64_t number_at(struct map *map, uint32_t object, const char *path)
{
	int64_t number = -1;

	map_number(map, map_at(map, object, path), &number);
	return number;
}

/* sock_arg and skb_arg. */
static void put_socket(struct map *map, uint32_t socket)
{
	struct str protocol = map_text(map, map_at(map, socket, "protocol"));

	map_connection(map, map_text(map, map_at(map, socket, "saddr")), number_at(map, socket, "sport"),
	               map_text(map, map_at(map, socket, "daddr")), number_at(map, socket, "dport"));
	if (str_eq(protocol, STR("IPPROTO_TCP")))
		map_put(map, STR("fd.l4proto"), STR("tcp"));
	else if (str_eq(protocol, STR("IPPROTO_UDP")))
		map_put(map, STR("fd.l4proto"), STR("udp"));
	else if (str_starts(protocol, STR("IPPROTO_ICMP")))
		map_put(map, STR("fd.l4proto"), STR("icmp"));
}

/* What a kind of argument says of the event; the text that stands for it in a line. */
static struct str put_meaning(struct map *map, struct str key, uint32_t value)
{
	static const char *const texts[] = { "path", "name", "addr", "daddr", "value", "bytes_arg" };
	struct str text = map_text(map, value);

	if (str_eq(key, STR("file_arg")) || str_eq(key, STR("path_arg")))
		put_file(map, map_text(map, map_at(map, value, "path")));
	else if (str_eq(key, STR("sock_arg")) || str_eq(key, STR("skb_arg")))
		put_socket(map, value);
	else if (str_eq(key, STR("sockaddr_arg")))
		map_connection(map, (struct str){ 0 }, -1, map_text(map, map_at(map, value, "addr")),
		               number_at(map, value, "port"));
	else if (str_eq(key, STR("sockaddrun_arg"))) {
		map_text_of(map, STR("fd.name"), map_at(map, value, "path"));
		map_put(map, STR("fd.typechar"), STR("u"));
		map_put(map, STR("fd.type"), STR("unix"));
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && text.len == 0; i++)
		text = map_text(map, map_at(map, value, texts[i]));
	return text;
}

/* In a list of arguments the one of this kind, by its order among them. */
static uint32_t nth_of_kind(const struct map *map, uint32_t args, struct str kind, unsigned n)
{
	for (uint32_t i = map_first(map, args); i != MAP_NOWHERE; i = map_next(map, args, i)) {
		struct str key = { 0 };
		uint32_t value = value_of(map, i, &key);

		if (value != MAP_NOWHERE && str_eq(key, kind) && n-- == 0)
			return value;
	}
	return MAP_NOWHERE;
}

/* What is known of the file of an open: descriptor, flags, and of a system call its path. */
static void put_open(struct map *map, struct str function, uint32_t event, uint32_t args)
{
	static const char *const access[] = { "O_RDONLY", "O_WRONLY", "O_RDONLY", "O_RDWR" };
	bool permission = str_ends(function, STR("file_permission"));
	int64_t number = 0, result = 0;

	if (permission && map_number(map, nth_of_kind(map, args, STR("int_arg"), 0), &number))
		/* MAY_WRITE 2, MAY_READ 4 */
		map_put(map, STR("evt.arg.flags"),
		        str_of(access[(number & 2 ? 1 : 0) + (number & 4 && number & 2 ? 2 : 0)]));
	if (str_eq(function, STR("fd_install")))
		map_number(map, nth_of_kind(map, args, STR("int_arg"), 0), &result);
	else if (!permission)
		map_number(map, map_at(map, event, "return.int_arg"), &result);
	put_file(map, map_text(map, nth_of_kind(map, args, STR("string_arg"), 0)));
	map_put_int(map, STR("fd.num"), result);
}

/* Every argument as evt.arg.LABEL or evt.arg[N], what is in it under tetragon.args. The line of them all
 * is added to map->line. */
static void put_arguments(struct map *map, uint32_t args)
{
	unsigned index = 0;

	for (uint32_t i = map_first(map, args); i != MAP_NOWHERE; i = map_next(map, args, i), index++) {
		struct str key = { 0 }, label = map_text(map, map_at(map, i, "label")), text;
		uint32_t value = value_of(map, i, &key);
		struct str field = label.len > 0 ? map_name(map, "evt.arg.%.*s", STR_ARG(label))
		                                 : map_name(map, "evt.arg[%u]", index);

		if (value == MAP_NOWHERE)
			continue;
		text = put_meaning(map, key, value);
		if (map_is(map, value, JSON_OBJECT)) {
			map_put(map, field, text);
			map_flat(map, map_name(map, "tetragon.args.%u", index), value, true);
		} else {
			map_flat(map, field, value, true);
		}
		if (index < ARGS_LINE) {
			buf_add(map->line, index > 0 ? STR(", ") : STR(""));
			buf_add(map->line, str_cut(text, MAP_KEY_MAX));
		}
	}
}

/* --- a policy's event --------------------------------------------------------------------------- */

static enum priority priority_of(struct map *map, uint32_t event)
{
	static const char *const keys[] = { "action", "return_action" };
	uint32_t tags = map_at(map, event, "tags");
	enum priority priority;

	for (uint32_t i = map_first(map, tags); i != MAP_NOWHERE; i = map_next(map, tags, i)) {
		struct str tag = map_text(map, i);

		if (str_starts(tag, priority_tag) && priority_parse(str_from(tag, priority_tag.len), &priority))
			return priority;
	}
	for (size_t k = 0; k < 2; k++) {
		struct str action = map_text(map, map_at(map, event, keys[k]));

		for (size_t i = 0; i < sizeof(priorities) / sizeof(priorities[0]); i++)
			if (str_eq(action, priorities[i].action))
				return priorities[i].priority;
	}
	return PRIORITY_WARNING;
}

/* What was hooked: "security_file_open", "sys_enter_openat", a symbol, a probe. */
static struct str hooked(struct map *map, uint32_t event)
{
	static const char *const keys[] = { "function_name", "event", "symbol", "name", "path" };
	struct str text = { 0 };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && text.len == 0; i++)
		text = map_text(map, map_at(map, event, keys[i]));
	return text;
}

/* Its message, else "function(args) by binary arguments". */
static void put_output(struct map *map, uint32_t event, struct str message)
{
	uint32_t process = map_at(map, event, "process");
	struct str binary = map_text(map, map_at(map, process, "binary"));

	if (message.len > 0) {
		buf_clear(map->line);
		buf_add(map->line, message);
	} else {
		buf_add(map->line, STR(") by "));
		buf_add(map->line, map_join(map, binary, " ", map_text(map, map_at(map, process, "arguments"))));
	}
	map_output(map);
}

static void put_hook(struct map *map, uint32_t event)
{
	static const struct {
		const char *key;
		struct str field;
	} rows[] = {
		{ "policy_name", STR("tetragon.policy") }, { "message", STR("tetragon.message") },
		{ "action", STR("tetragon.action") },      { "return_action", STR("tetragon.return_action") },
		{ "subsys", STR("tetragon.subsys") },      { "path", STR("tetragon.path") },
		{ "symbol", STR("tetragon.symbol") },      { "provider", STR("tetragon.provider") },
		{ "ima_hash", STR("tetragon.ima_hash") },
	};
	struct str policy = map_text(map, map_at(map, event, "policy_name"));
	struct str message = map_text(map, map_at(map, event, "message"));
	struct str function = hooked(map, event), type = type_of(function);
	uint32_t args = map_at(map, event, "args");

	map_put(map, STR("evt.type"), type);
	map_put(map, STR("tetragon.function"), function);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		map_text_of(map, rows[i].field, map_at(map, event, rows[i].key));
	map_int_of(map, STR("evt.rawres"), map_at(map, event, "return.int_arg"));
	buf_clear(map->line);
	buf_add(map->line, function);
	buf_add_char(map->line, '(');
	put_arguments(map, args);
	if (str_starts(type, STR("open")))
		put_open(map, function, event, args);
	map_flat(map, STR("tetragon.return"), map_at(map, event, "return"), true);
	map_flat(map, STR("tetragon.data"), map_at(map, event, "data"), false);
	map_tags(map, map_at(map, event, "tags"));
	map_tag(map, policy);
	if (policy.len == 0)
		return;
	map->finding = true;
	map->event->priority = priority_of(map, event);
	map_rule(map, map_join(map, policy, ": ", message));
	put_output(map, event, message);
}

void tetragon_map(struct map *map)
{
	const struct kind *kind = NULL;
	uint32_t event = MAP_NOWHERE, process;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && event == MAP_NOWHERE; i++) {
		kind = &kinds[i];
		event = map_at(map, map->root, kind->key);
	}
	if (!map_time(map, map_at(map, map->root, "time")))
		map_time(map, map_at(map, event, "time"));
	map->event->hostname = map_text(map, map_at(map, map->root, "node_name"));
	process = map_at(map, event, "process");
	put_process(map, process);
	put_family(map, event);
	put_place(map, process);
	map_put(map, STR("tetragon.event"), str_of(kind->key));
	map_text_of(map, STR("tetragon.cluster"), map_at(map, map->root, "cluster_name"));
	map_int_of(map, STR("tetragon.count"), map_at(map, map->root, "aggregation_info.count"));
	map_flat(map, STR("tetragon.node_labels"), map_at(map, map->root, "node_labels"), false);
	if (kind->hook)
		put_hook(map, event);
	map_text_of(map, STR("tetragon.signal"), map_at(map, event, "signal"));
	map_int_of(map, STR("tetragon.status"), map_at(map, event, "status"));
	if (!kind->hook)
		map_text_of(map, STR("tetragon.path"), map_at(map, event, "path"));
	if (!map_is(map, process, JSON_OBJECT) && !kind->hook) /* throttle, rate_limit_info */
		map_flat(map, STR("tetragon.detail"), event, true);
	map_put(map, STR("evt.type"), kind->type);
}
