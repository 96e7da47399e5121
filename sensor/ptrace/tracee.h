/* Facts about a stopped tracee: its memory, its descriptors, itself. Each puts what it finds into a
 * record, with the same meaning as the eBPF probe's. */
#ifndef SENSOR_PTRACE_TRACEE_H
#define SENSOR_PTRACE_TRACEE_H

#include "sensor/plan.h"
#include "sensor/proc_read.h"
#include "sensor/record.h"

#include <sys/stat.h>

/* `len` bytes at `address`; false when they cannot all be read. */
bool tracee_read(uint32_t tid, uint64_t address, void *to, size_t len);

/* Text up to its NUL into the record, or RECORD_FAULT. */
void tracee_add_text(struct record *record, uint32_t tid, uint64_t address,
		     enum record_string_tag tag);

/* At the entry of a call: name arguments with the folders relative ones start from, the address
 * argument, the flags and mode of an open. */
void tracee_add_arguments(struct record *record, uint32_t tid, const struct plan *plan);

/* The record as it was before its call was looked at any further; then for tracee_add_arguments(). */
void tracee_begin_again(struct record *record);

/* Of a call with many messages the record becomes the next one's, number `i` from 1 on, as it was when it had its
 * arguments and its result; false: there is none. */
bool tracee_next_message(struct record *record, const struct plan *plan, unsigned i);

/* What the call has written; `data`: and what it has read or sent, if that is its kind. */
void tracee_add_answer(struct record *record, uint32_t tid, const struct plan *plan, bool data);

/* Of clone(2) and its kin: what the new process shares, and which namespaces are its own. */
uint64_t tracee_clone_flags(const struct record *record);

/* At its end: what the plan's descriptor is. */
void tracee_add_object(struct record *record, uint32_t tid, const struct plan *plan);

/* Who it is. 0 or -errno. `facts` is scratch; with PROC_READ_IMAGE it has the rest afterwards. */
int tracee_fill_head(struct record *record, uint32_t tid, uint32_t tgid, unsigned what,
		     struct proc_facts *facts);

/* The same of a process that was forked and has changed nothing yet, in the same namespace of processes: from what is
 * known of its parent, and from `facts` as proc_read_stat() gives them. False: it is in another one, or gone. */
bool tracee_fill_child(struct record *record, const struct record *parent, struct proc_facts *facts);

/* The same of one of which this was known last, from less: whom the kernel says it belongs to (Linux 6.13), and what
 * does not change. Who logged in does that once, when a session begins. False: it has to be looked at anew. */
bool tracee_fill_known(struct record *record, uint32_t tid, const struct record *last, int pidfd,
		       struct proc_facts *facts);

/* What the kernel says by a pidfd: `mask` is what is asked for. False: not all of that, or it is too old. */
enum { TRACEE_INFO_USERS = 1 << 1, TRACEE_INFO_EXIT = 1 << 3 };

struct tracee_info { /* struct pidfd_info of <linux/pidfd.h> */
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid;
	uint32_t uid, gid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code; /* as wait(2) gives it; Linux 6.15 */
};

bool tracee_ask(int pidfd, struct tracee_info *info);

/* The socket of a call with an address has that as its other end. */
void tracee_presume_peer(struct record *record);

/* The time of a record. */
uint64_t tracee_now(void);

/* What a program was made from; `st`: NULL, the file is not to be had. */
void tracee_add_executable(struct record *record, struct str path, const struct stat *st);

/* At the stop where a new program begins, of a thread that we trace: its image, for tracee_add_image(). `facts` has what
 * its stat file tells. 0 or -errno. */
int tracee_read_image(uint32_t tgid, bool with_environment, struct proc_facts *facts);

/* After an exec: the executable, arguments, working directory, cgroup and, if read, environment. */
void tracee_add_image(struct record *record, const struct proc_facts *facts);

/* After an exec: what its input, which is the record's object, and its outputs are, as in the eBPF program. */
void tracee_add_standard(struct record *record);

/* The target of /proc/TID/WHAT. */
void tracee_add_link(struct record *record, uint32_t tid, const char *what,
		     enum record_string_tag tag);

/* ---- tracee_file.c ---- */

enum { TRACEE_FILE = 4096 };

/* The start of a text in /proc/TID; empty: it cannot be read. */
void tracee_file(uint32_t tid, const char *name, char text[TRACEE_FILE]);

/* What the kernel knows of a file, without asking its file system: that may belong to a process that waits for us, or
 * to one that never answers. */
bool tracee_stat(const char *path, struct stat *ret);

/* Its name as it is now. */
void tracee_comm(uint32_t tid, char comm[RECORD_COMM]);

/* The process a thread belongs to; the thread itself when that is not to be had. */
uint32_t tracee_tgid(uint32_t tid);

/* Whose child it is by now; 0: it is gone. */
uint32_t tracee_parent(uint32_t tgid);

/* Bit n - 1 is signal n. */
struct tracee_signals {
	uint64_t pending, blocked, ignored, caught;
};

void tracee_signals(uint32_t tid, struct tracee_signals *ret);

#endif
