/* Secrets of the configuration: written out, or named by where they are. Inner header of base/conf. */
#ifndef BASE_CONF_SECRET_H
#define BASE_CONF_SECRET_H

#include "base/conf.h"

#include <sys/stat.h>

struct conf_secret {
	const char *value; /* in the arena */
	bool is_literal;   /* it stood in the configuration itself */
	char note[300];    /* what is wrong (on failure), or odd (else); never the secret */
};

/* "file:PATH" (line ends at its end removed), "env:NAME", "credential:NAME" (in systemd's
 * $CREDENTIALS_DIRECTORY), or the secret itself. 0, or -errno with a note. */
int conf_secret_read(struct str text, struct arena *arena, struct conf_secret *ret);

#endif
