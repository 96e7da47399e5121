/* Does through an io_uring what test_calls.py looks for, one operation after the other, below the folder that
 * is given; or, with a second argument, opens a file when there is no room for its completion; or, if that is a path,
 * opens that for writing and ends with what came of it. Without a library: what sensors see is the kernel's interface. */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OP_BIND = 56, OP_LISTEN = 57, SKIP_SUCCESS = 1 << 6 };

static struct ring {
	int fd;
	struct io_uring_params params;
	char *rings;
	struct io_uring_sqe *entries;
} ring;

static int ring_open(void)
{
	size_t size;

	ring.fd = (int)syscall(SYS_io_uring_setup, 4, &ring.params);
	if (ring.fd < 0 || !(ring.params.features & IORING_FEAT_SINGLE_MMAP))
		return -1;
	size = ring.params.cq_off.cqes + ring.params.cq_entries * sizeof(struct io_uring_cqe) + 4096;
	ring.rings = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
	ring.entries = mmap(NULL, ring.params.sq_entries * sizeof(*ring.entries), PROT_READ | PROT_WRITE, MAP_SHARED,
			    ring.fd, IORING_OFF_SQES);
	return ring.rings == MAP_FAILED || (void *)ring.entries == MAP_FAILED ? -1 : 0;
}

static uint32_t *word(uint32_t offset)
{
	return (uint32_t *)(void *)(ring.rings + offset);
}

/* The result of one operation; of one that says nothing of success 0, a moment later. */
static int ring_do(const struct io_uring_sqe *entry)
{
	uint32_t tail = *word(ring.params.sq_off.tail), at = tail & *word(ring.params.sq_off.ring_mask), head;
	struct io_uring_cqe *done = (struct io_uring_cqe *)(void *)(ring.rings + ring.params.cq_off.cqes);
	bool waits = !(entry->flags & SKIP_SUCCESS);

	ring.entries[at] = *entry;
	word(ring.params.sq_off.array)[at] = at;
	__atomic_store_n(word(ring.params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	syscall(SYS_io_uring_enter, ring.fd, 1, waits, waits ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
	head = *word(ring.params.cq_off.head);
	if (head == __atomic_load_n(word(ring.params.cq_off.tail), __ATOMIC_ACQUIRE))
		return 0;
	done += head & *word(ring.params.cq_off.ring_mask);
	__atomic_store_n(word(ring.params.cq_off.head), head + 1, __ATOMIC_RELEASE);
	return done->res;
}

/* One operation whose completion nobody fetches. */
static void ring_leave(const struct io_uring_sqe *entry)
{
	uint32_t tail = *word(ring.params.sq_off.tail), at = tail & *word(ring.params.sq_off.ring_mask);

	ring.entries[at] = *entry;
	word(ring.params.sq_off.array)[at] = at;
	__atomic_store_n(word(ring.params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	syscall(SYS_io_uring_enter, ring.fd, 1, 0, 0, NULL, 0);
}

static void open_when_full(void)
{
	struct io_uring_sqe entry = { .opcode = IORING_OP_NOP };

	for (uint32_t i = 0; i < ring.params.cq_entries; i++)
		ring_leave(&entry);
	entry = (struct io_uring_sqe){ .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .user_data = 7 };
	entry.addr = (uintptr_t) "/etc/shadow";
	ring_leave(&entry);
}

static int on_names(uint8_t op, const char *first, const char *second, uint32_t len, uint32_t flags)
{
	static char names[2][4096]; /* written over: what was asked for is the kernel's by then */
	struct io_uring_sqe entry = { .opcode = op, .fd = AT_FDCWD, .len = len, .open_flags = flags };
	int result;

	snprintf(names[0], sizeof(names[0]), "%s", first);
	snprintf(names[1], sizeof(names[1]), "%s", second);
	entry.addr = (uintptr_t)names[0];
	if (second[0] != '\0')
		entry.addr2 = (uintptr_t)names[1];
	if ((op == IORING_OP_RENAMEAT || op == IORING_OP_LINKAT))
		entry.len = (uint32_t)AT_FDCWD;
	result = ring_do(&entry);
	memset(names, 'x', sizeof(names) - 1);
	printf("%u %d\n", op, result);
	return result;
}

static int on_socket(uint8_t op, int fd, const struct sockaddr_in *address)
{
	struct io_uring_sqe entry = { .opcode = op, .fd = fd };
	struct iovec data = { (void *)(uintptr_t) "x", 1 };
	struct msghdr message = { .msg_name = (void *)(uintptr_t)address, .msg_namelen = sizeof(*address), .msg_iov = &data,
				  .msg_iovlen = 1 };
	int result;

	if (op == IORING_OP_SENDMSG) {
		entry.addr = (uintptr_t)&message;
		entry.len = 1;
	} else if (op == IORING_OP_SOCKET) {
		entry.fd = AF_INET;
		entry.off = SOCK_DGRAM;
	} else if (op == OP_LISTEN) {
		entry.len = 5;
	} else {
		entry.addr = (uintptr_t)address;
		entry.off = sizeof(*address);
	}
	result = ring_do(&entry);
	printf("%u %d\n", op, result);
	return result;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = { htonl(0x7f000004) } };
	struct sockaddr_in other = to;
	struct io_uring_sqe quiet = { .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .flags = SKIP_SUCCESS };
	int fd;

	if (argc < 2 || chdir(argv[1]) < 0)
		return 2;
	if (ring_open() < 0)
		return 77;
	if (argc > 2 && argv[2][0] == '/')
		return -on_names(IORING_OP_OPENAT, argv[2], "", 0, O_WRONLY) & 0xff;
	if (argc > 2) {
		open_when_full();
		return 0;
	}
	on_names(IORING_OP_OPENAT, "/etc/shadow", "", 0, O_RDONLY);
	on_names(IORING_OP_OPENAT, "nowhere", "", 0, O_RDONLY);
	on_names(IORING_OP_OPENAT, "made", "", 0600, O_WRONLY | O_CREAT);
	on_names(IORING_OP_MKDIRAT, "folder", "", 0700, 0);
	on_names(IORING_OP_RENAMEAT, "made", "folder/renamed", 0, 0);
	on_names(IORING_OP_LINKAT, "folder/renamed", "linked", 0, 0);
	on_names(IORING_OP_SYMLINKAT, "some text", "symbolic", 0, 0);
	on_names(IORING_OP_UNLINKAT, "linked", "", 0, 0);
	on_names(IORING_OP_UNLINKAT, "nowhere", "", 0, 0);
	quiet.addr = (uintptr_t)"/etc/gshadow";
	ring_do(&quiet);
	fd = on_socket(IORING_OP_SOCKET, 0, NULL);
	other.sin_addr.s_addr = htonl(0x7f000005);
	on_socket(IORING_OP_SENDMSG, fd, &other);
	on_socket(IORING_OP_CONNECT, fd, &to);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	other.sin_port = 0;
	on_socket(OP_BIND, fd, &other);
	on_socket(OP_LISTEN, fd, NULL);
	return 0;
}
