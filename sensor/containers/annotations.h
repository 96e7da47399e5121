/* Annotations and labels whose names Kubernetes and the runtimes agree on. */
#ifndef SENSOR_CONTAINERS_ANNOTATIONS_H
#define SENSOR_CONTAINERS_ANNOTATIONS_H

#include "sensor/containers/box.h"

enum { ANNOTATIONS_KNOWN = 20 };

/* What was seen of them; later ones of a name do not replace the first. */
struct annotations {
	struct str seen[ANNOTATIONS_KNOWN];
};

/* Notes one if its name is known; the value must stay until it is applied. */
void annotations_note(struct annotations *annotations, struct str key, struct str value);

/* Puts what they say into the draft, the best known name first. */
void annotations_apply(const struct annotations *annotations, struct box_draft *draft);

/* CRI-O's labels, a JSON object as text; empty: none. */
struct str annotations_crio_labels(const struct annotations *annotations);

#endif
