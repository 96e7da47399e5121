/* Where it ran: the container's id from the cgroup, and what its runtime says about it. What is not
 * known is left out. */
#include "sensor/enrich_inner.h"

#include "base/cleanup.h"

enum { START_STEPS = 16 };

/* ---- labels that rules ask for one by one ---- */

/* "container.label[KEY]" and "container.label.KEY", and the same of the pod. */
static bool label_key(struct str name, struct str field, struct str *ret)
{
	if (!str_starts(name, field) || name.len < field.len + 2)
		return false;
	*ret = str_from(name, field.len + 1);
	if (name.at[field.len] == '[' && name.at[name.len - 1] == ']')
		*ret = str_cut(*ret, ret->len - 1);
	else if (name.at[field.len] != '.')
		return false;
	return ret->len > 0;
}

int enrich_intern_labels(struct enrich *enrich)
{
	const struct fields *fields = enrich->settings.fields;
	size_t count = fields_count(fields);

	enrich->labels = calloc(count, sizeof(*enrich->labels));
	if (enrich->labels == NULL)
		return -1;
	for (size_t i = FIELD_CATALOGUE_END; i < count; i++) {
		struct wanted_label *label = &enrich->labels[enrich->labels_count];
		struct str name = fields_name(fields, (field_id)i);

		label->id = (field_id)i;
		label->of_pod = label_key(name, STR("k8s.pod.label"), &label->key);
		if (label->of_pod || label_key(name, STR("container.label"), &label->key))
			enrich->labels_count++;
	}
	return 0;
}

static struct str label_of(const struct box_labels *labels, struct str key)
{
	for (size_t i = 0; i < labels->count; i++)
		if (str_eq(labels->at[i].key, key))
			return labels->at[i].value;
	return (struct str){ 0 };
}

static void put_labels(const struct enrich *enrich, struct event *event, const struct box *box)
{
	for (size_t i = 0; i < enrich->labels_count; i++) {
		const struct wanted_label *label = &enrich->labels[i];
		struct str value = label_of(label->of_pod ? &box->pod_labels : &box->labels, label->key);

		if (value.at != NULL)
			event_set(event, label->id, value_str(value));
	}
}

/* ---- what rules read ---- */

/* Fields that the cgroup and the process table give: nobody needs to be waited for. */
bool enrich_field_is_metadata(struct str name)
{
	static const char *const ours[] = { "container.id", "container.full_id", "container.duration",
					    "container.start_ts" };

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (str_eq(name, str_of(ours[i])))
			return false;
	return str_starts(name, STR("container.")) || str_starts(name, STR("k8s."));
}

/* ---- values ---- */

static void put(struct event *event, field_id id, struct str text)
{
	if (text.len > 0)
		event_set(event, id, value_str(text));
}

static void put_flag(struct event *event, field_id id, const struct box *box, enum box_part part, bool value)
{
	if (box->has & part)
		event_set(event, id, value_bool(value));
}

/* The container's own name of a user or group that the host's files say nothing about. */
static void put_user_name(struct event *event, field_id id, field_id name, const struct box_names *names)
{
	const struct value *number = event_get(event, id);

	if (number->kind == VALUE_INT && number->i > 0)
		put(event, name, box_name_of(names, (uint32_t)number->i));
}

static void put_account(const struct enrich *enrich, struct event *event, const struct box_names *names)
{
	const struct value *number = event_get(event, FIELD_USER_UID);
	const struct box_name *user;

	if (number->kind != VALUE_INT || number->i < 0 ||
	    (!enrich_wants(enrich, FIELD_USER_HOMEDIR) && !enrich_wants(enrich, FIELD_USER_SHELL)))
		return;
	user = box_find(names, (uint32_t)number->i);
	if (user == NULL)
		return;
	put(event, FIELD_USER_HOMEDIR, user->home);
	put(event, FIELD_USER_SHELL, user->shell);
}

static void put_start(struct event *event, int64_t start)
{
	event_set(event, FIELD_CONTAINER_START_TS, value_i64(start));
	if (event->time_ns >= start)
		event_set(event, FIELD_CONTAINER_DURATION, value_i64(event->time_ns - start));
}

void enrich_put_box(const struct enrich *enrich, struct event *event, const struct box *box,
		    int64_t boot_offset_ns)
{
	put(event, FIELD_CONTAINER_NAME, box->name);
	put(event, FIELD_CONTAINER_TYPE, box->type);
	put(event, FIELD_CONTAINER_IMAGE, box->image);
	put(event, FIELD_CONTAINER_IMAGE_REPOSITORY, box->repository);
	put(event, FIELD_CONTAINER_IMAGE_TAG, box->tag);
	put(event, FIELD_CONTAINER_IMAGE_DIGEST, box->digest);
	put(event, FIELD_CONTAINER_IMAGE_ID, box->image_id);
	put(event, FIELD_CONTAINER_IP, box->ip);
	put(event, FIELD_K8S_POD_NAME, box->pod_name);
	put(event, FIELD_K8S_NS_NAME, box->pod_namespace);
	put(event, FIELD_K8S_POD_UID, box->pod_uid);
	put(event, FIELD_K8S_POD_SANDBOX_ID, str_cut(box->pod_sandbox, CONTAINER_SHORT_MAX));
	put(event, FIELD_K8S_POD_FULL_SANDBOX_ID, box->pod_sandbox);
	put_flag(event, FIELD_CONTAINER_PRIVILEGED, box, BOX_PRIVILEGED, box->privileged);
	put_flag(event, FIELD_CONTAINER_HOST_PID, box, BOX_HOST_PID, box->host_pid);
	put_flag(event, FIELD_CONTAINER_HOST_NETWORK, box, BOX_HOST_NETWORK, box->host_network);
	put_flag(event, FIELD_CONTAINER_HOST_IPC, box, BOX_HOST_IPC, box->host_ipc);
	/* They can be long. */
	if (enrich->wants_mounts)
		put(event, FIELD_CONTAINER_MOUNTS, box->mounts);
	if (enrich_wants(enrich, FIELD_CONTAINER_LABELS))
		put(event, FIELD_CONTAINER_LABELS, box->labels.text);
	if (enrich_wants(enrich, FIELD_K8S_POD_LABELS))
		put(event, FIELD_K8S_POD_LABELS, box->pod_labels.text);
	put_labels(enrich, event, box);
	put_account(enrich, event, &box->users);
	put_user_name(event, FIELD_USER_UID, FIELD_USER_NAME, &box->users);
	put_user_name(event, FIELD_GROUP_GID, FIELD_GROUP_NAME, &box->groups);
	if (event_get(event, FIELD_CONTAINER_START_TS)->kind != VALUE_ABSENT)
		return;
	if (box->start_ns > 0)
		put_start(event, (int64_t)box->start_ns + boot_offset_ns);
	else if (box->start_ts > 0)
		put_start(event, box->start_ts);
}

/* The start of process 1 of a namespace in the container, if the process is it or descends from it, which
 * it does unless a runtime has put it in from outside. 0: not seen. */
static uint64_t first_start(const struct enrich *enrich)
{
	const struct container_id *id = &enrich->proc->container;
	const struct proc *proc = enrich->proc;

	for (unsigned i = 0; i < START_STEPS && proc != NULL; i++) {
		if (proc->container.len != id->len || memcmp(proc->container.text, id->text, id->len) != 0)
			return 0;
		if (proc->vpid == 1)
			return proc->start_ns;
		proc = procs_find(enrich->settings.procs, proc->ppid);
	}
	return 0;
}

void enrich_container(struct enrich *enrich, int64_t boot_offset_ns)
{
	const struct container_id *id = &enrich->proc->container;
	const struct box *box = NULL;
	uint64_t start_ns;
	char pod[CONTAINER_POD_TEXT];

	enrich->container_state = CONTAINERS_UNKNOWN;
	enrich->box = NULL;
	enrich_put_borrowed(enrich, FIELD_CONTAINER_ID, container_short(id));
	if (id->len == 0) {
		enrich_put_borrowed(enrich, FIELD_CONTAINER_NAME, STR("host"));
		return;
	}
	enrich_put_borrowed(enrich, FIELD_CONTAINER_FULL_ID, (struct str){ id->text, id->len });
	enrich_put_borrowed(enrich, FIELD_CONTAINER_TYPE, container_kind_name(id->kind));
	container_pod_uid(id, pod);
	enrich_put(enrich, FIELD_K8S_POD_UID, str_of(pod));
	start_ns = first_start(enrich);
	if (enrich->settings.containers != NULL) {
		box = containers_find(enrich->settings.containers, id, &enrich->container_state);
		start_ns = containers_start(enrich->settings.containers, id, start_ns);
	}
	if (start_ns != 0)
		put_start(&enrich->event, (int64_t)start_ns + boot_offset_ns);
	enrich->box = box;
	if (box != NULL)
		enrich_put_box(enrich, &enrich->event, box, boot_offset_ns);
}

const struct container_id *enrich_waits(const struct enrich *enrich)
{
	return enrich->wants_metadata && enrich->container_state == CONTAINERS_WAITING
		       ? &enrich->proc->container
		       : NULL;
}
