/* Who a process is, and what it runs: what is known without looking at every file is what those files say. */
#include "base/cleanup.h"
#include "sensor/ptrace/tracee.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
	pid_t pid;
	int pidfd;
	struct proc_facts facts;
	struct record last; /* as it was when it began */
};

static void stop_again(void)
{
	raise(SIGSTOP);
}

static void wait_for_stop(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
}

/* Stops at once, and after each of what it does. */
static void begin(struct child *child, void (*does)(void))
{
	*child = (struct child){ .pid = fork() };
	if (child->pid == 0) {
		stop_again();
		does();
		stop_again();
		_exit(0);
	}
	wait_for_stop(child->pid);
	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	assert_int_equal(tracee_fill_head(&child->last, (uint32_t)child->pid, (uint32_t)child->pid, 0, &child->facts), 0);
	kill(child->pid, SIGCONT);
	wait_for_stop(child->pid);
}

static void end(struct child *child)
{
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	close(child->pidfd);
	proc_facts_done(&child->facts);
}

static bool fill_known(struct child *child, struct record *ret)
{
	*ret = (struct record){ 0 };
	return tracee_fill_known(ret, (uint32_t)child->pid, &child->last, child->pidfd, &child->facts);
}

static bool kernel_tells(void)
{
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct tracee_info info = { .mask = TRACEE_INFO_USERS };

	return tracee_ask(pidfd, &info);
}

static void get_other_users(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	if (geteuid() == 0 && (setresgid(11, 12, 13) < 0 || setresuid(21, 0, 23) < 0))
		_exit(1);
	syscall(SYS_capget, &header, caps);
	caps[0].effective &= 0xffff;
	caps[0].inheritable = caps[0].permitted & 5;
	syscall(SYS_capset, &header, caps);
	setpgid(0, 0);
}

static void what_is_known_is_what_files_say(void **state)
{
	struct record known, read = { 0 };
	struct child child;

	(void)state;
	begin(&child, get_other_users);
	if (fill_known(&child, &known)) {
		assert_int_equal(tracee_fill_head(&read, (uint32_t)child.pid, (uint32_t)child.pid, 0, &child.facts), 0);
		read.time_ns = known.time_ns;
		assert_memory_equal(&known, &read, sizeof(read));
		assert_true(geteuid() != 0 || known.uid == 21);
		assert_int_equal(known.pgid, child.pid);
	} else {
		assert_false(kernel_tells());
	}
	end(&child);
}

static void begin_session(void)
{
	setsid();
}

static void who_begins_a_session_may_have_logged_in(void **state)
{
	struct record record;
	struct child child;

	(void)state;
	begin(&child, begin_session);
	assert_false(fill_known(&child, &record));
	end(&child);
}

static void another_process_of_that_number_is_not_known(void **state)
{
	struct record record;
	struct child child;

	(void)state;
	begin(&child, stop_again);
	kill(child.pid, SIGCONT);
	child.last.start_ns++;
	assert_false(fill_known(&child, &record));
	child.last.start_ns--;
	child.last.pidns_level = 1;
	assert_false(fill_known(&child, &record));
	child.last.pidns_level = 0;
	close(child.pidfd);
	child.pidfd = -1;
	assert_false(fill_known(&child, &record));
	end(&child);
}

/* Where a program begins, with these arguments and as many bytes of environment. */
static pid_t begin_program(char *const arguments[], size_t environment)
{
	char *text = calloc(1, environment + 3);
	char *const variables[] = { text, (char[]){ "B=1" }, NULL };
	pid_t pid = fork();
	int status;

	text[0] = 'A';
	text[1] = '=';
	memset(text + 2, 'x', environment);
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execve("/bin/true", arguments, variables);
		_exit(1);
	}
	free(text);
	waitpid(pid, &status, 0);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	return pid;
}

static void check_program(char *const arguments[], size_t environment)
{
	pid_t pid = begin_program(arguments, environment);
	struct proc_facts by_files = { 0 }, by_memory = { 0 };

	assert_int_equal(proc_read("/proc", (uint32_t)pid, PROC_READ_IMAGE | PROC_READ_ENV, &by_files), 0);
	assert_int_equal(proc_read_stat("/proc", (uint32_t)pid, &by_memory), 0);
	assert_int_not_equal(by_memory.args_place.at, 0);
	assert_int_equal(tracee_read_image((uint32_t)pid, true, &by_memory), 0);
	assert_true(str_eq(buf_str(&by_files.exe), buf_str(&by_memory.exe)));
	assert_true(str_eq(buf_str(&by_files.cwd), buf_str(&by_memory.cwd)));
	assert_true(str_eq(buf_str(&by_files.cgroup), buf_str(&by_memory.cgroup)));
	assert_true(str_eq(buf_str(&by_files.args), buf_str(&by_memory.args)));
	assert_true(str_eq(buf_str(&by_files.env), buf_str(&by_memory.env)));
	by_memory.args_place.end = by_memory.args_place.at + ((size_t)1 << 40); /* nobody has that */
	by_memory.args_place.at = 1;
	assert_int_equal(tracee_read_image((uint32_t)pid, false, &by_memory), 0);
	assert_true(str_eq(buf_str(&by_files.args), buf_str(&by_memory.args)));
	assert_int_equal(by_memory.env.len, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	proc_facts_done(&by_files);
	proc_facts_done(&by_memory);
}

static void a_program_is_read_from_its_memory_as_from_files(void **state)
{
	char long_one[9000];
	char *const few[] = { (char[]){ "true" }, (char[]){ "a b" }, (char[]){ "" }, NULL };
	char *const much[] = { (char[]){ "true" }, long_one, (char[]){ "end" }, NULL }, *const none[] = { NULL };

	(void)state;
	memset(long_one, 'y', sizeof(long_one));
	long_one[sizeof(long_one) - 1] = '\0';
	check_program(few, 10);
	check_program(much, 10000);
	check_program(none, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_known_is_what_files_say),
		cmocka_unit_test(who_begins_a_session_may_have_logged_in),
		cmocka_unit_test(another_process_of_that_number_is_not_known),
		cmocka_unit_test(a_program_is_read_from_its_memory_as_from_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
