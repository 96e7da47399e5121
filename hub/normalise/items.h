/* The items of a request's body: one value, values one after the other (NDJSON), an array, or the list in
 * {"Findings": […]}, as AWS's API gives them. */
#ifndef HUB_NORMALISE_ITEMS_H
#define HUB_NORMALISE_ITEMS_H

#include "base/str.h"

struct items {
	struct str body;
	size_t at;    /* where the next item begins */
	bool list;    /* it stands in an array */
	bool wrapped; /* which stands in an object */
	bool done;    /* there is none */
	bool open;    /* the text ended inside an array */
};

void items_begin(struct items *items, struct str body);

/* Steps over the item that ends at `end`, always forward. */
void items_step(struct items *items, size_t end);

#endif
