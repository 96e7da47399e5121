/* tocsin rules fields: what conditions and outputs can speak of. */
#include "cli/cli.h"
#include "cli/table.h"

#include "base/cleanup.h"
#include "include/fields.h"
#include "rules/rules.h"
#include "rules/text.h"

static bool markdown, from_sensor;

static const struct cli_option options[] = {
	{ "sensor", 0, NULL, NULL, "only fields that events of Tocsin's own sensors have", NULL, &from_sensor },
	{ "markdown", 0, NULL, NULL, "print a table in Markdown", NULL, &markdown },
	{ 0 },
};

/* What the sensor sets (sensor/enrich*.c; a test compares). */
static const field_id sensor_fields[] = {
	FIELD_CONTAINER_FULL_ID, FIELD_CONTAINER_ID, FIELD_CONTAINER_NAME, FIELD_EVT_ARG, FIELD_EVT_ARGS,
	FIELD_EVT_BUFFER, FIELD_EVT_BUFLEN, FIELD_EVT_INFO,
	FIELD_EVT_CPU, FIELD_EVT_IS_IO_URING, FIELD_EVT_IS_PRESUMED, FIELD_EVT_IS_OPEN_CREATE, FIELD_EVT_IS_OPEN_EXEC,
	FIELD_EVT_IS_OPEN_READ, FIELD_EVT_IS_OPEN_WRITE, FIELD_EVT_RAWRES, FIELD_EVT_RES, FIELD_EVT_TRUNCATED,
	FIELD_EVT_TYPE, FIELD_FD_CIP,
	FIELD_FD_CONNECTED, FIELD_FD_CPORT, FIELD_FD_DEV, FIELD_FD_INO, FIELD_FD_IS_SERVER, FIELD_FD_L4PROTO,
	FIELD_FD_LIP, FIELD_FD_LPORT, FIELD_FD_NAME, FIELD_FD_NAMERAW, FIELD_FD_NAME_CHANGED, FIELD_FD_NUM,
	FIELD_FD_RIP, FIELD_FD_RPORT, FIELD_FD_SIP, FIELD_FD_SIP_NAME, FIELD_FD_CIP_NAME, FIELD_FD_LIP_NAME,
	FIELD_FD_RIP_NAME, FIELD_FD_SOCKFAMILY, FIELD_FD_SPORT, FIELD_FD_TYPE,
	FIELD_FD_TYPECHAR, FIELD_GROUP_GID, FIELD_GROUP_NAME, FIELD_PROC_ARGS, FIELD_PROC_CMDLINE,
	FIELD_PROC_CMDNARGS, FIELD_PROC_CWD, FIELD_PROC_DURATION, FIELD_PROC_ENV, FIELD_PROC_EXE,
	FIELD_PROC_EXELINE, FIELD_PROC_EXEPATH, FIELD_PROC_EXE_INO, FIELD_PROC_EXE_INO_CTIME,
	FIELD_PROC_EXE_INO_CTIME_DURATION_PROC_START, FIELD_PROC_EXE_INO_MTIME, FIELD_PROC_IS_EXE_FROM_MEMFD,
	FIELD_PROC_IS_EXE_LOWER_LAYER, FIELD_PROC_IS_EXE_UPPER_LAYER, FIELD_PROC_IS_EXE_WRITABLE,
	FIELD_PROC_IS_PGID_LEADER, FIELD_PROC_IS_SID_LEADER, FIELD_PROC_IS_VPGID_LEADER, FIELD_PROC_NAME,
	FIELD_PROC_PCMDLINE, FIELD_PROC_PEXE, FIELD_PROC_PEXEPATH, FIELD_PROC_PGID, FIELD_PROC_PGID_NAME,
	FIELD_PROC_PID, FIELD_PROC_PID_TS, FIELD_PROC_PNAME, FIELD_PROC_PPID, FIELD_PROC_PPID_DURATION,
	FIELD_PROC_PPID_TS, FIELD_PROC_PUID, FIELD_PROC_PVPID, FIELD_PROC_UID, FIELD_PROC_SID, FIELD_PROC_SID_EXE, FIELD_PROC_SID_EXEPATH,
	FIELD_PROC_SNAME, FIELD_PROC_STDIN_TYPE, FIELD_PROC_TTY, FIELD_PROC_VPGID, FIELD_PROC_VPGID_NAME,
	FIELD_PROC_VPID, FIELD_RESPOND_ACTION, FIELD_RESPOND_EFFECT, FIELD_RESPOND_ERRNO, FIELD_RESPOND_RESULT, FIELD_RESPOND_RULE,
	FIELD_SECCOMP_ACTION, FIELD_SECCOMP_ARGS, FIELD_SECCOMP_MODE, FIELD_SECCOMP_PROFILE,
	FIELD_THREAD_CAP_EFFECTIVE, FIELD_THREAD_CAP_INHERITABLE, FIELD_THREAD_CAP_PERMITTED,
	FIELD_THREAD_TID, FIELD_THREAD_VTID, FIELD_USER_LOGINNAME, FIELD_USER_LOGINUID, FIELD_USER_NAME,
	FIELD_USER_UID, FIELD_PROC_ANAME,
};

/* And only if a rule asks for it. */
static const char *const asked_fields[] = {
	/* sensor/enrich_asked.c */
	"proc.pgid.exe", "proc.pgid.exepath", "proc.vpgid.exe", "proc.vpgid.exepath", "proc.loginshellid",
	"proc.cmdlenargs", "proc.pidns_init_start_ts", "proc.exe_ino.ctime_duration_pidns_start",
	"thread.ismain", "thread.nametid", "user.homedir", "user.shell", "evt.abspath", "fd.containername",
	"fd.containerdirectory", "fd.uid", "fd.cproto", "fd.sproto", "fd.lproto", "fd.rproto",
	"fd.is_upper_layer", "fd.is_lower_layer", "fs.path.name", "fs.path.nameraw", "fs.path.source",
	"fs.path.sourceraw", "fs.path.target", "fs.path.targetraw", "evt.rawarg", "proc.aenv", "proc.aargs",
	/* sensor/enrich_event.c */
	"evt.category", "evt.count", "evt.count.exit", "evt.count.error", "evt.is_async", "evt.is_io",
	"evt.is_io_read", "evt.is_io_write", "evt.io_dir", "evt.count.error.file", "evt.count.error.net",
	"evt.count.error.memory", "evt.count.error.other", "evt.count.procinfo", "evt.count.threadinfo",
	"evt.is_syslog", "evt.buflen", "evt.buflen.in", "evt.buflen.out", "evt.buflen.file",
	"evt.buflen.file.in", "evt.buflen.file.out", "evt.buflen.net", "evt.buflen.net.in",
	"evt.buflen.net.out", "evt.deltatime", "evt.deltatime.s", "evt.deltatime.ns", "evt.reltime",
	"evt.reltime.s", "evt.reltime.ns", "proc.is_container_healthcheck", "proc.is_container_liveness_probe",
	"proc.is_container_readiness_probe", "util.cnt",
	/* sensor/enrich_live.c */
	"proc.vmsize", "proc.vmrss", "proc.vmswap", "thread.vmsize", "thread.vmrss", "thread.vmsize.b",
	"thread.vmrss.b", "proc.nthreads", "proc.nchilds", "thread.pfmajor", "thread.pfminor",
	"proc.fdopencount", "proc.fdlimit", "proc.fdusage", "proc.stdin.type", "proc.stdout.type",
	"proc.stderr.type", "proc.stdin.name", "proc.stdout.name", "proc.stderr.name", "fd.types",
	"thread.cgroups", "thread.cgroup",
	/* sensor/enrich_container.c: what the container's runtime says */
	"container.duration", "container.host_ipc", "container.host_network", "container.host_pid",
	"container.image", "container.image.digest", "container.image.id", "container.image.repository",
	"container.image.tag", "container.ip", "container.label", "container.labels", "container.mounts",
	"container.privileged", "container.start_ts", "container.type", "k8s.ns.name",
	"k8s.pod.full_sandbox_id", "k8s.pod.label", "k8s.pod.labels", "k8s.pod.name", "k8s.pod.sandbox_id",
	"k8s.pod.uid",
};

/* What every event has, wherever it comes from. */
static const field_id event_fields[] = {
	FIELD_EVT_TIME, FIELD_EVT_TIME_S, FIELD_EVT_TIME_ISO8601, FIELD_EVT_DATETIME, FIELD_EVT_DATETIME_S,
	FIELD_EVT_RAWTIME, FIELD_EVT_RAWTIME_S, FIELD_EVT_RAWTIME_NS, FIELD_EVT_OUTPUTTIME, FIELD_EVT_NUM, FIELD_EVT_SOURCE,
	FIELD_EVT_HOSTNAME,
};

/* Fields that are no system call's: of alerts as events, and of the hub's own health. */
static const struct {
	const char *name, *type, *about;
} hub_fields[] = {
	{ "alert.rule", "string", "source alert: the name of the rule that raised it" },
	{ "alert.priority", "string", "source alert: Emergency to Debug" },
	{ "alert.source", "string", "source alert: the source of the event behind it" },
	{ "alert.tags", "list", "source alert: its tags" },
	{ "tocsin.event", "string", "source tocsin: what happened to the hub itself" },
	{ "tocsin.sensor", "string", "source tocsin: the sensor that it is about" },
	{ "tocsin.output", "string", "source tocsin: the output that it is about" },
	{ "tocsin.detail", "string", "source tocsin: the rest, for people" },
	{ "tocsin.count", "number", "source tocsin: how many" },
	{ "tocsin.seconds", "number", "source tocsin: for how long" },
	{ "watch.count", "number", "outputs of hub-only rules: matches, or different values" },
	{ "watch.key", "string", "outputs of hub-only rules: the values of by" },
	{ "watch.value", "string", "outputs of hub-only rules: the values of of" },
	{ "watch.first_time", "string", "outputs of hub-only rules: when the first match was" },
	{ "watch.last_time", "string", "outputs of hub-only rules: when the last match was" },
};

static const char *type_name(const struct field_info *info)
{
	static const char *const names[] = {
		[FIELD_TYPE_STR] = "string", [FIELD_TYPE_BYTES] = "bytes", [FIELD_TYPE_BOOL] = "bool",
		[FIELD_TYPE_INT] = "integer", [FIELD_TYPE_INT16] = "integer", [FIELD_TYPE_INT32] = "integer",
		[FIELD_TYPE_UINT] = "unsigned", [FIELD_TYPE_UINT32] = "unsigned", [FIELD_TYPE_PORT] = "port",
		[FIELD_TYPE_RELTIME] = "duration", [FIELD_TYPE_ABSTIME] = "time", [FIELD_TYPE_DOUBLE] = "double",
		[FIELD_TYPE_IPADDR] = "address", [FIELD_TYPE_IPNET] = "network", [FIELD_TYPE_DYN] = "any",
		[FIELD_TYPE_OPAQUE] = "opaque",
	};

	return names[info->type];
}

static const char *argument_name(const struct field_info *info)
{
	const bool required = info->flags & FIELD_ARG_REQUIRED, index = info->flags & FIELD_ARG_INDEX,
	           key = info->flags & FIELD_ARG_KEY;

	if (!(info->flags & (FIELD_ARG_REQUIRED | FIELD_ARG_ALLOWED)))
		return "";
	if (index && key)
		return required ? "[number or key]" : "[number or key]?";
	if (index)
		return required ? "[number]" : "[number]?";
	if (key)
		return required ? "[key]" : "[key]?";
	return required ? "[name]" : "[name]?";
}

static void add_flags(struct buf *out, const struct field_info *info, const char *between)
{
	static const struct {
		enum field_flag flag;
		const char *name;
	} names[] = {
		{ FIELD_IS_LIST, "list" }, { FIELD_TABLE_ONLY, "table-only" }, { FIELD_PRINT_ONLY, "output-only" },
		{ FIELD_FILTER_ONLY, "condition-only" }, { FIELD_DEPRECATED, "deprecated" }, { FIELD_NO_RHS, "no-rhs" },
		{ FIELD_NO_TRANSFORMER, "no-transformer" }, { FIELD_FORMAT_SUGGESTED, "suggested" },
	};
	bool first = true;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!(info->flags & (unsigned)names[i].flag))
			continue;
		buf_addf(out, "%s%s", first ? "" : between, names[i].name);
		first = false;
	}
}

static bool holds(const field_id *ids, size_t count, field_id id)
{
	for (size_t i = 0; i < count; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* Who supplies it: a sensor, the evaluator from other fields, every event, or others' events only. */
static const char *origin(field_id id, struct str name)
{
	if (holds(event_fields, ARRAY_LEN(event_fields), id))
		return "every event";
	if (holds(sensor_fields, ARRAY_LEN(sensor_fields), id))
		return "sensor";
	for (size_t i = 0; i < ARRAY_LEN(asked_fields); i++)
		if (str_eq(name, str_of(asked_fields[i])))
			return "sensor";
	return rules_field_is_derived(id) ? "derived" : "others";
}

static bool is_wanted(const char *pattern, struct str name, const char *from)
{
	if (from_sensor && strcmp(from, "others") == 0)
		return false;
	return pattern == NULL || str_find(name, str_of(pattern)) >= 0 || text_wildcard(str_of(pattern), name);
}

static void add_text(struct table *table, const char *name, const char *argument, const char *type, const char *from,
                     struct str more)
{
	struct buf full = { 0 };

	buf_addf(&full, "%s%s", name, argument);
	table_add(table, buf_str(&full));
	table_add(table, str_of(type));
	table_add(table, str_of(from));
	table_add(table, more);
	buf_done(&full);
}

static void add_markdown(struct buf *out, const char *name, const char *argument, const char *type, const char *from,
                         struct str more)
{
	buf_addf(out, "| `%s%s` | %s | %s | %.*s |\n", name, argument, type, from, STR_ARG(more));
}

static void add_json(struct buf *out, const char *name, const char *argument, const char *type, const char *from,
                     const struct field_info *info, const char *about)
{
	if (out->at[out->len - 1] == '}')
		buf_add_char(out, ',');
	buf_addf(out, "{\"name\":\"%s\",\"type\":\"%s\",\"from\":\"%s\"", name, type, from);
	if (info != NULL && argument[0] != '\0')
		buf_addf(out, ",\"argument\":{\"required\":%s,\"index\":%s,\"key\":%s}",
		         info->flags & FIELD_ARG_REQUIRED ? "true" : "false",
		         info->flags & FIELD_ARG_INDEX ? "true" : "false", info->flags & FIELD_ARG_KEY ? "true" : "false");
	buf_add(out, STR(",\"flags\":["));
	if (info != NULL) {
		struct buf flags = { 0 };

		add_flags(&flags, info, "\",\"");
		if (flags.len > 0)
			buf_addf(out, "\"%.*s\"", STR_ARG(flags));
		buf_done(&flags);
	}
	buf_add_char(out, ']');
	if (about != NULL)
		buf_addf(out, ",\"description\":\"%s\"", about);
	buf_add_char(out, '}');
}

/* Each field that is wanted, in the form that is wanted. How many. */
static size_t add_all(const char *pattern, struct table *table, struct buf *out)
{
	size_t count = 0;

	for (field_id id = 1; id < FIELD_CATALOGUE_END; id++) {
		const struct field_info *info = field_info_at(id);
		struct buf flags = { 0 };

		if (!is_wanted(pattern, info->name, origin(id, info->name)))
			continue;
		count++;
		add_flags(&flags, info, ", ");
		if (cli.json)
			add_json(out, info->name.at, argument_name(info), type_name(info), origin(id, info->name), info, NULL);
		else if (markdown)
			add_markdown(out, info->name.at, argument_name(info), type_name(info), origin(id, info->name), buf_str(&flags));
		else
			add_text(table, info->name.at, argument_name(info), type_name(info), origin(id, info->name), buf_str(&flags));
		buf_done(&flags);
	}
	for (size_t i = 0; i < ARRAY_LEN(hub_fields); i++) {
		const char *name = hub_fields[i].name, *type = hub_fields[i].type, *about = hub_fields[i].about;

		if (!is_wanted(pattern, str_of(name), "others"))
			continue;
		count++;
		if (cli.json)
			add_json(out, name, "", type, "hub", NULL, about);
		else if (markdown)
			add_markdown(out, name, "", type, "hub", str_of(about));
		else
			add_text(table, name, "", type, "hub", str_of(about));
	}
	return count;
}

static int run(int argc, char **argv)
{
	struct table table = { .columns = 4, .heads = { "FIELD", "TYPE", "FROM", "FLAGS" } };
	struct buf out = { 0 };
	size_t count;
	int status;

	if (argc > 1)
		return cli_usage("rules fields takes one pattern");
	if (cli.json)
		buf_add(&out, STR("{\"fields\":["));
	else if (markdown)
		buf_add(&out, STR("| field | type | from | flags |\n|---|---|---|---|\n"));
	count = add_all(argc > 0 ? argv[0] : NULL, &table, &out);
	if (cli.json)
		buf_add(&out, STR("]}\n"));
	else if (!markdown && count > 0)
		table_print(&table, &out);
	status = cli_print(&out);
	buf_done(&out);
	if (count > 0)
		return status;
	cli_complain("there is no such field");
	return CLI_NO;
}

const struct cli_verb verb_rules_fields = {
	.name = "rules fields",
	.arguments = "[PATTERN]",
	.summary = "list the fields of conditions and outputs: type, argument, and who supplies them",
	.examples = "  tocsin rules fields                 all of them\n"
	            "  tocsin rules fields 'proc.*name'    whose name is like this\n"
	            "  tocsin rules fields --sensor fd     that hold \"fd\", of Tocsin's own sensors",
	.needs = CLI_FORMAT | CLI_COLOR,
	.options = options,
	.run = run,
};
