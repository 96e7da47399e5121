/* hostile SEED SECONDS FOLDER: children that do whatever a sensor may not like, picked at random. Now and then each makes a
 * file FOLDER/m-N, and writes N to FOLDER/log when that has worked: what is in the log has to be reported. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, STACK = 64 << 10, AT_ONCE = 4, PATIENCE_MS = 2000 };

static const char *folder;
static int log_fd;
static _Atomic unsigned *next_mark; /* shared by all */
static char self[PAGE];

static void mark_as(unsigned n)
{
	char path[PAGE], text[16];
	int fd, len = snprintf(text, sizeof(text), "%u\n", n);

	snprintf(path, sizeof(path), "%s/m-%u", folder, n);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	close(fd);
	if (write(log_fd, text, (size_t)len) != len)
		_exit(9);
}

static void mark(void)
{
	mark_as(++*next_mark);
}

static void bad_pointers(void)
{
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const uintptr_t bad[] = { 0, 1, 0xfff, (uintptr_t)page + PAGE - 1, (uintptr_t)page + PAGE, UINTPTR_MAX, 1ULL << 47, (uintptr_t)-PAGE };

	munmap(page + PAGE, PAGE);
	memset(page, 'x', PAGE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		syscall(SYS_openat, AT_FDCWD, bad[i], O_RDWR | O_CREAT, 0600);
		syscall(SYS_openat, AT_FDCWD, page + PAGE - 3, O_RDONLY);
		syscall(437 /* openat2 */, AT_FDCWD, "x", bad[i], 24);
		syscall(SYS_connect, 0, bad[i], 16);
		syscall(SYS_connect, -1, bad[i], 1U << 31);
		syscall(SYS_sendmsg, 0, bad[i], 0);
		syscall(SYS_execve, bad[i], bad[i], bad[i]);
		syscall(SYS_execve, "/bin/true", bad[i], NULL);
		syscall(SYS_renameat, bad[i], bad[i], bad[i], bad[i]);
		syscall(SYS_mount, bad[i], bad[i], bad[i], 0, bad[i]);
		syscall(435 /* clone3 */, bad[i], 88);
		syscall(SYS_ptrace, bad[i], bad[i], bad[i], bad[i]);
		syscall(bad[i], bad[i], bad[i]);
		mark();
	}
}

static char *volatile moving;

static void *remove_it(void *unused)
{
	for (int i = 0; i < 300; i++) {
		mmap(moving, PAGE, i & 1 ? PROT_READ | PROT_WRITE : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		sched_yield();
	}
	return unused;
}

static void memory_goes(void)
{
	pthread_t thread;

	moving = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pthread_create(&thread, NULL, remove_it, NULL) != 0)
		return;
	for (int i = 0; i < 300; i++)
		syscall(SYS_openat, AT_FDCWD, moving, O_RDONLY);
	mark();
	pthread_join(thread, NULL);
}

static void become(const char *program, char *more)
{
	char text[16], fd[16];
	char *argv[] = { "hostile", "mark", text, (char *)folder, fd, more, NULL };

	snprintf(text, sizeof(text), "%u", ++*next_mark);
	snprintf(fd, sizeof(fd), "%d", log_fd);
	execv(program, argv);
}

static void huge_arguments(void)
{
	char *text = malloc(100000);

	memset(text, 'a', 99999);
	text[99999] = '\0';
	become(self, text);
}

static void not_dumpable(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	mark();
	if (setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0)
		mark();
}

static void trace_each_other(void)
{
	pid_t parent = getpid(), child = fork();

	if (child == 0) {
		ptrace(PTRACE_ATTACH, parent, 0, 0);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		mark();
		_exit(0);
	}
	ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_EXITKILL);
	ptrace(PTRACE_INTERRUPT, child, 0, 0);
	usleep(1000);
	ptrace(PTRACE_DETACH, child, 0, 0);
	mark();
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static int filter_call(long nr, uint32_t action, unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void own_filters(void)
{
	filter_call(SYS_mkdir, SECCOMP_RET_ERRNO | EPERM, 0);
	filter_call(SYS_getppid, SECCOMP_RET_TRACE, 0);
	filter_call(SYS_sethostname, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	mkdir("/nonexistent", 0);
	mark();
	getppid();
	filter_call(SYS_rmdir, SECCOMP_RET_KILL_PROCESS, 0);
	mark();
	rmdir("/nonexistent");
}

static int child_main(void *unused)
{
	mark();
	(void)unused;
	return 0;
}

static void clone_flags(void)
{
	static const unsigned long flags[] = {
		SIGCHLD, CLONE_UNTRACED | SIGCHLD, CLONE_VM | SIGCHLD, CLONE_VM | CLONE_UNTRACED | SIGCHLD, CLONE_PARENT,
		CLONE_NEWPID | SIGCHLD, CLONE_NEWUSER | SIGCHLD, CLONE_NEWNS | SIGCHLD, CLONE_FILES | CLONE_FS | SIGCHLD,
		CLONE_VM | CLONE_VFORK | SIGCHLD, CLONE_VM | CLONE_SIGHAND, CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | SIGCHLD,
		CLONE_UNTRACED, CLONE_NEWPID | CLONE_UNTRACED | SIGUSR1,
	};

	signal(SIGUSR1, SIG_IGN);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		pid_t child = clone(child_main, stack + STACK, (int)flags[i], NULL);

		if (child > 0)
			waitpid(child, NULL, __WALL);
	}
	mark();
}

static void vfork_chain(void)
{
	if (vfork() == 0) {
		if (vfork() == 0) {
			mark();
			_exit(0);
		}
		become(self, NULL);
		_exit(0);
	}
	mark();
	wait(NULL);
}

static void *exec_it(void *unused)
{
	become(self, NULL);
	return unused;
}

static void *open_and_wait(void *unused)
{
	char path[PAGE];

	snprintf(path, sizeof(path), "%s/fifo", folder);
	for (;;) {
		int fd = open(path, O_RDONLY);

		if (fd >= 0)
			close(fd);
	}
	return unused;
}

static void exec_in_thread(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, open_and_wait, NULL);
	mark();
	pthread_create(&threads[3], NULL, exec_it, NULL);
	pause();
}

static void exit_in_the_middle(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, open_and_wait, NULL);
	usleep((useconds_t)(rand() % 3000));
	mark();
}

static void *mark_later(void *unused)
{
	usleep(2000);
	mark();
	exit(0);
	return unused;
}

static void leader_leaves(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, mark_later, NULL);
	pthread_exit(NULL);
}

static void on_signal(int number)
{
	(void)number;
}

static void signal_storm(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = rand() & 1 ? SA_RESTART : 0 };
	pid_t me = getpid(), child;

	sigaction(SIGUSR1, &action, NULL);
	child = fork();
	if (child == 0) {
		for (int i = 0; i < 200; i++)
			kill(me, i % 20 == 0 ? SIGSTOP : i & 1 ? SIGUSR1 : SIGCONT);
		kill(me, SIGCONT);
		_exit(0);
	}
	for (int i = 0; i < 20; i++)
		mark();
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

static void ring_garbage(void)
{
	unsigned char params[120] = { 0 };
	long fd;

	for (size_t i = 0; i < 40; i++)
		params[i] = (unsigned char)rand();
	syscall(425, 8, params);
	memset(params, 0, sizeof(params));
	fd = syscall(425, 8, params);
	syscall(426, fd, 8, 0, 0, NULL, 0);
	syscall(427, fd, 8, params, 100000);
	mark();
}

static void deleted_program(void)
{
	char path[PAGE], bytes[PAGE];
	int from = open(self, O_RDONLY), to;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/copy-%d", folder, getpid());
	to = open(path, O_CREAT | O_WRONLY, 0700);
	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		if (write(to, bytes, (size_t)n) != n)
			return;
	close(to);
	if (fork() == 0)
		become(path, NULL);
	unlink(path);
	wait(NULL);
	mark();
}

static void elsewhere(void)
{
	if (unshare(CLONE_NEWNS | CLONE_FS | CLONE_FILES) == 0)
		mark();
	if (unshare(CLONE_NEWPID) == 0 && fork() == 0) {
		mark();
		_exit(0);
	}
	wait(NULL);
	if (chroot(folder) == 0 && chdir("/") == 0)
		close(open("/outside", O_CREAT | O_WRONLY, 0600));
}

static void (*const deeds[])(void) = {
	bad_pointers, memory_goes, huge_arguments, not_dumpable, trace_each_other, own_filters, clone_flags, vfork_chain, exec_in_thread,
	exit_in_the_middle, leader_leaves, signal_storm, ring_garbage, deleted_program, elsewhere,
};
enum { DEEDS = sizeof(deeds) / sizeof(deeds[0]) };

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Some stop themselves, or each other: they are not waited for. */
static void reap(pid_t *children, const int64_t *since, int64_t patience)
{
	for (int i = 0; i < AT_ONCE; i++) {
		if (children[i] == 0)
			continue;
		if (now_ms() - since[i] > patience)
			kill(-children[i], SIGKILL);
		if (waitpid(children[i], NULL, WNOHANG) != 0) {
			kill(-children[i], SIGKILL);
			children[i] = 0;
		}
	}
}

static pid_t start(unsigned seed)
{
	pid_t child = fork();

	if (child != 0)
		return child;
	setpgid(0, 0);
	srand(seed);
	alarm(3);
	deeds[rand() % DEEDS]();
	_exit(0);
}

int main(int argc, char **argv)
{
	pid_t children[AT_ONCE] = { 0 };
	int64_t since[AT_ONCE] = { 0 }, end;
	char path[PAGE];
	unsigned seed;

	if (argc >= 5 && strcmp(argv[1], "mark") == 0) {
		folder = argv[3];
		log_fd = atoi(argv[4]);
		mark_as((unsigned)atoi(argv[2]));
		return 0;
	}
	if (argc != 4 || readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 2;
	seed = (unsigned)atoi(argv[1]);
	end = now_ms() + 1000 * atoi(argv[2]);
	folder = argv[3];
	snprintf(path, sizeof(path), "%s/fifo", folder);
	mkfifo(path, 0600);
	snprintf(path, sizeof(path), "%s/log", folder);
	log_fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
	next_mark = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (unsigned n = 0; now_ms() < end; usleep(500)) {
		reap(children, since, PATIENCE_MS);
		for (int i = 0; i < AT_ONCE; i++) {
			if (children[i] != 0)
				continue;
			since[i] = now_ms();
			children[i] = start(seed * 100000 + n++);
		}
	}
	for (int i = 0; i < 200 && (children[0] | children[1] | children[2] | children[3]) != 0; i++, usleep(10000))
		reap(children, since, 500);
	return 0;
}
