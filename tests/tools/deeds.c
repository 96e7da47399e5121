/* Deeds of intruders, each as a command of its own, done in ways that are easily overlooked: for test_deeds.py.
 * usage: deeds NAME, in a folder of its own. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char **own_argv;

static struct sockaddr_in port(unsigned number)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)number),
				     .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

/* A connection to a server of our own; the server's end in *far. */
static int connection(int *far)
{
	struct sockaddr_in at = port(0);
	socklen_t len = sizeof(at);
	int server = socket(AF_INET, SOCK_STREAM, 0), near = socket(AF_INET, SOCK_STREAM, 0);

	bind(server, (void *)&at, sizeof(at));
	listen(server, 5);
	getsockname(server, (void *)&at, &len);
	connect(near, (void *)&at, sizeof(at));
	*far = accept(server, NULL, NULL);
	return near;
}

static void touch(const char *path)
{
	close(open(path, O_CREAT | O_WRONLY, 0600));
}

static void await(pid_t pid)
{
	waitpid(pid, NULL, 0);
}

/* ---- files ---- */

static void by_openat2(void)
{
	struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_NO_MAGICLINKS };
	int folder = open("/etc", O_PATH | O_DIRECTORY);

	syscall(SYS_openat2, folder, "./shadow", &how, sizeof(how));
}

static void by_handle(void)
{
	char room[sizeof(struct file_handle) + 128];
	struct file_handle *handle = (void *)room;
	int mount, root = open(".", O_RDONLY | O_DIRECTORY);

	touch("handled");
	handle->handle_bytes = 128;
	name_to_handle_at(AT_FDCWD, "handled", handle, &mount, 0);
	open_by_handle_at(root, handle, O_RDWR);
}

static void by_link_of_process(void)
{
	char path[64];
	int fd = open("/etc/shadow", O_PATH);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	open(path, O_RDONLY);
}

static void by_root_of_process(void)
{
	open("/proc/self/root/etc/shadow", O_RDONLY);
}

static void by_chain_of_links(void)
{
	symlink("/etc", "one");
	symlink("one", "two");
	open("two/shadow", O_RDONLY);
}

static void by_hard_link(void)
{
	touch("authorized_keys");
	link("authorized_keys", "harmless");
	open("harmless", O_WRONLY);
}

static void below_chroot(void)
{
	mkdir("jail", 0755);
	mkdir("jail/etc", 0755);
	touch("jail/etc/shadow");
	chroot("jail");
	chdir("/");
	open("/etc/shadow", O_RDONLY);
}

static void by_bind_mount(void)
{
	unshare(CLONE_NEWNS);
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	mkdir("bound", 0755);
	mount("/etc", "bound", NULL, MS_BIND, NULL);
	open("bound/shadow", O_RDONLY);
}

/* More mounts upon each other than anybody makes for an honest purpose. */
static void below_mounts(void)
{
	unshare(CLONE_NEWNS);
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	for (int i = 0; i < 200; i++)
		mount("/etc", "/etc", NULL, MS_BIND, NULL);
	open("/etc/shadow", O_RDONLY);
}

static void by_new_mount_api(void)
{
	int tree;

	unshare(CLONE_NEWNS);
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	mkdir("moved", 0755);
	tree = (int)syscall(428, AT_FDCWD, "/etc", 1);
	syscall(429, tree, "", AT_FDCWD, "moved", 4);
}

static void by_detached_mount(void)
{
	openat((int)syscall(428, AT_FDCWD, "/etc", 1 /* OPEN_TREE_CLONE */), "shadow", O_RDONLY);
}

static void by_copy(void)
{
	int from = open("/etc/hostname", O_RDONLY), to = open("copy", O_CREAT | O_WRONLY, 0644);

	copy_file_range(from, NULL, to, NULL, 100, 0);
}

static void by_sendfile(void)
{
	int far, near = connection(&far), from = open("/etc/hostname", O_RDONLY);

	sendfile(near, from, NULL, 100);
}

static void by_vector(void)
{
	struct iovec parts[2] = { { "root2:x:0:", 10 }, { "0::/:/bin/sh\n", 13 } };
	int fd = open("passwd", O_CREAT | O_WRONLY, 0644);

	writev(fd, parts, 2);
}

static void hidden_name(void)
{
	mkdir("...", 0700);
	touch(".../\x01\xff");
	rename(".../\x01\xff", ".../ ");
}

static void by_exchange(void)
{
	touch("good");
	touch("evil");
	renameat2(AT_FDCWD, "good", AT_FDCWD, "evil", 2);
}

static void log_cut(void)
{
	touch("auth.log");
	truncate("auth.log", 0);
}

static void dated_back(void)
{
	struct timespec times[2] = { { 1, 0 }, { 1, 0 } };

	touch("old");
	utimensat(AT_FDCWD, "old", times, 0);
}

static void without_name(void)
{
	open(".", O_TMPFILE | O_RDWR, 0755);
}

/* ---- programs ---- */

static void from_memory(void)
{
	int from = open("/proc/self/exe", O_RDONLY), fd = memfd_create("kworker", MFD_CLOEXEC);
	struct stat st;

	fstat(from, &st);
	sendfile(fd, from, NULL, (size_t)st.st_size);
	syscall(SYS_execveat, fd, "", (char *[]){ "[kworker/u8:2]", "nothing", NULL }, (char *[]){ "A=b", NULL }, AT_EMPTY_PATH);
}

static void from_deleted(void)
{
	int from = open("/proc/self/exe", O_RDONLY), fd = open("dropped", O_CREAT | O_WRONLY, 0755);
	struct stat st;

	fstat(from, &st);
	sendfile(fd, from, NULL, (size_t)st.st_size);
	close(fd);
	fd = open("dropped", O_RDONLY);
	unlink("dropped");
	fexecve(fd, (char *[]){ "dropped", "nothing", NULL }, (char *[]){ NULL });
}

static void other_argv(void)
{
	memset(own_argv[0], 0, strlen(own_argv[0]));
	strcpy(own_argv[0], "ls");
	prctl(PR_SET_NAME, "innocent", 0, 0, 0);
	open("/etc/shadow", O_RDONLY);
}

static void *in_thread(void *unused)
{
	prctl(PR_SET_NAME, "a-thread", 0, 0, 0);
	open("/etc/shadow", O_RDONLY);
	return unused;
}

static void by_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, in_thread, NULL);
	pthread_join(thread, NULL);
}

static void *exec_in_thread(void *unused)
{
	execl("/proc/self/exe", "from-a-thread", "nothing", NULL);
	return unused;
}

static void exec_by_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, exec_in_thread, NULL);
	pthread_join(thread, NULL);
}

static void after_fork(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		open("/etc/shadow", O_RDONLY);
		_exit(0);
	}
	await(pid);
}

static void after_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		syscall(SYS_open, "/etc/shadow", O_RDONLY);
		_exit(0);
	}
	await(pid);
}

static void after_clone3(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD, .flags = CLONE_NEWUSER | CLONE_NEWPID };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0) {
		open("/etc/passwd", O_RDWR | O_APPEND);
		_exit(0);
	}
	await(pid);
}

static void clone_flags(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD, .flags = CLONE_NEWUSER | CLONE_NEWPID };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	await(pid);
}

static void orphan(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		if (fork() == 0) {
			while (getppid() == getpgrp())
				;
			open("/etc/shadow", O_RDONLY);
			_exit(0);
		}
		_exit(0);
	}
	await(pid);
	usleep(50000);
}

static void killed(void)
{
	pid_t pid = fork();

	if (pid == 0)
		kill(getpid(), SIGKILL);
	await(pid);
}

static void exits(void)
{
	exit(42);
}

/* ---- connections ---- */

static void shell_on_connection(void)
{
	int far, near = connection(&far);
	pid_t pid = fork();

	if (pid == 0) {
		for (int fd = 0; fd < 3; fd++)
			dup3(near, fd, 0);
		execl("/bin/sh", "sh", "-c", "exit 0", NULL);
	}
	await(pid);
}

static void shell_on_pair(void)
{
	int pair[2];
	pid_t pid;

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	pid = fork();
	if (pid == 0) {
		dup2(pair[1], 0);
		dup2(pair[1], 1);
		execl("/bin/sh", "sh", "-c", "exit 0", NULL);
	}
	await(pid);
}

static void kept_connection(void)
{
	int far, near = connection(&far);

	fcntl(near, F_DUPFD, 100);
	dup2(near, 150);
}

static void talks(void)
{
	char room[100];
	int far, near = connection(&far);

	send(near, "GET /${jndi:ldap://x} HTTP/1.0\r\n", 32, 0);
	recv(far, room, sizeof(room), 0);
}

static void serves(void)
{
	char room[100];
	int far, near = connection(&far);

	send(near, "id; uname -a", 12, 0);
	recv(far, room, sizeof(room), 0);
	write(far, "uid=0(root)", 11);
}

static void class_file(void)
{
	char room[100];
	int far, near = connection(&far);
	struct iovec part = { room, sizeof(room) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	write(near, "\xca\xfe\xba\xbe\0\0\0\64", 8);
	recvmsg(far, &message, 0);
}

static void name_lookup(void)
{
	struct sockaddr_in to = port(53);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	sendto(fd, "\0\1exfil", 7, 0, (void *)&to, sizeof(to));
}

static void connected_datagram(void)
{
	struct sockaddr_in to = port(53);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	connect(fd, (void *)&to, sizeof(to));
	send(fd, "exfil", 5, 0);
}

/* Both to this machine, the second one is meant. */
static void second_message(void)
{
	struct sockaddr_in to[2] = { port(53), port(5301) };
	struct iovec data[2] = { { "harmless", 8 }, { "exfil", 5 } };
	struct mmsghdr messages[2] = { { .msg_hdr = { &to[0], sizeof(to[0]), &data[0], 1, NULL, 0, 0 } },
				       { .msg_hdr = { &to[1], sizeof(to[1]), &data[1], 1, NULL, 0, 0 } } };

	sendmmsg(socket(AF_INET, SOCK_DGRAM, 0), messages, 2, 0);
}

/* The first one is too long to be sent. */
static void second_try(void)
{
	static char much[70000];
	struct sockaddr_in to = port(5302);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	sendto(fd, much, sizeof(much), 0, (void *)&to, sizeof(to));
	sendto(fd, "exfil", 5, 0, (void *)&to, sizeof(to));
}

static void without_family(void)
{
	struct sockaddr_in to = port(5303);

	to.sin_family = AF_UNSPEC;
	sendto(socket(AF_INET, SOCK_DGRAM, 0), "exfil", 5, 0, (void *)&to, sizeof(to));
}

static void by_other_family(void)
{
	struct sockaddr_in to = port(5304);

	sendto(socket(AF_INET6, SOCK_DGRAM, 0), "exfil", 5, 0, (void *)&to, sizeof(to));
}

/* Longer than any address: of a message's the kernel cuts it. And in more pieces than one cares to look at. */
static void long_address(void)
{
	char name[1000] = "";
	struct sockaddr_in to = port(5305);
	struct iovec parts[50];
	struct msghdr message = { name, sizeof(name), parts, 50, NULL, 0, 0 };

	memcpy(name, &to, sizeof(to));
	for (size_t i = 0; i < 50; i++)
		parts[i] = (struct iovec){ i < 45 ? "" : &"exfil"[i - 45], i < 45 ? 0 : 1 };
	sendmsg(socket(AF_INET, SOCK_DGRAM, 0), &message, 0);
}

static void raw_socket(void)
{
	struct sockaddr_in to = port(0);
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

	sendto(fd, "\10\0\0\0\0\0\0\0", 8, 0, (void *)&to, sizeof(to));
}

static void sixth_version(void)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(4444), .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	connect(socket(AF_INET6, SOCK_STREAM, 0), (void *)&to, sizeof(to));
}

static void mapped(void)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(4445) };

	inet_pton(AF_INET6, "::ffff:127.0.0.1", &to.sin6_addr);
	connect(socket(AF_INET6, SOCK_STREAM, 0), (void *)&to, sizeof(to));
}

static void listens(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(31337) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	bind(fd, (void *)&at, sizeof(at));
	listen(fd, 7);
}

static void abstract_socket(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "docker.sock" };

	connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&to, sizeof(to));
}

/* As container runtimes have them. */
static void nameless_socket(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "\0/containerd-shim/deed.sock" };
	const socklen_t len = offsetof(struct sockaddr_un, sun_path) + 27;
	int server = socket(AF_UNIX, SOCK_STREAM, 0);

	bind(server, (void *)&at, len);
	listen(server, 1);
	connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&at, len);
	accept(server, NULL, NULL);
}

/* Whoever it is at the other end needs not know. Not every kernel has it. */
static void many_paths(void)
{
	struct sockaddr_in to = port(4446);
	int fd = socket(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */);

	connect(fd < 0 ? socket(AF_INET, SOCK_STREAM, 0) : fd, (void *)&to, sizeof(to));
}

static void passed_descriptor(void)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 'x';
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	int pair[2], fd = open("/etc/passwd", O_RDONLY);

	socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	sendmsg(pair[0], &message, 0);
}

/* ---- privileges ---- */

static pid_t waits(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	await(pid);
}

static void takes_descriptor(void)
{
	pid_t pid = waits();
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	syscall(SYS_pidfd_getfd, pidfd, 1, 0);
	end(pid);
}

static void writes_memory(void)
{
	static char place[8];
	struct iovec here = { "shell", 5 }, there = { place, 5 };
	pid_t pid = waits();

	process_vm_writev(pid, &here, 1, &there, 1, 0);
	end(pid);
}

static void pokes(void)
{
	static long place;
	pid_t pid = waits();

	if (ptrace(PTRACE_ATTACH, pid, 0, 0) == 0) /* refused if somebody else has it */
		waitpid(pid, NULL, 0);
	ptrace(PTRACE_POKEDATA, pid, &place, 7);
	ptrace(PTRACE_DETACH, pid, 0, 0);
	end(pid);
}

static void enters(void)
{
	int fd = open("/proc/self/ns/uts", O_RDONLY);

	setns(fd, CLONE_NEWUTS);
	setns((int)syscall(SYS_pidfd_open, getpid(), 0), CLONE_NEWUTS);
}

static void gone(void)
{
	int fd = open("gone", O_RDWR | O_CREAT, 0600);

	unlink("gone");
	fchmod(fd, 0700);
}

static void leaves(void)
{
	unshare(CLONE_NEWUSER | CLONE_NEWNET);
}

static void loads_module(void)
{
	touch("rootkit.ko");
	syscall(SYS_finit_module, open("rootkit.ko", O_RDONLY), "hide=1", 1);
}

static void loads_program(void)
{
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_KPROBE };

	syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static void keeps_key(void)
{
	syscall(SYS_add_key, "user", "name", "secret", 6, -3);
	syscall(SYS_keyctl, 0, -3, 0);
}

static void faults(void)
{
	syscall(SYS_userfaultfd, O_CLOEXEC | 1);
}

static void hides_memory(void)
{
	syscall(447, 0);
}

static void becomes(void)
{
	setresuid(65534, 65534, 65534);
	open("/etc/hostname", O_RDONLY);
}

static void gives_up(void)
{
	setgid(65534);
	setuid(65534);
}

static void gains_later(void)
{
	touch("suid");
	fchmodat(AT_FDCWD, "suid", 04755, 0);
	chown("suid", 65534, 65534);
}

static void makes_device(void)
{
	mknod("sda", S_IFCHR | 0600, makedev(1, 3));
}

static void writable_code(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}

/* The older ways to the same. */
static void dated_back_by_seconds(void)
{
	touch("old");
	syscall(SYS_futimesat, AT_FDCWD, "old", NULL);
}

static void writable_code_by_key(void)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, -1);
}

static void signals_with_a_word(void)
{
	siginfo_t info = { .si_signo = SIGKILL, .si_code = SI_QUEUE };
	pid_t child = fork();

	if (child == 0)
		pause();
	syscall(SYS_rt_sigqueueinfo, child, SIGKILL, &info);
	await(child);
}

static void hole_in_log(void)
{
	fallocate(open("auth.log", O_CREAT | O_WRONLY, 0600), FALLOC_FL_KEEP_SIZE, 0, 1);
}

static void wipes_history(void)
{
	touch(".bash_history");
	unlinkat(open(".", O_PATH), ".bash_history", 0);
}

static void profiles(void)
{
	struct {
		uint32_t type, size;
		uint64_t rest[14];
	} attr = { 1, sizeof(attr), { 0 } };

	syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

#if defined(__x86_64__)
static void old_entry(long number, const void *a, long b)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(0) : "memory");
}

static const char *low(const char *text)
{
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	return strcpy(page, text);
}

static void by_old_entry(void)
{
	old_entry(5, low("/etc/shadow"), 0);
}

/* The numbers of 16-bit ids, and of 64-bit lengths. */
static void by_older_numbers(void)
{
	touch("wtmp");
	old_entry(193, low("wtmp"), 0);
	old_entry(23, (void *)65534, 0);
}
#else
static void by_old_entry(void)
{
}

static void by_older_numbers(void)
{
}
#endif

/* A program that is not even given a name for itself. */
static void nameless(void)
{
	execve("/proc/self/exe", (char *[]){ NULL }, (char *[]){ NULL });
}

static void nothing(void)
{
}

static const struct {
	const char *name;
	void (*act)(void);
} deeds[] = {
#define DEED(name) { #name, name }
	DEED(by_openat2), DEED(by_handle), DEED(by_link_of_process), DEED(by_root_of_process), DEED(by_chain_of_links),
	DEED(by_hard_link), DEED(below_chroot), DEED(by_bind_mount), DEED(below_mounts), DEED(by_new_mount_api), DEED(by_detached_mount), DEED(by_copy), DEED(by_sendfile),
	DEED(by_vector), DEED(hidden_name), DEED(by_exchange), DEED(log_cut), DEED(dated_back), DEED(without_name),
	DEED(from_memory), DEED(from_deleted), DEED(other_argv), DEED(by_thread), DEED(exec_by_thread), DEED(after_fork),
	DEED(after_vfork), DEED(after_clone3), DEED(clone_flags), DEED(orphan), DEED(killed), DEED(exits), DEED(shell_on_connection),
	DEED(shell_on_pair), DEED(kept_connection), DEED(talks), DEED(serves), DEED(class_file), DEED(name_lookup), DEED(connected_datagram), DEED(raw_socket),
	DEED(second_message), DEED(second_try), DEED(without_family), DEED(by_other_family), DEED(long_address),
	DEED(sixth_version), DEED(mapped), DEED(listens), DEED(abstract_socket), DEED(nameless_socket), DEED(many_paths), DEED(passed_descriptor),
	DEED(takes_descriptor), DEED(writes_memory), DEED(pokes), DEED(enters), DEED(leaves), DEED(loads_module),
	DEED(loads_program), DEED(keeps_key), DEED(faults), DEED(hides_memory), DEED(becomes), DEED(gives_up),
	DEED(gains_later), DEED(makes_device), DEED(writable_code), DEED(wipes_history), DEED(dated_back_by_seconds), DEED(writable_code_by_key),
	DEED(signals_with_a_word), DEED(hole_in_log), DEED(profiles), DEED(by_old_entry),
	DEED(by_older_numbers), DEED(nameless), DEED(gone), DEED(nothing),
};

int main(int argc, char **argv)
{
	own_argv = argv;
	for (size_t i = 0; argc == 2 && i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (strcmp(deeds[i].name, argv[1]) == 0) {
			deeds[i].act();
			return 0;
		}
	return 2;
}
