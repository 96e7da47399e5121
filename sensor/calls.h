/* The system calls that the sensor knows: their numbers, what a probe takes from them, and how
 * their parameters are named and shown. One row is the whole truth about one call. */
#ifndef SENSOR_CALLS_H
#define SENSOR_CALLS_H

#include "base/str.h"
#include "sensor/flags.h"
#include "sensor/plan.h"

#define CALLS_MAX	 200
#define CALL_PARAMS_MAX	 8
#define CALL_COMPAT_NONE 0xffff

enum param_kind {
	PARAM_NONE = 0,
	PARAM_RESULT,	  /* errno by name */
	PARAM_NUMBER,	  /* the result itself */
	PARAM_FD,	  /* the record's object, else the argument */
	PARAM_DIR_FD,	  /* a directory descriptor */
	PARAM_PLAIN_FD,	  /* a descriptor number */
	PARAM_PATH,	  /* first name, made absolute */
	PARAM_PATH2,	  /* second name */
	PARAM_RAW_NAME,	  /* first name as given */
	PARAM_FLAGS,	  /* bits of `table` */
	PARAM_NAME,	  /* one of `table` */
	PARAM_OPEN_FLAGS, /* what open(2) takes */
	PARAM_OPEN_MODE,  /* octal */
	PARAM_MODE,	  /* permission bits by name */
	PARAM_UID,
	PARAM_GID,
	PARAM_PID,
	PARAM_INT,
	PARAM_INT32,
	PARAM_UINT32,
	PARAM_HEX,
	PARAM_OCTAL,
	PARAM_ADDRESS,	  /* the result in hex, or errno by name */
	PARAM_TUPLE,	  /* of the socket */
	PARAM_OBJECT_PATH, /* of the file that the descriptor is */
	PARAM_TEXT,	  /* the third text */
	PARAM_OPTION,	  /* of prctl(2): a number where the name is not given */
	PARAM_CAPS,	  /* inheritable, permitted, effective after the call, by place */
	PARAM_WORD,	  /* `place` counts 32-bit words of the data that was taken */
	PARAM_WORD_FLAGS, /* the same, as bits of `table` */
	PARAM_DATA,	  /* what was read or written: only what a rule wants is taken */
	PARAM_SIZE,	  /* the result, if it is a count of bytes */
	PARAM_DEV,	  /* of the file */
	PARAM_INO,
	PARAM_SOCKADDR,	  /* the address argument as text */
};

struct param {
	const char *name; /* evt.arg.NAME */
	enum param_kind kind;
	uint8_t place; /* of the argument, from 1; 0: the result */
	const struct flag *table;
};

/* When a call is watched. */
enum call_watch {
	CALL_WANTED, /* when a rule can match it */
	CALL_STATE,  /* always: the tables depend on it */
	CALL_NAMED,  /* when a rule can match it that asks for its type: too frequent for those that ask for
			none, and for no rules at all */
};

struct call {
	const char *name;
	uint16_t nr;	 /* of this processor, or from PLAN_FOREIGN on */
	uint16_t compat; /* of its 32-bit programs, or CALL_COMPAT_NONE */
	enum call_watch watch;
	struct plan plan;
	struct param params[CALL_PARAMS_MAX];
};

extern const struct call calls[];
extern const size_t calls_count;

/* What 32-bit programs can also make of a call: with 16 bits for an id, which nobody does but who wants to be missed, or
 * with 64 for a length or a time. */
struct call_alias {
	uint16_t compat;
	uint16_t nr; /* of the call's row */
};

extern const struct call_alias call_aliases[];
extern const size_t call_aliases_count;

/* Whether a tracepoint of its own tells of the call, and not its return (fork and its kin). */
bool call_is_traced(const struct call *call);

/* The row of a call, or NULL. */
const struct call *call_find(uint16_t nr);
const struct call *call_find_name(struct str name);

/* The same by a 32-bit program's number, also by an alias. */
const struct call *call_find_compat(uint32_t nr);

#endif
