/* Where could eBPF programs see the end of system calls, what does it cost a call that nobody wants, and which ends
 * are not seen? Asked of the running kernel, for it decides: of the tracepoint that every call of every process comes
 * by (the sensor's), of the ends of single functions (fexit), and of kretprobe multi. Under another kernel:
 *
 *   tests/kernels.sh 6.12 -- build/release/tests/bench/bench_hooks
 *
 * As root. One call is counted that nobody else makes. Of costs the least of many rounds, in ns. */
#include "base/cleanup.h"
#include "base/clock.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { ROUNDS = 30, CALLS = 5000, THREADS_MAX = 256, WAIT_MS = 1500, OTHERS = 20, FUNCTIONS_MAX = 8 };

#if defined(__x86_64__)
#define PREFIX "__x64_sys_"
#define NUMBER_AT 120 /* of orig_ax in struct pt_regs */
#else
#define PREFIX "__arm64_sys_"
#define NUMBER_AT 280 /* of syscallno */
#endif

#define COUNTED PREFIX "swapoff"
#define WAITING PREFIX "rt_sigtimedwait"

enum kind { TRACEPOINT, FUNCTION, MULTI, KINDS };

static const char *const names[KINDS] = { "tracepoint", "fexit", "kretprobe multi" };

static const struct {
	enum bpf_prog_type type;
	enum bpf_attach_type how;
	const char *where; /* NULL: it is said when it is attached, or the function */
} types[KINDS] = {
	{ BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, "sys_exit" },
	{ BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT, NULL },
	{ BPF_PROG_TYPE_KPROBE, BPF_TRACE_KPROBE_MULTI, NULL },
};

static int counter = -1; /* a map of one number */

static unsigned long long taken(void)
{
	unsigned long long value = 0, none = 0;
	uint32_t zero = 0;

	(void)bpf_map_lookup_elem(counter, &zero, &value);
	(void)bpf_map_update_elem(counter, &zero, &none, BPF_ANY);
	return value;
}

/* ---- programs that count ---- */

#define COUNT                                                                                            \
	{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_1, .src_reg = BPF_PSEUDO_MAP_VALUE, .imm = counter }, \
		{ .code = 0 }, { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 1 },          \
		{ .code = BPF_STX | BPF_ATOMIC | BPF_DW, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_2, .imm = BPF_ADD }, \
	{                                                                                                    \
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0                                    \
	}
#define END { .code = BPF_JMP | BPF_EXIT }

static int load_for(enum bpf_prog_type type, enum bpf_attach_type how, const char *where, const struct bpf_insn *program,
		    size_t len)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = how);

	if (where != NULL) {
		int id = libbpf_find_vmlinux_btf_id(where, how);

		if (id < 0)
			return id;
		options.attach_btf_id = (uint32_t)id;
	}
	return bpf_prog_load(type, "bench_hooks", "Dual BSD/GPL", program, len, &options);
}

/* Of the tracepoint only the call of that number counts. */
static int load(enum kind kind, const char *function, int number)
{
	const struct bpf_insn count[] = { COUNT, END };
	const struct bpf_insn look[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_1 },
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_1, .off = NUMBER_AT },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = BPF_REG_1, .imm = number, .off = 5 },
		COUNT, END
	};

	if (kind == TRACEPOINT)
		return load_for(types[kind].type, types[kind].how, types[kind].where, look, ARRAY_LEN(look));
	return load_for(types[kind].type, types[kind].how, kind == FUNCTION ? function : NULL, count, ARRAY_LEN(count));
}

/* A descriptor that keeps it there, or -errno. Of two functions only kretprobe multi knows. */
static int attach(enum kind kind, int program, const char *function, const char *also)
{
	const char *functions[] = { function, also };
	LIBBPF_OPTS(bpf_link_create_opts, options, .kprobe_multi.cnt = also == NULL ? 1 : 2, .kprobe_multi.syms = functions,
		    .kprobe_multi.flags = BPF_F_KPROBE_MULTI_RETURN);
	int link;

	if (program < 0)
		return program;
	link = kind == MULTI ? bpf_link_create(program, 0, BPF_TRACE_KPROBE_MULTI, &options)
			     : bpf_raw_tracepoint_open(NULL, program);
	return link < 0 ? -errno : link;
}

static int hang(enum kind kind, const char *function, const char *also, int number)
{
	autoclose int program = load(kind, function, number);

	return attach(kind, program, function, also);
}

/* ---- which ends are seen ---- */

static void say(enum kind kind, int link, unsigned long long seen, const char *what)
{
	if (link < 0)
		printf("%-16s cannot be attached (%s)\n", names[kind], strerror(-link));
	else
		printf("%-16s %llu %s\n", names[kind], seen, what);
}

static void wait_ms(int ms)
{
	const struct timespec time = { ms / 1000, (long)(ms % 1000) * 1000000 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	syscall(SYS_rt_sigtimedwait, &set, NULL, &time, 8);
}

static pid_t waiter(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		wait_ms(WAIT_MS);
		_exit(0);
	}
	usleep(WAIT_MS * 1000 / 3);
	return pid;
}

static unsigned long long end_of(pid_t pid)
{
	waitpid(pid, NULL, 0);
	return taken();
}

static void say_under_way(enum kind kind)
{
	autoclose int program = load(kind, WAITING, SYS_rt_sigtimedwait);
	pid_t pid = waiter();
	autoclose int link = attach(kind, program, WAITING, NULL);

	(void)taken();
	say(kind, link, end_of(pid), "of 1 call that began before it was attached");
}

/* The other one's counts for nothing. */
static void say_not_alone(enum kind kind)
{
	static const struct bpf_insn nothing[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 }, END };
	autoclose int link = hang(kind, WAITING, NULL, SYS_rt_sigtimedwait);
	autoclose int program = load_for(types[kind].type, types[kind].how, kind == FUNCTION ? WAITING : types[kind].where, nothing,
					 ARRAY_LEN(nothing));
	pid_t pid = waiter();
	autoclose int other = attach(kind, program, WAITING, NULL);

	(void)taken();
	say(kind, link < 0 ? link : other, end_of(pid), "of 1 call during which another tool attached the like");
}

static void refuse_call(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigtimedwait, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { ARRAY_LEN(filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
		wait_ms(1);
	_exit(0);
}

static void say_refused(enum kind kind)
{
	autoclose int link = hang(kind, WAITING, NULL, SYS_rt_sigtimedwait);
	pid_t pid = fork();

	if (pid == 0)
		refuse_call();
	say(kind, link, end_of(pid), "of 1 call that a seccomp filter refused");
}

static void *wait_long(void *userdata)
{
	(void)userdata;
	wait_ms(WAIT_MS * 3);
	return NULL;
}

/* How many calls it takes that wait until others are not seen any more. */
static void say_crowd(enum kind kind)
{
	autoclose int link = hang(kind, COUNTED, WAITING, SYS_swapoff);
	pthread_t threads[THREADS_MAX];
	unsigned long long seen = OTHERS;
	size_t count = 0;
	char what[64];

	while (seen >= OTHERS && count < THREADS_MAX &&
	       pthread_create(&threads[count], NULL, wait_long, NULL) == 0) {
		count++;
		if ((count & (count - 1)) != 0)
			continue;
		usleep(100000);
		(void)taken();
		for (int i = 0; i < OTHERS; i++)
			syscall(SYS_swapoff, "/nowhere");
		seen = taken();
	}
	snprintf(what, sizeof(what), "of %d calls while %zu threads waited in another one", OTHERS, count);
	say(kind, link, seen, what);
	for (size_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

/* ---- what it costs ---- */

static double least(void (*call)(void))
{
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		int64_t from = clock_mono();
		double ns;

		for (int i = 0; i < CALLS; i++)
			call();
		ns = (double)(clock_mono() - from) / CALLS;
		best = ns < best ? ns : best;
	}
	return best;
}

static void call_unwanted(void)
{
	syscall(SYS_getppid);
}

static void call_wanted(void)
{
	syscall(SYS_swapoff, NULL);
}

static void say_cost(enum kind kind)
{
	double unwanted = least(call_unwanted), wanted = least(call_wanted);
	autoclose int link = hang(kind, COUNTED, NULL, SYS_swapoff);

	if (link >= 0)
		printf("%-16s %+.0f ns an unwanted call (%.0f without), %+.0f ns a wanted one (%.0f)\n", names[kind],
		       least(call_unwanted) - unwanted, unwanted, least(call_wanted) - wanted, wanted);
}

/* As many as a small set of rules wants; kretprobe multi and the tracepoint are one whatever is wanted. */
static void say_end(enum kind kind)
{
	static const char *const functions[FUNCTIONS_MAX] = {
		COUNTED, WAITING, PREFIX "mkdirat", PREFIX "unlinkat", PREFIX "linkat", PREFIX "symlinkat", PREFIX "fchmodat",
		PREFIX "fchownat",
	};
	int programs[FUNCTIONS_MAX], links[FUNCTIONS_MAX];
	size_t count = kind == FUNCTION ? FUNCTIONS_MAX : 1;
	int64_t from, between;

	for (size_t i = 0; i < count; i++)
		programs[i] = load(kind, functions[i], SYS_swapoff);
	from = clock_mono();
	for (size_t i = 0; i < count; i++)
		links[i] = attach(kind, programs[i], functions[i], NULL);
	between = clock_mono();
	for (size_t i = 0; i < count; i++) {
		close(links[i]);
		close(programs[i]);
	}
	printf("%-16s %zu attached in %.0f ms, detached in %.0f ms\n", names[kind], count, (double)(between - from) / 1e6,
	       (double)(clock_mono() - between) / 1e6);
}

static bool is_granted(enum kind kind)
{
	autoclose int link = hang(kind, COUNTED, NULL, SYS_swapoff);

	if (link < 0)
		printf("%-16s refused by this kernel (%s)\n", names[kind], strerror(-link));
	return link >= 0;
}

int main(void)
{
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	counter = bpf_map_create(BPF_MAP_TYPE_ARRAY, "bench_hooks", 4, 8, 1, NULL);
	if (counter < 0) {
		fprintf(stderr, "bench_hooks: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	(void)least(call_wanted); /* the first ones are slower */
	for (int kind = 0; kind < KINDS; kind++) {
		if (!is_granted((enum kind)kind))
			continue;
		say_cost((enum kind)kind);
		say_under_way((enum kind)kind);
		say_not_alone((enum kind)kind);
		say_refused((enum kind)kind);
		say_crowd((enum kind)kind);
		say_end((enum kind)kind);
	}
	return EXIT_SUCCESS;
}
