/* What a container runtime writes or answers. The first byte chooses who it was. */
#include "sensor/containers/way.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int (*const readers[])(struct way_question *) = { way_read_state, way_read_bundle,
								 way_read_storage, way_read_docker };
	static struct box_draft draft;
	struct doc doc = { .arena = &draft.arena };
	struct container_id id = {
		.text = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", .len = 64
	};
	struct way_question question = { &id, "", &doc, &draft, NULL, NULL };
	struct box *box;

	if (size == 0)
		return 0;
	box_draft_begin(&draft);
	buf_add(&doc.bytes, (struct str){ (const char *)data + 1, size - 1 });
	if (data[0] % 6 == 4)
		way_read_cri_container(&draft, &id, buf_str(&doc.bytes));
	else if (data[0] % 6 == 5)
		way_read_cri_pod(&draft, buf_str(&doc.bytes));
	else if (doc_parse(&doc) == 0)
		readers[data[0] % 6](&question);
	box = box_seal(&draft);
	if (box == NULL || box->labels.count > BOX_LABELS_MAX || box->bytes > BOX_ARENA_MAX)
		abort();
	free(box);
	doc_done(&doc);
	return 0;
}
