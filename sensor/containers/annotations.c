/* The table of names. */
#include "sensor/containers/annotations.h"

#include "base/cleanup.h"

enum what { POD_NAME, POD_NAMESPACE, POD_UID, POD_SANDBOX, NAME, IMAGE, IMAGE_ID, MANAGER, PRIVILEGED, LABELS };

/* Of several for one thing the first that is there counts. */
static const struct row {
	const char *key;
	enum what what;
} rows[] = {
	{ "io.kubernetes.container.name", NAME },
	{ "io.kubernetes.cri.container-name", NAME },
	{ "nerdctl/name", NAME },
	{ "io.kubernetes.cri.image-name", IMAGE },
	{ "io.kubernetes.cri-o.ImageName", IMAGE },
	{ "io.kubernetes.cri-o.ImageRef", IMAGE_ID },
	{ "io.kubernetes.pod.name", POD_NAME },
	{ "io.kubernetes.cri.sandbox-name", POD_NAME },
	{ "io.kubernetes.cri-o.KubeName", POD_NAME },
	{ "io.kubernetes.pod.namespace", POD_NAMESPACE },
	{ "io.kubernetes.cri.sandbox-namespace", POD_NAMESPACE },
	{ "io.kubernetes.cri-o.Namespace", POD_NAMESPACE },
	{ "io.kubernetes.pod.uid", POD_UID },
	{ "io.kubernetes.cri.sandbox-uid", POD_UID },
	{ "io.kubernetes.cri.sandbox-id", POD_SANDBOX },
	{ "io.kubernetes.cri-o.SandboxID", POD_SANDBOX },
	{ "io.container.manager", MANAGER },
	{ "io.podman.annotations.privileged", PRIVILEGED },
	{ "io.kubernetes.cri-o.PrivilegedRuntime", PRIVILEGED },
	{ "io.kubernetes.cri-o.Labels", LABELS },
};

_Static_assert(ARRAY_LEN(rows) == ANNOTATIONS_KNOWN, "a place for each");

void annotations_note(struct annotations *annotations, struct str key, struct str value)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (annotations->seen[i].len == 0 && str_eq(key, str_of(rows[i].key)))
			annotations->seen[i] = value;
}

static void set_manager(struct box_draft *draft, struct str manager)
{
	if (str_eq(manager, STR("libpod")))
		box_set(draft, &draft->box.type, STR("podman"));
	else if (str_eq(manager, STR("cri-o")))
		box_set(draft, &draft->box.type, STR("cri-o"));
}

static void set_privileged(struct box_draft *draft, struct str text)
{
	bool yes = str_eq_nocase(text, STR("true"));

	if ((draft->box.has & BOX_PRIVILEGED) || (!yes && !str_eq_nocase(text, STR("false"))))
		return;
	draft->box.privileged = yes;
	draft->box.has |= BOX_PRIVILEGED;
}

static void apply(enum what what, struct str value, struct box_draft *draft)
{
	struct box *box = &draft->box;

	switch (what) {
	case POD_NAME: box_set(draft, &box->pod_name, value); break;
	case POD_NAMESPACE: box_set(draft, &box->pod_namespace, value); break;
	case POD_UID: box_set(draft, &box->pod_uid, value); break;
	case POD_SANDBOX: box_set(draft, &box->pod_sandbox, value); break;
	case NAME:
		box_set(draft, &box->name, value);
		if (box->name.len > 0)
			box->has |= BOX_NAME;
		break;
	case IMAGE: box_set_image(draft, value); break;
	case IMAGE_ID: box_set_image_id(draft, value); break;
	case MANAGER: set_manager(draft, value); break;
	case PRIVILEGED: set_privileged(draft, value); break;
	case LABELS: break;
	}
}

void annotations_apply(const struct annotations *annotations, struct box_draft *draft)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (annotations->seen[i].len > 0)
			apply(rows[i].what, annotations->seen[i], draft);
}

struct str annotations_crio_labels(const struct annotations *annotations)
{
	return annotations->seen[ANNOTATIONS_KNOWN - 1];
}
