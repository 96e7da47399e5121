/* What runtimes say of their containers: each form, hostile ones too; the table; the waiting room. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "sensor/containers/containers.h"
#include "sensor/containers/passwd.h"
#include "sensor/enrich.h"
#include "sensor/hold.h"
#include "sensor/record_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>
#include <errno.h>
#include <time.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SANDBOX "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

/* ---- readers ---- */

#define STATE(labels, mounts, more) \
	"{\"id\":\"" ID "\",\"init_process_start\":1234,\"config\":{\"labels\":[" labels "],\"mounts\":[" mounts \
	"],\"namespaces\":[{\"type\":\"NEWPID\",\"path\":\"\"},{\"type\":\"NEWIPC\",\"path\":\"\"}]" more "}}"

static const struct reader_row {
	const char *name;
	int (*read)(struct way_question *question);
	const char *text;
	int result;
	const char *want;
} reader_rows[] = {
	{ "runc: containerd's annotations", way_read_state,
	  STATE("\"io.kubernetes.cri.container-name=web\",\"io.kubernetes.cri.image-name=docker.io/library/nginx:1.25\","
		"\"io.kubernetes.cri.sandbox-name=web-0\",\"io.kubernetes.cri.sandbox-namespace=prod\","
		"\"io.kubernetes.cri.sandbox-uid=0a1b\",\"io.kubernetes.cri.sandbox-id=" SANDBOX "\"", "", ""), 0,
	  "name=web image=docker.io/library/nginx:1.25 repository=docker.io/library/nginx tag=1.25 pod=web-0 "
	  "ns=prod uid=0a1b sandbox=" SANDBOX " privileged=0 host_net=1 start=12340000000" },
	{ "runc: CRI-O's annotations and labels", way_read_state,
	  STATE("\"io.container.manager=cri-o\",\"io.kubernetes.container.name=web\","
		"\"io.kubernetes.cri-o.ImageName=quay.io:5000/a/b@sha256:12\",\"io.kubernetes.pod.name=web-0\","
		"\"io.kubernetes.pod.namespace=prod\","
		"\"io.kubernetes.cri-o.Labels={\\\"app\\\":\\\"x=y\\\",\\\"tier\\\":\\\"1\\\"}\"", "",
		",\"capabilities\":{\"Bounding\":[\"CAP_SYS_ADMIN\"]},\"mask_paths\":[\"/proc/kcore\"]"), 0,
	  "name=web type=cri-o image=quay.io:5000/a/b repository=quay.io:5000/a/b digest=sha256:12 pod=web-0 ns=prod "
	  "labels=app:x=y, tier:1 privileged=0 host_net=1 start=12340000000" },
	{ "runc: a privileged one, with mounts", way_read_state,
	  STATE("\"a\",\"=b\"", "{\"source\":\"/etc\",\"destination\":\"/mnt\",\"device\":\"bind\",\"flags\":20481,"
		"\"propagation_flags\":[278528]},{\"source\":\"proc\",\"destination\":\"/proc\",\"device\":\"proc\"},"
		"{\"source\":\"/run/containers/storage/overlay-containers/x/userdata/hosts\",\"destination\":\"/etc/hosts\","
		"\"device\":\"bind\"},{\"source\":\"/\",\"destination\":\"/host\",\"device\":\"bind\",\"flags\":4096}",
		",\"capabilities\":{\"Bounding\":[\"CAP_CHOWN\",\"CAP_SYS_ADMIN\"]},\"mask_paths\":null"), 0,
	  "mounts=/etc:/mnt::false:rprivate,/:/host::true: privileged=1 host_net=1 start=12340000000" },
	{ "runc: Podman says whether it is privileged", way_read_state,
	  STATE("\"io.container.manager=libpod\",\"io.podman.annotations.privileged=TRUE\"", "", ""), 0,
	  "type=podman privileged=1 host_net=1 start=12340000000" },
	{ "runc: wrong types say nothing", way_read_state,
	  "{\"init_process_start\":\"x\",\"config\":{\"labels\":{\"a\":1},\"mounts\":[1,\"x\",{\"source\":[]}],"
	  "\"capabilities\":7,\"namespaces\":\"NEWPID\"}}", 0, "privileged=0" },
	{ "runc: no configuration", way_read_state, "{\"id\":\"x\"}", -EBADMSG, "" },
	{ "runc: an array", way_read_state, "[]", -EBADMSG, "" },
	{ "a bundle", way_read_bundle,
	  "{\"ociVersion\":\"1.0\",\"annotations\":{\"io.kubernetes.cri.container-name\":\"web\",\"n\":1},\"mounts\":["
	  "{\"destination\":\"/data\",\"source\":\"/srv\",\"options\":[\"rbind\",\"ro\",\"rslave\"]},"
	  "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"}],\"linux\":{\"namespaces\":[{\"type\":\"pid\"},"
	  "{\"type\":\"network\"}]},\"process\":{\"capabilities\":{\"bounding\":[\"CAP_SYS_ADMIN\"]}}}", 0,
	  "name=web mounts=/srv:/data::false:rslave privileged=1 host_net=0" },
	{ "no bundle", way_read_bundle, "{\"mounts\":[]}", -EBADMSG, "" },
	{ "storage: Podman", way_read_storage,
	  "[{\"id\":\"x\"},{\"id\":\"" ID "\",\"metadata\":\"{\\\"image-name\\\":\\\"localhost/bb:1\\\",\\\"image-id\\\":"
	  "\\\"a82facfaef1abaa0c2cab260371d2ad835b266cc634fb3663f0cc88f5b0e64d6\\\",\\\"name\\\":\\\"web\\\"}\"}]", 0,
	  "name=web image=localhost/bb:1 repository=localhost/bb tag=1 image_id=a82facfaef1a" },
	{ "storage: CRI-O's made-up name is not the container's", way_read_storage,
	  "[{\"id\":\"" ID "\",\"metadata\":\"{\\\"image-name\\\":\\\"a/b\\\",\\\"name\\\":\\\"k8s_x\\\",\\\"pod-id\\\":\\\"1\\\"}\"}]",
	  0, "image=a/b repository=a/b" },
	{ "storage: another's container", way_read_storage, "[{\"id\":\"1\"}]", -ENOENT, "" },
	{ "storage: metadata that is no JSON", way_read_storage, "[{\"id\":\"" ID "\",\"metadata\":\"{\"}]", -EBADMSG, "" },
	{ "Docker's answer", way_read_docker,
	  "{\"Id\":\"" ID "\",\"Name\":\"/web\",\"Image\":\"sha256:a82facfaef1abaa0c2cab260371d2ad835b266cc634fb3663f0cc88f5b0e64d6\","
	  "\"State\":{\"StartedAt\":\"2026-11-21T06:49:29.5Z\"},\"Config\":{\"Image\":\"reg:5000/nginx\",\"Labels\":{"
	  "\"app\":\"web\",\"io.kubernetes.pod.name\":\"web-0\",\"n\":null}},\"HostConfig\":{\"Privileged\":true,"
	  "\"PidMode\":\"host\",\"NetworkMode\":\"host\"},\"Mounts\":[{\"Source\":\"/var/run/docker.sock\","
	  "\"Destination\":\"/s\",\"Mode\":\"ro\",\"RW\":false,\"Propagation\":\"rprivate\"}],"
	  "\"NetworkSettings\":{\"IPAddress\":\"172.17.0.2\"}}", 0,
	  "name=web image=reg:5000/nginx repository=reg:5000/nginx image_id=a82facfaef1a ip=172.17.0.2 pod=web-0 "
	  "mounts=/var/run/docker.sock:/s:ro:false:rprivate labels=app:web, io.kubernetes.pod.name:web-0 privileged=1 "
	  "host_net=1 ts=1795243769500000000" },
	{ "Docker's file", way_read_docker,
	  "{\"ID\":\"" ID "\",\"Name\":\"/web\",\"Config\":{\"Image\":\"nginx\"},\"MountPoints\":{\"/b\":{\"Source\":\"/a\","
	  "\"Destination\":\"/b\",\"RW\":true}}}", 0,
	  "name=web image=nginx repository=nginx mounts=/a:/b::true:" },
	{ "Docker: an image that is only an id has no repository", way_read_docker,
	  "{\"Id\":\"" ID "\",\"Name\":\"/w\",\"Config\":{\"Image\":"
	  "\"sha256:a82facfaef1abaa0c2cab260371d2ad835b266cc634fb3663f0cc88f5b0e64d6\"}}", 0,
	  "name=w image_id=a82facfaef1a" },
	{ "Docker: not the container that was asked for", way_read_docker, "{\"Id\":\"" SANDBOX "\",\"Name\":\"/w\"}",
	  -ENOENT, "" },
	{ "Docker: an answer without an id", way_read_docker, "{\"message\":\"no\"}", -EBADMSG, "" },
	{ "Docker: control characters are kept, a NUL is no name", way_read_docker,
	  "{\"Id\":\"" ID "\",\"Name\":\"a\\u0000b\",\"Config\":{\"Image\":\"x\\u001b[31m\",\"Labels\":{\"\":\"x\",\"k\":\"\\n\"}}}", 0,
	  "image=x\x1b[31m repository=x\x1b[31m labels=k:\n cut" },
	{ "Docker: a container that never started", way_read_docker,
	  "{\"Id\":\"" ID "\",\"Name\":\"w\",\"State\":{\"StartedAt\":\"0001-01-01T00:00:00Z\"}}", 0, "name=w" },
};

static void add(struct buf *out, const char *name, struct str text)
{
	if (text.len == 0)
		return;
	if (out->len > 0)
		buf_add_char(out, ' ');
	buf_addf(out, "%s=", name);
	buf_add(out, text);
}

static void describe(const struct box *box, struct buf *out)
{
	add(out, "name", box->name);
	add(out, "type", box->type);
	add(out, "image", box->image);
	add(out, "repository", box->repository);
	add(out, "tag", box->tag);
	add(out, "digest", box->digest);
	add(out, "image_id", box->image_id);
	add(out, "ip", box->ip);
	add(out, "pod", box->pod_name);
	add(out, "ns", box->pod_namespace);
	add(out, "uid", box->pod_uid);
	add(out, "sandbox", box->pod_sandbox);
	add(out, "mounts", box->mounts);
	add(out, "labels", box->labels.text);
	add(out, "pod_labels", box->pod_labels.text);
	if (box->has & BOX_PRIVILEGED)
		add(out, "privileged", box->privileged ? STR("1") : STR("0"));
	if (box->has & BOX_HOST_NETWORK)
		add(out, "host_net", box->host_network ? STR("1") : STR("0"));
	if (box->start_ns > 0)
		buf_addf(out, "%sstart=%llu", out->len > 0 ? " " : "", (unsigned long long)box->start_ns);
	if (box->start_ts > 0)
		buf_addf(out, "%sts=%lld", out->len > 0 ? " " : "", (long long)box->start_ts);
	if (box->has & BOX_CUT)
		buf_add(out, STR(" cut"));
}

/* Reads `text` as a way would and seals the result. */
static int read_text(int (*read)(struct way_question *question), struct str text, struct box **ret)
{
	struct box_draft *draft = calloc(1, sizeof(*draft));
	struct doc doc = { .arena = &draft->arena };
	struct container_id id = { .text = ID, .len = 64 };
	struct way_question question = { &id, "", &doc, draft, NULL, NULL };
	int r;

	box_draft_begin(draft);
	buf_add(&doc.bytes, text);
	r = doc_parse(&doc);
	if (r == 0)
		r = read(&question);
	*ret = box_seal(draft);
	assert_non_null(*ret);
	doc_done(&doc);
	box_draft_done(draft);
	free(draft);
	return r;
}

static void reader(void **state)
{
	const struct reader_row *row = *state;
	struct buf have = { 0 };
	struct box *box;

	assert_int_equal(read_text(row->read, str_of(row->text), &box), row->result);
	describe(box, &have);
	if (row->result == 0)
		assert_string_equal(have.len == 0 ? "" : buf_text(&have), row->want);
	buf_done(&have);
	free(box);
}

static void a_thousand_labels_and_mounts_are_bounded(void **state)
{
	struct buf text = { 0 };
	struct box *box;

	(void)state;
	buf_add(&text, STR("{\"Id\":\"" ID "\",\"Name\":\"w\",\"Config\":{\"Labels\":{"));
	for (unsigned i = 0; i < 1000; i++)
		buf_addf(&text, "%s\"k%u\":\"%01000u\"", i > 0 ? "," : "", i, i);
	buf_add(&text, STR("}},\"Mounts\":["));
	for (unsigned i = 0; i < 1000; i++)
		buf_addf(&text, "%s{\"Source\":\"/%0400u\",\"Destination\":\"/d\",\"RW\":true}", i > 0 ? "," : "", i);
	buf_add(&text, STR("]}"));
	assert_int_equal(read_text(way_read_docker, buf_str(&text), &box), 0);
	assert_int_equal(box->labels.count, BOX_LABELS_MAX);
	assert_int_equal(box->labels.at[0].value.len, BOX_VALUE_MAX);
	assert_true(box->has & BOX_CUT);
	assert_true(box->bytes < 80 << 10);
	assert_true(box->mounts.len < 64 * 520);
	free(box);
	buf_done(&text);
}

/* ---- the table ---- */

struct rig {
	char root[64];
	struct containers *containers;
};

static void put_file(const struct rig *rig, const char *folder, const char *name, const char *text)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "mkdir -p '%s%s'", rig->root, folder);
	assert_int_equal(system(path), 0);
	snprintf(path, sizeof(path), "%s%s/%s", rig->root, folder, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int rig_make_waiting(void **state, unsigned wait_ms)
{
	static struct rig rig;
	struct containers_settings settings = { .root = rig.root, .wait_ms = wait_ms };

	snprintf(rig.root, sizeof(rig.root), "/tmp/tocsin-containers-XXXXXX");
	*state = &rig;
	return mkdtemp(rig.root) == NULL ? -1 : containers_new(&settings, &rig.containers);
}

/* A busy machine finds what is there within this. */
static int rig_make(void **state)
{
	return rig_make_waiting(state, 20000);
}

static int rig_make_brief(void **state)
{
	return rig_make_waiting(state, 200);
}

static int rig_free(void **state)
{
	struct rig *rig = *state;
	char command[96];

	containers_free(rig->containers);
	snprintf(command, sizeof(command), "rm -rf '%s'", rig->root);
	return system(command);
}

static struct container_id id_make(unsigned number)
{
	struct container_id id = { .len = 64 };
	char text[80];

	snprintf(text, sizeof(text), "%064x", number);
	memcpy(id.text, text, 65);
	return id;
}

/* Asks until it is no longer waited for. */
static const struct box *find(struct rig *rig, const struct container_id *id, enum containers_state *state)
{
	const struct timespec step = { .tv_nsec = NS_PER_MS };
	const struct box *box;

	do {
		nanosleep(&step, NULL);
		containers_tick(rig->containers, clock_mono());
		box = containers_find(rig->containers, id, state);
	} while (*state == CONTAINERS_WAITING);
	return box;
}

static void a_container_is_found_once_and_then_known(void **state)
{
	struct rig *rig = *state;
	struct container_id id = { .text = ID, .len = 64 };
	enum containers_state known;
	const struct box *box;

	put_file(rig, "/run/containerd/runc/k8s.io/" ID, "state.json",
		 STATE("\"io.kubernetes.cri.container-name=web\"", "", ""));
	assert_null(containers_find(rig->containers, &id, &known));
	assert_int_equal(known, CONTAINERS_WAITING);
	box = find(rig, &id, &known);
	assert_int_equal(known, CONTAINERS_KNOWN);
	assert_memory_equal(box->name.at, "web", 3);
	assert_memory_equal(box->type.at, "containerd", 10);
	for (unsigned i = 0; i < 100; i++)
		assert_ptr_equal(containers_find(rig->containers, &id, &known), box);
	assert_int_equal(containers_stats(rig->containers)->misses, 1);
	assert_int_equal(containers_stats(rig->containers)->by_way[0].answered, 1);
}

/* With the users of the files below "/fs". */
static struct box *box_of_files(const struct rig *rig)
{
	CLEANUP(cleanup_free) struct box_draft *draft = calloc(1, sizeof(*draft));
	struct box *box;

	assert_non_null(draft);
	box_draft_begin(draft);
	snprintf(draft->rootfs, sizeof(draft->rootfs), "/fs");
	passwd_read(draft, rig->root);
	box = box_seal(draft);
	box_draft_done(draft);
	assert_non_null(box);
	return box;
}

static void assert_home(const struct rig *rig, uint32_t id, const char *home, const char *shell)
{
	CLEANUP(cleanup_free) struct box *box = box_of_files(rig);
	const struct box_name *user = box_find(&box->users, id);

	assert_non_null(user);
	assert_true(str_eq(user->home, str_of(home)) && str_eq(user->shell, str_of(shell)));
}

/* Whether the name of a number in them is this one; NULL: it has none. */
static void assert_user(const struct rig *rig, uint32_t id, const char *name)
{
	CLEANUP(cleanup_free) struct box *box = box_of_files(rig);
	struct str found;

	found = box_name_of(&box->users, id);
	assert_int_equal(found.len, name == NULL ? 0 : strlen(name));
	if (name != NULL)
		assert_memory_equal(found.at, name, found.len);
}

static void users_are_the_container_s(void **state)
{
	const struct rig *rig = *state;
	char many[16384] = "", path[128];
	size_t len = 0;

	assert_user(rig, 33, NULL); /* no such folder */
	put_file(rig, "/fs/etc", "passwd", "root:x:0:0::/:/bin/sh\nweb:x:33:33::/:/bin/sh\n:x:1:\nbad:x:-4:\nshort:x\nx:y:99999999999:\nlast:x:7");
	assert_user(rig, 33, "web");
	assert_user(rig, 7, "last");
	assert_home(rig, 33, "/", "/bin/sh");
	assert_user(rig, 1, NULL);
	assert_user(rig, UINT32_MAX - 3, NULL);
	for (unsigned i = 0; i < 600; i++)
		len += (size_t)snprintf(many + len, sizeof(many) - len, "user%u:x:%u:0\n", i, i);
	put_file(rig, "/fs/etc", "passwd", many);
	assert_user(rig, BOX_NAMES_MAX - 1, "user255");
	assert_user(rig, BOX_NAMES_MAX, NULL);
	/* A link leads to the container's file of that name, and not to the machine's. */
	put_file(rig, "", "secret", "machine:x:33:\n");
	put_file(rig, "/fs", "secret", "inner:x:33:\n");
	snprintf(path, sizeof(path), "%s/fs/etc/passwd", rig->root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("../../../../secret", path), 0);
	assert_user(rig, 33, "inner");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_user(rig, 33, NULL);
}

static void a_container_began_with_the_first_of_its_first_processes(void **state)
{
	struct rig *rig = *state;
	struct container_id id = id_make(1), other = id_make(2);
	enum containers_state known;

	containers_find(rig->containers, &id, &known);
	assert_int_equal(containers_start(rig->containers, &id, 0), 0);
	assert_int_equal(containers_start(rig->containers, &id, 500), 500);
	assert_int_equal(containers_start(rig->containers, &id, 700), 500); /* of a namespace within */
	assert_int_equal(containers_start(rig->containers, &id, 0), 500);
	assert_int_equal(containers_start(rig->containers, &other, 900), 900); /* not of the table */
}

static void a_container_that_nobody_knows_is_waited_for_only_briefly(void **state)
{
	struct rig *rig = *state;
	struct container_id id = id_make(1);
	enum containers_state known;
	int64_t before = clock_mono();

	assert_null(find(rig, &id, &known));
	assert_int_equal(known, CONTAINERS_UNKNOWN);
	assert_in_range(clock_mono() - before, 190 * NS_PER_MS, 3000 * NS_PER_MS);
	assert_null(containers_find(rig->containers, &id, &known));
	assert_int_equal(known, CONTAINERS_UNKNOWN);
}

static void a_runtime_that_writes_late_is_asked_again(void **state)
{
	struct rig *rig = *state;
	struct container_id id = { .text = ID, .len = 64 };
	const struct timespec step = { .tv_nsec = 20 * NS_PER_MS };
	enum containers_state known;

	containers_find(rig->containers, &id, &known);
	nanosleep(&step, NULL);
	containers_tick(rig->containers, clock_mono());
	put_file(rig, "/run/runc/" ID, "state.json", STATE("\"io.kubernetes.container.name=web\"", "", ""));
	assert_non_null(find(rig, &id, &known));
}

static void the_pod_s_labels_are_those_of_its_sandbox(void **state)
{
	struct rig *rig = *state;
	struct container_id id = { .text = ID, .len = 64 };
	enum containers_state known;
	const struct box *box;

	put_file(rig, "/run/runc/" ID, "state.json",
		 STATE("\"io.container.manager=cri-o\",\"io.kubernetes.cri-o.SandboxID=" SANDBOX "\"", "", ""));
	put_file(rig, "/run/runc/" SANDBOX, "state.json",
		 STATE("\"io.kubernetes.cri-o.Labels={\\\"app\\\":\\\"web\\\"}\"", "", ""));
	box = find(rig, &id, &known);
	assert_non_null(box);
	assert_int_equal(box->pod_labels.count, 1);
	assert_memory_equal(box->pod_labels.text.at, "app:web", 7);
}

static void the_table_is_bounded_and_forgets_the_oldest(void **state)
{
	struct rig *rig = *state;
	enum containers_state known;

	for (unsigned i = 0; i < CONTAINERS_MAX + 10; i++) {
		struct container_id id = id_make(i);

		containers_find(rig->containers, &id, &known);
	}
	assert_int_equal(containers_stats(rig->containers)->entries, CONTAINERS_MAX);
	assert_int_equal(containers_stats(rig->containers)->evicted, 10);
	assert_true(containers_stats(rig->containers)->refused >= CONTAINERS_MAX + 10 - 2 * CONTAINERS_QUEUE);
}

static void what_is_no_id_is_not_asked_for(void **state)
{
	static const char *const bad[] = { "..", ".hidden", "a/b", "", "a b", "x?y" };
	struct rig *rig = *state;
	enum containers_state known;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct container_id id = { .is_name = true, .kind = CONTAINER_KIND_CONTAINERD };

		snprintf(id.text, sizeof(id.text), "%s", bad[i]);
		id.len = (uint8_t)strlen(bad[i]);
		assert_null(containers_find(rig->containers, &id, &known));
		assert_int_equal(known, CONTAINERS_UNKNOWN);
	}
	assert_int_equal(containers_stats(rig->containers)->misses, 0);
}

static void a_fifo_in_place_of_a_state_does_not_hang(void **state)
{
	struct rig *rig = *state;
	struct container_id id = { .text = ID, .len = 64 };
	char path[256];
	enum containers_state known;

	put_file(rig, "/run/runc/" ID, "other", "");
	snprintf(path, sizeof(path), "%s/run/runc/" ID "/state.json", rig->root);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(find(rig, &id, &known));
	assert_true(containers_stats(rig->containers)->by_way[0].failed > 0);
}

/* ---- the waiting room ---- */

struct seen {
	unsigned count;
	char order[HOLD_EVENTS + 8];
	struct container_id ready;
};

static bool is_ready(const struct container_id *id, void *userdata)
{
	const struct seen *seen = userdata;

	return memcmp(id->text, seen->ready.text, sizeof(id->text)) == 0;
}

static void see(struct event *event, const struct container_id *id, bool sure, void *userdata)
{
	struct seen *seen = userdata;
	const struct value *list = event_get(event, FIELD_PROC_ENV);

	(void)id;
	assert_true(sure);
	assert_int_equal(list->len, 2);
	assert_memory_equal(list->list[1].s, "two", 3);
	assert_int_equal(event_get(event, FIELD_PROC_PID)->i, 7);
	seen->order[seen->count++] = event_get(event, FIELD_PROC_NAME)->s[0];
}

static void held_events_keep_their_bytes_and_order(void **state)
{
	struct hold *hold = hold_new();
	struct event event, out;
	struct container_id a = id_make(1), b = id_make(2);
	struct seen seen = { .ready = a };

	(void)state;
	assert_int_equal(event_init(&event, FIELD_CATALOGUE_END), 0);
	assert_int_equal(event_init(&out, FIELD_CATALOGUE_END), 0);
	for (unsigned i = 0; i < HOLD_EVENTS + 3; i++) {
		char text[2] = { (char)('a' + i % 26), '\0' }, two[] = "two";
		struct value list[2] = { value_i64(1), value_str(str_of(two)) };

		event_clear(&event);
		event_set(&event, FIELD_PROC_NAME, value_str(str_of(text)));
		event_set(&event, FIELD_PROC_ENV, (struct value){ .kind = VALUE_LIST, .len = 2, .list = list });
		event_set(&event, FIELD_PROC_PID, value_i64(7));
		assert_int_equal(hold_put(hold, &event, i % 2 == 0 ? &a : &b, true), i < HOLD_EVENTS);
		memset(text, '!', sizeof(text));
		memset(two, '!', sizeof(two));
	}
	assert_int_equal(hold_stats(hold).refused, 3);
	hold_release(hold, &out, is_ready, see, &seen);
	assert_int_equal(seen.count, HOLD_EVENTS / 2);
	assert_memory_equal(seen.order, "acegikmoqsuwyace", 16);
	assert_int_equal(hold_stats(hold).waiting, HOLD_EVENTS / 2);
	seen = (struct seen){ .ready = b };
	hold_release(hold, &out, is_ready, see, &seen);
	assert_memory_equal(seen.order, "bdfhjlnprtvxzbdf", 16);
	assert_true(hold_is_empty(hold));
	event_done(&event);
	event_done(&out);
	hold_free(hold);
}

/* ---- the event ---- */

/* An exec in a container under a pod, with a rule that reads `wanted`; the event's fields are checked by
 * the caller's `check`. */
static void event_with(struct rig *rig, const char *wanted,
		       void (*check)(struct enrich *enrich, const struct event *event, field_id id))
{
	struct fields *fields = fields_new();
	field_id id = fields_intern(fields, str_of(wanted));
	struct enrich_settings settings = { .fields = fields,
					    .procs = procs_new("/nonexistent"),
					    .users = names_new("/nonexistent"),
					    .groups = names_new("/nonexistent"),
					    .hostname = STR("n1"),
					    .containers = rig->containers };
	struct record *record = calloc(1, RECORD_MAX);
	struct enrich *enrich;

	assert_int_equal(enrich_new(&settings, &enrich), 0);
	enrich_want(enrich, id);
	*record = (struct record){ .len = sizeof(*record), .type = RECORD_EXEC, .nr = 59, .tgid = 700, .tid = 700,
				   .vpid = 9, .time_ns = 20000000000, .start_ns = 19000000000 };
	record_add(record, RECORD_STRING_CGROUP,
		   STR("/kubepods/pod0a1b2c3d-1111-2222-3333-0123456789ab/crio-" ID));
	check(enrich, enrich_record(enrich, record, 1000000000000000000), id);
	enrich_free(enrich);
	procs_free(settings.procs);
	names_free((struct names *)(uintptr_t)settings.users);
	names_free((struct names *)(uintptr_t)settings.groups);
	fields_free(fields);
	free(record);
}

static void waits(struct enrich *enrich, const struct event *event, field_id id)
{
	assert_non_null(enrich_waits(enrich));
	assert_int_equal(event_get(event, id)->kind, VALUE_ABSENT);
	assert_memory_equal(event_get(event, FIELD_K8S_POD_UID)->s, "0a1b2c3d-1111-2222-3333-0123456789ab", 36);
	assert_memory_equal(event_get(event, FIELD_CONTAINER_TYPE)->s, "cri-o", 5);
}

static void does_not_wait(struct enrich *enrich, const struct event *event, field_id id)
{
	assert_null(enrich_waits(enrich));
	assert_int_equal(event_get(event, FIELD_CONTAINER_NAME)->kind, VALUE_ABSENT);
	(void)id;
}

static void an_event_waits_only_for_what_a_rule_reads(void **state)
{
	static const char *const asked[] = { "container.name", "container.image.repository", "k8s.pod.name",
					     "container.label[app]", "container.mount.dest[/etc]" };
	static const char *const never[] = { "container.id", "container.full_id", "container.start_ts",
					     "proc.name", "fd.containername" };

	for (size_t i = 0; i < ARRAY_LEN(asked); i++)
		event_with(*state, asked[i], waits);
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		event_with(*state, never[i], does_not_wait);
}

static void has_the_label(struct enrich *enrich, const struct event *event, field_id id)
{
	assert_null(enrich_waits(enrich));
	assert_int_equal(event_get(event, id)->kind, VALUE_STR);
	assert_memory_equal(event_get(event, id)->s, "x=y", 3);
	assert_memory_equal(event_get(event, FIELD_CONTAINER_NAME)->s, "web", 3);
	assert_memory_equal(event_get(event, FIELD_CONTAINER_IMAGE_TAG)->s, "7", 1);
	/* Process 1 was not seen: the runtime says when it began. */
	assert_int_equal(event_get(event, FIELD_CONTAINER_START_TS)->i, 1000000012340000000);
	assert_int_equal(event_get(event, FIELD_CONTAINER_DURATION)->i, 7660000000);
}

static void what_is_known_is_in_the_event(void **state)
{
	struct rig *rig = *state;
	struct container_id id = { .text = ID, .len = 64 };
	enum containers_state known;

	put_file(rig, "/run/runc/" ID, "state.json",
		 STATE("\"io.container.manager=cri-o\",\"io.kubernetes.container.name=web\","
		       "\"io.kubernetes.cri-o.ImageName=a/b:7\","
		       "\"io.kubernetes.cri-o.Labels={\\\"app\\\":\\\"x=y\\\"}\"", "", ""));
	assert_non_null(find(rig, &id, &known));
	event_with(rig, "container.label[app]", has_the_label);
	event_with(rig, "container.label.app", has_the_label);
}

int main(void)
{
#define TABLE_TEST(test) cmocka_unit_test_setup_teardown(test, rig_make, rig_free)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand_labels_and_mounts_are_bounded),
		TABLE_TEST(a_container_is_found_once_and_then_known),
		TABLE_TEST(a_container_began_with_the_first_of_its_first_processes),
		TABLE_TEST(users_are_the_container_s),
		cmocka_unit_test_setup_teardown(a_container_that_nobody_knows_is_waited_for_only_briefly, rig_make_brief,
						rig_free),
		TABLE_TEST(a_runtime_that_writes_late_is_asked_again),
		TABLE_TEST(the_pod_s_labels_are_those_of_its_sandbox),
		TABLE_TEST(the_table_is_bounded_and_forgets_the_oldest),
		TABLE_TEST(what_is_no_id_is_not_asked_for),
		cmocka_unit_test_setup_teardown(a_fifo_in_place_of_a_state_does_not_hang, rig_make_brief, rig_free),
		TABLE_TEST(an_event_waits_only_for_what_a_rule_reads),
		TABLE_TEST(what_is_known_is_in_the_event),
		cmocka_unit_test(held_events_keep_their_bytes_and_order),
	};
	struct CMUnitTest all[ARRAY_LEN(reader_rows) + ARRAY_LEN(tests)];

	for (size_t i = 0; i < ARRAY_LEN(reader_rows); i++)
		all[i] = (struct CMUnitTest){ .name = reader_rows[i].name, .test_func = reader,
					      .initial_state = (void *)(uintptr_t)&reader_rows[i] };
	memcpy(all + ARRAY_LEN(reader_rows), tests, sizeof(tests));
	return cmocka_run_group_tests_name("containers", all, NULL, NULL);
}
