/* The answer of an OPA server. */
#include "hub/evaluate/opa_inner.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct json_node nodes[OPA_NODES_MAX];
	enum opa_verdict verdict = OPA_UNANSWERED;
	struct buf message = { 0 };

	if (opa_read_answer((struct str){ (const char *)data, size }, nodes, &message, &verdict) &&
	    (verdict == OPA_UNANSWERED || message.len > OPA_MESSAGE_MAX))
		abort();
	buf_done(&message);
	return 0;
}
