/* What an intruder does, as one static program: each deed is one thing done to the kernel, harmlessly (what is
 * opened for writing is not written), and ends. It may be called by any name, so that links to it are nginx,
 * sshd or xmrig to whoever watches, runs in any container, and prints nothing unless something is in the way.
 *
 *   attack DEED [ARGUMENT…]     the deeds are in the table at the end */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
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
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Where nobody is: documentation's network, the clouds' metadata, a cluster's API. */
static const char *const addresses[] = { "203.0.113.7", "169.254.169.254", "10.96.0.1" };

static int act(char **arguments);

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

/* A command, and this the one that traces it: nobody else can. */
static int hide(char **command)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
			_exit(fail("ptrace"));
		_exit(start(command));
	}
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		ptrace(PTRACE_CONT, pid, 0, WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int user(char **arguments)
{
	uid_t uid = (uid_t)strtoul(arguments[0], NULL, 10);

	if (setgid(uid) < 0 || setuid(uid) < 0)
		return fail("setuid");
	return start(arguments + 1);
}

/* Another deed, by nobody. */
static int nobody(char **arguments)
{
	return setuid(65534) < 0 ? fail("setuid") : act(arguments);
}

/* By the name of a link beside this program: what is in the environment's path is not it. */
static int start_beside(char **command)
{
	char path[512];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (len < 0)
		return fail("readlink");
	path[len] = '\0';
	slash = strrchr(path, '/');
	snprintf(slash + 1, sizeof(path) - (size_t)(slash + 1 - path), "%s", command[0]);
	execv(path, command);
	return fail(path);
}

static int become_root(char **arguments)
{
	(void)arguments;
	return setuid(0) < 0 ? fail("setuid") : 0;
}

/* Somebody to attack. */
static pid_t victim(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	return pid;
}

static int trace(char **arguments)
{
	pid_t pid = victim();

	(void)arguments;
	if (pid < 0)
		return fail("fork");
	if (ptrace(PTRACE_ATTACH, pid, 0, 0) < 0)
		fail("ptrace");
	else
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

static int disguise(char **arguments)
{
	return prctl(PR_SET_NAME, arguments[0]) < 0 ? fail("prctl") : 0;
}

static int poke(char **arguments)
{
	static char theirs, ours;
	const struct iovec from = { &ours, 1 }, to = { &theirs, 1 };
	pid_t pid = victim();
	ssize_t written;

	(void)arguments;
	if (pid < 0)
		return fail("fork");
	written = process_vm_writev(pid, &from, 1, &to, 1, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return written == 1 ? 0 : fail("process_vm_writev");
}

/* The command on a terminal of its own. */
static int terminal(char **command)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), end;
	char said[256];
	pid_t pid;

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		return fail("terminal");
	pid = fork();
	if (pid == 0) {
		setsid();
		end = open(ptsname(master), O_RDWR);
		for (int i = 0; i <= 2; i++)
			if (dup2(end, i) < 0)
				_exit(1);
		_exit(start(command));
	}
	while (read(master, said, sizeof(said)) > 0)
		;
	return wait_for(pid);
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

static int open_for_writing(char **arguments)
{
	return open_file(arguments[0], O_WRONLY);
}

static int make_program(char **arguments)
{
	int fd = open(arguments[0], O_WRONLY | O_CREAT, 0755);

	return fd < 0 ? fail(arguments[0]) : close(fd);
}

static int creat_program(char **arguments)
{
	int fd = (int)syscall(SYS_creat, arguments[0], 0755);

	return fd < 0 ? fail(arguments[0]) : close(fd);
}

static int change_mode(char **arguments)
{
	int fd = open(arguments[0], O_RDWR | O_CREAT, 0600);

	return fd < 0 || fchmod(fd, 04755) < 0 ? fail(arguments[0]) : close(fd);
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

/* The same, and takes the call. */
static int answer(char **arguments)
{
	struct sockaddr_in at;
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);

	if (to_address(arguments[0], arguments[1], &at) < 0 || listener < 0 || fd < 0 ||
	    bind(listener, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 1) < 0 ||
	    connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return fail("connect");
	return accept(listener, NULL, NULL) < 0 ? fail("accept") : 0;
}

static int call_datagram(char **arguments)
{
	struct sockaddr_in to;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (to_address(arguments[0], arguments[1], &to) < 0 || fd < 0)
		return fail("socket");
	return connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ? fail("connect") : 0;
}

static int datagram(char **arguments)
{
	struct sockaddr_in to;
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (to_address(arguments[0], arguments[1], &to) < 0 || fd < 0)
		return fail("socket");
	/* Rules that except 0.0.0.0 mean it of either end. */
	from.sin_addr = to.sin_addr;
	if (bind(fd, (const struct sockaddr *)&from, sizeof(from)) < 0)
		return fail("bind");
	return sendto(fd, "x", 1, 0, (const struct sockaddr *)&to, sizeof(to)) < 0 ? fail("sendto") : 0;
}

/* A datagram to itself. */
static int receive(char **arguments)
{
	struct sockaddr_in at, from;
	socklen_t len = sizeof(from);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), to = socket(AF_INET, SOCK_DGRAM, 0);
	char byte;

	if (to_address(arguments[0], arguments[1], &at) < 0 || fd < 0 || to < 0 ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	    sendto(to, "x", 1, 0, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return fail("sendto");
	return recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &len) < 0 ? fail("recvfrom") : 0;
}

/* cap_setuid, as setcap(8) would give it. */
static int give_capability(char **arguments)
{
	static const unsigned words[] = { 0x02000001, 1 << 7, 0, 0, 0 };
	int fd = open(arguments[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	return fd < 0 || setxattr(arguments[0], "security.capability", words, sizeof(words), 0) < 0 ? fail("setxattr") : 0;
}

/* A connection over loopback, and who hears it. */
static int call_own(int *ret_listener)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = socket(AF_INET, SOCK_STREAM, 0);

	if (listener < 0 || fd < 0 || bind(listener, (struct sockaddr *)&at, len) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) < 0 ||
	    connect(fd, (struct sockaddr *)&at, len) < 0)
		return -1;
	*ret_listener = listener;
	return fd;
}

/* Java code that comes over the network. */
static int class_file(char **arguments)
{
	static const unsigned char code[] = { 0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52 };
	unsigned char bytes[sizeof(code)];
	int listener, fd = call_own(&listener), to = fd < 0 ? -1 : accept(listener, NULL, NULL);

	(void)arguments;
	if (to < 0 || send(to, code, sizeof(code), 0) < 0)
		return fail("send");
	return recv(fd, bytes, sizeof(bytes), 0) < 0 ? fail("recv") : 0;
}

static int shell(char **arguments)
{
	char name[] = "sh", option[] = "-c", script[] = "true", *command[] = { name, option, script, NULL };
	int listener, fd = call_own(&listener);

	(void)arguments;
	if (fd < 0)
		return fail("connect");
	for (int i = 0; i <= 2; i++)
		if (dup2(fd, i) < 0)
			return 1;
	return start(command);
}

static int ring(char **arguments)
{
	struct io_uring_params how = { 0 };

	(void)arguments;
	return syscall(SYS_io_uring_setup, 4, &how) < 0 ? fail("io_uring_setup") : 0;
}

static int packets(char **arguments)
{
	(void)arguments;
	return socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)) < 0 ? fail("socket") : 0;
}

/* A socket by a name of the file system, and a call to it. */
static int call_unix(char **arguments)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", arguments[0]);
	if (listener < 0 || fd < 0 || bind(listener, (const struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(listener, 1) < 0 || connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return fail(arguments[0]);
	return 0;
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

static int load_bpf(char **arguments)
{
	const struct bpf_insn program[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K }, { .code = BPF_JMP | BPF_EXIT } };
	union bpf_attr how = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
			       .insn_cnt = 2,
			       .insns = (uintptr_t)program,
			       .license = (uintptr_t) "GPL" };

	(void)arguments;
	return syscall(SYS_bpf, BPF_PROG_LOAD, &how, sizeof(how)) < 0 ? fail("bpf") : 0;
}

static int page_faults(char **arguments)
{
	(void)arguments;
	return syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY) < 0 ? fail("userfaultfd") : 0;
}

static int enter(char **arguments)
{
	int fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);

	(void)arguments;
	return fd < 0 || setns(fd, CLONE_NEWUTS) < 0 ? fail("setns") : 0;
}

static int user_namespace(char **arguments)
{
	(void)arguments;
	return unshare(CLONE_NEWUSER) < 0 ? fail("unshare") : 0;
}

/* ---- */

static const struct {
	const char *name;
	int arguments; /* at least */
	int (*act)(char **arguments);
} deeds[] = {
	{ "run", 1, run },
	{ "hide", 1, hide },
	{ "user", 2, user },
	{ "nobody", 1, nobody },
	{ "start", 1, start_beside },
	{ "become-root", 0, become_root },
	{ "trace", 0, trace },
	{ "traceme", 0, traceme },
	{ "memory", 0, from_memory },
	{ "disguise", 1, disguise },
	{ "poke", 0, poke },
	{ "terminal", 1, terminal },
	{ "read", 1, read_file },
	{ "write", 1, write_file },
	{ "open-write", 1, open_for_writing },
	{ "empty", 1, empty_file },
	{ "make-program", 1, make_program },
	{ "creat", 1, creat_program },
	{ "fchmod", 1, change_mode },
	{ "link", 2, make_link },
	{ "capability", 1, give_capability },
	{ "later", 2, later },
	{ "wire", 1, wire },
	{ "call", 2, call },
	{ "answer", 2, answer },
	{ "call-datagram", 2, call_datagram },
	{ "datagram", 2, datagram },
	{ "receive", 2, receive },
	{ "shell", 0, shell },
	{ "class-file", 0, class_file },
	{ "packets", 0, packets },
	{ "unix", 1, call_unix },
	{ "ring", 0, ring },
	{ "module", 0, module },
	{ "bpf", 0, load_bpf },
	{ "page-faults", 0, page_faults },
	{ "enter", 0, enter },
	{ "user-namespace", 0, user_namespace },
};

static int act(char **arguments)
{
	int count = 0;

	while (arguments[0] != NULL && arguments[count + 1] != NULL)
		count++;
	for (unsigned i = 0; arguments[0] != NULL && i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (strcmp(arguments[0], deeds[i].name) == 0 && count >= deeds[i].arguments)
			return deeds[i].act(arguments + 1);
	fprintf(stderr, "usage: attack DEED [ARGUMENT…]\n");
	return 2;
}

int main(int argc, char **argv)
{
	return act(argv + (argc > 0));
}
