/* The command line. */
#ifndef SENSOR_OPTIONS_H
#define SENSOR_OPTIONS_H

#include "base/buf.h"
#include "base/log.h"
#include "sensor/ptrace/attach.h"
#include "sensor/seccomp/decide.h"

enum { OPTIONS_RULES_MAX = 64, OPTIONS_FILTERS_MAX = 16, OPTIONS_CONTAINER_WAIT_MAX = 5000,
       OPTIONS_RING_MIN = 256 << 10, OPTIONS_RING_MAX = 256 << 20 };

/* tocsin-sensor observe. */
struct observe_options {
	bool on;
	const char *filters[OPTIONS_FILTERS_MAX];
	size_t filters_count;
	uint32_t pids[OPTIONS_FILTERS_MAX];
	size_t pids_count;
	const char *containers[OPTIONS_FILTERS_MAX];
	size_t containers_count;
	const char *events; /* NULL: those that are shown without being asked for */
	bool follow, json, color;
};

/* What becomes of calls that rules respond to. */
enum enforce_mode { ENFORCE_OFF = 0, ENFORCE_DRY_RUN, ENFORCE_ON };

enum probe_choice { PROBE_AUTO = 0, PROBE_EBPF, PROBE_PTRACE };

struct options {
	const char *hub; /* NULL with print */
	char *token;	 /* the secret itself; owned */
	const char *rules[OPTIONS_RULES_MAX];
	size_t rules_count;
	bool hub_rules;	 /* no file was named: the hub is asked for its rules */
	bool all_events; /* no rules: send everything that is observed */
	bool lifecycle;	 /* also send every exec, fork and exit */
	enum probe_choice probe;
	enum enforce_mode enforce;
	const char *spool_dir;
	char *hostname; /* owned */
	const char *ca_file, *cert_file, *key_file;
	const char *metrics; /* HOST:PORT for /metrics; NULL: none */
	const char *container_root; /* "": the machine's root is this one */
	uint32_t ring_urgent, ring_bulk; /* bytes; 0: as they are */
	unsigned container_wait_ms; /* 0: no event waits for its container's metadata */
	bool insecure;
	bool doctor, interest, print;
	struct observe_options observe;
	const char *record, *replay; /* files; NULL: none */
	enum log_level log_level;
	enum log_format log_format;
	bool runs; /* by that word */
	bool on_failure_kill; /* the command and all that came of it ends with the sensor */
	bool attaches;		 /* tocsin-sensor attach */
	struct attach_whom attach;
	const char *seccomp; /* the command's profile; NULL: none */
	enum decide_mode seccomp_mode;
	struct decider *decider; /* what it decides, in memory that all processes of the sensor share; owned */
	char *const *command; /* ends with NULL; NULL: none */
};

/* 0: go on. 1: help or version was printed. -EINVAL, and the reason was printed to stderr. */
int options_parse(int argc, char **argv, struct options *ret);
void options_done(struct options *options);

#endif
