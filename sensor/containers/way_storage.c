/* The list of containers that Podman and CRI-O keep (containers/storage): names and images. */
#include "sensor/containers/annotations.h"
#include "sensor/containers/way.h"

#include <errno.h>

static const char *const lists[] = {
	"/var/lib/containers/storage/overlay-containers/containers.json",
	"/var/lib/containers/storage/vfs-containers/containers.json",
};

/* What either has written beside its container is again JSON, in a string. */
static int take(struct way_question *question, uint32_t entry)
{
	struct doc inner = { .arena = question->doc->arena };
	struct box_draft *draft = question->draft;
	int r;

	buf_add(&inner.bytes, doc_text_at(question->doc, entry, "metadata"));
	r = !buf_ok(&inner.bytes) ? -ENOMEM : doc_parse(&inner);
	if (r == 0) {
		/* CRI-O's "name" is k8s_NAME_POD_…; what Kubernetes calls it stands in the annotations. */
		if (doc_text_at(&inner, 0, "pod-id").len == 0)
			box_set(draft, &draft->box.name, doc_text_at(&inner, 0, "name"));
		box_set_image(draft, doc_text_at(&inner, 0, "image-name"));
		box_set_image_id(draft, doc_text_at(&inner, 0, "image-id"));
		if (draft->box.name.len > 0)
			draft->box.has |= BOX_NAME;
		draft->box.has |= BOX_FOUND;
	}
	doc_done(&inner);
	return r;
}

int way_read_storage(struct way_question *question)
{
	const struct doc *doc = question->doc;
	const struct json *json = &doc->json;
	struct str id = { question->id->text, question->id->len };

	if (!doc_is(doc, 0, JSON_ARRAY))
		return -EBADMSG;
	for (uint32_t i = json_first(json, 0); i != json_end(json, 0); i = json->nodes[i].next)
		if (str_eq(doc_text_at(doc, i, "id"), id))
			return take(question, i);
	return -ENOENT;
}

static int ask(struct way_question *question)
{
	int r = -ENOENT;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]) && r == -ENOENT; i++) {
		r = doc_read(question->doc, question->root, lists[i]);
		if (r == 0)
			r = way_read_storage(question);
	}
	return r;
}

const struct way way_storage = { "storage", BOX_NAME | BOX_IMAGE, ask };
