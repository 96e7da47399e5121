/* What is kept open of threads: it tells what is so now, of whom it was opened for. */
#include "base/cleanup.h"
#include "base/str.h"
#include "sensor/ptrace/kept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct kept kept;

static struct str link_of(uint32_t tid, int number)
{
	static char text[256];
	ssize_t len = kept_link(&kept, tid, number, text, sizeof(text));

	return (struct str){ text, len < 0 ? 0 : (size_t)len };
}

static void test_links_are_told_as_they_are_now(void **state)
{
	uint32_t self = (uint32_t)getpid();
	int fd = open("/", O_PATH | O_CLOEXEC), other = open("/usr", O_PATH | O_CLOEXEC);

	(void)state;
	for (int round = 0; round < 3; round++) {
		assert_int_equal(chdir("/usr"), 0);
		assert_true(str_eq(link_of(self, KEPT_CWD), STR("/usr")));
		assert_int_equal(chdir("/"), 0);
		assert_true(str_eq(link_of(self, KEPT_CWD), STR("/")));
		dup2(fd, 77);
		assert_true(str_eq(link_of(self, 77), STR("/")));
		close(77);
		assert_int_equal(link_of(self, 77).len, 0);
		dup2(other, 77 + KEPT_LINKS); /* in the same place */
		assert_true(str_eq(link_of(self, 77 + KEPT_LINKS), STR("/usr")));
		assert_int_equal(link_of(self, 77).len, 0);
		close(77 + KEPT_LINKS);
	}
	close(fd);
	close(other);
	kept_done(&kept);
}

/* As often that it is kept. */
static void ask(uint32_t tid)
{
	for (int i = 0; i <= KEPT_FROM; i++)
		assert_true(kept_is_alone(&kept, tid));
}

static void *wait_for_end(void *userdata)
{
	pthread_barrier_wait(userdata);
	pthread_barrier_wait(userdata);
	return NULL;
}

static void see_thread_come(void)
{
	uint32_t self = (uint32_t)getpid();
	pthread_barrier_t barrier;
	pthread_t thread;

	assert_true(kept_is_alone(&kept, self));
	pthread_barrier_init(&barrier, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_end, &barrier), 0);
	pthread_barrier_wait(&barrier);
	assert_false(kept_is_alone(&kept, self));
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&barrier);
}

static void test_threads_are_seen_to_come(void **state)
{
	(void)state;
	see_thread_come();
	ask((uint32_t)getpid());
	see_thread_come();
	kept_done(&kept);
}

/* A child in `folder`, with this number if it is not 0. -1: nobody may choose. */
static pid_t begin(const char *folder, pid_t number)
{
	struct clone_args how = { .exit_signal = SIGCHLD, .set_tid = number == 0 ? 0 : (uintptr_t)&number,
				    .set_tid_size = number != 0 };
	pid_t pid = (pid_t)syscall(SYS_clone3, &how, sizeof(how));

	if (pid == 0) {
		if (chdir(folder) == 0)
			raise(SIGSTOP);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, WUNTRACED);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_who_gets_the_number_of_another_is_not_taken_for_that(void **state)
{
	pid_t pid = begin("/usr", 0);
	uint32_t tid = (uint32_t)pid;

	(void)state;
	assert_true(pid > 0);
	assert_true(str_eq(link_of(tid, KEPT_CWD), STR("/usr")));
	ask(tid);
	assert_true(str_eq(link_of(tid, KEPT_CWD), STR("/usr")));
	end(pid);
	assert_int_equal(link_of(tid, KEPT_CWD).len, 0);
	assert_false(kept_is_alone(&kept, tid));

	pid = begin("/usr", 0);
	tid = (uint32_t)pid;
	assert_true(str_eq(link_of(tid, KEPT_CWD), STR("/usr")));
	ask(tid);
	end(pid);
	pid = begin("/", pid);
	if (pid > 0) {
		assert_int_equal(pid, tid);
		assert_true(kept_is_alone(&kept, tid));
		assert_true(str_eq(link_of(tid, KEPT_CWD), STR("/")));
		end(pid);
	}
	kept_done(&kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links_are_told_as_they_are_now),
		cmocka_unit_test(test_threads_are_seen_to_come),
		cmocka_unit_test(test_who_gets_the_number_of_another_is_not_taken_for_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
