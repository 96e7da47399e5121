/* A file system whose server soon stops to say anything about its files; and one who opens a file there and changes its
 * mode, and then makes a directory at a name that is given. Who asks about that file waits for as long as we live.
 * usage: silent_files FOLDER NAME; 77: no such file system here */
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void answer(int fd, uint64_t unique, int error, const void *body, size_t len)
{
	char bytes[512];
	struct fuse_out_header head = { (uint32_t)(sizeof(head) + len), error, unique };

	memcpy(bytes, &head, sizeof(head));
	if (len > 0)
		memcpy(bytes + sizeof(head), body, len);
	if (write(fd, bytes, head.len) < 0)
		_exit(0);
}

/* What it says is out of date at once. */
static void serve(int fd)
{
	static char bytes[1 << 17];
	const struct fuse_in_header *head = (const void *)bytes;
	struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_readahead = 4096, .max_write = 4096 };
	struct fuse_entry_out entry = { .nodeid = 2, .attr = { .ino = 2, .mode = S_IFREG | 0644, .nlink = 1 } };
	struct fuse_attr_out folder = { .attr = { .ino = 1, .mode = S_IFDIR | 0755, .nlink = 1 } };
	struct fuse_open_out open = { .fh = 1 };

	while (read(fd, bytes, sizeof(bytes)) > 0)
		switch (head->opcode) {
		case FUSE_INIT: answer(fd, head->unique, 0, &init, sizeof(init)); break;
		case FUSE_LOOKUP: answer(fd, head->unique, 0, &entry, sizeof(entry)); break;
		case FUSE_OPEN: answer(fd, head->unique, 0, &open, sizeof(open)); break;
		case FUSE_GETATTR:
			if (head->nodeid == 1)
				answer(fd, head->unique, 0, &folder, sizeof(folder));
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT: break;
		default: answer(fd, head->unique, -38 /* ENOSYS */, NULL, 0);
		}
}

static int mount_here(const char *folder)
{
	char options[80];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (fd < 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("silent", folder, "fuse.silent", 0, options) < 0)
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	int fd = argc == 3 ? mount_here(argv[1]) : -1, file;
	pid_t server = fd < 0 ? -1 : fork();

	if (server == 0) {
		serve(fd);
		_exit(0);
	}
	if (server < 0 || chdir(argv[1]) < 0)
		return 77;
	close(fd);
	file = open("file", O_RDONLY | O_CLOEXEC);
	fchmod(file, 0600);
	mkdir(argv[2], 0700);
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	return file < 0;
}
