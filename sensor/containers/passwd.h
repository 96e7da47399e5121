/* The names of a container's users and groups. */
#ifndef SENSOR_CONTAINERS_PASSWD_H
#define SENSOR_CONTAINERS_PASSWD_H

#include "sensor/containers/box.h"

enum { PASSWD_BYTES_MAX = 64 << 10 }; /* of a file; the rest is not known */

/* Reads etc/passwd and etc/group of the draft's container, whose root is that of its first process, or lies where its
 * runtime says, below `root`. What cannot be read has no names. */
void passwd_read(struct box_draft *draft, const char *root);

/* The same of a text, in the form of passwd(5) or group(5). */
void passwd_parse(struct box_draft *draft, struct str text, struct box_names *names, struct box_name *room);

#endif
