/* Other engines' JSON: each sample of tests/data/engines against what it must become, and what no mapper
 * may be broken by. */
#include "base/clock.h"
#include "hub/evaluate/compose.h"
#include "hub/normalise/engines.h"
#include "hub/normalise/items.h"
#include "hub/normalise/normalise.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { FIELDS_ROW = 40, NODES = 4096, RECEIVED = 42 };

struct setup {
	struct fields *fields;
	struct normalise normalise;
	struct event event;
	struct arena arena;
	struct item item;
	struct reject reject;
	struct buf text;
};

/* Fields that only rules see: somebody must want them. */
static const char *const wanted[] = { "k8s.pod.label[app]", "tetragon.node_labels.zone",
	                              ("guardduty.service.action.networkConnectionAction.remoteIpDetails."
	                               "country.countryName"),
	                              "guardduty.resource.instanceDetails.instanceId", "proc.aname[2]" };

static int make(void **state)
{
	static struct setup setup;

	setup.fields = fields_new();
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		fields_intern(setup.fields, str_of(wanted[i]));
	arena_init(&setup.arena, 64 << 20);
	*state = &setup;
	return normalise_init(&setup.normalise, setup.fields, NODES, 64, 1 << 20) +
	       event_init(&setup.event, fields_count(setup.fields));
}

static int unmake(void **state)
{
	struct setup *setup = *state;

	normalise_done(&setup->normalise);
	event_done(&setup->event);
	arena_done(&setup->arena);
	fields_free(setup->fields);
	buf_done(&setup->text);
	return 0;
}

static int take(struct setup *setup, struct str text, size_t from, bool list, size_t *end)
{
	event_clear(&setup->event);
	return normalise_item(&setup->normalise, text, from, list, RECEIVED, &setup->arena, &setup->event,
	                      &setup->item, end, &setup->reject);
}

static void load(struct setup *setup, const char *file)
{
	char path[512];
	FILE *in;
	int c;

	snprintf(path, sizeof(path), "%s/engines/%s", TEST_DATA, file);
	in = fopen(path, "rb");
	assert_non_null(in);
	buf_clear(&setup->text);
	while ((c = fgetc(in)) != EOF)
		buf_add_char(&setup->text, (char)c);
	fclose(in);
}

/* The fields of the item that was taken, as text. */
static uint32_t object_of(const struct setup *setup)
{
	return setup->item.kind == ITEM_ALERT ? setup->item.output_fields : setup->item.raw_fields;
}

static const struct row {
	const char *file;
	unsigned nth; /* item in it */
	const char *source, *rule, *priority, *hostname, *time, *tags, *output; /* of alerts; rule "": event */
	const char *fields[FIELDS_ROW]; /* name, JSON; NULL: must not be there */
} rows[] = {
#define CID "3f2b8c1d9e7a"
	{ "tracee_finding.json", 0, "tracee", "Sudoers file modification detected", "Warning", "peer",
	  "2026-05-01T10:00:00.123456789Z", "Privilege Escalation,T1548.003,base,container",
	  "Sudoers file modification detected: The sudoers file was changed (proc=tee file=/etc/sudoers)",
	  { "proc.name", "\"tee\"", "proc.exepath", "\"/usr/bin/tee\"", "proc.pid", "4711", "proc.vpid", "12",
	    "thread.tid", "4711", "user.uid", "0", "proc.ppid", "4700", "container.id", "\"" CID "\"",
	    "container.name", "\"web\"", "container.image.repository", "\"registry:5000/web\"",
	    "container.image.tag", "\"1\"", "k8s.pod.name", "\"web-0\"", "k8s.ns.name", "\"default\"",
	    "evt.type", "\"openat\"", "fd.name", "\"/etc/sudoers\"", "evt.arg.flags",
	    "\"O_WRONLY|O_CREAT|O_APPEND\"", "tracee.threat.properties.signatureID", "\"TRC-1028\"",
	    "tracee.event", "\"sudoers_modification\"", "k8s.pod.labels", "\"app:web\"" } },
	{ "tracee_exec.json", 0, "tracee", "", "Debug", "peer", "2026-05-01T10:00:01.000000000Z", "", "",
	  { "evt.type", "\"execve\"", "proc.exe", "\"ls\"", "proc.args", "\"-l /tmp\"", "proc.cmdline",
	    "\"ls -l /tmp\"", "proc.env", "\"PATH=/bin HOME=/root\"", "container.id", "\"host\"", "user.uid",
	    "1000", "evt.arg.invoked_from_kernel", "false", "evt.arg.argv", "\"ls -l /tmp\"", "evt.arg.ctime",
	    "1700000000000000000", "evt.arg.inode", "\"18446744073709551615\"", "proc.ppid", "70",
	    "tracee.policies", "\"base all\"", "container.name", NULL } },
	{ "tracee_syscall.json", 0, "tracee", "", "Debug", "peer", "2026-05-01T10:00:02.000000000Z", "", "",
	  { "evt.type", "\"openat\"", "fd.name", "\"/etc/shadow\"", "fd.num", "3", "fd.typechar", "\"f\"",
	    "evt.rawres", "3", "evt.arg.flags", "\"O_RDONLY|O_CLOEXEC\"", "evt.arg.dirfd", "-100",
	    "evt.arg.returnValue", NULL } },
	{ "tracee_connect.json", 0, "tracee", "", "Debug", "peer", "2026-05-01T10:00:03.000000000Z", "", "",
	  { "evt.type", "\"connect\"", "fd.sip", "\"10.1.2.3\"", "fd.sport", "443", "fd.typechar", "\"4\"",
	    "fd.num", "5", "fd.name", "\"10.1.2.3:443\"" } },
	{ "tracee_docs_form.json", 0, "tracee", "", "Debug", "peer", "2026-05-01T10:00:00.000000005Z", "", "",
	  { "proc.pid", "9", "proc.vpid", "3", "user.uid", "33", "k8s.pod.name", "\"p\"", "k8s.ns.name",
	    "\"n\"" } },
	{ "tracee_old.json", 0, "tracee", "Anti-Debugging detected", "Notice", "node-3",
	  "2026-05-01T10:00:00.123456789Z", "T1622,default,defense,defense-evasion,host",
	  "Anti-Debugging detected: A process used anti-debugging (proc=strace file=/usr/bin/strace)",
	  { "proc.pid", "4711", "proc.vpid", "12", "proc.ppid", "4700", "evt.type", "\"ptrace\"",
	    "evt.arg.request", "\"PTRACE_TRACEME\"", "container.id", "\"host\"", "user.uid", "0",
	    "tracee.metadata.Properties.signatureID", "\"TRC-102\"" } },
	{ "tracee_old_event.json", 0, "tracee", "", "Debug", "node-3", "2026-05-01T10:00:00.123456789Z", "", "",
	  { "evt.type", "\"openat\"", "evt.rawres", "-13", "fd.num", "-13", "evt.arg.flags",
	    "\"O_WRONLY|O_CREAT|O_TRUNC\"", "fd.name", "\"/root/x\"", "container.image.repository",
	    "\"docker.io/library/nginx\"", "container.image.digest", "\"sha256:abc\"", "container.image.tag",
	    NULL, "k8s.pod.name", "\"p\"", "k8s.ns.name", "\"n\"" } },
	{ "tetragon_kprobe.json", 0, "tetragon", "file-monitoring: write to /etc", "Warning", "node-1",
	  "2026-05-01T10:00:01.300000000Z", "file-monitoring,observability.filesystem,pod", "write to /etc",
	  { "proc.exepath", "\"/bin/vi\"", "proc.name", "\"vi\"", "proc.args", "\"/etc/passwd\"",
	    "proc.cmdline", "\"vi /etc/passwd\"", "proc.cwd", "\"/\"", "proc.pid", "64746", "user.uid", "0",
	    "user.name", "\"root\"", "user.loginuid", "-1", "proc.pname", "\"sh\"", "proc.pexepath",
	    "\"/bin/sh\"", "proc.pcmdline", "\"sh -c true\"", "proc.ppid", "64615", "proc.aname[2]",
	    "\"sshd\"", "container.id", "\"6b742e38ee3a\"", "container.privileged", "true", "evt.type",
	    "\"openat\"", "fd.name", "\"/etc/passwd\"", "evt.arg.flags", "\"O_WRONLY\"",
	    "thread.cap_permitted", "\"CAP_CHOWN DAC_OVERRIDE\"" } },
	{ "tetragon_killed.json", 0, "tetragon", "no-egress", "Critical", "node-1",
	  "2026-05-01T10:00:02.000000000Z", "host,no-egress", "tcp_connect(1.2.3.4) by /usr/bin/curl http://x",
	  { "evt.type", "\"connect\"", "fd.cip", "\"10.0.0.1\"", "fd.cport", "34000", "fd.sip", "\"1.2.3.4\"",
	    "fd.sport", "443", "fd.l4proto", "\"tcp\"", "fd.name", "\"10.0.0.1:34000->1.2.3.4:443\"",
	    "user.loginuid", "1000", "container.id", "\"host\"", "tetragon.action",
	    "\"KPROBE_ACTION_SIGKILL\"", "evt.arg.sock", "\"1.2.3.4\"" } },
	{ "tetragon_exec.json", 0, "tetragon", "", "Debug", "node-1", "2026-05-01T10:00:03.000000001Z", "", "",
	  { "evt.type", "\"execve\"", "proc.name", "\"a-very-long-pro\"", "proc.is_exe_from_memfd", "true",
	    "tetragon.exec_id", "\"bjE6MTox\"", "proc.pid.ts", "1777629600200000000",
	    "tetragon.event", "\"process_exec\"" } },
	{ "tetragon_exit.json", 0, "tetragon", "", "Debug", "node-1", "2026-05-01T10:00:04.000000000Z", "", "",
	  { "evt.type", "\"procexit\"", "tetragon.signal", "\"SIGKILL\"", "tetragon.status", "137" } },
	{ "tetragon_tracepoint.json", 0, "tetragon", "opens", "Notice", "n", "2026-05-01T10:00:05.000000000Z",
	  "host,opens,priority.notice", "sys_enter_openat(-100, /etc/shadow, 0) by /bin/cat",
	  { "evt.type", "\"openat\"", "fd.name", "\"/etc/shadow\"", "evt.arg[0]", "-100" } },
	{ "tetragon_lsm.json", 0, "tetragon", "lsm", "Warning", "n", "2026-05-01T10:00:06.000000000Z",
	  "host,lsm", "bprm_check_security(/tmp/x) by /bin/cat",
	  { "tetragon.ima_hash", "\"sha256:ff\"", "tetragon.args.0.permission", "\"-rwx\"" } },
	{ "tetragon_throttle.json", 0, "tetragon", "", "Debug", "n", "2026-05-01T10:00:07.000000000Z", "", "",
	  { "evt.type", "\"throttle\"", "tetragon.detail.cgroup", "\"pod-1\"" } },
	{ "eolh_finding.json", 0, "eolh", "Crypto Mining", "Critical", "WIN-1",
	  "2026-05-01T10:00:00.500000000Z", "EOLH-3,windows",
	  "crypto miners using the Stratum protocol detected: powershell.exe",
	  { "proc.pid", "4242", "thread.tid", "7", "proc.ppid", "900", "proc.name", "\"powershell.exe\"",
	    "proc.cmdline", "\"powershell -c miner stratum+tcp://x\"", "container.id", "\"9f0c11223344\"",
	    "container.image.tag", "\"1\"", "k8s.pod.name", "\"iis-0\"", "eolh.signature_id", "\"EOLH-3\"" } },
	{ "eolh_process.json", 0, "eolh", "", "Debug", "WIN-1", "2026-05-01T10:00:00.500000000Z", "", "",
	  { "evt.type", "\"execve\"", "proc.ppid", "4242", "eolh.data.ImageName",
	    "\"\\\\Device\\\\x\\\\cmd.exe\"" } },
	{ "eolh_file.json", 0, "eolh", "", "Debug", "WIN-1", "2026-05-01T10:00:00.500000000Z", "", "",
	  { "evt.type", "\"openat\"", "fd.name", "\"\\\\Device\\\\HarddiskVolume2\\\\evil.exe\"" } },
	{ "eolh_other.json", 0, "eolh", "", "Debug", "WIN-1", "2026-05-01T10:00:00.500000000Z", "", "",
	  { "evt.type", "\"Microsoft-Windows-Kernel-Network/KERNEL_NETWORK_TASK_TCPIP\"", "container.id",
	    "\"host\"" } },
#define DOCKER "guardduty", "PrivilegeEscalation:Runtime/DockerSocketAccessed", "Warning", "i-0abc", \
	       "2026-05-01T10:04:00.000000000Z", \
	       "Container,DockerSocketAccessed,PrivilegeEscalation,RuntimeMonitoring,eu-west-1", \
	       "A container reached the Docker socket.", \
	       { "proc.name", "\"curl\"", "proc.exepath", "\"/usr/bin/curl\"", "proc.pid", "2345", \
		 "proc.vpid", "12", "proc.cwd", "\"/\"", "user.name", "\"root\"", "user.uid", "0", \
		 "proc.aname[1]", "\"sh\"", "proc.aname[2]", "\"sshd\"", "proc.pname", "\"sh\"", "fd.name", \
		 "\"/var/run/docker.sock\"", "container.id", "\"" CID "\"", "k8s.ns.name", "\"default\"", \
		 "k8s.pod.name", "\"web-0\"", "aws.account", "\"111122223333\"", "aws.region", \
		 "\"eu-west-1\"", "aws.finding_id", "\"f1\"", "aws.count", "2", "guardduty.severity", "5" }
	{ "guardduty_finding.json", 0, DOCKER },
	{ "guardduty_envelope.json", 0, DOCKER },
	{ "guardduty_api.json", 0, DOCKER },
	{ "guardduty_api.json", 1, "guardduty", "CryptoCurrency:EC2/BitcoinTool.B!DNS", "Error", "i-0def",
	  "2026-05-01T10:05:00.000000000Z", "BitcoinTool,CryptoCurrency,Instance,eu-west-1",
	  "A container reached the Docker socket.", { "aws.finding_id", "\"f2\"", "container.id", "\"host\"" } },
};

static void expect(const struct row *row, const char *what, struct str found, const char *wanted_text)
{
	if (!str_eq(found, str_of(wanted_text)))
		fail_msg("%s: %s is <%.*s>, not <%s>", row->file, what, STR_ARG(found), wanted_text);
}

static void check_fields(struct setup *setup, const struct row *row)
{
	const struct json *json = &setup->item.json;
	struct buf text = { 0 };

	for (size_t i = 0; i < FIELDS_ROW && row->fields[i] != NULL; i += 2) {
		uint32_t node = json_get(json, object_of(setup), str_of(row->fields[i]));

		if ((node == 0) != (row->fields[i + 1] == NULL))
			fail_msg("%s: %s %s in %.*s", row->file, row->fields[i], node == 0 ? "is not" : "is",
			         STR_ARG(json->text));
		buf_clear(&text);
		if (node != 0)
			json_copy(&text, json, node);
		if (row->fields[i + 1] != NULL)
			expect(row, row->fields[i], buf_str(&text), row->fields[i + 1]);
	}
	buf_done(&text);
}

static void check_alert(struct setup *setup, const struct row *row)
{
	const struct event *event = &setup->event;
	struct buf text = { 0 };

	expect(row, "rule", event->rule, row->rule);
	expect(row, "output", event->output, row->output);
	expect(row, "priority", str_of(priority_name(event->priority)), row->priority);
	for (size_t i = 0; i < event->tags_count; i++) {
		buf_add(&text, i > 0 ? STR(",") : STR(""));
		buf_add(&text, event->tags[i]);
	}
	expect(row, "tags", buf_str(&text), row->tags);
	buf_done(&text);
}

/* The nodes that the mapper made are those that the reader finds in its text. */
static void check_nodes(const struct json *json)
{
	struct json_node nodes[MAP_NODES];
	struct json read = { .text = json->text, .nodes = nodes, .cap = MAP_NODES, .depth_max = 2 };
	size_t end;

	if (json_read(&read, 0, &end) < 0 || end != json->text.len || read.count != json->count)
		fail_msg("%s at %zu of %.*s", read.error, read.error_at, STR_ARG(json->text));
	for (uint32_t i = 0; i < json->count; i++) {
		const struct json_node *a = &json->nodes[i], *b = &nodes[i];
		bool key = i >= MAP_FIRST && i % 2 == 0;

		if (a->at != b->at || a->len != b->len || a->kind != b->kind || a->escaped != b->escaped ||
		    (!key && a->next != b->next))
			fail_msg("node %u of %.*s", i, STR_ARG(json->text));
	}
}

static void samples(void **state)
{
	struct setup *setup = *state;
	struct buf time = { 0 };

	setup->normalise.sender = STR("peer");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct items items;
		unsigned nth = 0;
		size_t end;

		load(setup, row->file);
		items_begin(&items, buf_str(&setup->text));
		for (;; nth++) {
			assert_false(items.done);
			end = items.at;
			if (take(setup, buf_str(&setup->text), items.at, items.list, &end) != 0)
				fail_msg("%s: %s", row->file, setup->reject.reason);
			if (nth == row->nth)
				break;
			items_step(&items, end);
		}
		assert_int_equal(setup->item.kind, row->rule[0] != '\0' ? ITEM_ALERT : ITEM_EVENT);
		expect(row, "source", setup->event.source, row->source);
		expect(row, "hostname", setup->event.hostname, row->hostname);
		buf_clear(&time);
		buf_add_time(&time, setup->event.time_ns);
		expect(row, "time", buf_str(&time), row->time);
		if (setup->item.kind == ITEM_ALERT)
			check_alert(setup, row);
		check_fields(setup, row);
		check_nodes(&setup->item.json);
	}
	buf_done(&time);
}

static const struct value *value_named(const struct setup *setup, const char *name)
{
	return event_get(&setup->event, fields_find(setup->fields, str_of(name)));
}

/* What rules see of it, further facts included, which are not among the fields for people. */
static void values_for_rules(void **state)
{
	struct setup *setup = *state;
	size_t end;

	load(setup, "guardduty_finding.json");
	assert_int_equal(take(setup, buf_str(&setup->text), 0, false, &end), 0);
	assert_int_equal(value_named(setup, "proc.pid")->i, 2345);
	assert_true(str_eq(value_as_str(value_named(setup, wanted[2])), STR("X")));
	assert_true(str_eq(value_as_str(value_named(setup, wanted[3])), STR("i-0abc")));
	assert_int_equal(json_get(&setup->item.json, object_of(setup), str_of(wanted[2])), 0);
	load(setup, "tetragon_exec.json");
	assert_int_equal(take(setup, buf_str(&setup->text), 0, false, &end), 0);
	assert_true(str_eq(value_as_str(value_named(setup, "tetragon.node_labels.zone")), STR("a")));
	assert_true(str_eq(value_as_str(value_named(setup, "k8s.pod.label[app]")), STR("web")));
	assert_true(value_named(setup, "proc.is_exe_from_memfd")->b);
}

/* The same finding through EventBridge, as a file and from the API; an update is another one. */
static void identities(void **state)
{
	static const char *const files[] = { "guardduty_finding.json", "guardduty_envelope.json" };
	struct setup *setup = *state;
	size_t end;

	for (size_t i = 0; i < 2; i++) {
		load(setup, files[i]);
		assert_int_equal(take(setup, buf_str(&setup->text), 0, false, &end), 0);
		assert_true(str_eq(setup->item.identity, STR("f1\n2026-05-01T10:05:00Z")));
	}
	assert_int_equal(take(setup, STR("{\"Type\":\"a:b/c\",\"Severity\":1,\"Id\":\"f1\",\"Service\":{},"
	                                 "\"UpdatedAt\":\"2026-05-01T10:05:00Z\"}"), 0, false, &end), 0);
	assert_true(str_eq(setup->item.identity, STR("f1\n2026-05-01T10:05:00Z")));
	load(setup, "tetragon_exit.json");
	assert_int_equal(take(setup, buf_str(&setup->text), 0, false, &end), 0);
	assert_true(str_eq(setup->item.identity, str_trim(buf_str(&setup->text))));
}

static const struct {
	const char *name, *text;
	int want;
	const char *source, *rule;
} odd[] = {
	{ "Tracee, nothing in it", "{\"name\":\"x\",\"workload\":{}}", 0, "tracee", "" },
	{ "Tracee, a threat with nothing", "{\"name\":\"x\",\"threat\":{}}", 0, "tracee", "x" },
	{ "Tracee, no name at all", "{\"name\":\"\",\"threat\":{\"name\":\"\"}}", 0, "tracee", "tracee" },
	{ "old Tracee, nothing in it", "{\"eventName\":\"x\",\"processName\":null}", 0, "tracee", "" },
	{ "CloudTrail is not Tracee", "{\"eventName\":\"GetUser\",\"eventSource\":\"iam\"}", -EBADMSG, NULL, NULL },
	{ "Tetragon, nothing in it", "{\"process_kprobe\":{}}", 0, "tetragon", "" },
	{ "Tetragon, a policy alone", "{\"process_lsm\":{\"policy_name\":\"p\"}}", 0, "tetragon", "p" },
	{ "Tetragon, not an object", "{\"process_exec\":7}", -EBADMSG, NULL, NULL },
	{ "Eolh, nothing in it", "{\"eventName\":\"x\",\"isHost\":3}", 0, "eolh", "" },
	{ "Eolh, a finding without words", "{\"eventName\":\"\",\"raw\":{},\"eventId\":-1}", 0, "eolh", "eolh" },
	{ "GuardDuty, nothing in it", "{\"type\":\"\",\"severity\":\"x\",\"service\":{}}", 0, "guardduty",
	  "guardduty" },
	{ "an envelope with nothing", "{\"source\":\"aws.guardduty\",\"detail\":{}}", 0, "guardduty", "guardduty" },
	{ "an envelope of another kind", "{\"source\":\"aws.s3\",\"detail\":{}}", -EBADMSG, NULL, NULL },
	{ "Falco's, with words of others", "{\"rule\":\"r\",\"priority\":\"info\",\"workload\":{},\"name\":\"x\"}", 0,
	  "syscall", "r" },
	{ "a line break and odd bytes", "{\"process_lsm\":{\"policy_name\":\"a\\nb\\u0007\xff\"}}", 0, "tetragon",
	  "a b \xef\xbf\xbd" },
	{ "a field twice", "{\"name\":\"x\",\"data\":[{\"name\":\"a\",\"str\":\"1\"},{\"name\":\"a\",\"str\":\"2\"}]}", 0,
	  "tracee", "" },
};

static void odd_ones(void **state)
{
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct setup *setup = *state;
		size_t end;
		int r = take(setup, str_of(odd[i].text), 0, false, &end);

		if (r != odd[i].want)
			fail_msg("%s: %d", odd[i].name, r);
		if (r < 0)
			continue;
		if (!str_eq(setup->event.source, str_of(odd[i].source)) ||
		    !str_eq(setup->event.rule, str_of(odd[i].rule)))
			fail_msg("%s: %.*s %.*s", odd[i].name, STR_ARG(setup->event.source),
			         STR_ARG(setup->event.rule));
		if (setup->item.identity.len == 0)
			continue; /* not mapped */
		assert_int_equal(setup->event.time_ns, RECEIVED);
		assert_true(json_get(&setup->item.json, object_of(setup), STR("container.id")) != 0);
		if (setup->item.kind == ITEM_ALERT)
			assert_true(setup->event.output.len > 0);
	}
}

/* Whatever came out is an alert or event that can be written down. */
static void check_sound(struct setup *setup, const char *file)
{
	const struct event *event = &setup->event;
	struct compose compose = { .id = "", .time_ns = event->time_ns, .priority = event->priority,
		                   .rule = event->rule, .source = event->source,
		                   .hostname = event->hostname, .output = event->output,
		                   .tags = event->tags, .tags_count = event->tags_count };
	struct buf fields = { 0 }, raw = { 0 }, line = { 0 };
	struct json_node *nodes = calloc(3 * NODES, sizeof(*nodes));
	struct json again = { .nodes = nodes, .cap = 3 * NODES, .depth_max = 100 };
	const struct json *json = &setup->item.json;
	size_t end;

	if (setup->item.identity.len == 0) { /* no engine's any more */
		free(nodes);
		return;
	}
	check_nodes(json);
	for (uint32_t i = json_first(json, 1); i != json_end(json, 1); i = json->nodes[i + 1].next)
		if (json->nodes[i + 1].kind >= JSON_ARRAY)
			fail_msg("%s: a field that is no scalar", file);
	json_copy(&fields, json, object_of(setup));
	json_copy(&raw, &setup->item.original, 0);
	compose.output_fields = buf_str(&fields);
	compose.raw = buf_str(&raw);
	compose_alert(&line, &compose);
	again.text = buf_str(&line);
	if (json_read(&again, 0, &end) < 0 || end != line.len || !str_is_utf8(again.text))
		fail_msg("%s: %s in %.*s", file, again.error, STR_ARG(again.text));
	assert_true(memchr(event->output.at == NULL ? "" : event->output.at, '\n', event->output.len) == NULL);
	buf_done(&fields);
	buf_done(&raw);
	buf_done(&line);
	free(nodes);
}

/* One sample with the value of its n-th key replaced; false past the last. */
static bool replaced(struct setup *setup, struct str text, uint32_t n, struct str with, struct buf *out)
{
	struct json json = { .text = text, .nodes = setup->normalise.nodes, .cap = NODES, .depth_max = 64 };
	struct str whole;
	size_t end;

	assert_int_equal(json_read(&json, 0, &end), 0);
	if (n >= json.count)
		return false;
	buf_clear(out);
	whole = json_whole(&json, n);
	if (whole.at + whole.len < text.at + text.len && whole.at[whole.len] == ':')
		return true; /* a key: keys stay */
	buf_add(out, str_cut(text, (size_t)(whole.at - text.at)));
	buf_add(out, with);
	buf_add(out, str_from(text, (size_t)(whole.at - text.at) + whole.len));
	return true;
}

static void wrong_types_everywhere(void **state)
{
	static const struct str values[] = {
		STR("null"), STR("7"), STR("-1e400"), STR("\"\\u0000\xff\\n\\ud800\""), STR("[]"), STR("{}"),
		STR("true"), STR("[[[[[[[[[[[[{\"a\":[{}]}]]]]]]]]]]]]"), STR("18446744073709551616"),
		STR("{\"value\":{\"value\":[1,{\"name\":\"x\"}]},\"name\":[],\"\":1,\"a.b\":2}"),
		STR("[{\"name\":\"x\",\"\":{}},null,\"s\",{\"name\":\"x\",\"value\":[[]]}]"),
	};
	struct setup *setup = *state;
	struct buf text = { 0 };
	struct dirent *entry;
	char path[512];
	size_t tried = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "%s/engines", TEST_DATA);
	folder = opendir(path);
	assert_non_null(folder);
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		load(setup, entry->d_name);
		for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++)
			for (uint32_t n = 1; replaced(setup, buf_str(&setup->text), n, values[v], &text); n++) {
				size_t end;

				arena_reset(&setup->arena);
				if (text.len == 0)
					continue;
				tried++;
				if (take(setup, buf_str(&text), 0, false, &end) == 0)
					check_sound(setup, entry->d_name);
				else
					assert_non_null(setup->reject.reason);
				setup->reject.reason = NULL;
			}
	}
	closedir(folder);
	buf_done(&text);
	assert_true(tried > 5000);
}

/* More than anybody shows: what is left out is counted, and what rules want is there all the same. */
static void too_much(void **state)
{
	struct setup *setup = *state;
	struct buf text = { 0 };
	uint32_t node;
	size_t end;

	buf_add(&text, STR("{\"name\":\"x\",\"threat\":{},\"workload\":{\"process\":{\"thread\":{\"name\":\"n\"}}},\"data\":["));
	for (int i = 0; i < 500; i++)
		buf_addf(&text, "{\"name\":\"a%d\",\"str\":\"%0100d\"},", i, i);
	buf_add(&text, STR("{\"name\":\"long\",\"str\":\""));
	for (int i = 0; i < 20000; i++)
		buf_add_char(&text, 'x');
	buf_add(&text, STR("\"}]}"));
	assert_int_equal(take(setup, buf_str(&text), 0, false, &end), 0);
	node = json_get(&setup->item.json, object_of(setup), STR("tracee.left_out"));
	assert_true(node != 0);
	assert_int_equal(json_get(&setup->item.json, object_of(setup), STR("evt.arg.long")), 0);
	assert_true(setup->item.json.text.len <= MAP_FIELDS_BYTES + MAP_VALUE_MAX);
	check_sound(setup, "too much");
	buf_done(&text);
}

static const struct {
	const char *text;
	unsigned items;
	bool open;
} bodies[] = {
	{ "{}", 1, false },
	{ "{}\n{}\r\n", 2, false },
	{ "[]", 0, false },
	{ "[{},{}]", 2, false },
	{ "[{},", 1, true },
	{ "{\"Findings\":[]}", 0, false },
	{ " {\"Findings\" : [ {} , {} ] }", 2, false },
	{ "{\"findings\":[{}],\"a\":[1,\"}]\"],\"b\":{}}\n{}", 2, false },
	{ "{\"Findings\":[{}]}{\"Findings\":[{},{}]}", 3, false },
	{ "{\"Findings\":[{}", 1, true },
	{ "{\"Findings\":[{}]", 1, false },
	{ "{\"Findings\":{}}", 1, false },
	{ "{\"FindingIds\":[{}]}", 1, false },
};

static void bodies_of_all_forms(void **state)
{
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct str body = str_of(bodies[i].text);
		struct setup *setup = *state;
		struct items items;
		unsigned count = 0;

		for (items_begin(&items, body); !items.done; count++) {
			size_t end = items.at;

			take(setup, body, items.at, items.list, &end);
			items_step(&items, end);
		}
		if (count != bodies[i].items || items.open != bodies[i].open)
			fail_msg("%s: %u items", bodies[i].text, count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(samples, make, unmake),
		cmocka_unit_test_setup_teardown(values_for_rules, make, unmake),
		cmocka_unit_test_setup_teardown(identities, make, unmake),
		cmocka_unit_test_setup_teardown(odd_ones, make, unmake),
		cmocka_unit_test_setup_teardown(wrong_types_everywhere, make, unmake),
		cmocka_unit_test_setup_teardown(too_much, make, unmake),
		cmocka_unit_test_setup_teardown(bodies_of_all_forms, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
