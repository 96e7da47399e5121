#include "sensor/ptrace/kept.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void let_go(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void forget(struct kept_thread *thread)
{
	if (thread->tid == 0)
		return;
	let_go(&thread->task);
	for (size_t i = 0; i < KEPT_LINKS; i++)
		let_go(&thread->links[i].fd);
	thread->tid = 0;
}

void kept_done(struct kept *kept)
{
	for (size_t i = 0; i < KEPT_THREADS; i++)
		forget(&kept->at[i]);
}

static struct kept_thread *thread_of(struct kept *kept, uint32_t tid)
{
	struct kept_thread *thread = &kept->at[tid % KEPT_THREADS];

	if (thread->tid == tid)
		return thread;
	forget(thread);
	thread->tid = tid;
	thread->asked = 0;
	thread->task = -1;
	for (size_t i = 0; i < KEPT_LINKS; i++)
		thread->links[i].fd = -1;
	return thread;
}

/* To keep something costs two calls more than to ask once. */
static bool is_worth_it(struct kept_thread *thread)
{
	thread->asked += thread->asked <= KEPT_FROM;
	return thread->asked > KEPT_FROM;
}

static void link_name(uint32_t tid, int number, char path[48])
{
	if (number == KEPT_CWD)
		snprintf(path, 48, "/proc/%u/cwd", tid);
	else
		snprintf(path, 48, "/proc/%u/fd/%d", tid, number);
}

ssize_t kept_link(struct kept *kept, uint32_t tid, int number, char *to, size_t size)
{
	struct kept_thread *thread = thread_of(kept, tid);
	size_t place = (unsigned)number % KEPT_LINKS;
	int *fd = &thread->links[place].fd;
	ssize_t len = *fd < 0 || thread->links[place].number != number ? -1 : readlinkat(*fd, "", to, size);
	char path[48];

	if (len >= 0)
		return len;
	link_name(tid, number, path);
	if (!is_worth_it(thread))
		return readlink(path, to, size);
	/* The link itself: what it says is asked of the thread each time. */
	let_go(fd);
	*fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	thread->links[place].number = number;
	return *fd < 0 ? -1 : readlinkat(*fd, "", to, size);
}

/* Of the folder's links two are its own, and one is of each thread; none of one that has ended. `path`: empty, it is
 * the folder that is open. */
static unsigned count_threads(int task, const char *path)
{
	struct stat st;

	return fstatat(task, path, &st, AT_EMPTY_PATH) < 0 || st.st_nlink < 2 ? 0 : (unsigned)st.st_nlink - 2;
}

bool kept_is_alone(struct kept *kept, uint32_t tid)
{
	struct kept_thread *thread = thread_of(kept, tid);
	unsigned threads = thread->task < 0 ? 0 : count_threads(thread->task, "");
	char path[48];

	if (threads > 0)
		return threads == 1;
	snprintf(path, sizeof(path), "/proc/%u/task", tid);
	if (!is_worth_it(thread))
		return count_threads(AT_FDCWD, path) == 1;
	let_go(&thread->task);
	thread->task = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return thread->task >= 0 && count_threads(thread->task, "") == 1;
}
