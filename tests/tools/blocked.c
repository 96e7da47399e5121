/* blocked: a thread in each call that waits, until a line comes on standard input; then all are let go, and each says
 * how its call ended. Whoever attaches, detaches or dies meanwhile is not to be noticed. */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int pipe_fds[2], pairs[3][2], epoll_fd, sem_id, list_fds[2];
static uint32_t word;
static pid_t child;
static sigset_t awaited;

static long in_read(void)
{
	char byte;

	return read(pipe_fds[0], &byte, 1);
}

static long in_epoll(void)
{
	struct epoll_event event;

	return epoll_wait(epoll_fd, &event, 1, 60000);
}

static long in_epoll_pwait(void)
{
	struct epoll_event event;
	sigset_t mask = awaited;

	sigaddset(&mask, SIGHUP);
	return epoll_pwait(epoll_fd, &event, 1, -1, &mask);
}

static long in_futex(void)
{
	const struct timespec limit = { 60, 0 };

	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &limit, NULL, 0);
}

static long in_nanosleep(void)
{
	const struct timespec time = { 1, 500000000 };

	return clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL) == 0 ? 0 : -1;
}

static long in_poll(void)
{
	struct pollfd fd = { .fd = list_fds[0], .events = POLLIN };

	return poll(&fd, 1, 60000);
}

static long in_select(void)
{
	struct timeval limit = { 60, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(list_fds[0], &set);
	return select(list_fds[0] + 1, &set, NULL, NULL, &limit);
}

static long in_recv(void)
{
	char byte;

	return recv(pairs[0][0], &byte, 1, 0);
}

/* With a limit the kernel does not begin it again by itself. */
static long in_recv_limited(void)
{
	const struct timeval limit = { 60, 0 };
	char byte;

	setsockopt(pairs[1][0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return recv(pairs[1][0], &byte, 1, 0);
}

static long in_semop(void)
{
	struct sembuf down = { 0, -1, 0 };

	return semop(sem_id, &down, 1);
}

static long in_sigtimedwait(void)
{
	const struct timespec limit = { 60, 0 };

	return sigtimedwait(&awaited, NULL, &limit) == SIGUSR2 ? 0 : -1;
}

static long in_wait(void)
{
	return waitpid(child, NULL, 0) == child ? 0 : -1;
}

static struct thread {
	const char *name;
	long (*wait)(void);
	pthread_t thread;
	long result;
	int error;
} threads[] = {
	{ .name = "read", .wait = in_read },
	{ .name = "epoll_wait", .wait = in_epoll },
	{ .name = "epoll_pwait", .wait = in_epoll_pwait },
	{ .name = "futex", .wait = in_futex },
	{ .name = "nanosleep", .wait = in_nanosleep },
	{ .name = "poll", .wait = in_poll },
	{ .name = "select", .wait = in_select },
	{ .name = "recv", .wait = in_recv },
	{ .name = "recv_limited", .wait = in_recv_limited },
	{ .name = "semop", .wait = in_semop },
	{ .name = "sigtimedwait", .wait = in_sigtimedwait },
	{ .name = "wait", .wait = in_wait },
};
enum { THREADS = sizeof(threads) / sizeof(threads[0]) };

static void *run(void *userdata)
{
	struct thread *thread = userdata;

	errno = 0;
	thread->result = thread->wait();
	thread->error = errno;
	return NULL;
}

static void prepare(void)
{
	struct epoll_event event = { .events = EPOLLIN };

	sem_id = semget(IPC_PRIVATE, 1, 0600);
	epoll_fd = epoll_create1(0);
	if (pipe(pipe_fds) < 0 || pipe(list_fds) < 0 || epoll_fd < 0 || sem_id < 0)
		exit(2);
	for (int i = 0; i < 2; i++)
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]) < 0)
			exit(2);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, list_fds[0], &event);
	sigemptyset(&awaited);
	sigaddset(&awaited, SIGUSR2);
	sigprocmask(SIG_BLOCK, &awaited, NULL);
	child = fork();
	if (child == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigsuspend(&none);
		_exit(0);
	}
}

static void let_go(void)
{
	struct sembuf up = { 0, 1, 0 };

	__atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
	if (write(pipe_fds[1], "x", 1) != 1 || write(list_fds[1], "x", 1) != 1 || write(pairs[0][1], "x", 1) != 1 ||
	    write(pairs[1][1], "x", 1) != 1)
		exit(2);
	semop(sem_id, &up, 1);
	kill(child, SIGKILL);
	kill(getpid(), SIGUSR2);
}

int main(void)
{
	char line[16];
	int bad = 0;

	prepare();
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i].thread, NULL, run, &threads[i]) != 0)
			exit(2);
	puts("waiting");
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		exit(2);
	let_go();
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i].thread, NULL);
		if (threads[i].result < 0) {
			printf("%s: %s\n", threads[i].name, strerror(threads[i].error));
			bad++;
		}
	}
	semctl(sem_id, 0, IPC_RMID);
	return bad > 0;
}
