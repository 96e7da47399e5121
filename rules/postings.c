/* Lists of numbers. */
#include "rules/postings.h"

bool postings_begin(struct compiler *c, struct postings *postings, uint32_t lists)
{
	postings->first = compile_take(c, (lists + 2) * sizeof(*postings->first));
	return postings->first != NULL;
}

bool postings_fill(struct compiler *c, struct filling *filling, uint32_t lists)
{
	uint32_t *first = filling->postings->first;

	for (uint32_t i = 0; i < lists; i++)
		first[i + 1] += first[i];
	filling->postings->at = compile_take(c, (first[lists] + 1) * sizeof(*filling->postings->at));
	filling->next = arena_alloc(c->loader->arena, (lists + 1) * sizeof(*filling->next));
	if (filling->postings->at == NULL || filling->next == NULL) {
		c->loader->out_of_memory = true;
		return false;
	}
	memcpy(filling->next, first, lists * sizeof(*first));
	return true;
}
