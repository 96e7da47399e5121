/* What the runtime that starts the container keeps of it: runc's state, and the bundle's
 * configuration that any OCI runtime is given. Both are there before the first process runs. They
 * know mounts, capabilities and annotations, among which Kubernetes' names stand, but no labels of
 * Docker and Podman. */
#include "sensor/containers/annotations.h"
#include "sensor/containers/way.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <sys/mount.h>

#define TICK_NS (NS_PER_S / 100)

/* Where runc keeps its states: by itself (Podman, CRI-O), and as containerd and Docker call it. */
static const struct place {
	const char *path;
	const char *type; /* whose container it then is; NULL: that is not said */
} state_places[] = {
	{ "/run/runc/%s/state.json", NULL },
	{ "/run/containerd/runc/k8s.io/%s/state.json", "containerd" },
	{ "/run/containerd/runc/moby/%s/state.json", "docker" },
	{ "/run/docker/runtime-runc/moby/%s/state.json", "docker" },
	{ "/run/containerd/runc/default/%s/state.json", "containerd" },
};

static const struct place bundle_places[] = {
	{ "/run/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json", "containerd" },
	{ "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json", "containerd" },
	{ "/run/containerd/io.containerd.runtime.v2.task/moby/%s/config.json", "docker" },
	{ "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/%s/config.json", "docker" },
	{ "/run/containerd/io.containerd.runtime.v2.task/default/%s/config.json", "containerd" },
	{ "/run/crun/%s/config.json", NULL },
	{ "/run/containers/storage/overlay-containers/%s/userdata/config.json", NULL },
	{ "/var/lib/containers/storage/overlay-containers/%s/userdata/config.json", NULL },
};

/* ---- what both forms share ---- */

struct annotated {
	struct annotations known;
	struct box_draft *draft;
};

static void note(struct str key, struct str value, void *userdata)
{
	struct annotated *annotated = userdata;

	annotations_note(&annotated->known, key, value);
}

/* A privileged container holds all capabilities and none of the kernel's files is hidden from it:
 * for a runtime that does not write it down this is what it means. */
static void set_privileged(struct way_question *question, uint32_t bounding, uint32_t masked,
			   uint32_t readonly)
{
	const struct doc *doc = question->doc;
	const struct json *json = &doc->json;
	struct box *box = &question->draft->box;
	bool admin = false;

	if (box->has & BOX_PRIVILEGED)
		return;
	if (doc_is(doc, bounding, JSON_ARRAY))
		for (uint32_t i = json_first(json, bounding); i != json_end(json, bounding);
		     i = json->nodes[i].next)
			admin = admin || str_eq(doc_text(doc, i), STR("CAP_SYS_ADMIN"));
	box->privileged = admin &&
			  !(doc_is(doc, masked, JSON_ARRAY) && json->nodes[masked].next > masked + 1) &&
			  !(doc_is(doc, readonly, JSON_ARRAY) && json->nodes[readonly].next > readonly + 1);
	box->has |= BOX_PRIVILEGED;
}

/* Files that the runtime itself puts into every container: /etc/hosts, /dev/shm and the like. */
static bool is_runtimes_own(struct str source)
{
	static const char *const folders[] = {
		"/run/containers/storage/overlay-containers/",
		"/var/lib/containers/storage/overlay-containers/",
		"/var/lib/docker/containers/",
		"/var/lib/containerd/io.containerd.grpc.v1.cri/",
		"/run/containerd/io.containerd.grpc.v1.cri/",
	};

	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		if (str_starts(source, str_of(folders[i])))
			return true;
	return false;
}

static bool lists(const struct doc *doc, uint32_t array, struct str text)
{
	const struct json *json = &doc->json;

	if (!doc_is(doc, array, JSON_ARRAY))
		return false;
	for (uint32_t i = json_first(json, array); i != json_end(json, array); i = json->nodes[i].next)
		if (str_eq(doc_text(doc, i), text))
			return true;
	return false;
}

/* A namespace that is not among those listed is the host's. */
static void set_host_namespaces(struct way_question *question, uint32_t namespaces,
				const char *const names[3])
{
	const struct doc *doc = question->doc;
	const struct json *json = &doc->json;
	struct box *box = &question->draft->box;
	bool own[3] = { false };

	if (!doc_is(doc, namespaces, JSON_ARRAY) || (box->has & BOX_HOST_PID))
		return;
	for (uint32_t i = json_first(json, namespaces); i != json_end(json, namespaces);
	     i = json->nodes[i].next)
		for (size_t n = 0; n < 3; n++)
			own[n] = own[n] ||
				 str_eq(doc_text_at(doc, i, "type"), str_of(names[n]));
	box->host_pid = !own[0];
	box->host_network = !own[1];
	box->host_ipc = !own[2];
	box->has |= BOX_HOST_PID | BOX_HOST_NETWORK | BOX_HOST_IPC;
}

/* CRI-O writes labels as JSON within a string. */
static void take_crio_labels(struct way_question *question, struct str text,
			     void (*add)(struct box_draft *, struct str, struct str))
{
	struct doc inner = { .arena = question->doc->arena };

	buf_add(&inner.bytes, text);
	if (text.len > 0 && buf_ok(&inner.bytes) && doc_parse(&inner) == 0 && doc_is(&inner, 0, JSON_OBJECT)) {
		const struct json *json = &inner.json;

		for (uint32_t i = json_first(json, 0); i != json_end(json, 0); i = json->nodes[i + 1].next)
			add(question->draft, json_string(json, i, inner.arena), doc_text(&inner, i + 1));
	}
	doc_done(&inner);
}

static void finish(struct way_question *question, struct annotated *annotated)
{
	struct box *box = &question->draft->box;
	struct str labels = annotations_crio_labels(&annotated->known);

	annotations_apply(&annotated->known, question->draft);
	if (labels.len > 0) {
		take_crio_labels(question, labels, box_add_label);
		box->has |= BOX_LABELS;
	}
	box->has |= BOX_FOUND | BOX_MOUNTS;
}

/* ---- runc's state ---- */

/* ["key=value", …] */
static void note_list(struct way_question *question, uint32_t array, struct annotated *annotated)
{
	const struct doc *doc = question->doc;
	const struct json *json = &doc->json;

	if (!doc_is(doc, array, JSON_ARRAY))
		return;
	for (uint32_t i = json_first(json, array); i != json_end(json, array); i = json->nodes[i].next) {
		struct str label = doc_text(doc, i);
		ptrdiff_t equals = label.len == 0 ? -1 : str_find(label, STR("="));

		if (equals > 0)
			note(str_cut(label, (size_t)equals), str_from(label, (size_t)equals + 1), annotated);
	}
}

static uint64_t number_at(const struct doc *doc, uint32_t object, const char *keys)
{
	uint32_t node = doc_at(doc, object, keys);
	uint64_t value = 0;

	if (doc_is(doc, node, JSON_NUMBER))
		str_to_u64(json_raw(&doc->json, node), &value);
	return value;
}

static struct str propagation_of(uint64_t flags)
{
	struct str name = flags & MS_SHARED   ? STR("rshared")
			  : flags & MS_SLAVE  ? STR("rslave")
			  : flags & MS_PRIVATE ? STR("rprivate")
					       : STR("");

	return flags & MS_REC || name.len == 0 ? name : str_from(name, 1);
}

static void state_mounts(struct way_question *question, uint32_t mounts)
{
	const struct doc *doc = question->doc;
	const struct json *json = &doc->json;

	if (!doc_is(doc, mounts, JSON_ARRAY) || (question->draft->box.has & BOX_MOUNTS))
		return;
	for (uint32_t i = json_first(json, mounts); i != json_end(json, mounts); i = json->nodes[i].next) {
		uint32_t propagation = doc_at(doc, i, "propagation_flags");
		struct str source = doc_text_at(doc, i, "source");
		bool readonly = number_at(doc, i, "flags") & MS_RDONLY;
		uint64_t flags = 0;

		if (!str_eq(doc_text_at(doc, i, "device"), STR("bind")) || is_runtimes_own(source))
			continue;
		if (doc_is(doc, propagation, JSON_ARRAY) && json->nodes[propagation].next > propagation + 1)
			str_to_u64(json_raw(json, propagation + 1), &flags);
		box_add_mount(question->draft, source, doc_text_at(doc, i, "destination"), STR(""),
			      !readonly, propagation_of(flags));
	}
}

/* The first that says where the container's files are is believed. A path that begins in the bundle is not
 * looked at: what has such a bundle has a state of runc's, too. */
static void set_rootfs(struct way_question *question, struct str path)
{
	struct box_draft *draft = question->draft;

	if (draft->rootfs[0] == '\0' && path.len > 0 && path.len < sizeof(draft->rootfs) && path.at[0] == '/' &&
	    memchr(path.at, '\0', path.len) == NULL)
		snprintf(draft->rootfs, sizeof(draft->rootfs), "%.*s", STR_ARG(path));
}

int way_read_state(struct way_question *question)
{
	static const char *const namespaces[] = { "NEWPID", "NEWNET", "NEWIPC" };
	const struct doc *doc = question->doc;
	struct annotated annotated = { .draft = question->draft };
	struct box *box = &question->draft->box;
	uint32_t config = doc_at(doc, 0, "config");
	uint64_t start = number_at(doc, 0, "init_process_start"), pid = number_at(doc, 0, "init_process_pid");

	if (!doc_is(doc, config, JSON_OBJECT))
		return -EBADMSG;
	note_list(question, doc_at(doc, config, "labels"), &annotated);
	set_rootfs(question, doc_text_at(doc, config, "rootfs"));
	question->draft->first_pid = pid > 0 && pid <= INT32_MAX ? (uint32_t)pid : 0;
	if (start > 0 && start < INT64_MAX / TICK_NS && box->start_ns == 0)
		box->start_ns = start * TICK_NS;
	state_mounts(question, doc_at(doc, config, "mounts"));
	set_host_namespaces(question, doc_at(doc, config, "namespaces"), namespaces);
	finish(question, &annotated);
	set_privileged(question, doc_at(doc, config, "capabilities Bounding"),
		       doc_at(doc, config, "mask_paths"), doc_at(doc, config, "readonly_paths"));
	return 0;
}

/* ---- a bundle's configuration ---- */

static void bundle_mounts(struct way_question *question, uint32_t mounts)
{
	static const char *const propagations[] = { "rprivate", "private", "rslave",
						    "slave",	"rshared", "shared" };
	const struct doc *doc = question->doc;
	const struct json *json = &doc->json;

	if (!doc_is(doc, mounts, JSON_ARRAY) || (question->draft->box.has & BOX_MOUNTS))
		return;
	for (uint32_t i = json_first(json, mounts); i != json_end(json, mounts); i = json->nodes[i].next) {
		uint32_t options = doc_at(doc, i, "options");
		struct str source = doc_text_at(doc, i, "source"), propagation = STR("");

		if (!lists(doc, options, STR("bind")) && !lists(doc, options, STR("rbind")) &&
		    !str_eq(doc_text_at(doc, i, "type"), STR("bind")))
			continue;
		if (is_runtimes_own(source))
			continue;
		for (size_t p = 0; p < ARRAY_LEN(propagations); p++)
			if (lists(doc, options, str_of(propagations[p])))
				propagation = str_of(propagations[p]);
		box_add_mount(question->draft, source, doc_text_at(doc, i, "destination"), STR(""),
			      !lists(doc, options, STR("ro")), propagation);
	}
}

int way_read_bundle(struct way_question *question)
{
	static const char *const namespaces[] = { "pid", "network", "ipc" };
	const struct doc *doc = question->doc;
	struct annotated annotated = { .draft = question->draft };

	if (!doc_is(doc, doc_at(doc, 0, "ociVersion"), JSON_STRING))
		return -EBADMSG;
	doc_each_text(doc, doc_at(doc, 0, "annotations"), note, &annotated);
	set_rootfs(question, doc_text_at(doc, 0, "root path"));
	bundle_mounts(question, doc_at(doc, 0, "mounts"));
	set_host_namespaces(question, doc_at(doc, 0, "linux namespaces"), namespaces);
	finish(question, &annotated);
	set_privileged(question, doc_at(doc, 0, "process capabilities bounding"),
		       doc_at(doc, 0, "linux maskedPaths"), doc_at(doc, 0, "linux readonlyPaths"));
	return 0;
}

/* ---- files ---- */

static int read_first(struct way_question *question, const struct place *places, size_t count,
		      struct str id)
{
	int r = -ENOENT;

	for (size_t i = 0; i < count && r == -ENOENT; i++) {
		struct str form = str_of(places[i].path);
		ptrdiff_t at = str_find(form, STR("%s"));
		char path[512];

		snprintf(path, sizeof(path), "%.*s%.*s%s", (int)at, form.at, STR_ARG(id), form.at + at + 2);
		r = doc_read(question->doc, question->root, path);
		if (r == 0 && places[i].type != NULL)
			box_set(question->draft, &question->draft->box.type, str_of(places[i].type));
	}
	return r;
}

static struct str id_of(const struct way_question *question)
{
	return (struct str){ question->id->text, question->id->len };
}

/* The labels of a pod are those of its sandbox, which CRI-O starts like any container. */
static void take_pod_labels(struct way_question *question)
{
	struct box *box = &question->draft->box;
	struct annotated annotated = { .draft = question->draft };
	struct str labels;

	if (!str_eq(box->type, STR("cri-o")) || box->pod_sandbox.len != CONTAINER_ID_MAX ||
	    memchr(box->pod_sandbox.at, '/', box->pod_sandbox.len) != NULL)
		return;
	if (read_first(question, state_places, 1, box->pod_sandbox) < 0)
		return;
	note_list(question, doc_at(question->doc, 0, "config labels"), &annotated);
	labels = annotations_crio_labels(&annotated.known);
	if (labels.len == 0)
		return;
	take_crio_labels(question, labels, box_add_pod_label);
	box->has |= BOX_POD_LABELS;
}

static int ask_runc(struct way_question *question)
{
	int r = read_first(question, state_places, ARRAY_LEN(state_places), id_of(question));

	if (r == 0)
		r = way_read_state(question);
	if (r == 0)
		take_pod_labels(question);
	return r;
}

static int ask_bundle(struct way_question *question)
{
	int r = read_first(question, bundle_places, ARRAY_LEN(bundle_places), id_of(question));

	return r < 0 ? r : way_read_bundle(question);
}

const struct way way_runc = { "runc", BOX_ALL, ask_runc };
const struct way way_bundle = { "bundle", BOX_MOUNTS | BOX_PRIVILEGED, ask_bundle };
