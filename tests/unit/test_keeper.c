/* The keeper as the worker and the command see it, without anybody who looks after them. */

#include "base/cleanup.h"
#include "sensor/ptrace/keeper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/filter.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int listener_of(unsigned call)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_LEN(code), code };
	int fd;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	return fd < 0 ? -errno : fd;
}

static pid_t start(struct keeper *keeper, void (*command)(struct keeper *))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		keeper_prepare(keeper);
		command(keeper);
		_exit(1);
	}
	return pid;
}

static int status_of(struct keeper *keeper)
{
	int status = 0;

	while (!keeper_watch(keeper, &status))
		usleep(1000);
	return status;
}

static void asks_once(struct keeper *keeper)
{
	if (keeper_offer(keeper, listener_of(SYS_getppid)) < 0)
		_exit(1);
	_exit(syscall(SYS_getppid) == 4242 ? 42 : 2);
}

static void test_a_call_is_answered(void **state)
{
	struct keeper *keeper = keeper_alone();
	struct seccomp_notif_resp answer = { .val = 4242 };
	struct seccomp_notif *slot;
	int listener = -1, status;
	pid_t command;

	(void)state;
	assert_non_null(keeper);
	assert_int_equal(keeper_listener(keeper), -ENOENT);
	assert_int_equal(keeper_command(keeper), 0);
	command = start(keeper, asks_once);
	assert_int_equal(keeper_accept(keeper, command, &listener), 0);
	assert_int_equal(keeper_command(keeper), command);
	assert_false(keeper_watch(keeper, &status));
	keeper_let_go(keeper);
	slot = keeper_slot(keeper);
	assert_non_null(slot);
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, slot), 0);
	assert_int_equal(slot->data.nr, SYS_getppid);
	answer.id = slot->id;
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer), 0);
	keeper_answered(keeper, slot);
	assert_int_equal(slot->id, 0);
	assert_int_equal(status_of(keeper), 42 << 8);
	close(listener);
	keeper_free(keeper);
}

static void has_no_filter(struct keeper *keeper)
{
	_exit(keeper_offer(keeper, -EINVAL) < 0 ? 0 : 1);
}

static void dies(struct keeper *keeper)
{
	(void)keeper;
	raise(SIGKILL);
}

static void test_a_command_that_does_not_come(void **state)
{
	struct keeper *keeper = keeper_alone();
	int listener = -1;

	(void)state;
	assert_int_equal(keeper_accept(keeper, start(keeper, has_no_filter), &listener), -EINVAL);
	assert_int_equal(status_of(keeper), 0);
	keeper_free(keeper);
	keeper = keeper_alone();
	assert_int_equal(keeper_accept(keeper, start(keeper, dies), &listener), -ESRCH);
	assert_int_equal(status_of(keeper), SIGKILL);
	assert_int_equal(listener, -1);
	keeper_free(keeper);
}

static void test_slots_are_bounded(void **state)
{
	struct keeper *keeper = keeper_alone();
	struct seccomp_notif *slot[KEEPER_SLOTS];

	(void)state;
	for (size_t i = 0; i < KEEPER_SLOTS; i++) {
		slot[i] = keeper_slot(keeper);
		assert_non_null(slot[i]);
	}
	assert_null(keeper_slot(keeper));
	slot[7]->id = 7;
	keeper_answered(keeper, slot[7]);
	assert_ptr_equal(keeper_slot(keeper), slot[7]);
	assert_int_equal(slot[7]->id, 0);
	keeper_free(keeper);
}

static void checks_signals(struct keeper *keeper)
{
	struct sigaction action;
	sigset_t mask;

	(void)keeper;
	sigprocmask(SIG_BLOCK, NULL, &mask);
	if (sigismember(&mask, SIGUSR1) || !sigismember(&mask, SIGUSR2))
		_exit(1);
	sigaction(SIGPIPE, NULL, &action);
	if (action.sa_handler != SIG_DFL)
		_exit(2);
	sigaction(SIGHUP, NULL, &action);
	_exit(action.sa_handler == SIG_IGN ? 0 : 3);
}

static void test_signals_are_as_before(void **state)
{
	struct keeper *keeper;
	sigset_t usr1, usr2;
	int status = -1;

	(void)state;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	sigprocmask(SIG_BLOCK, &usr2, NULL);
	signal(SIGHUP, SIG_IGN);
	keeper = keeper_alone();
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	signal(SIGPIPE, SIG_IGN);
	waitpid(start(keeper, checks_signals), &status, 0);
	assert_int_equal(status, 0);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	sigprocmask(SIG_UNBLOCK, &usr2, NULL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	keeper_free(keeper);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_call_is_answered),
		cmocka_unit_test(test_a_command_that_does_not_come),
		cmocka_unit_test(test_slots_are_bounded),
		cmocka_unit_test(test_signals_are_as_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
