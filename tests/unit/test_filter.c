/* The filter of `tocsin-sensor run`: what reaches the listener, by every way in, against a plain reading of the
 * same wishes; and that nothing is ever refused. */
#include "base/cleanup.h"
#include "sensor/call_numbers.h"
#include "sensor/ptrace/filter.h"
#include "sensor/seccomp/program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#define ALL UINT16_MAX
#define BIT(kind) ((uint16_t)(1U << (kind)))

static struct interest interest; /* 500 entries and their reasons: too much for a stack */
static struct probe_settings settings;
static struct filter_cover cover;
static struct filter filter;
static struct seccomp_program program;

static size_t row_of(unsigned nr)
{
	return (size_t)(call_find((uint16_t)nr) - calls);
}

static void begin(void)
{
	memset(&interest, 0, sizeof(interest));
	memset(&settings, 0, sizeof(settings));
	settings.interest = &interest;
}

static void want(unsigned nr, uint16_t kinds)
{
	interest.calls[nr].can = kinds;
	settings.wanted[row_of(nr)] = kinds != 0;
}

static void make(void)
{
	filter_cover_of(&settings, &cover);
	assert_true(filter_make(&cover, &filter));
	program.len = filter.count;
	memcpy(program.at, filter.code, filter.count * sizeof(*filter.code));
	assert_int_equal(seccomp_program_check(&program, NULL), 0);
}

static bool is_told(const struct seccomp_data *data)
{
	uint32_t action = seccomp_program_run(&program, data);

	assert_true(action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_USER_NOTIF);
	return action == SECCOMP_RET_USER_NOTIF;
}

static bool told(unsigned nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return is_told(&(struct seccomp_data){ .nr = (int)nr, .arch = CALL_AUDIT_ARCH, .args = { a, b, c, d } });
}

static void test_what_nobody_wants_is_not_told(void **state)
{
	(void)state;
	begin();
	make();
	assert_false(filter_is_full(&cover));
	assert_false(told(SYS_openat, 0, 1, O_RDWR | O_CREAT, 0755));
	assert_false(told(SYS_read, 0, 1, 2, 0));
	assert_false(told(SYS_chdir, 1, 0, 0, 0));
	assert_false(told(SYS_clone3, 1, 2, 0, 0));
	assert_true(told(SYS_execve, 1, 2, 3, 0));
	assert_true(told(SYS_execveat, 1, 2, 3, 0));
}

static void test_rare_calls_are_told_before_any_rule_wants_them(void **state)
{
	static const unsigned rare[] = { SYS_ptrace, SYS_bpf, SYS_setuid, SYS_mount, SYS_finit_module, SYS_seccomp };

	(void)state;
	begin();
	make();
	for (size_t i = 0; i < ARRAY_LEN(rare); i++)
		assert_true(told(rare[i], 1, 2, 3, 4));
	assert_false(told(SYS_prctl, 15, 0, 0, 0));
	assert_false(told(SYS_setpgid, 0, 0, 0, 0));
}

static void test_opens_are_told_by_how_they_open(void **state)
{
	(void)state;
	begin();
	want(SYS_openat, BIT(PLAN_KIND_WRITE) | BIT(PLAN_KIND_BOTH));
	want(SYS_openat2, BIT(PLAN_KIND_WRITE));
	make();
	assert_false(filter_is_full(&cover));
	assert_false(told(SYS_openat, 0, 1, O_RDONLY | O_CLOEXEC, 0));
	assert_true(told(SYS_openat, 0, 1, O_WRONLY, 0));
	assert_true(told(SYS_openat, 0, 1, O_RDWR, 0));
	assert_true(told(SYS_openat, 0, 1, 3, 0));
	assert_false(told(SYS_openat, 0, 1, O_RDONLY | O_CREAT, 0755));
	assert_true(told(SYS_openat2, 0, 1, 2, 3)); /* its flags are in memory */
	assert_false(told(SYS_open, 0, O_WRONLY, 0, 0));
	want(SYS_openat, BIT(PLAN_KIND_READ | PLAN_KIND_MAKES_EXEC));
	make();
	assert_true(told(SYS_openat, 0, 1, O_RDONLY | O_CREAT, 0755));
	assert_false(told(SYS_openat, 0, 1, O_RDONLY | O_CREAT, 0644));
	assert_false(told(SYS_openat, 0, 1, O_RDONLY, 0755));
	assert_true(told(SYS_openat, 0, 1, O_WRONLY | O_TMPFILE, 0700));
	want(SYS_openat, BIT(PLAN_KIND_READ | PLAN_KIND_FAILED));
	make();
	assert_true(filter_is_full(&cover));
	assert_true(told(SYS_openat, 0, 1, O_RDONLY, 0));
	assert_false(told(SYS_openat, 0, 1, O_WRONLY, 0));
}

static void test_directories_are_told_where_a_rule_wants_them(void **state)
{
	static const uint16_t wishes[] = { BIT(PLAN_KIND_READ), BIT(PLAN_KIND_READ) | BIT(PLAN_KIND_WRITE),
					   BIT(PLAN_KIND_READ) | BIT(PLAN_KIND_READ | PLAN_KIND_MAKES_EXEC) };

	(void)state;
	begin();
	for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
		interest.folders = false;
		want(SYS_openat, wishes[i]);
		want(SYS_openat2, wishes[i]);
		make();
		assert_false(told(SYS_openat, 0, 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
		assert_true(told(SYS_openat, 0, 1, O_RDONLY | O_CLOEXEC, 0));
		assert_true(told(SYS_openat, 0, 1, O_RDONLY | O_DIRECTORY | O_CREAT, 0755)); /* it made a file once */
		assert_true(told(SYS_openat2, 0, 1, O_DIRECTORY, 0)); /* that is an address */
		assert_int_equal(told(SYS_openat, 0, 1, O_WRONLY | O_DIRECTORY, 0), i == 1);
		interest.folders = true;
		make();
		assert_true(told(SYS_openat, 0, 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
	}
}

static void test_other_arguments_decide_too(void **state)
{
	const uint64_t far = 1ULL << 32;
	struct seccomp_data send = { .nr = SYS_sendto, .arch = CALL_AUDIT_ARCH };

	(void)state;
	begin();
	want(SYS_dup2, BIT(0));
	want(SYS_sendto, ALL);
	want(SYS_socket, BIT(PLAN_KIND_OTHER_FAMILY));
	settings.reported[row_of(SYS_clone)] = settings.reported[row_of(SYS_chdir)] = true;
	make();
	assert_true(told(SYS_dup2, 7, 2, 0, 0));
	assert_false(told(SYS_dup2, 7, 3, 0, 0));
	assert_true(told(SYS_dup2, 7, far | 1, 0, 0)); /* the kernel takes the lower half */
	assert_false(is_told(&send));
	send.args[4] = far;
	assert_true(is_told(&send));
	want(SYS_dup2, ALL);
	interest.calls[SYS_sendto].bare = ALL;
	make();
	assert_true(told(SYS_dup2, 7, 3, 0, 0));
	send.args[4] = 0;
	assert_true(is_told(&send));
	assert_true(told(SYS_socket, AF_PACKET, 0, 0, 0));
	assert_false(told(SYS_socket, AF_INET6, 0, 0, 0));
	assert_false(told(SYS_socket, AF_UNIX, 0, 0, 0));
	assert_true(told(SYS_clone, 17, 0, 0, 0));
	assert_false(told(SYS_clone, CLONE_VM | CLONE_THREAD, 0, 0, 0));
	assert_true(told(SYS_chdir, 1, 0, 0, 0));
}

#if defined(__x86_64__)
static void test_other_ways_in_are_told_and_never_refused(void **state)
{
	struct seccomp_data data = { .arch = AUDIT_ARCH_I386, .nr = 5, .args = { 1, O_WRONLY } };

	(void)state;
	begin();
	want(SYS_open, BIT(PLAN_KIND_WRITE));
	want(SYS_connect, ALL);
	make();
	assert_true(is_told(&data)); /* open of i386; of x86-64 this number is fstat */
	data.args[1] = O_RDONLY;
	assert_false(is_told(&data));
	data.nr = COMPAT_SOCKETCALL;
	assert_true(is_told(&data));
	data.nr = 11; /* execve */
	assert_true(is_told(&data));
	data.nr = 23; /* setuid, of 16 bits */
	assert_true(is_told(&data));
	data.nr = 193; /* truncate, of 64 */
	assert_false(is_told(&data));
	want(SYS_truncate, ALL);
	make();
	assert_true(is_told(&data));
	assert_true(told(FILTER_X32 | SYS_open, 1, O_WRONLY, 0, 0));
	assert_false(told(FILTER_X32 | SYS_open, 1, O_RDONLY, 0, 0));
	assert_true(told(FILTER_X32 | 520, 1, 2, 3, 0)); /* execve of x32 */
	assert_false(told(FILTER_X32 | SYS_read, 1, 2, 3, 0));
	data = (struct seccomp_data){ .arch = AUDIT_ARCH_ARM, .nr = 5, .args = { 1, O_WRONLY } };
	assert_false(is_told(&data));
	assert_true(told(UINT32_MAX, 0, 0, 0, 0)); /* a tracer's "no call": told, and let go */
}
#endif

static void test_rules_that_come_later_are_told_what_is_missing(void **state)
{
	struct filter_cover later;

	(void)state;
	begin();
	want(SYS_openat, BIT(PLAN_KIND_WRITE));
	make();
	want(SYS_openat, BIT(PLAN_KIND_BOTH));
	want(SYS_ptrace, ALL);
	filter_cover_of(&settings, &later);
	assert_int_equal(filter_missing(&cover, &later), 0);
	want(SYS_openat, BIT(PLAN_KIND_READ));
	want(SYS_unlink, ALL);
	filter_cover_of(&settings, &later);
	assert_int_equal(filter_missing(&cover, &later), 2);
}

/* ---- at random ---- */

static uint64_t seed = 88172645463325252ULL;

static uint64_t random_bits(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static uint64_t argument(const struct seccomp_data *data, unsigned place)
{
	return data->args[place - 1];
}

/* The kinds that a call with these arguments can be of. */
static unsigned kinds_of_open(const struct call *call, const struct seccomp_data *data)
{
	const struct plan *plan = &call->plan;
	uint64_t flags = plan->open_arg == 0 ? O_CREAT | O_TRUNC | O_WRONLY : argument(data, plan->open_arg);
	uint64_t mode = plan->mode_arg == 0 ? 0 : argument(data, plan->mode_arg);

	if (plan->flags & PLAN_OPEN_HOW)
		return ALL;
	return plan_open_kind(plan->open_arg == 0, (uint32_t)flags, mode, 0) |
	       (unsigned)plan_open_kind(plan->open_arg == 0, (uint32_t)flags, mode, 1);
}

static unsigned kinds_of_family(uint32_t family)
{
	uint16_t known = family > UINT16_MAX ? UINT16_MAX : (uint16_t)family;

	return plan_socket_kind(1, known, 0, 0) | (unsigned)plan_socket_kind(1, known, 0, 1);
}

static bool must_be_told(const struct call *call, const struct seccomp_data *data)
{
	unsigned can = settings.wanted[call - calls] ? interest.calls[call->nr].can : 0;
	uint32_t low = (uint32_t)data->args[1];

	if (call->plan.flags & PLAN_FAILED_ONLY)
		return true;
	if (call->watch == CALL_STATE)
		return settings.reported[call - calls];
	if (call_is_traced(call))
		return settings.reported[call - calls] && !(call->nr == SYS_clone && (data->args[0] & CLONE_THREAD));
	if ((call->plan.flags & PLAN_OPEN) && !(call->plan.flags & PLAN_OPEN_HOW) && call->plan.open_arg != 0 &&
	    (argument(data, call->plan.open_arg) & (O_ACCMODE | O_DIRECTORY | O_CREAT | PLAN_O_TMPFILE)) == O_DIRECTORY)
		return (can & kinds_of_open(call, data)) != 0 && interest.folders;
	if (call->plan.flags & PLAN_OPEN)
		return (can & kinds_of_open(call, data)) != 0;
	if (call->nr == SYS_dup2 || call->nr == SYS_dup3)
		return can != 0 && (low <= 2 || (can & 1U << PLAN_KIND_OTHER_FD) != 0);
	if (call->nr == SYS_socket)
		return (can & (kinds_of_family((uint32_t)data->args[0]) |
			       plan_socket_kind(0, 0, 0, 1))) != 0;
	if ((call->plan.flags & PLAN_NEEDS_ADDRESS) && !(call->plan.flags & PLAN_MESSAGE))
		return can != 0 && (interest.calls[call->nr].bare != 0 || argument(data, call->plan.address_arg) != 0);
	return can != 0;
}

static void random_wishes(void)
{
	begin();
	interest.folders = random_bits() % 2;
	for (size_t i = 0; i < calls_count; i++) {
		settings.reported[i] = random_bits() % 2;
		interest.calls[calls[i].nr].can = 0;
	}
	for (size_t i = 0; i < calls_count; i++)
		if (random_bits() % 3 == 0) {
			settings.wanted[i] = true;
			interest.calls[calls[i].nr].can |= (uint16_t)(1U << random_bits() % 16);
		}
	make();
}

static void random_call(struct seccomp_data *ret, const struct call *call)
{
	static const uint64_t likely[] = { 0, 1, 2, 3, O_CREAT, O_CREAT | O_WRONLY, O_TMPFILE | O_RDWR, O_DIRECTORY, 0644, 0755,
					   CLONE_THREAD, AF_UNIX, AF_INET, AF_INET6, AF_PACKET, 1ULL << 32 };

	*ret = (struct seccomp_data){ .nr = call->nr, .arch = CALL_AUDIT_ARCH };
	for (size_t i = 0; i < 6; i++)
		ret->args[i] = random_bits() % 8 == 0 ? random_bits() : likely[random_bits() % ARRAY_LEN(likely)];
}

/* Two rows may stand for one number's kinds; what is wanted must be told, what is not told must not be wanted. */
static void test_nothing_that_is_wanted_stays_untold(void **state)
{
	struct seccomp_data data;
	size_t quiet = 0;

	(void)state;
	for (int round = 0; round < 300; round++) {
		random_wishes();
		for (size_t i = 0; i < calls_count; i++) {
			random_call(&data, &calls[i]);
			if (calls[i].nr >= PLAN_FOREIGN)
				continue;
			if (must_be_told(&calls[i], &data) && !is_told(&data))
				fail_msg("%s(%llx, %llx, %llx, %llx) is wanted and not told", calls[i].name,
					 data.args[0], data.args[1], data.args[2], data.args[3]);
			quiet += !is_told(&data);
			if (calls[i].compat == CALL_COMPAT_NONE)
				continue;
			data.nr = calls[i].compat;
#if defined(__x86_64__)
			data.arch = AUDIT_ARCH_I386;
			if (must_be_told(&calls[i], &data))
				assert_true(is_told(&data));
#endif
		}
	}
	assert_true(quiet > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_nobody_wants_is_not_told),
		cmocka_unit_test(test_rare_calls_are_told_before_any_rule_wants_them),
		cmocka_unit_test(test_opens_are_told_by_how_they_open),
		cmocka_unit_test(test_directories_are_told_where_a_rule_wants_them),
		cmocka_unit_test(test_other_arguments_decide_too),
#if defined(__x86_64__)
		cmocka_unit_test(test_other_ways_in_are_told_and_never_refused),
#endif
		cmocka_unit_test(test_rules_that_come_later_are_told_what_is_missing),
		cmocka_unit_test(test_nothing_that_is_wanted_stays_untold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
