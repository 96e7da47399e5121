/* Who a process is. Each file in /proc costs as much as ten system calls when nobody has looked at it before: what
 * can be known without one is. */
#include "sensor/ptrace/tracee.h"

#include "base/clock.h"

#include <linux/capability.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

uint64_t tracee_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)(now.tv_sec * NS_PER_S + now.tv_nsec);
}

static void put_head(struct record *record, uint32_t tid, uint32_t tgid, const struct proc_facts *facts)
{
	record->time_ns = tracee_now();
	record->tid = tid;
	record->tgid = tgid;
	record->ppid = facts->ppid;
	record->vpid = facts->vpid;
	record->vtid = tid == tgid ? facts->vpid : tid;
	record->pgid = facts->pgid;
	record->vpgid = facts->vpgid;
	record->sid = facts->vsid;
	record->uid = facts->uid;
	record->euid = facts->euid;
	record->gid = facts->gid;
	record->egid = facts->egid;
	record->loginuid = facts->loginuid;
	record->tty = facts->tty;
	record->start_ns = facts->start_ns;
	record->cap_permitted = facts->cap_permitted;
	record->cap_effective = facts->cap_effective;
	record->cap_inheritable = facts->cap_inheritable;
	record->pidns_level = facts->vpid == tgid ? 0 : 1;
	memcpy(record->comm, facts->comm, sizeof(record->comm));
}

int tracee_fill_head(struct record *record, uint32_t tid, uint32_t tgid, unsigned what,
		     struct proc_facts *facts)
{
	int r = proc_read("/proc", tgid, what, facts);

	if (r == 0)
		put_head(record, tid, tgid, facts);
	return r;
}

static bool is_in_our_pids(uint32_t tgid)
{
	static _Atomic ino_t ours; /* for as long as this process is */
	struct stat st;
	char path[48];

	if (ours == 0 && stat("/proc/self/ns/pid", &st) == 0)
		ours = st.st_ino;
	snprintf(path, sizeof(path), "/proc/%u/ns/pid", tgid);
	return stat(path, &st) == 0 && st.st_ino == ours;
}

static bool ask_capabilities(struct proc_facts *facts)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, (int)facts->tgid };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, caps) < 0)
		return false;
	facts->cap_permitted = caps[0].permitted | (uint64_t)caps[1].permitted << 32;
	facts->cap_effective = caps[0].effective | (uint64_t)caps[1].effective << 32;
	facts->cap_inheritable = caps[0].inheritable | (uint64_t)caps[1].inheritable << 32;
	return true;
}

/* In our namespace of processes it has one number only. */
static void number_as_here(struct proc_facts *facts)
{
	facts->vpid = facts->tgid;
	facts->vpgid = facts->pgid;
	facts->vsid = facts->sid;
}

bool tracee_fill_child(struct record *record, const struct record *parent, struct proc_facts *facts)
{
	if (!is_in_our_pids(facts->tgid) || !ask_capabilities(facts))
		return false;
	number_as_here(facts);
	facts->uid = parent->uid;
	facts->euid = parent->euid;
	facts->gid = parent->gid;
	facts->egid = parent->egid;
	facts->loginuid = parent->loginuid;
	put_head(record, facts->tgid, facts->tgid, facts);
	return true;
}

bool tracee_ask(int pidfd, struct tracee_info *info)
{
	const uint64_t asked = info->mask;

	return pidfd >= 0 && ioctl(pidfd, _IOWR(0xff, 11, struct tracee_info), info) == 0 && (info->mask & asked) == asked;
}

bool tracee_fill_known(struct record *record, uint32_t tid, const struct record *last, int pidfd, struct proc_facts *facts)
{
	struct tracee_info info = { .mask = TRACEE_INFO_USERS };

	if (last->pidns_level != 0 || proc_read_stat("/proc", last->tgid, facts) < 0 || facts->start_ns != last->start_ns ||
	    facts->sid != last->sid || !tracee_ask(pidfd, &info) || !ask_capabilities(facts))
		return false;
	number_as_here(facts);
	facts->uid = info.uid;
	facts->gid = info.gid;
	facts->euid = info.euid;
	facts->egid = info.egid;
	facts->loginuid = last->loginuid;
	put_head(record, tid, last->tgid, facts);
	return true;
}
