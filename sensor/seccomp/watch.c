/* A listener of all calls of a command. */
#include "sensor/seccomp/watch.h"

#include "base/cleanup.h"
#include "sensor/seccomp/listener.h"
#include "sensor/seccomp/profile.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Newer than the headers of Debian 12. */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

enum { TICK_MS = 50, X32_BIT = 0x40000000 };

static volatile sig_atomic_t handed_to; /* the command */

static void hand_on(int number)
{
	if (handed_to > 0)
		kill(handed_to, number);
}

/* ---- the child ---- */

struct letter {
	struct msghdr head;
	struct iovec part;
	int error; /* of whoever could not hand over */
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
};

static void letter_begin(struct letter *letter)
{
	*letter = (struct letter){ 0 };
	letter->part = (struct iovec){ &letter->error, sizeof(letter->error) };
	letter->head = (struct msghdr){ .msg_iov = &letter->part, .msg_iovlen = 1, .msg_control = &letter->control,
					.msg_controllen = sizeof(letter->control) };
}

/* All calls, except the one that hands the listener over: nobody answers before. */
static int install(int to, const struct letter *letter)
{
	const uint32_t args = offsetof(struct seccomp_data, args);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, args),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)to, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, args + 8),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(uintptr_t)&letter->head, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog program = { .len = ARRAY_LEN(code), .filter = code };
	static const unsigned long flags[] = {
		SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
		SECCOMP_FILTER_FLAG_NEW_LISTENER,
	};
	long fd = -1;

	for (size_t i = 0; fd < 0 && i < ARRAY_LEN(flags); i++) {
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags[i], &program);
		if (fd < 0 && errno == EACCES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
			fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags[i], &program);
	}
	return fd < 0 ? -errno : (int)fd;
}

static _Noreturn void run_command(int to, char *const *command)
{
	static struct letter letter; /* not on a stack: its address is part of the filter */
	struct cmsghdr *head;
	int fd;

	letter_begin(&letter);
	fd = install(to, &letter);
	if (fd >= 0) {
		head = CMSG_FIRSTHDR(&letter.head);
		*head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(head), &fd, sizeof(fd));
		sendmsg(to, &letter.head, 0);
		execvp(command[0], command);
		fd = -errno;
	}
	if (write(to, &fd, sizeof(fd)) < 0)
		_exit(126);
	_exit(127);
}

/* ---- the listener ---- */

static void note(struct watched *watched, const struct seccomp_data *data)
{
	uint32_t number = (uint32_t)data->nr, arch = data->arch;

	watched->calls++;
	if (arch == AUDIT_ARCH_X86_64 && (number & X32_BIT)) {
		arch = PROFILE_ARCH_X32;
		number &= ~(uint32_t)X32_BIT;
	}
	for (size_t i = 0; number < WATCH_CALLS_MAX && i < WATCH_ARCHES_MAX; i++) {
		if (watched->arches[i].arch != 0 && watched->arches[i].arch != arch)
			continue;
		watched->arches[i].arch = arch;
		watched->arches[i].seen[number] = true;
		return;
	}
	watched->unknown++;
}

/* As large as the kernel says, which may be more than ours. */
union notification {
	struct seccomp_notif notif;
	char room[1024];
};

static void take_one(int listener, struct watched *watched)
{
	union notification got = { 0 };
	struct seccomp_notif_resp answer = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &got) < 0)
		return; /* it died, or was interrupted */
	note(watched, &got.notif.data);
	answer.id = got.notif.id;
	(void)listener_answer(listener, &answer);
}

/* Those that were orphaned are ours: a filter ends only when the last that had it is gone for good. */
static bool reap(pid_t command, int *ret_status)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
		if (pid == command)
			*ret_status = status;
	return pid < 0 && errno == ECHILD;
}

static void listen_on(int listener, pid_t command, struct watched *watched)
{
	struct pollfd waiting = { .fd = listener, .events = POLLIN };
	bool none_left = false;

	ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	while (!none_left) {
		int n = poll(&waiting, 1, TICK_MS);

		if (n > 0 && (waiting.revents & POLLIN))
			take_one(listener, watched);
		if (n <= 0 || (waiting.revents & POLLHUP))
			none_left = reap(command, &watched->status);
		if (n > 0 && (waiting.revents & POLLHUP) && !none_left)
			poll(NULL, 0, TICK_MS / 10);
	}
}

/* The listener, or -errno with what failed. */
static int receive(int from, const char **ret_why)
{
	struct letter letter;
	struct cmsghdr *head;
	int fd;

	letter_begin(&letter);
	*ret_why = "a listener of system calls";
	if (recvmsg(from, &letter.head, MSG_CMSG_CLOEXEC) <= 0)
		return -errno;
	head = CMSG_FIRSTHDR(&letter.head);
	if (head == NULL || head->cmsg_type != SCM_RIGHTS)
		return letter.error < 0 ? letter.error : -EPROTO;
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

static void set_signals(void (*interrupt)(int), void (*end)(int))
{
	signal(SIGINT, interrupt);
	signal(SIGQUIT, interrupt);
	signal(SIGTERM, end);
	signal(SIGHUP, end);
}

static int watch(int from, pid_t command, struct watched *ret, const char **ret_why)
{
	autoclose int listener = receive(from, ret_why);
	int error = 0;

	if (listener < 0) {
		waitpid(command, NULL, 0);
		return listener;
	}
	handed_to = command;
	set_signals(SIG_IGN, hand_on);
	listen_on(listener, command, ret);
	set_signals(SIG_DFL, SIG_DFL);
	handed_to = 0;
	if (recv(from, &error, sizeof(error), MSG_DONTWAIT) == sizeof(error)) {
		*ret_why = "the command";
		return error;
	}
	return 0;
}

int watch_command(char *const *command, struct watched *ret, const char **ret_why)
{
	int pair[2], r;
	pid_t child;

	*ret = (struct watched){ 0 };
	*ret_why = "a process";
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	child = fork();
	if (child == 0)
		run_command(pair[1], command);
	close(pair[1]);
	r = child < 0 ? -errno : watch(pair[0], child, ret, ret_why);
	close(pair[0]);
	return r;
}
