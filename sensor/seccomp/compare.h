/* Two profiles by what they say of calls, not by how they are written: their programs are asked about every
 * call of every architecture, with arguments on all sides of every condition that either has for it. */
#ifndef SENSOR_SECCOMP_COMPARE_H
#define SENSOR_SECCOMP_COMPARE_H

#include "sensor/seccomp/profile.h"
#include "sensor/seccomp/program.h"

enum {
	COMPARE_CALLS_MAX = 1024,  /* numbers of each architecture */
	COMPARE_POINTS_MAX = 8192, /* combinations of arguments of one call; others are not tried, and counted */
	COMPARE_KINDS_MAX = 8,	   /* differences of one call */
	COMPARE_NAME_MAX = 64,
};

/* A profile that was compiled. */
struct compared {
	const struct profile *profile;
	const struct seccomp_program *program;
};

struct compare_difference {
	const char *name; /* of the call; NULL: numbers that have none here */
	uint32_t arch;	  /* libseccomp's token */
	struct seccomp_data call; /* one that both see differently */
	uint8_t args;	  /* a bit for each argument that conditions look at */
	uint32_t a, b;	  /* what is done about it */
};

typedef void (*compare_fn)(const struct compare_difference *difference, void *userdata);

/* Hands over one difference for each call and each pair of actions. How many; *ret_untried counts calls with more
 * combinations than were tried. */
size_t profile_compare(const struct compared *a, const struct compared *b, compare_fn each, void *userdata,
		       size_t *ret_untried);

#endif
