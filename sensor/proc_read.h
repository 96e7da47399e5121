/* One process as /proc shows it: how the table is filled for processes that no record told of, and
 * what the ptrace probe knows about its tracees. */
#ifndef SENSOR_PROC_READ_H
#define SENSOR_PROC_READ_H

#include "base/buf.h"
#include "sensor/record.h"

#include <sys/types.h>

struct proc_facts {
	uint32_t tgid, ppid, pgid, sid, vpid, vpgid, vsid, tty;
	uint32_t uid, euid, gid, egid, loginuid;
	uint64_t start_ns; /* since boot, to 10 ms */
	uint64_t cap_permitted, cap_effective, cap_inheritable;
	char comm[RECORD_COMM];
	struct {
		uint64_t at, end; /* addresses in its memory; 0: secret */
	} args_place, env_place;
	struct buf exe, cwd, args, env, cgroup; /* args and env with NULs; empty: not readable */
};

/* Beyond ids, user and capabilities: */
enum proc_read_what {
	PROC_READ_LINKS = 1 << 0, /* exe, cwd */
	PROC_READ_ARGS = 1 << 1,
	PROC_READ_ENV = 1 << 2,
	PROC_READ_CGROUP = 1 << 3, /* ... only that: nothing of the process's own memory */
	PROC_READ_IMAGE = PROC_READ_LINKS | PROC_READ_ARGS | PROC_READ_CGROUP,
};

enum { PROC_TEXT_MAX = 8192 }; /* bytes of a file that are looked at */

/* The folder of the process that began then, to a tick or two; 0: whenever. A descriptor or -errno. */
int proc_open(const char *folder, uint32_t tgid, uint64_t start_ns);

/* The first `max` bytes of a file in it. The kernel gives as many at once: what is less is the whole. */
ssize_t proc_read_file(int folder, const char *name, char *to, size_t max);

/* Facts of a process under `folder` ("/proc"). 0 or -errno (-ESRCH: it is gone). The buffers are
 * reused and stay the caller's, who ends with proc_facts_done(). */
int proc_read(const char *folder, uint32_t tgid, unsigned what, struct proc_facts *ret);

/* Only what its stat file tells: name, parent, group, session, terminal and beginning, and where its arguments are. */
int proc_read_stat(const char *folder, uint32_t tgid, struct proc_facts *ret);

/* Only what is asked for beyond ids. */
int proc_read_more(const char *folder, uint32_t tgid, unsigned what, struct proc_facts *ret);
void proc_facts_done(struct proc_facts *facts);

#endif
