/* What observes. A probe hands records, in the order in which they happened, to one function; all
 * else in the sensor is above this line and does not know which probe it is. */
#ifndef SENSOR_PROBE_H
#define SENSOR_PROBE_H

#include "base/str.h"
#include "sensor/by_call.h"
#include "sensor/calls.h"
#include "sensor/interest.h"
#include "sensor/record.h"

struct decider;
struct keeper;
struct replay;
struct refusal;
struct kills;
struct denials;
struct attach_whom;

/* What is to become of a call that waits to be let go: 0, or the -errno that it is to end with and have no
 * effect. The record is as if the call had worked: `ret` 0 or a descriptor that is presumed, the object
 * resolved. A call that is refused has been reported by then, and is not handed over again; the probe
 * counts it as emitted. */
typedef int (*probe_judge_fn)(const struct record *record, void *userdata);

/* What to take. */
struct probe_settings {
	bool wanted[CALLS_MAX];	     /* by row of calls[] */
	bool reported[CALLS_MAX];    /* by row: becomes an event; others only keep tables right */
	const struct interest *interest; /* which kinds of them pass, and by which paths; stays until the next one is given */
	bool take_environment;	  /* at exec */
	bool take_standard;	  /* at exec: of what kind the first three descriptors are; eBPF always does */
	const struct interest *judged; /* calls that are asked about before they are let go; NULL: none is */
	probe_judge_fn judge;	       /* asked on the thread that polls; only where probe_ops.judges */
	void *judge_userdata;
	uint32_t urgent_bytes, bulk_bytes; /* eBPF: of the rings, powers of two; 0: as plan.h says */
	int wake;		  /* eBPF: ends a wait of poll when it is readable; 0: none */
	bool asks_layers;	  /* eBPF: probe_ops.layer will be asked */
	bool kills;		  /* eBPF: probe_ops.kill will be asked for */
	bool denies;		  /* eBPF: so will probe_ops.deny */
	const char *pin;	  /* eBPF: where what must outlive the sensor is kept; NULL: nowhere */
	struct decider *profile;      /* seccomp: the command's own, with a program in force; NULL: none */
	const char *profile_name;
	char *const *command;	  /* seccomp: what to run; NULL otherwise */
	struct keeper *keeper;	  /* seccomp: who keeps watch over the sensor; NULL: nobody */
	const struct attach_whom *attach; /* ptrace: whom to attach to; NULL: nobody */
	struct replay *replay;	  /* replay: what is played back; NULL otherwise */
};

/* Causes of probe_counts.by_call, as heartbeats and metrics have them. */
enum probe_cause { PROBE_RING, PROBE_BUDGET, PROBE_KEEPER };
extern const char *const probe_cause_names[];

struct probe_counts {
	struct plan_counters of[RECORD_CLASSES];
	struct by_call by_call; /* of those dropped, what the probe knows the call of: enum probe_cause */
	uint64_t skipped;	/* of those dropped: the kernel skipped the program */
	uint64_t kept;		/* of those dropped: a keeper let them go on in the place of a sensor that did not */
	uint64_t invalid;	/* records that do not parse: emitted, and not handed over */
	uint64_t budgets_full;	/* times that a process found no place in the table of budgets, and passed */
	struct plan_flood flood; /* who made the newest losses; tgid 0: there were none, or it is not known */
};

/* What was done to the probe. */
struct probe_harm {
	struct plan_sender killer;  /* of the run before; number 0: not known, or it was not killed */
	struct plan_sender stopper; /* of this run, the last */
	size_t detached;	    /* programs that do not run any more */
	bool changed;		    /* what it looks for was changed from outside, and set again */
};

/* Of a process, where what it does may pass because it is followed. */
enum probe_follow {
	PROBE_FOLLOW_AS_BEFORE, /* nothing new */
	PROBE_FOLLOW,		/* it is followed, and so are all that it begins */
	PROBE_FOLLOW_NOT,	/* not by what was seen of it until then; probes let it pass until they are told */
	PROBE_FOLLOW_ENDED,	/* the process has */
};

typedef void (*probe_take_fn)(const struct record *record, void *userdata);

struct probe_ops {
	const char *name; /* "ebpf", "seccomp", "ptrace" */
	bool sees_itself; /* a failed execve of the sensor itself is reported */
	bool judges;	  /* holds calls that `judged` wants until `judge` has answered */

	/* Attaches. 0 or -errno; then `ret_why` says which step failed. */
	int (*open)(const struct probe_settings *settings, void **ret, const char **ret_why);

	/* Takes other calls from now on; those that are in both sets are not missed for a moment. The number
	 * of wanted calls that this probe cannot add while it runs. */
	size_t (*rearm)(void *state, const struct probe_settings *settings);

	/* Only when the interest is of some who are followed. NULL: then this probe lets all pass. */
	void (*follow)(void *state, uint32_t tgid, enum probe_follow what, uint64_t until_ns);

	/* Has the kernel refuse connections from now on, these and no others; none with `count` 0. 0 or -errno.
	 * NULL: this probe cannot. */
	int (*refuse)(void *state, const struct refusal *refusals, size_t count);

	/* Has the kernel kill whom these rules mean, and nobody else; NULL: nobody. They stay until the next ones are
	 * given. 0; -EOPNOTSUPP: the kernel does not take the programs; else -errno. NULL: this probe cannot. */
	int (*kill)(void *state, const struct kills *kills);

	/* What came of that. */
	void (*killed)(const void *state, struct plan_killed *ret);

	/* Where the kernel asks programs before it does what a call wants, as bits (enum plan_hook); 0: nowhere. NULL: this
	 * probe cannot. */
	uint32_t (*hooks)(const void *state);

	/* Has the kernel deny what these rules mean, and nothing else; NULL: nothing. They stay until the next ones are
	 * given. 0 or -errno: then nothing is denied. */
	int (*deny)(void *state, const struct denials *denials);

	/* What came of that. */
	void (*denied)(const void *state, struct plan_denied *ret);

	/* In which layer of an overlay a file is that the sensor has open: RECORD_EXE_UPPER, _LOWER, or 0. From any
	 * thread. NULL: this probe cannot tell. */
	uint32_t (*layer)(void *state, int fd);

	/* Hands over what there is; at most a few thousand records a call. Waits up to `wait_ms`
	 * when there is nothing. Returns the number of records, or -errno; -ESRCH: nothing is left
	 * to observe. A signal ends the wait. */
	int (*poll)(void *state, int wait_ms, probe_take_fn take, void *userdata);

	/* Since the start; by class seen = filtered + emitted + dropped. */
	void (*counts)(void *state, struct probe_counts *ret);

	/* Looks whether the probe is as it should be; NULL: it cannot be harmed. Cheap enough for once a second. */
	void (*look)(void *state, struct probe_harm *ret);

	/* No further records are made; those made already are handed over. */
	void (*detach)(void *state, probe_take_fn take, void *userdata);

	/* Passes a signal on to the command. False: there is none, and the sensor is to end. */
	bool (*forward)(void *state, int signal);

	/* Of the command, for the sensor's own exit; 0 without one. */
	int (*exit_status)(const void *state);

	void (*close)(void *state);
};

#ifdef HAVE_EBPF
extern const struct probe_ops probe_ebpf;
#endif
extern const struct probe_ops probe_notify;
extern const struct probe_ops probe_attach;

/* Names of enum record_class, as metrics and heartbeats have them. */
extern const char *const probe_class_names[RECORD_CLASSES];

#endif
