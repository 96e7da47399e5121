/* What all probes share: the names of the classes. */
#include "sensor/probe.h"

const char *const probe_class_names[RECORD_CLASSES] = {
	[RECORD_CLASS_PROCESS] = "process", [RECORD_CLASS_PRIVILEGE] = "privilege",
	[RECORD_CLASS_OPEN] = "open",	    [RECORD_CLASS_PATH] = "path",
	[RECORD_CLASS_NET] = "net",	    [RECORD_CLASS_OTHER] = "other",
};

const char *const probe_cause_names[] = { "ring", "budget", "keeper", NULL };
