/* What an intruder does, as one static program: each subcommand does one thing to the kernel, harmlessly, and
 * ends. It is called by the name that the parent of the deed shall have (links to it: nginx, sshd …), runs in
 * any container, and prints nothing unless something is in the way.
 *
 *   attack run COMMAND…             starts a command as a child and waits for it
 *   attack user UID COMMAND…        becomes that user, then the command
 *   attack later SECONDS FILE       waits, then reads
 *   attack read FILE, write FILE, empty FILE, link FILE NAME
 *   attack wire COMMAND…            the command in a network of its own, in which the addresses below are its own
 *   attack call ADDRESS PORT        connects without waiting for an answer; udp: sends a datagram
 *   attack shell                    a shell on a connection to itself, by dup2
 *   attack packets | module | trace | traceme | memory | become-root */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where nobody is: documentation's network, the clouds' metadata, a cluster's API. */
static const char *const addresses[] = { "203.0.113.7", "169.254.169.254", "10.96.0.1" };

static int fail(const char *what)
{
	fprintf(stderr, "attack: %s: %s\n", what, strerror(errno));
	return 1;
}

static int start(char **command)
{
	execvp(command[0], command);
	return fail(command[0]);
}

static int wait_for(pid_t pid)
{
	int status = 0;

	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return fail("fork");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- processes ---- */

static int run(char **command)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(start(command));
	return wait_for(pid);
}

static int user(char **arguments)
{
	uid_t uid = (uid_t)strtoul(arguments[0], NULL, 10);

	if (setgid(uid) < 0 || setuid(uid) < 0)
		return fail("setuid");
	return start(arguments + 1);
}

/* What a program does that was never anybody else: asks for root. */
static int become_root(char **arguments)
{
	(void)arguments;
	if (setuid(65534) < 0)
		return fail("setuid");
	return setuid(0) == 0;
}

static int trace(char **arguments)
{
	pid_t pid = fork();

	(void)arguments;
	if (pid == 0) {
		pause();
		_exit(0);
	}
	if (pid < 0 || ptrace(PTRACE_ATTACH, pid, 0, 0) < 0)
		return fail("ptrace");
	waitpid(pid, NULL, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return 0;
}

static int traceme(char **arguments)
{
	(void)arguments;
	return ptrace(PTRACE_TRACEME, 0, 0, 0) < 0 ? fail("ptrace") : 0;
}

static int copy_into(int to, const char *path)
{
	int from = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	off_t at = 0;

	if (from < 0 || fstat(from, &status) < 0)
		return -1;
	while (at < status.st_size)
		if (sendfile(to, from, &at, (size_t)(status.st_size - at)) <= 0)
			return -1;
	return close(from);
}

/* Itself again, from memory: without arguments it only says how it is used. */
static int from_memory(char **arguments)
{
	char name[] = "ghost", *argv[] = { name, NULL }, *environment[] = { NULL };
	int fd = memfd_create("ghost", MFD_CLOEXEC);

	(void)arguments;
	if (fd < 0 || copy_into(fd, "/proc/self/exe") < 0)
		return fail("memfd");
	fexecve(fd, argv, environment);
	return fail("fexecve");
}

/* ---- files ---- */

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd < 0)
		return fail(path);
	close(fd);
	return 0;
}

static int read_file(char **arguments)
{
	return open_file(arguments[0], O_RDONLY);
}

static int write_file(char **arguments)
{
	return open_file(arguments[0], O_WRONLY | O_CREAT);
}

static int empty_file(char **arguments)
{
	return open_file(arguments[0], O_WRONLY | O_TRUNC);
}

static int make_link(char **arguments)
{
	return link(arguments[0], arguments[1]) < 0 ? fail("link") : 0;
}

static int later(char **arguments)
{
	sleep((unsigned)strtoul(arguments[0], NULL, 10));
	return read_file(arguments + 1);
}

/* ---- the network ---- */

static int to_address(const char *address, const char *port, struct sockaddr_in *ret)
{
	*ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
	return inet_pton(AF_INET, address, &ret->sin_addr) == 1 ? 0 : -1;
}

/* Whether the request about an interface of loopback was granted. */
static int ask(int fd, unsigned long what, const char *name, const char *address)
{
	struct ifreq request = { .ifr_flags = IFF_UP };
	struct sockaddr_in ip;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (address != NULL) {
		to_address(address, "0", &ip);
		memcpy(&request.ifr_addr, &ip, sizeof(ip));
	}
	return ioctl(fd, what, &request);
}

static int wire(char **command)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		return fail("unshare");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ask(fd, SIOCSIFFLAGS, "lo", NULL) < 0)
		return fail("lo");
	for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		char name[IFNAMSIZ];

		snprintf(name, sizeof(name), "lo:%u", i);
		if (ask(fd, SIOCSIFADDR, name, addresses[i]) < 0)
			return fail(addresses[i]);
	}
	close(fd);
	return start(command);
}

/* A listener takes the call, so that it succeeds. */
static int call(char **arguments)
{
	struct sockaddr_in to;
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (to_address(arguments[0], arguments[1], &to) < 0 || listener < 0 || fd < 0)
		return fail("socket");
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (const struct sockaddr *)&to, sizeof(to)) < 0 || listen(listener, 1) < 0)
		return fail("listen");
	return connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ? fail("connect") : 0;
}

static int datagram(char **arguments)
{
	struct sockaddr_in to;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (to_address(arguments[0], arguments[1], &to) < 0 || fd < 0)
		return fail("socket");
	return sendto(fd, "x", 1, 0, (const struct sockaddr *)&to, sizeof(to)) < 0 ? fail("sendto") : 0;
}

static int shell(char **arguments)
{
	char name[] = "sh", option[] = "-c", script[] = "true", *command[] = { name, option, script, NULL };
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)arguments;
	if (listener < 0 || fd < 0 || bind(listener, (struct sockaddr *)&at, len) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) < 0 ||
	    connect(fd, (struct sockaddr *)&at, len) < 0)
		return fail("connect");
	for (int i = 0; i <= 2; i++)
		if (dup2(fd, i) < 0)
			return 1;
	return start(command);
}

static int packets(char **arguments)
{
	(void)arguments;
	return socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)) < 0 ? fail("socket") : 0;
}

/* ---- the kernel ---- */

/* No module: the kernel refuses it. */
static int module(char **arguments)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)arguments;
	if (fd < 0)
		return fail("open");
	return syscall(SYS_finit_module, fd, "", 0) == 0;
}

/* ---- */

static const struct {
	const char *name;
	int arguments; /* at least */
	int (*act)(char **arguments);
} deeds[] = {
	{ "run", 1, run },
	{ "user", 2, user },
	{ "become-root", 0, become_root },
	{ "trace", 0, trace },
	{ "traceme", 0, traceme },
	{ "memory", 0, from_memory },
	{ "read", 1, read_file },
	{ "write", 1, write_file },
	{ "empty", 1, empty_file },
	{ "link", 2, make_link },
	{ "later", 2, later },
	{ "wire", 1, wire },
	{ "call", 2, call },
	{ "datagram", 2, datagram },
	{ "shell", 0, shell },
	{ "packets", 0, packets },
	{ "module", 0, module },
};

int main(int argc, char **argv)
{
	for (unsigned i = 0; argc > 1 && i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (strcmp(argv[1], deeds[i].name) == 0 && argc - 2 >= deeds[i].arguments)
			return deeds[i].act(argv + 2);
	fprintf(stderr, "usage: attack DEED [ARGUMENT…]\n");
	return 2;
}
