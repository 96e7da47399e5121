/* Profiles of system calls as container engines have them: Docker's format, which is OCI's with conditions on
 * the machine. Read into tables, what does not apply here marked as such with the reason.
 *
 * Everything that is wrong is said with its place. What engines let pass (a call that nobody knows, a setting
 * that is not theirs) is a warning. Bounds: those below, and base/conf.h's. */
#ifndef SENSOR_SECCOMP_PROFILE_H
#define SENSOR_SECCOMP_PROFILE_H

#include "base/conf.h"

enum {
	PROFILE_BYTES_MAX = 1 << 20,
	PROFILE_RULES_MAX = 4096,	/* entries of syscalls[] */
	PROFILE_NAMES_MAX = 16384,	/* names of calls in all of them */
	PROFILE_CONDITIONS_MAX = 32,	/* of one entry */
	PROFILE_ARCHES_MAX = 3,		/* of this machine's kind; others are left out */
	PROFILE_ERRNO_MAX = 4095,	/* larger ones the kernel takes for this */
};

/* libseccomp's token, where others are the kernel's AUDIT_ARCH_*. */
#define PROFILE_ARCH_X32 (EM_X86_64 | __AUDIT_ARCH_LE)

/* As libseccomp counts them (enum scmp_compare). */
enum profile_op { PROFILE_NE = 1, PROFILE_LT, PROFILE_LE, PROFILE_EQ, PROFILE_GE, PROFILE_GT, PROFILE_MASKED_EQ };

struct profile_condition {
	uint8_t arg; /* from 0 */
	uint8_t op;  /* enum profile_op */
	uint64_t value, value_two; /* PROFILE_MASKED_EQ: arg & value == value_two */
};

/* One entry of syscalls[]. */
struct profile_rule {
	struct str *names;    /* known ones */
	size_t names_count;
	struct str *unknown;  /* left out */
	size_t unknown_count;
	uint32_t action;      /* SECCOMP_RET_* with its data */
	struct profile_condition *conditions;
	size_t conditions_count;
	bool any;	      /* one of the conditions is enough: an argument stands twice, as runc reads that */
	const char *left_out; /* what includes or excludes said against it here; NULL: it applies */
	const char *because;  /* what they said for it; NULL: there are none */
	struct str comment;
	unsigned line;
};

struct profile {
	const char *file;
	uint32_t action; /* of calls that no rule is for */
	uint32_t arches[PROFILE_ARCHES_MAX]; /* libseccomp's tokens, the machine's own first */
	size_t arches_count;
	struct str *foreign; /* other architectures that it lists */
	size_t foreign_count;
	struct profile_rule *rules;
	size_t rules_count;
	bool has_mode, audits; /* "x-tocsin-mode", which others leave out: "audit" or "enforce" */
};

/* What includes and excludes look at. */
struct profile_machine {
	uint64_t capabilities; /* the bounding set, as the workload has it */
	unsigned kernel, major; /* 6 and 1 of 6.1 */
};

/* This machine and the bounding set of this process. */
void profile_machine_here(struct profile_machine *ret);

/* Reads a file, or a text. The profile lives in reader->arena. 0, -EINVAL (see reader->errors) or -errno. */
int profile_read_file(struct conf_reader *reader, const char *path, const struct profile_machine *machine,
		      struct profile *ret);
int profile_read_text(struct conf_reader *reader, const char *name, struct str text,
		      const struct profile_machine *machine, struct profile *ret);

/* ---- names ---- */

/* "ERRNO(EPERM)", "ALLOW", … */
void profile_add_action(uint32_t action, struct buf *out);

/* "arg0 & 0x7e020000 == 0" */
void profile_add_condition(const struct profile_condition *condition, struct buf *out);

/* "SCMP_ARCH_X86_64"; "?" of an unknown one. */
const char *profile_arch_name(uint32_t arch);

#endif
