/* The sensor's parts without a kernel: cgroup paths, names of flags, the spool, the process table,
 * and a record's way to its JSON line. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "rules/evttypes.h"
#include "rules/params.h"
#include "sensor/budget.h"
#include "sensor/by_call.h"
#include "sensor/calls.h"
#include "sensor/container.h"
#include "sensor/enrich.h"
#include "sensor/flags.h"
#include "sensor/outbox.h"
#include "sensor/proc_read.h"
#include "sensor/record_text.h"
#include "sensor/spool.h"
#include "sensor/tamper.h"
#include "sensor/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <cmocka.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- containers ---- */

static const struct container_row {
	const char *name, *path;
	const char *want; /* id; where it matters, also kind and pod behind commas */
} container_rows[] = {
	{ "the root is the host", "/", "host" },
	{ "an empty path is the host", "", "host" },
	{ "a service is the host", "/system.slice/ssh.service", "host" },
	{ "a login session is the host", "/user.slice/user-0.slice/session-1.scope", "host" },
	{ "docker under cgroupfs", "/docker/" HEX, "0123456789ab,docker," },
	{ "docker under systemd", "/system.slice/docker-" HEX ".scope", "0123456789ab" },
	{ "docker within docker: the inner one",
	  "/docker/ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff/docker/" HEX,
	  "0123456789ab" },
	{ "containerd in Kubernetes under systemd",
	  "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1234_5678.slice/"
	  "cri-containerd-" HEX ".scope",
	  "0123456789ab" },
	{ "containerd's form with colons",
	  "/system.slice/containerd.service/kubepods-burstable-pod12.slice:cri-containerd:" HEX,
	  "0123456789ab" },
	{ "Kubernetes under cgroupfs", "/kubepods/burstable/pod1234/" HEX, "0123456789ab" },
	{ "CRI-O", "/kubepods.slice/kubepods-pod12.slice/crio-" HEX ".scope", "0123456789ab" },
	{ "CRI-O under cgroupfs", "/kubepods/pod12/crio-" HEX, "0123456789ab,cri-o," },
	{ "CRI-O's monitor is the host", "/kubepods.slice/crio-conmon-" HEX ".scope", "host" },
	{ "Podman", "/machine.slice/libpod-" HEX ".scope", "0123456789ab" },
	{ "Podman's inner scope", "/machine.slice/libpod-" HEX ".scope/container", "0123456789ab" },
	{ "Podman under cgroupfs", "/libpod_parent/libpod-" HEX, "0123456789ab,podman," },
	{ "Podman's payload", "/user.slice/libpod-payload-" HEX, "0123456789ab" },
	{ "Podman's monitor is the host", "/machine.slice/libpod-conmon-" HEX ".scope", "host" },
	{ "nerdctl", "/system.slice/nerdctl-" HEX ".scope", "0123456789ab" },
	{ "a GitHub job", "/actions_job/" HEX, "0123456789ab" },
	{ "LXC", "/lxc/web", "web,lxc," },
	{ "LXC's payload", "/lxc.payload/web", "web" },
	{ "LXC's payload with a dot", "/lxc.payload.web/system.slice/cron.service", "web" },
	{ "LXC's monitor is the host", "/lxc.monitor.web", "host" },
	{ "an LXC machine", "/machine.slice/machine-lxc\\x2d7\\x2dweb.scope", "7\\x2dweb" },
	{ "BPM", "/system.slice/runc-bpm.slice/bpm-diego", "diego" },
	{ "Garden", "/garden/0d5b3a1e-6b5c-4a0f-5d3e-1234", "0d5b3a1e-6b5c-4a0f-5d3e-1234" },
	{ "ctr", "/default/redis", "redis,containerd," },
	{ "a pod under systemd",
	  "/kubepods.slice/kubepods-besteffort.slice/"
	  "kubepods-besteffort-pod0a1b2c3d_1111_2222_3333_0123456789ab.slice/cri-containerd-" HEX ".scope",
	  "0123456789ab,containerd,0a1b2c3d-1111-2222-3333-0123456789ab" },
	{ "a pod under cgroupfs", "/kubepods/burstable/pod0a1b2c3d-1111-2222-3333-0123456789ab/" HEX,
	  "0123456789ab,,0a1b2c3d-1111-2222-3333-0123456789ab" },
	{ "a pod of kind", "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod"
	  "0a1b2c3d_1111_2222_3333_0123456789ab.slice/cri-containerd-" HEX ".scope",
	  "0123456789ab,containerd,0a1b2c3d-1111-2222-3333-0123456789ab" },
	{ "a pod in containerd's form with colons",
	  "/system.slice/containerd.service/kubepods-burstable-"
	  "pod0a1b2c3d_1111_2222_3333_0123456789ab.slice:cri-containerd:" HEX,
	  "0123456789ab,containerd,0a1b2c3d-1111-2222-3333-0123456789ab" },
	{ "a static pod", "/kubepods/pod0123456789abcdef0123456789abcdef/crio-" HEX "/container",
	  "0123456789ab,cri-o,0123456789abcdef0123456789abcdef" },
	{ "a pod's uid that is none is not believed", "/kubepods/pod12-34/" HEX, "0123456789ab,," },
	{ "Podman's pods are not Kubernetes'", "/machine.slice/machine-libpod_pod_" HEX ".slice/libpod-" HEX
	  ".scope", "0123456789ab,podman," },
	{ "ECS on EC2", "/ecs/0123456789abcdef0123456789abcdef/" HEX, "0123456789ab" },
	{ "ECS under systemd", "/ecstasks.slice/ecstasks-0123456789abcdef0123456789abcdef.slice/docker-" HEX
	  ".scope", "0123456789ab,docker," },
	{ "ECS on Fargate",
	  "/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-3935363592",
	  "0123456789abcdef0123456789abcdef-3935363592,ecs," },
	{ "systemd within a container is the container's",
	  "/system.slice/docker-" HEX ".scope/init.scope", "0123456789ab,docker," },
	{ "63 digits are not an id",
	  "/docker/123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "host" },
	{ "capitals are not an id",
	  "/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", "host" },
};

static void container(void **state)
{
	const struct container_row *row = *state;
	struct container_id id = container_of_cgroup(str_of(row->path));
	struct str text = container_short(&id);
	char have[256], pod[CONTAINER_POD_TEXT];

	container_pod_uid(&id, pod);
	snprintf(have, sizeof(have), "%.*s,%s,%s", STR_ARG(text), container_kind_name(id.kind).at, pod);
	if (strchr(row->want, ',') == NULL)
		*strchr(have, ',') = '\0';
	assert_string_equal(have, row->want);
}

/* ---- flags ---- */

static const struct open_row {
	const char *name;
	uint64_t flags;
	uint32_t record_flags;
	const char *want;
} open_rows[] = {
	{ "reading", O_RDONLY, 0, "O_RDONLY" },
	{ "reading and writing is one name", O_RDWR, 0, "O_RDWR" },
	{ "what touch does", O_WRONLY | O_CREAT | O_NOCTTY | O_NONBLOCK, 0,
	  "O_NONBLOCK|O_CREAT|O_WRONLY" },
	{ "a shell's redirection", O_WRONLY | O_CREAT | O_TRUNC, 0, "O_TRUNC|O_CREAT|O_WRONLY" },
	{ "a file that was made", O_WRONLY | O_CREAT, RECORD_CREATED,
	  "O_CREAT|O_WRONLY|O_F_CREATED" },
	{ "a file in the upper layer", O_RDONLY, RECORD_FD_UPPER, "O_RDONLY|FD_UPPER_LAYER" },
	{ "a nameless file", O_TMPFILE | O_RDWR, 0, "O_DIRECTORY|O_RDWR|O_TMPFILE" },
	{ "synchronous writing has both names", O_WRONLY | O_SYNC, 0, "O_SYNC|O_WRONLY" },
	{ "closed on exec", O_RDONLY | O_CLOEXEC | O_DIRECTORY, 0,
	  "O_DIRECTORY|O_RDONLY|O_CLOEXEC" },
};

static void open_flags(void **state)
{
	const struct open_row *row = *state;
	struct buf out = { 0 };

	flags_add_open(&out, row->flags, row->record_flags);
	assert_string_equal(buf_text(&out), row->want);
	buf_done(&out);
}

static void a_mode_is_shown_by_name(void **state)
{
	struct buf out = { 0 };

	(void)state;
	flags_add(&out, flags_chmod, 04755);
	assert_string_equal(buf_text(&out),
			    "S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID");
	buf_clear(&out);
	flags_add(&out, flags_chmod, 0);
	assert_string_equal(buf_text(&out), "0");
	buf_done(&out);
}

static void an_unknown_value_is_shown_as_a_number(void **state)
{
	struct buf out = { 0 };

	(void)state;
	flags_add_name(&out, names_ptrace, 16);
	buf_add_char(&out, ' ');
	flags_add_name(&out, names_ptrace, 9999);
	buf_add_char(&out, ' ');
	flags_add(&out, flags_unlinkat, 0x4000);
	assert_string_equal(buf_text(&out), "PTRACE_ATTACH 9999 0x4000");
	buf_done(&out);
}

static void capabilities_are_separated_by_blanks(void **state)
{
	struct buf out = { 0 };

	(void)state;
	flags_add_caps(&out, 1ULL << 0 | 1ULL << 21 | 1ULL << 39);
	assert_string_equal(buf_text(&out), "CAP_CHOWN CAP_SYS_ADMIN CAP_BPF");
	buf_done(&out);
}

static void results_have_their_errno_s_name(void **state)
{
	(void)state;
	assert_true(str_eq(flags_errno(3), STR("SUCCESS")));
	assert_true(str_eq(flags_errno(-ENOENT), STR("ENOENT")));
	assert_true(str_eq(flags_errno(-EINPROGRESS), STR("EINPROGRESS")));
	assert_true(str_eq(flags_errno(-512), STR("ERESTARTSYS")));
	assert_true(str_eq(flags_errno(-4000), STR("EUNKNOWN")));
}

/* ---- the spool ---- */

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/tocsin-spool-XXXXXX");
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
	char path[128];

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "%s/%016x.seg", folder, i);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/cursor", folder);
	unlink(path);
	return rmdir(folder);
}

static struct spool *spool_at(unsigned segments, uint32_t bytes)
{
	struct spool_limits limits = { segments, bytes };
	struct spool *spool = NULL;

	assert_int_equal(spool_open(folder, &limits, &spool), 0);
	return spool;
}

static void append(struct spool *spool, unsigned number)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "batch %04u\n", number);

	assert_int_equal(spool_append(spool, (struct str){ text, (size_t)len }, 2), 0);
}

/* The number of the oldest batch, which goes; 0 when there is none. */
static unsigned take(struct spool *spool)
{
	struct buf batch = { 0 };
	unsigned number = 0;
	uint32_t events;

	if (spool_peek(spool, &batch, &events) == 0) {
		assert_int_equal(events, 2);
		assert_int_equal(sscanf(buf_text(&batch), "batch %u", &number), 1);
		assert_int_equal(spool_pop(spool), 0);
	}
	buf_done(&batch);
	return number;
}

static void batches_come_back_in_order(void **state)
{
	struct spool *spool = spool_at(8, 100);

	(void)state;
	assert_true(spool_is_empty(spool));
	for (unsigned i = 1; i <= 20; i++)
		append(spool, i);
	assert_int_equal(spool_stats(spool).events, 40);
	for (unsigned i = 1; i <= 20; i++)
		assert_int_equal(take(spool), i);
	assert_int_equal(take(spool), 0);
	assert_true(spool_is_empty(spool));
	assert_int_equal(spool_stats(spool).bytes, 0);
	append(spool, 21);
	assert_int_equal(take(spool), 21);
	spool_close(spool);
}

static void a_batch_that_is_not_popped_stays(void **state)
{
	struct spool *spool = spool_at(8, 100);
	struct buf batch = { 0 };
	uint32_t events;

	(void)state;
	append(spool, 1);
	assert_int_equal(spool_peek(spool, &batch, &events), 0);
	assert_int_equal(spool_peek(spool, &batch, &events), 0);
	buf_done(&batch);
	assert_int_equal(take(spool), 1);
	spool_close(spool);
}

static void a_new_run_goes_on_where_the_last_one_was(void **state)
{
	struct spool *spool = spool_at(8, 100);

	(void)state;
	for (unsigned i = 1; i <= 10; i++)
		append(spool, i);
	for (unsigned i = 1; i <= 4; i++)
		assert_int_equal(take(spool), i);
	spool_close(spool);
	spool = spool_at(8, 100);
	assert_int_equal(spool_stats(spool).events, 12);
	append(spool, 11);
	for (unsigned i = 5; i <= 11; i++)
		assert_int_equal(take(spool), i);
	assert_true(spool_is_empty(spool));
	spool_close(spool);
}

static void a_full_spool_drops_the_oldest_segment_and_counts_it(void **state)
{
	struct spool *spool = spool_at(3, 81); /* three batches of 27 bytes a segment */

	(void)state;
	for (unsigned i = 1; i <= 10; i++)
		append(spool, i);
	assert_int_equal(spool_stats(spool).lost_events, 6);
	assert_int_equal(spool_stats(spool).events, 14);
	for (unsigned i = 4; i <= 10; i++)
		assert_int_equal(take(spool), i);
	assert_int_equal(take(spool), 0);
	spool_close(spool);
}

static void dropping_under_a_reader_does_not_confuse_it(void **state)
{
	struct spool *spool = spool_at(2, 54);
	struct buf batch = { 0 };
	uint32_t events;

	(void)state;
	append(spool, 1);
	append(spool, 2);
	assert_int_equal(spool_peek(spool, &batch, &events), 0);
	buf_done(&batch);
	for (unsigned i = 3; i <= 5; i++)
		append(spool, i); /* the segment of 1 and 2 goes */
	assert_int_equal(spool_pop(spool), 0);
	assert_int_equal(take(spool), 3);
	spool_close(spool);
}

/* Cuts the only segment to every length: what was whole before the cut comes back, nothing else. */
static void a_torn_end_loses_only_what_was_torn(void **state)
{
	const size_t size = 16 + 11; /* a head and "batch 0001\n" */
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/%016x.seg", folder, 1);
	for (size_t cut = 0; cut <= 3 * size; cut++) {
		struct spool *spool = spool_at(8, 1000);
		unsigned whole = (unsigned)(cut / size);

		for (unsigned i = 1; i <= 3; i++)
			append(spool, i);
		spool_close(spool);
		assert_int_equal(truncate(path, (off_t)cut), 0);
		spool = spool_at(8, 1000);
		append(spool, 9);
		for (unsigned i = 1; i <= whole; i++)
			assert_int_equal(take(spool), i);
		assert_int_equal(take(spool), 9);
		assert_int_equal(take(spool), 0);
		spool_close(spool);
		remove_folder(NULL);
		assert_int_equal(mkdir(folder, 0700), 0);
	}
}

static void a_flipped_bit_ends_the_segment(void **state)
{
	struct spool *spool = spool_at(8, 1000);
	char path[128], byte = 'X';
	int fd;

	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		append(spool, i);
	spool_close(spool);
	snprintf(path, sizeof(path), "%s/%016x.seg", folder, 1);
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, &byte, 1, 16 + 11 + 16 + 3), 1);
	close(fd);
	spool = spool_at(8, 1000);
	assert_int_equal(take(spool), 1);
	assert_int_equal(take(spool), 0);
	assert_true(spool_stats(spool).corrupt_bytes > 0);
	spool_close(spool);
}

static void a_batch_that_is_too_long_is_refused(void **state)
{
	struct spool *spool = spool_at(8, 20);

	(void)state;
	assert_int_equal(spool_append(spool, STR("more than fits"), 1), -EMSGSIZE);
	assert_true(spool_is_empty(spool));
	spool_close(spool);
}

static void a_spool_belongs_to_one_sensor(void **state)
{
	struct spool *first = spool_at(8, 100), *second = NULL;

	(void)state;
	assert_int_equal(spool_open(folder, NULL, &second), -EBUSY);
	spool_close(first);
}

/* ---- records and events ---- */

static struct record *record_begin(enum record_type type, uint16_t nr)
{
	struct record *record = calloc(1, RECORD_MAX);

	assert_non_null(record);
	*record = (struct record){
		.len = sizeof(*record),
		.type = (__u8)type,
		.class = RECORD_CLASS_OPEN,
		.nr = nr,
		.time_ns = 5000000000,
		.tid = 4242,
		.tgid = 4242,
		.ppid = 4200,
		.vtid = 4242,
		.vpid = 4242,
		.pgid = 4242,
		.vpgid = 4242,
		.sid = 4200,
		.uid = 0,
		.loginuid = (__u32)-1,
		.start_ns = 4000000000,
		.parent_start_ns = 4200 * 1000000ULL,
	};
	memcpy(record->comm, "touch", 6);
	return record;
}

static struct record *exec_of(uint32_t tgid, uint32_t ppid, const char *comm, const char *exe,
			      struct str args)
{
	struct record *record = record_begin(RECORD_EXEC, SYS_execve);

	record->class = RECORD_CLASS_PROCESS;
	record->tid = record->tgid = record->vpid = record->vtid = tgid;
	record->ppid = ppid;
	record->start_ns = tgid * 1000000ULL;
	record->parent_start_ns = ppid * 1000000ULL;
	memset(record->comm, 0, sizeof(record->comm));
	memcpy(record->comm, comm, strlen(comm));
	record_add(record, RECORD_STRING_EXE, str_of(exe));
	record_add(record, RECORD_STRING_ARGS, args);
	record_add(record, RECORD_STRING_CWD, STR("/home/amy"));
	record_add(record, RECORD_STRING_CGROUP, STR("/user.slice"));
	return record;
}

struct rig {
	struct fields *fields;
	struct procs *procs;
	struct names *users, *groups;
	struct enrich *enrich;
	struct record *record; /* the last one: its event borrows from it */
};

static int rig_make(void **state)
{
	static struct rig rig;
	struct enrich_settings settings;

	rig.fields = fields_new();
	rig.procs = procs_new("/nonexistent"); /* nothing is looked up behind the test's back */
	rig.users = names_new("/nonexistent");
	rig.groups = names_new("/nonexistent");
	settings =
		(struct enrich_settings){ .fields = rig.fields, .procs = rig.procs, .users = rig.users,
					  .groups = rig.groups, .hostname = STR("n1") };
	*state = &rig;
	return enrich_new(&settings, &rig.enrich);
}

static int rig_free(void **state)
{
	struct rig *rig = *state;

	free(rig->record);
	rig->record = NULL;
	enrich_free(rig->enrich);
	procs_free(rig->procs);
	names_free(rig->users);
	names_free(rig->groups);
	fields_free(rig->fields);
	return 0;
}

static const struct event *give(struct rig *rig, struct record *record)
{
	const struct event *event;

	assert_true(record_is_valid(record, record->len));
	event = enrich_record(rig->enrich, record, 1000000000000000000);
	assert_non_null(event);
	enrich_late(rig->enrich, event);
	free(rig->record);
	rig->record = record;
	return event;
}

static void assert_text(const struct rig *rig, const struct event *event, const char *name,
			const char *want)
{
	const struct value *value = event_get(event, fields_find(rig->fields, str_of(name)));

	if (want == NULL) {
		assert_int_equal(value->kind, VALUE_ABSENT);
		return;
	}
	assert_int_equal(value->kind, VALUE_STR);
	assert_int_equal(value->len, strlen(want));
	assert_memory_equal(value->s, want, value->len);
}

static void start_shell_and_touch(struct rig *rig)
{
	give(rig, exec_of(4100, 1, "sshd", "/usr/sbin/sshd", STR("sshd: amy\0")));
	give(rig, exec_of(4200, 4100, "bash", "/usr/bin/bash", STR("-bash\0")));
	give(rig, exec_of(4242, 4200, "touch", "/usr/bin/touch", STR("touch\0/bin/surprise\0")));
}

/* Another enrich, of which these fields are asked; the rig's goes with it. */
static void ask(struct rig *rig, const char *proc_folder, const char *const *names)
{
	struct enrich_settings settings = { .fields = rig->fields, .procs = rig->procs, .users = rig->users,
					    .groups = rig->groups, .hostname = STR("n1"), .proc_folder = proc_folder };

	for (size_t i = 0; names[i] != NULL; i++)
		assert_int_not_equal(fields_intern(rig->fields, str_of(names[i])), FIELD_NONE);
	enrich_free(rig->enrich);
	assert_int_equal(enrich_new(&settings, &rig->enrich), 0);
	for (size_t i = 0; names[i] != NULL; i++)
		enrich_want(rig->enrich, fields_find(rig->fields, str_of(names[i])));
}

static const struct value *value_of(const struct rig *rig, const struct event *event, const char *name)
{
	return event_get(event, fields_find(rig->fields, str_of(name)));
}

/* Of this process. */
static struct record *own_read(uint32_t tgid)
{
	struct record *record = record_begin(RECORD_CALL, SYS_read);
	struct proc_facts facts = { 0 };

	assert_int_equal(proc_read_stat("/proc", (uint32_t)getpid(), &facts), 0);
	record->tid = record->tgid = tgid;
	record->start_ns = facts.start_ns;
	record->ret = 100;
	record->args[0] = 5;
	record->flags = RECORD_HAS_OBJECT;
	record->object = (struct record_object){ .fd = 5, .kind = RECORD_OBJECT_FILE };
	record_add(record, RECORD_STRING_PATH, STR("/etc/hosts"));
	return record;
}

static const char *const live_names[] = {
	"proc.vmsize", "proc.vmrss", "proc.vmswap", "thread.vmsize", "thread.vmsize.b", "proc.nthreads", "proc.nchilds",
	"thread.pfminor", "thread.pfmajor", "proc.fdopencount", "proc.fdlimit", "proc.fdusage", "proc.stdin.type",
	"proc.stdin.name", "fd.types", "fd.types[0]", "thread.cgroups", "thread.cgroup.memory", "evt.buflen", NULL,
};

static void what_proc_tells_is_of_a_process_that_still_runs(void **state)
{
	struct rig *rig = *state;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), kept = dup(0);
	const struct event *event;
	struct rlimit limit;
	struct record *other;

	ask(rig, "/proc", live_names);
	assert_return_code(dup2(null, 0), errno);
	event = give(rig, own_read((uint32_t)getpid()));
	assert_return_code(dup2(kept, 0), errno);
	assert_true(value_of(rig, event, "proc.vmsize")->i >= value_of(rig, event, "proc.vmrss")->i);
	assert_true(value_of(rig, event, "proc.vmrss")->i > 0);
	assert_int_equal(value_of(rig, event, "thread.vmsize.b")->i, value_of(rig, event, "thread.vmsize")->i * 1024);
	assert_int_equal(value_of(rig, event, "proc.nchilds")->i, value_of(rig, event, "proc.nthreads")->i - 1);
	assert_true(value_of(rig, event, "thread.pfminor")->i > 0);
	assert_return_code(getrlimit(RLIMIT_NOFILE, &limit), errno);
	assert_int_equal(value_of(rig, event, "proc.fdlimit")->i, (int64_t)limit.rlim_cur);
	assert_true(value_of(rig, event, "proc.fdopencount")->i >= 3);
	assert_int_equal(value_of(rig, event, "proc.fdusage")->kind, VALUE_DOUBLE);
	assert_text(rig, event, "proc.stdin.type", "file");
	assert_text(rig, event, "proc.stdin.name", "/dev/null");
	assert_int_equal(value_of(rig, event, "fd.types")->kind, VALUE_LIST);
	assert_int_equal(value_of(rig, event, "fd.types[0]")->len, 1);
	assert_memory_equal(value_of(rig, event, "fd.types[0]")->list->s, "file", 4);
	assert_memory_equal(value_of(rig, event, "thread.cgroups")->s, "cpuset=/", 8);
	assert_int_equal(value_of(rig, event, "thread.cgroup.memory")->s[0], '/');
	assert_int_equal(value_of(rig, event, "evt.buflen")->i, 100);

	/* Another one of that number is none. */
	other = own_read((uint32_t)getpid());
	other->start_ns += 1000000000;
	event = give(rig, other);
	assert_int_equal(value_of(rig, event, "proc.vmsize")->kind, VALUE_NULL);
	assert_int_equal(value_of(rig, event, "fd.types")->kind, VALUE_NULL);
	assert_int_equal(value_of(rig, event, "proc.stdin.type")->kind, VALUE_NULL);
	assert_int_equal(value_of(rig, event, "evt.buflen")->i, 100);
	close(null);
	close(kept);
}

/* A rule that asks one of each event must not cost each event a look into /proc. */
static void what_is_dear_is_looked_for_when_it_is_read(void **state)
{
	static const char *const names[] = { "proc.nthreads", "proc.fdlimit", NULL };
	struct rig *rig = *state;
	struct record *record = own_read((uint32_t)getpid());
	field_id threads, limit;
	struct event *event;

	ask(rig, "/proc", names);
	threads = fields_find(rig->fields, STR("proc.nthreads"));
	limit = fields_find(rig->fields, STR("proc.fdlimit"));
	rig->record = record;
	event = enrich_record(rig->enrich, record, 0);
	assert_non_null(event);
	assert_int_equal(event_get(event, threads)->kind, VALUE_ABSENT);
	assert_int_equal(event_read(event, threads)->i, 1);
	assert_int_equal(event_get(event, limit)->kind, VALUE_ABSENT);
	enrich_late(rig->enrich, event);
	assert_true(event_get(event, limit)->i > 0);
	event_clear(event);
	assert_int_equal(event_read(event, threads)->kind, VALUE_ABSENT);
}

static const char *const event_names[] = {
	"evt.deltatime", "evt.deltatime.s", "evt.reltime.ns", "evt.is_syslog", "evt.count.error.file", "evt.count.error.net",
	"evt.count.error.other", "thread.nametid", "util.cnt", "user.homedir", "user.shell", "proc.vmsize",
	"proc.pidns_init_start_ts", "proc.exe_ino.ctime_duration_pidns_start", NULL,
};

static void what_a_rule_asks_of_an_event_is_there(void **state)
{
	struct rig *rig = *state;
	const struct event *event;
	struct record *record;
	int64_t before;

	ask(rig, NULL, event_names);
	give(rig, exec_of(1, 0, "init", "/sbin/init", STR("init\0")));
	record = exec_of(4300, 1, "new", "/usr/bin/new", STR("new\0"));
	record->flags |= RECORD_HAS_EXE;
	record->exe_ctime_ns = 1000000000000000000ULL + 1000000 + 500;
	event = give(rig, record);
	before = event->time_ns;
	assert_int_equal(value_of(rig, event, "proc.pidns_init_start_ts")->i, 1000000000001000000);
	assert_int_equal(value_of(rig, event, "proc.exe_ino.ctime_duration_pidns_start")->i, 500);
	record = record_begin(RECORD_CALL, SYS_openat);
	record->time_ns += 2500000000;
	record->ret = -ENOENT;
	record_add(record, RECORD_STRING_NAME, STR("/nowhere"));
	event = give(rig, record);
	assert_int_equal(value_of(rig, event, "evt.deltatime")->i, event->time_ns - before);
	assert_int_equal(value_of(rig, event, "evt.deltatime.s")->i, (event->time_ns - before) / 1000000000);
	assert_int_equal(value_of(rig, event, "evt.count.error.file")->i, 1);
	assert_int_equal(value_of(rig, event, "evt.count.error.net")->kind, VALUE_ABSENT);
	assert_int_equal(value_of(rig, event, "evt.count.error.other")->kind, VALUE_ABSENT);
	assert_int_equal(value_of(rig, event, "util.cnt")->i, 3);
	assert_text(rig, event, "user.homedir", "/root");
	assert_text(rig, event, "user.shell", "<NA>");
	assert_int_equal(value_of(rig, event, "proc.vmsize")->kind, VALUE_NULL); /* nobody is to look */
}

static void lines_of_passwd_have_homes_and_shells(void **state)
{
	struct names *names = names_new_text(STR("root:x:0:0::/root:/bin/bash\namy:x:1000:1000:Amy, of:/home/amy\ngroup:x:7:a,b\n"
						 ":x:3:3:::\nwrong:x:-1:3:::\nodd:x:9:9::relative:\n"));
	struct names *again;
	struct buf text = { 0 };

	(void)state;
	assert_non_null(names);
	for (int round = 0; round < 2; round++) {
		assert_true(str_eq(names_home(names, 0), STR("/root")) && str_eq(names_shell(names, 0), STR("/bin/bash")));
		assert_true(str_eq(names_home(names, 1000), STR("/home/amy")) && names_shell(names, 1000).len == 0);
		assert_true(str_eq(names_find(names, 7), STR("group")) && names_home(names, 7).len == 0);
		assert_true(names_find(names, 3).len == 0 && str_eq(names_home(names, 9), STR("relative")));
		buf_clear(&text);
		names_add_text(names, &text);
		again = names_new_text(buf_str(&text));
		assert_non_null(again);
		names_free(names);
		names = again;
	}
	names_free(names);
	buf_done(&text);
}

static void an_open_becomes_the_json_that_the_hub_expects(void **state)
{
	struct rig *rig = *state;
	struct wire_sensor sensor = { STR("id"), STR("boot"), STR("ebpf") };
	struct buf out = { 0 };
	struct record *record;

	start_shell_and_touch(rig);
	record = record_begin(RECORD_CALL, SYS_openat);
	record->start_ns = 4242 * 1000000ULL;
	record->ret = 3;
	record->args[0] = (__u64)AT_FDCWD;
	record->args[4] = O_WRONLY | O_CREAT;
	record->args[5] = 0644;
	record->flags = RECORD_HAS_OBJECT | RECORD_CREATED;
	record->object = (struct record_object){ .fd = 3, .kind = RECORD_OBJECT_FILE, .ino = 77 };
	record_add(record, RECORD_STRING_PATH, STR("/usr/bin/surprise"));
	record_add(record, RECORD_STRING_NAME, STR("/bin/surprise"));
	wire_add_event(&out, give(rig, record), rig->fields, &sensor, 9);
	assert_string_equal(
		buf_text(&out),
		"{\"time\":\"2001-09-09T01:46:45.000000000Z\",\"source\":\"syscall\",\"hostname\":"
		"\"n1\","
		"\"sensor\":{\"id\":\"id\",\"boot\":\"boot\",\"seq\":9,\"probe\":\"ebpf\"},"
		"\"fields\":{"
		"\"evt.type\":\"openat\",\"evt.cpu\":0,\"evt.rawres\":3,\"evt.res\":\"SUCCESS\","
		"\"proc.name\":\"touch\",\"proc.exe\":\"touch\","
		"\"proc.exepath\":\"/usr/bin/touch\",\"proc.args\":\"/bin/surprise\","
		"\"proc.cwd\":\"/home/amy/"
		"\",\"proc.pid\":4242,\"thread.tid\":4242,\"proc.ppid\":4200,"
		"\"proc.vpid\":4242,\"thread.vtid\":4242,\"proc.pgid\":4242,\"proc.vpgid\":4242,"
		"\"proc.sid\":4200,\"proc.tty\":0,\"proc.is_sid_leader\":false,"
		"\"proc.is_vpgid_leader\":true,\"proc.is_pgid_leader\":true,"
		"\"proc.uid\":\"5ef3a79b8ff46028\",\"proc.puid\":\"a9504a42b71b6887\","
		"\"proc.pid.ts\":1000000004242000000,\"proc.duration\":758000000,"
		"\"proc.pname\":\"bash\",\"proc.pexe\":\"-bash\",\"proc.pexepath\":\"/usr/bin/"
		"bash\","
		"\"proc.pvpid\":4200,\"proc.ppid.ts\":"
		"1000000004200000000,"
		"\"proc.ppid.duration\":800000000,\"proc.aname[2]\":\"sshd\",\"proc.sname\":"
		"\"bash\","
		"\"user.uid\":0,\"user.name\":\"root\",\"group.gid\":0,\"group.name\":\"root\","
		"\"user.loginuid\":-1,\"user.loginname\":\"<NA>\",\"container.id\":\"host\","
		"\"container.name\":\"host\",\"fd.nameraw\":\"/bin/surprise\",\"fd.num\":3,"
		"\"fd.type\":\"file\",\"fd.typechar\":\"f\",\"fd.name\":\"/usr/bin/"
		"surprise\",\"fd.ino\":77,"
		"\"fd.dev\":0,\"evt.is_open_read\":false,\"evt.is_open_write\":true,"
		"\"evt.is_open_exec\":false,\"evt.is_open_create\":true,"
		"\"evt.arg.fd\":\"<f>/usr/bin/surprise\",\"evt.arg.dirfd\":\"AT_FDCWD\","
		"\"evt.arg.name\":\"/bin/"
		"surprise\",\"evt.arg.flags\":\"O_CREAT|O_WRONLY|O_F_CREATED\","
		"\"evt.arg.mode\":\"0644\",\"proc.cmdline\":\"touch /bin/surprise\","
		"\"proc.pcmdline\":\"bash\"}}\n");
	buf_done(&out);
}

static void a_failed_open_names_what_was_asked_for(void **state)
{
	struct rig *rig = *state;
	struct record *record = record_begin(RECORD_CALL, SYS_openat);
	const struct event *event;

	record->ret = -EACCES;
	record->args[4] = O_WRONLY | O_DIRECTORY;
	record_add(record, RECORD_STRING_NAME, STR("../.././etc//shadow"));
	record_add(record, RECORD_STRING_DIR, STR("/srv/www/"));
	event = give(rig, record);
	assert_text(rig, event, "fd.name", "/etc/shadow");
	assert_text(rig, event, "fd.typechar", "f"); /* not even what was to be a directory */
	assert_text(rig, event, "fd.nameraw", "../.././etc//shadow");
	assert_text(rig, event, "evt.res", "EACCES");
	assert_int_equal(event_get(event, FIELD_FD_NUM)->i, -1);
}

static void a_connection_has_both_ends(void **state)
{
	struct rig *rig = *state;
	struct record *record = record_begin(RECORD_CALL, SYS_connect);
	const struct event *event;

	record->class = RECORD_CLASS_NET;
	record->flags = RECORD_HAS_OBJECT;
	record->object = (struct record_object){ .fd = 4,
						 .kind = RECORD_OBJECT_SOCKET,
						 .family = AF_INET,
						 .protocol = 6,
						 .socket_type = 1,
						 .state = 1,
						 .local_port = 50000,
						 .remote_port = 4444,
						 .local = { 10, 0, 0, 2 },
						 .remote = { 192, 0, 2, 7 } };
	event = give(rig, record);
	assert_text(rig, event, "fd.name", "10.0.0.2:50000->192.0.2.7:4444");
	assert_text(rig, event, "fd.sip", "192.0.2.7");
	assert_text(rig, event, "fd.cip", "10.0.0.2");
	assert_text(rig, event, "fd.l4proto", "tcp");
	assert_text(rig, event, "fd.typechar", "4");
	assert_int_equal(event_get(event, FIELD_FD_SPORT)->i, 4444);
	assert_true(event_get(event, FIELD_FD_CONNECTED)->b);
}

static void an_accepted_connection_has_its_roles_turned(void **state)
{
	struct rig *rig = *state;
	struct record *record = record_begin(RECORD_CALL, SYS_accept4);
	const struct event *event;

	record->class = RECORD_CLASS_NET;
	record->flags = RECORD_HAS_OBJECT;
	record->object = (struct record_object){ .fd = 4,
						 .kind = RECORD_OBJECT_SOCKET,
						 .family = AF_INET6,
						 .protocol = 6,
						 .socket_type = 1,
						 .state = 1,
						 .local_port = 22,
						 .remote_port = 50000,
						 .local = { [15] = 1 },
						 .remote = { [15] = 1 } };
	event = give(rig, record);
	assert_text(rig, event, "fd.name", "::1:50000->::1:22");
	assert_text(rig, event, "fd.typechar", "6");
	assert_int_equal(event_get(event, FIELD_FD_SPORT)->i, 22);
	assert_int_equal(event_get(event, FIELD_FD_CPORT)->i, 50000);
}

static void a_child_has_its_parent_s_program_until_it_execs(void **state)
{
	struct rig *rig = *state;
	struct record *record = record_begin(RECORD_FORK, SYS_clone);
	const struct proc *child;

	start_shell_and_touch(rig);
	record->class = RECORD_CLASS_PROCESS;
	record->args[0] = 4242;
	record->tid = record->tgid = 4300;
	record->ppid = 4242;
	procs_update(rig->procs, record);
	free(record);
	child = procs_find(rig->procs, 4300);
	assert_non_null(child);
	assert_true(str_eq(child->image->args, STR("/bin/surprise")));
	assert_string_equal(child->cwd, "/home/amy");
	assert_int_equal(child->image->refs, 2);
}

static void a_reused_process_id_is_a_new_process(void **state)
{
	struct rig *rig = *state;
	struct record *record;

	start_shell_and_touch(rig);
	record = record_begin(RECORD_CALL, SYS_setuid);
	record->start_ns = 999999999999;
	assert_int_equal(procs_update(rig->procs, record)->image->args.len, 0);
	free(record);
}

static void the_oldest_process_gives_way_when_the_table_is_full(void **state)
{
	struct rig *rig = *state;

	for (uint32_t i = 1; i <= PROCS_MAX + 100; i++) {
		struct record record = { .len = sizeof(record),
					 .type = RECORD_CALL,
					 .nr = SYS_setuid,
					 .tgid = i,
					 .tid = i,
					 .start_ns = i };

		assert_non_null(procs_update(rig->procs, &record));
	}
	assert_int_equal(procs_stats(rig->procs).count, PROCS_MAX);
	assert_int_equal(procs_stats(rig->procs).evicted, 100);
	assert_null(procs_find(rig->procs, 1));
	assert_non_null(procs_find(rig->procs, PROCS_MAX));
}

/* An exec takes the place of an exec, so that both what is added and what goes is counted. */
static void long_arguments_push_out_the_oldest(void **state)
{
	struct rig *rig = *state;
	char args[4000];

	memset(args, 'a', sizeof(args));
	for (uint32_t i = 0; i < 30000; i++) {
		struct record *record = exec_of(100 + i % 10000, 1, "x", "/x", (struct str){ args, sizeof(args) });

		assert_non_null(procs_update(rig->procs, record));
		assert_true(procs_stats(rig->procs).bytes <= PROCS_BYTES);
		free(record);
	}
	assert_true(procs_stats(rig->procs).bytes > PROCS_BYTES / 10 * 9);
	assert_in_range(procs_stats(rig->procs).count, PROCS_BYTES / 5000, PROCS_BYTES / 4000);
	assert_true(procs_stats(rig->procs).evicted > 0);
	assert_non_null(procs_find(rig->procs, 100 + 9999));
}

static void ancestors_in_a_ring_do_not_hang(void **state)
{
	struct rig *rig = *state;
	const struct event *event;

	give(rig, exec_of(10, 11, "a", "/a", STR("a\0")));
	give(rig, exec_of(11, 12, "b", "/b", STR("b\0")));
	event = give(rig, exec_of(12, 11, "c", "/c", STR("c\0")));
	assert_text(rig, event, "proc.pname", "b");
	assert_text(rig, event, "proc.aname[2]", NULL);
}

static struct str found_within(struct hosts *hosts, struct str ip)
{
	struct str name = STR("");

	for (unsigned i = 0; i < 500 && name.len == 0; i++) {
		usleep(10000);
		name = hosts_find(hosts, ip);
	}
	return name;
}

static void an_address_has_the_name_that_rules_know(void **state)
{
	const struct str names[] = { STR("localhost"), STR("127.0.0.1") };
	struct hosts *hosts;

	(void)state;
	assert_int_equal(hosts_new(&hosts), 0);
	assert_int_equal(hosts_find(hosts, STR("127.0.0.1")).len, 0);
	assert_int_equal(hosts_set(hosts, names, 2), 0);
	assert_true(str_eq(found_within(hosts, STR("127.0.0.1")), STR("localhost")));
	assert_int_equal(hosts_find(hosts, STR("127.0.0.2")).len, 0);
	assert_int_equal(hosts_set(hosts, &names[1], 1), 0); /* another rule set */
	assert_true(str_eq(found_within(hosts, STR("127.0.0.1")), STR("127.0.0.1")));
	assert_int_equal(hosts_set(hosts, NULL, 0), 0);
	assert_int_equal(hosts_find(hosts, STR("127.0.0.1")).len, 0);
	hosts_free(hosts);
}

/* A process that begins and ends. */
static void give_end(struct procs *procs, uint32_t tgid)
{
	struct record record = { .len = sizeof(record), .type = RECORD_CALL, .nr = SYS_setuid, .tgid = tgid, .tid = tgid, .start_ns = tgid };

	procs_update(procs, &record);
	record.type = RECORD_EXIT;
	procs_update(procs, &record);
	procs_forget(procs, &record);
}

/* This test's own process, with a parent that is not there any more. */
static void an_orphan_has_the_parent_that_took_it_in(void **state)
{
	struct procs *procs = procs_new("/proc");
	struct proc_facts facts = { 0 };
	struct record record = { .len = sizeof(record), .type = RECORD_CALL, .nr = SYS_setuid };
	const struct proc *parent;

	(void)state;
	assert_int_equal(proc_read("/proc", (uint32_t)getpid(), 0, &facts), 0);
	record.tid = record.tgid = (uint32_t)getpid();
	record.ppid = INT32_MAX;
	record.start_ns = facts.start_ns;
	parent = procs_parent(procs, procs_update(procs, &record));
	assert_non_null(parent);
	assert_int_equal(parent->tgid, getppid());
	assert_int_equal(procs_find(procs, record.tgid)->ppid, getppid());
	/* A parent that has ended is one until somebody else is. */
	record.ppid = 77;
	give_end(procs, 77);
	parent = procs_parent(procs, procs_update(procs, &record));
	assert_int_equal(parent->tgid, getppid());
	record.tid = record.tgid = INT32_MAX; /* /proc does not know it */
	record.start_ns = facts.start_ns;
	give_end(procs, 77);
	parent = procs_parent(procs, procs_update(procs, &record));
	assert_int_equal(parent->tgid, 77);
	for (uint32_t i = 100; i < 100 + PROCS_DEAD_MAX; i++)
		give_end(procs, i);
	assert_null(procs_find(procs, 77));
	record.tid = record.tgid = (uint32_t)getpid();
	/* And a process that is younger is nobody's parent. */
	record.start_ns = 1;
	assert_null(procs_parent(procs, procs_update(procs, &record)));
	proc_facts_done(&facts);
	procs_free(procs);
}

static void a_record_that_is_not_whole_is_refused(void **state)
{
	struct record *record = record_begin(RECORD_CALL, SYS_openat);
	uint32_t whole;

	(void)state;
	record_add(record, RECORD_STRING_NAME, STR("name"));
	record_add(record, RECORD_STRING_DIR, STR("/folder"));
	whole = record->len;
	assert_true(record_is_valid(record, whole));
	for (uint32_t len = 0; len < whole; len++)
		assert_false(record_is_valid(record, len));
	for (uint32_t len = sizeof(*record) + 1; len < whole; len++) {
		record->len = len;
		assert_true(!record_is_valid(record, len) || len == sizeof(*record) + 8);
	}
	record->len = whole;
	record->type = 99;
	assert_false(record_is_valid(record, whole));
	free(record);
}

static void assert_unknown(const struct rig *rig, const struct event *event, const char *name)
{
	assert_int_equal(event_get(event, fields_find(rig->fields, str_of(name)))->kind, VALUE_NULL);
}

static void what_was_cut_or_not_read_is_marked(void **state)
{
	struct rig *rig = *state;
	struct record *record = record_begin(RECORD_CALL, SYS_mkdirat);
	const struct event *event;
	const struct value *cut;

	record->tgid = record->tid = 77;
	record->args[1] = 4096;
	record->flags = RECORD_FAULT;
	event = give(rig, record);
	assert_unknown(rig, event, "evt.arg.path");
	assert_unknown(rig, event, "proc.cmdline"); /* a process that nobody told of */
	assert_unknown(rig, event, "proc.cwd");
	assert_text(rig, event, "evt.truncated", NULL);

	record = record_begin(RECORD_CALL, SYS_mkdirat);
	record->tgid = record->tid = 77;
	record->args[1] = 4096;
	record_add(record, RECORD_STRING_NAME, STR("x"));
	record_add(record, (enum record_string_tag)(RECORD_STRING_DIR | RECORD_STRING_CUT), STR("/.../b"));
	record->flags = RECORD_CUT_PATH;
	event = give(rig, record);
	assert_text(rig, event, "evt.arg.path", "/.../b/x");
	cut = event_get(event, FIELD_EVT_TRUNCATED);
	assert_int_equal(cut->kind, VALUE_LIST);
	assert_int_equal(cut->len, 1);
	assert_true(str_eq(value_as_str(&cut->list[0]), STR("evt.arg.path")));
}

static void a_sensor_that_does_not_see_its_own_call_says_so(void **state)
{
	struct tamper tamper = { .sees_itself = true };
	struct procs *procs = procs_new("/nonexistent");
	struct record own = { .type = RECORD_CALL, .nr = SYS_execve, .tgid = (uint32_t)getpid() };
	struct buf out = { 0 };

	(void)state;
	for (int64_t s = 5; s <= 60; s += 5) {
		tamper_tick(&tamper, procs, s * NS_PER_S);
		assert_true(tamper_take(&tamper, &own));
	}
	assert_int_equal(tamper.count, 0);
	for (int64_t s = 65; s <= 120; s += 5)
		tamper_tick(&tamper, procs, s * NS_PER_S);
	tamper_signal(&tamper, SIGTERM, 77);
	tamper_add_json(&tamper, procs, true, &out);
	assert_string_equal(buf_text(&out),
			    "\"tamper\":{\"count\":1,\"notices\":[{\"n\":1,\"what\":\"sensor_blind\","
			    "\"seconds\":20,\"detail\":\"its own calls are not reported to it\"}]},"
			    "\"farewell\":\"SIGTERM from a process (77)\"");
	buf_done(&out);
	procs_free(procs);
}

static void losses_are_shown_by_call(void **state)
{
	static const char *const causes[] = { "ring", "budget", NULL };
	static struct by_call counts;
	struct record record = { .type = RECORD_CALL, .nr = SYS_mkdir };
	struct buf out = { 0 };

	(void)state;
	by_call_note(&counts, &record, 1);
	by_call_note(&counts, &record, 1);
	record.nr = 452; /* fchmodat2 goes by the name of fchmodat */
	by_call_note(&counts, &record, 0);
	record.nr = SYS_fchmodat;
	by_call_note(&counts, &record, 0);
	by_call_note(&counts, &record, 1);
	record.nr = 65535;
	by_call_note(&counts, &record, 0);
	by_call_add_json(&counts, causes, &out);
	assert_string_equal(buf_text(&out), "{\"fchmodat\":{\"ring\":2,\"budget\":1},\"mkdir\":{\"budget\":2},"
					    "\"other\":{\"ring\":1}}");
	assert_int_equal(by_call_sum(&counts, 0), 3);
	buf_done(&out);
}

static void a_flood_is_shed_beyond_its_budget_and_nothing_else(void **state)
{
	struct budgets *budgets = calloc(1, sizeof(*budgets));
	struct record flood = { .type = RECORD_CALL, .nr = SYS_mkdir, .class = RECORD_CLASS_PATH, .tgid = 7, .comm = "flood" };
	struct record other = flood, way = flood;
	struct probe_counts counts = { 0 };
	unsigned passed = 0;

	(void)state;
	memcpy(other.comm, "other", 6);
	way.nr = SYS_openat;
	for (unsigned i = 0; i < 100 * BUDGET_EVENTS; i++)
		passed += budget_takes(budgets, &flood, NULL, NULL, 0);
	/* The clock may have begun seconds meanwhile. */
	assert_in_range(passed, BUDGET_EVENTS, 50 * BUDGET_EVENTS);
	assert_true(budget_takes(budgets, &other, NULL, NULL, 0) && budget_takes(budgets, &way, NULL, NULL, 0));
	counts.of[RECORD_CLASS_PATH] = (struct plan_counters){ .seen = 100 * BUDGET_EVENTS, .emitted = 100 * BUDGET_EVENTS };
	budget_counts(budgets, &counts);
	assert_int_equal(counts.of[RECORD_CLASS_PATH].emitted, passed);
	assert_int_equal(counts.of[RECORD_CLASS_PATH].dropped, 100 * BUDGET_EVENTS - passed);
	assert_int_equal(counts.of[RECORD_CLASS_PATH].shed, budgets->all);
	assert_int_equal(by_call_sum(&counts.by_call, PROBE_BUDGET), budgets->all);
	assert_int_equal(counts.flood.tgid, 7);
	assert_string_equal(counts.flood.comm, "flood");
	free(budgets);
}

/* Not those that come first of each; a new second may begin meanwhile. */
static void many_names_do_not_make_a_flood_many(void **state)
{
	struct budgets *budgets = calloc(1, sizeof(*budgets));
	struct record flood = { .nr = SYS_openat, .type = RECORD_CALL, .class = RECORD_CLASS_OPEN, .tgid = 4242 };
	unsigned passed = 0;

	(void)state;
	assert_non_null(budgets);
	for (unsigned i = 0; i < 1000 * 20; i++) {
		snprintf(flood.comm, sizeof(flood.comm), "name-%u", i / 20);
		passed += budget_takes(budgets, &flood, NULL, NULL, 0);
	}
	assert_in_range(passed, 1000 * BUDGET_OWN, 1000 * BUDGET_OWN + 20 * BUDGET_SHARED);
	memcpy(flood.comm, "other", 6);
	assert_true(budget_takes(budgets, &flood, NULL, NULL, 0));
	free(budgets);
}

static void a_cgroup_too_deep_to_be_told_is_no_way_out_of_a_container(void **state)
{
	static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct procs *procs = procs_new("/nonexistent");
	struct record *record = calloc(1, RECORD_MAX);
	char path[80];

	(void)state;
	assert_non_null(record);
	snprintf(path, sizeof(path), "/docker/%s", id);
	*record = (struct record){ .len = sizeof(*record), .type = RECORD_EXEC, .nr = SYS_execve, .tid = 700, .tgid = 700, .start_ns = 700 };
	record_add(record, RECORD_STRING_CGROUP, str_of(path));
	assert_int_equal(procs_update(procs, record)->container.len, 64);
	record->len = sizeof(*record);
	record->flags = RECORD_CUT_PATH;
	record_add(record, RECORD_STRING_CGROUP | RECORD_STRING_CUT, STR("/.../deep/deeper"));
	assert_int_equal(procs_update(procs, record)->container.len, 64);
	record->len = sizeof(*record);
	record->flags = 0;
	record_add(record, RECORD_STRING_CGROUP, STR("/user.slice"));
	assert_int_equal(procs_update(procs, record)->container.len, 0);
	free(record);
	procs_free(procs);
}

static void put_batch(struct outbox *outbox)
{
	struct buf batch = { 0 };

	buf_add(&batch, STR("{}\n"));
	outbox_put(outbox, &batch, 1);
	buf_done(&batch);
}

static void done_batch(struct outbox *outbox, bool delivered)
{
	struct str batch;
	uint32_t events;

	assert_true(outbox_take(outbox, 0, &batch, &events));
	outbox_done(outbox, delivered);
}

static void the_outbox_is_behind_when_the_hub_is_slow_and_not_when_it_is_away(void **state)
{
	struct outbox *outbox = outbox_new(NULL);

	(void)state;
	for (unsigned i = 0; i < OUTBOX_BATCHES; i++)
		put_batch(outbox);
	assert_false(outbox_is_behind(outbox));
	put_batch(outbox);
	assert_true(outbox_is_behind(outbox));
	for (unsigned i = 0; i < OUTBOX_BATCHES - 1; i++)
		done_batch(outbox, true);
	assert_false(outbox_is_behind(outbox));
	done_batch(outbox, true);
	put_batch(outbox);
	done_batch(outbox, false);
	for (unsigned i = 0; i <= OUTBOX_BATCHES; i++)
		put_batch(outbox);
	assert_false(outbox_is_behind(outbox));
	/* It answers again: what waited meanwhile is no flood. */
	done_batch(outbox, true);
	put_batch(outbox);
	put_batch(outbox);
	assert_false(outbox_is_behind(outbox));
	outbox_free(outbox);
}

static void a_long_string_is_cut_and_said_so(void **state)
{
	struct record *record = record_begin(RECORD_EXEC, SYS_execve);
	static char text[2 * RECORD_STRING_MAX];

	(void)state;
	memset(text, 'a', sizeof(text));
	record_add(record, RECORD_STRING_ARGS, (struct str){ text, sizeof(text) });
	assert_int_equal(record_text(record, RECORD_STRING_ARGS).len, RECORD_STRING_MAX - 1);
	assert_true(record->flags & RECORD_CUT_ARGS);
	for (unsigned i = 0; i < 10; i++)
		record_add(record, RECORD_STRING_ENV, (struct str){ text, sizeof(text) });
	assert_true(record->len <= RECORD_MAX);
	assert_true(record_is_valid(record, record->len));
	free(record);
}

#define SPOOL_TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
#define RIG_TEST(f)   cmocka_unit_test_setup_teardown(f, rig_make, rig_free)

/* ---- the table of calls ---- */

/* A row that shares a number with another one would never be found; a name that rules do not know could not be
 * asked for. */
static void the_table_of_calls_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < calls_count; i++) {
		const struct call *call = &calls[i];

		assert_true(call->nr < PLAN_CALLS);
		assert_ptr_equal(call_find(call->nr), call);
		assert_true(evttype_find(str_of(call->name)) >= EVTTYPE_FIRST);
		for (size_t j = 0; j < i && call->compat != CALL_COMPAT_NONE; j++)
			assert_int_not_equal(calls[j].compat, call->compat);
		for (size_t p = 0; p < CALL_PARAMS_MAX && call->params[p].name != NULL; p++) {
			assert_non_null(param_find(str_of(call->params[p].name)));
			assert_true(call->params[p].place <= 6);
		}
	}
}

int main(void)
{
	const struct CMUnitTest flags[] = {
		cmocka_unit_test(a_mode_is_shown_by_name),
		cmocka_unit_test(an_unknown_value_is_shown_as_a_number),
		cmocka_unit_test(capabilities_are_separated_by_blanks),
		cmocka_unit_test(results_have_their_errno_s_name),
	};
	const struct CMUnitTest spool[] = {
		SPOOL_TEST(batches_come_back_in_order),
		SPOOL_TEST(a_batch_that_is_not_popped_stays),
		SPOOL_TEST(a_new_run_goes_on_where_the_last_one_was),
		SPOOL_TEST(a_full_spool_drops_the_oldest_segment_and_counts_it),
		SPOOL_TEST(dropping_under_a_reader_does_not_confuse_it),
		SPOOL_TEST(a_torn_end_loses_only_what_was_torn),
		SPOOL_TEST(a_flipped_bit_ends_the_segment),
		SPOOL_TEST(a_batch_that_is_too_long_is_refused),
		SPOOL_TEST(a_spool_belongs_to_one_sensor),
	};
	const struct CMUnitTest events[] = {
		RIG_TEST(an_open_becomes_the_json_that_the_hub_expects),
		RIG_TEST(a_failed_open_names_what_was_asked_for),
		RIG_TEST(a_connection_has_both_ends),
		RIG_TEST(an_accepted_connection_has_its_roles_turned),
		RIG_TEST(a_child_has_its_parent_s_program_until_it_execs),
		RIG_TEST(a_reused_process_id_is_a_new_process),
		RIG_TEST(the_oldest_process_gives_way_when_the_table_is_full),
		RIG_TEST(long_arguments_push_out_the_oldest),
		RIG_TEST(ancestors_in_a_ring_do_not_hang),
		cmocka_unit_test(an_orphan_has_the_parent_that_took_it_in),
		cmocka_unit_test(an_address_has_the_name_that_rules_know),
		cmocka_unit_test(a_record_that_is_not_whole_is_refused),
		RIG_TEST(what_was_cut_or_not_read_is_marked),
		RIG_TEST(what_proc_tells_is_of_a_process_that_still_runs),
		RIG_TEST(what_is_dear_is_looked_for_when_it_is_read),
		RIG_TEST(what_a_rule_asks_of_an_event_is_there),
		cmocka_unit_test(lines_of_passwd_have_homes_and_shells),
		cmocka_unit_test(losses_are_shown_by_call),
		cmocka_unit_test(a_flood_is_shed_beyond_its_budget_and_nothing_else),
		cmocka_unit_test(many_names_do_not_make_a_flood_many),
		cmocka_unit_test(a_cgroup_too_deep_to_be_told_is_no_way_out_of_a_container),
		cmocka_unit_test(the_outbox_is_behind_when_the_hub_is_slow_and_not_when_it_is_away),
		cmocka_unit_test(the_table_of_calls_is_whole),
		cmocka_unit_test(a_sensor_that_does_not_see_its_own_call_says_so),
		cmocka_unit_test(a_long_string_is_cut_and_said_so),
	};
	struct CMUnitTest all[ARRAY_LEN(container_rows) + ARRAY_LEN(open_rows) + ARRAY_LEN(flags) +
			      ARRAY_LEN(spool) + ARRAY_LEN(events)];
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(container_rows); i++)
		all[count++] =
			(struct CMUnitTest){ .name = container_rows[i].name,
					     .test_func = container,
					     .initial_state =
						     (void *)(uintptr_t)&container_rows[i] };
	for (size_t i = 0; i < ARRAY_LEN(open_rows); i++)
		all[count++] = (struct CMUnitTest){ .name = open_rows[i].name,
						    .test_func = open_flags,
						    .initial_state = (void *)(uintptr_t)&open_rows[i] };
	memcpy(all + count, flags, sizeof(flags));
	count += ARRAY_LEN(flags);
	memcpy(all + count, spool, sizeof(spool));
	count += ARRAY_LEN(spool);
	memcpy(all + count, events, sizeof(events));
	return cmocka_run_group_tests_name("sensor", all, NULL, NULL); /* one group: one TAP plan */
}
