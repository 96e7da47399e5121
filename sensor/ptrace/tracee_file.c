/* What /proc tells in texts of a thread that may be gone. */
#include "sensor/ptrace/tracee.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

void tracee_file(uint32_t tid, const char *name, char text[TRACEE_FILE])
{
	char path[48];
	autoclose int fd = -1;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%u/%s", tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? 0 : read(fd, text, TRACEE_FILE - 1);
	text[len > 0 ? len : 0] = '\0';
}

static struct timespec time_of(struct statx_timestamp time)
{
	return (struct timespec){ time.tv_sec, time.tv_nsec };
}

bool tracee_stat(const char *path, struct stat *ret)
{
	struct statx st;

	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) < 0)
		return false;
	*ret = (struct stat){ .st_dev = makedev(st.stx_dev_major, st.stx_dev_minor), .st_ino = st.stx_ino, .st_mode = st.stx_mode,
			      .st_uid = st.stx_uid, .st_gid = st.stx_gid, .st_nlink = st.stx_nlink,
			      .st_mtim = time_of(st.stx_mtime), .st_ctim = time_of(st.stx_ctime) };
	return true;
}

void tracee_comm(uint32_t tid, char comm[RECORD_COMM])
{
	char text[TRACEE_FILE];

	tracee_file(tid, "comm", text);
	text[strcspn(text, "\n")] = '\0';
	memset(comm, 0, RECORD_COMM);
	memcpy(comm, text, strnlen(text, RECORD_COMM - 1));
}

/* Most calls are made by a process's first thread. */
uint32_t tracee_tgid(uint32_t tid)
{
	char text[TRACEE_FILE];
	const char *at;
	unsigned tgid = tid;

	if (syscall(SYS_tgkill, tid, tid, 0) == 0 || errno == EPERM)
		return tid;
	tracee_file(tid, "status", text);
	at = strstr(text, "\nTgid:");
	if (at != NULL)
		sscanf(at, " Tgid: %u", &tgid);
	return tgid;
}

uint32_t tracee_parent(uint32_t tgid)
{
	char text[TRACEE_FILE];
	const char *close_paren;
	unsigned ppid = 0;

	tracee_file(tgid, "stat", text);
	close_paren = strrchr(text, ')');
	if (close_paren != NULL)
		sscanf(close_paren + 1, " %*c %u", &ppid);
	return ppid;
}

static uint64_t hex_behind(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at == NULL ? 0 : strtoull(at + strlen(key), NULL, 16);
}

void tracee_signals(uint32_t tid, struct tracee_signals *ret)
{
	char text[TRACEE_FILE];

	tracee_file(tid, "status", text);
	ret->pending = hex_behind(text, "\nSigPnd:") | hex_behind(text, "\nShdPnd:");
	ret->blocked = hex_behind(text, "\nSigBlk:");
	ret->ignored = hex_behind(text, "\nSigIgn:");
	ret->caught = hex_behind(text, "\nSigCgt:");
}
