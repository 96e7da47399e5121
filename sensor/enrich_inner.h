/* What the parts of enrich share. */
#ifndef SENSOR_ENRICH_INNER_H
#define SENSOR_ENRICH_INNER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "sensor/calls.h"
#include "sensor/enrich.h"
#include "sensor/proc_read.h"

enum {
	ENRICH_ARENA_MAX =
		512 << 10,     /* bytes of derived text an event; beyond it values are missing */
	ENRICH_CUT_MAX = 16,
	ENRICH_ASKED_MAX = 1024, /* fields that are asked for by name */
	ENRICH_SOCKETS = 4096, /* sockets whose role is remembered, by inode number */
	ENRICH_UIDS = 512,     /* processes whose uid is remembered, by number */
};

/* Who began a connection is not written on the socket, but seen at connect and accept. */
enum socket_role { SOCKET_UNKNOWN = 0, SOCKET_CLIENT, SOCKET_SERVER };

struct socket_memory {
	uint64_t ino;
	enum socket_role role;
};

/* A hash of these three, in text: the same processes come again and again. */
struct uid_memory {
	uint64_t start_ns, exec_id;
	uint32_t tgid;
	char text[16];
};

/* Ids of indexed fields, index from 0; [0] is the process itself. FIELD_NONE: nobody wants it. */
struct ancestor_ids {
	field_id aname[PROCS_ANCESTORS_MAX + 1], aexe[PROCS_ANCESTORS_MAX + 1];
	field_id aexepath[PROCS_ANCESTORS_MAX + 1], acmdline[PROCS_ANCESTORS_MAX + 1];
	field_id apid[PROCS_ANCESTORS_MAX + 1];
};

/* A label that a rule asks for by its key. */
struct wanted_label {
	field_id id;
	struct str key; /* the registry's */
	bool of_pod;
};

struct enrich;

/* What is WANTED is put into each event, or not, at once; parameters of calls and what was asked for when it is read. */
enum { UNWANTED, WANTED, WANTED_PARAM, WANTED_ASKED };

/* How a field is filled that a rule asks for by its name. */
struct asked_row {
	const char *name;
	void (*put)(struct enrich *enrich, field_id id, unsigned what);
	unsigned what;
};

/* A field that is only filled because a rule asks for it. */
struct asked {
	field_id id;
	uint8_t what;	  /* enrich_asked.c says of which sort it is */
	uint64_t looked;  /* the number of the record that it was looked for */
	const struct asked_row *row;
	struct str param; /* of evt.arg, which calls' records have anyway, or evt.rawarg; of an ancestor; the registry's */
};

/* What /proc tells of the process at hand, once a field has asked. */
struct live {
	int folder; /* -1: none */
	bool looked;
	size_t status_len;
	char status[PROC_TEXT_MAX];
};

struct enrich {
	struct enrich_settings settings;
	struct hash_key machine; /* of settings.machine */
	struct event event;
	struct arena arena;
	struct buf text; /* scratch for one value */
	struct buf line; /* ... for one of many parts */
	uint16_t *wanted; /* by field id; from WANTED_ASKED on with the place among `asked` */
	size_t wanted_count;
	struct ancestor_ids ancestors;
	struct wanted_label *labels;
	size_t labels_count;
	bool wants_metadata; /* of containers, more than their cgroup tells */
	bool wants_mounts;
	struct asked asked[ENRICH_ASKED_MAX]; /* beyond it they have no value */
	size_t asked_count;
	const struct call *by_nr[PLAN_CALLS];
	field_id params[CALLS_MAX][CALL_PARAMS_MAX]; /* evt.arg.NAME */
	field_id exec_flags, exec_filename, open_name;
	struct socket_memory sockets[ENRICH_SOCKETS];
	struct uid_memory uids[ENRICH_UIDS];
	/* Of the record at hand: */
	const struct record *record;
	const struct proc *proc;
	const struct call *call; /* NULL: not of the table */
	struct str fd_name, path, path2;
	bool path_cut, path2_cut;
	struct value cut[ENRICH_CUT_MAX]; /* names of fields that are not whole */
	unsigned cut_count;
	char fd_typechar; /* '\0': it has no object */
	struct live live;
	int64_t first_ns, before_ns, now_ns; /* when the first record was made, the one before, and the one at hand */
	uint64_t records, params_looked;
	const struct box *box; /* of its container; NULL: none, or not known */
	enum containers_state container_state;
};

/* The kernel's inner form of a device number as programs know it. */
static inline uint32_t device_number(uint32_t dev)
{
	uint32_t major = dev >> 20, minor = dev & 0xfffff;

	return (minor & 0xff) | major << 8 | (minor & ~0xffU) << 12;
}

static inline bool enrich_wants(const struct enrich *enrich, field_id id)
{
	return id < enrich->wanted_count && enrich->wanted[id];
}

/* Sets a text field to a copy; the empty text is no value. */
void enrich_put(struct enrich *enrich, field_id id, struct str text);
/* To bytes of the record, of the tables of names, or of an entry of the process table that was just asked for. */
void enrich_put_borrowed(struct enrich *enrich, field_id id, struct str text);
/* Wanted, and not known. */
void enrich_put_null(struct enrich *enrich, field_id id);
/* The field's value, if it has one, is not whole. */
void enrich_cut(struct enrich *enrich, field_id id);
void enrich_put_int(struct enrich *enrich, field_id id, int64_t value);
void enrich_put_bool(struct enrich *enrich, field_id id, bool value);
/* To what is in enrich->text; clears it. */
void enrich_put_text(struct enrich *enrich, field_id id);

/* A path made absolute: `name` after `folder` unless it begins with a slash, with "." and ".."
 * folded. In the arena. */
struct str enrich_path(struct enrich *enrich, struct str folder, struct str name);

/* Finds the labels among the registry's fields. 0, or -1 out of memory. */
int enrich_intern_labels(struct enrich *enrich);
/* Whether a field can only come from a container's runtime. */
bool enrich_field_is_metadata(struct str name);
void enrich_container(struct enrich *enrich, int64_t boot_offset_ns);

/* A field that some rule asks for, by its name: what it is `wanted` as. The event at hand gets it when it is read,
 * (event_read()), or at last with all that were asked for. */
uint16_t enrich_ask(struct enrich *enrich, field_id id, struct str name);
void enrich_read(void *enrich, field_id id);
void enrich_asked(struct enrich *enrich);

/* What Falco says of a program that begins: that it is writable, in which layer it is, that it has no file. */
uint64_t enrich_exec_flags(const struct enrich *enrich);

/* All parameters, "name=value name=value": of a call; of an event of a process's life. And one of these. */
void enrich_call_args(struct enrich *enrich, field_id id);
void enrich_life_args(struct enrich *enrich, field_id id);
void enrich_life_param(struct enrich *enrich, field_id id, struct str name, bool raw);

/* The parameter of the call as it was given. */
void enrich_raw_param(struct enrich *enrich, field_id id, struct str name);

/* Fields that are filled when they are asked for, by room: of the event, and what only /proc tells. */
extern const struct asked_row enrich_event_rows[], enrich_live_rows[];
extern const size_t enrich_event_rows_count, enrich_live_rows_count;

/* Whether it is a call of one of these names, of which the last is NULL. */
bool enrich_call_is(const struct enrich *enrich, const char *const *names);

/* What of a process that still runs: the type of one descriptor, one control group, a parameter of its events (true: it
 * is one of these). At the event's end the process is let go. */
void enrich_live_types(struct enrich *enrich, field_id id, struct str number);
void enrich_live_cgroup(struct enrich *enrich, field_id id, struct str subsystem);
bool enrich_live_param(struct enrich *enrich, field_id id, struct str name);
void enrich_live_end(struct enrich *enrich);

/* Falco's name of what has none in a file system, as the kernel calls it ("[eventfd]"). */
const char *enrich_anonymous(struct str name);

/* Of the socket that a program has for its input at its exec; in the arena. */
struct str enrich_stdin_name(struct enrich *enrich);

/* The parts, in this order: the process, the descriptor, the call's parameters. */
void enrich_process(struct enrich *enrich, int64_t boot_offset_ns);
void enrich_object(struct enrich *enrich);
/* proc.cmdline of one. */
void enrich_cmdline(struct enrich *enrich, field_id id, const struct proc *proc);
void enrich_params(struct enrich *enrich);
/* evt.arg of a call, once: when one is read, or at last. */
void enrich_call_params(struct enrich *enrich);

#endif
