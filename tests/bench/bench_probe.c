/* What the kernel side of the eBPF probe adds to a call, in CPU time of the caller and its children. One process holds the
 * programs and empties the rings, as the sensor does; another makes the calls. Rounds of some milliseconds
 * without any program, with an empty one at the end of every call (the floor of whoever observes calls
 * here), and with the sensor's take turns, so that a drifting clock hits all three alike.
 *
 *   bench_probe RULES [ROUNDS [OTHER [LOAD]]]
 *                                       OTHER: bench_probe of another build, whose programs take turns with these; LOAD:
 *                                       only those whose names begin so
 *   bench_probe hold RULES              is that other one: attaches and detaches them for each byte that comes
 *   bench_probe empty                   holds the empty program, until standard input ends
 *
 * Prints JSON: for each load and variant the median of all rounds, their tenth and ninetieth percentile, in ns
 * a call; of the rounds' ratios of sensor to empty program the same, which others on the machine disturb least,
 * and of what both builds take beyond the empty program; and how many records the sensor made of one. */
#include "base/clock.h"
#include "sensor/ebpf/probe_ebpf.c" /* NOLINT: its programs are attached and detached one by one */
#include "sensor/prefilter.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS_MAX = 1001, FEW = 10 };

extern char **environ;

enum variant { VARIANT_NONE, VARIANT_EMPTY, VARIANT_SENSOR, VARIANT_OTHER, VARIANTS };

static const char *const variant_names[VARIANTS] = { "none", "empty", "sensor", "other" };

/* ---- what is measured ---- */

static char deep_path[] = "/tmp/bench-probe-1/2/3/4/5/6/7/8/file";

static void call_getppid(void)
{
	syscall(SYS_getppid);
}

static void open_close(const char *path, int flags)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		syscall(SYS_close, fd);
}

static void call_open_other(void)
{
	open_close("/tmp/bench-probe-1", O_RDONLY);
}

static void call_open_deep(void)
{
	open_close(deep_path, O_RDONLY);
}

static void call_open_watched(void)
{
	open_close("/etc/shadow", O_RDONLY);
}

static void call_open_written(void)
{
	open_close("/etc/hostname", O_WRONLY);
}

static void call_spawn(void)
{
	char name[] = "true", *const arguments[] = { name, NULL };
	pid_t pid;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ) == 0)
		waitpid(pid, NULL, 0);
}

/* A request and its answer, as an event loop and its client have them. */
static void call_request(void)
{
	static int ends[2] = { -1, -1 }, loop;
	struct epoll_event event = { .events = EPOLLIN };
	char text[512] = { 0 };

	if (ends[0] < 0) {
		loop = epoll_create1(EPOLL_CLOEXEC);
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 ||
		    epoll_ctl(loop, EPOLL_CTL_ADD, ends[1], &event) < 0)
			_exit(1);
	}
	if (write(ends[0], text, 100) != 100 || epoll_wait(loop, &event, 1, -1) != 1 ||
	    read(ends[1], text, sizeof(text)) != 100 || write(ends[1], text, 400) != 400 ||
	    read(ends[0], text, sizeof(text)) != 400)
		_exit(1);
}

static const struct load {
	const char *name;
	void (*call)(void);
	unsigned count;
	bool by_children; /* they do part of the work */
} loads[] = {
	{ "getppid", call_getppid, 40000, false },
	{ "open_other", call_open_other, 6000, false },
	{ "open_other_deep", call_open_deep, 4000, false },
	{ "open_watched", call_open_watched, 4000, false },
	{ "open_written", call_open_written, 4000, false },
	{ "request", call_request, 4000, false },
	{ "fork_exec", call_spawn, 30, true },
};

enum { LOADS = ARRAY_LEN(loads) };

static int64_t cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static int64_t cpu_of(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static int64_t family_now(void)
{
	return cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN);
}

static double ns_per_call(const struct load *load)
{
	int64_t before;

	for (unsigned i = 0; i < FEW; i++)
		load->call();
	before = load->by_children ? family_now() : cpu_now();
	for (unsigned i = 0; i < load->count; i++)
		load->call();
	return (double)((load->by_children ? family_now() : cpu_now()) - before) / load->count;
}

static void pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* ---- who makes the calls ---- */

struct caller {
	int to, from;
	pid_t pid;
};

static void make_deep_path(void)
{
	for (char *at = deep_path + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		(void)mkdir(deep_path, 0700);
		*at = '/';
	}
	close(open(deep_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static _Noreturn void caller_run(int from, int to)
{
	unsigned char load;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(0);
	while (read(from, &load, 1) == 1) {
		double ns = ns_per_call(&loads[load]);

		if (write(to, &ns, sizeof(ns)) != sizeof(ns))
			break;
	}
	_exit(0);
}

static int caller_start(struct caller *ret)
{
	int there[2], back[2];

	if (pipe2(there, O_CLOEXEC) < 0 || pipe2(back, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	ret->pid = fork();
	if (ret->pid < 0)
		return -errno;
	if (ret->pid == 0) {
		close(there[1]);
		caller_run(there[0], back[1]);
	}
	ret->to = there[1];
	ret->from = back[0];
	return 0;
}

static uint64_t records[LOADS]; /* that the sensor made meanwhile, of whatever process */

static void drop(const struct record *record, void *userdata)
{
	(void)record;
	++*(uint64_t *)userdata;
}

/* The rings are emptied meanwhile, as the sensor does it. */
static double measure(const struct caller *caller, unsigned char load, struct ebpf *ebpf)
{
	uint64_t taken = 0;
	double ns = 0;

	if (write(caller->to, &load, 1) != 1)
		return 0;
	while (read(caller->from, &ns, sizeof(ns)) != sizeof(ns))
		ebpf_poll(ebpf, 20, drop, &taken);
	ebpf_poll(ebpf, 1, drop, &taken);
	records[load] += taken;
	return ns;
}

/* ---- ways ---- */

static int load_empty(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_RAW_TP);
	int id = libbpf_find_vmlinux_btf_id("sys_exit", BPF_TRACE_RAW_TP);

	if (id < 0)
		return id;
	options.attach_btf_id = (uint32_t)id;
	return bpf_prog_load(BPF_PROG_TYPE_TRACING, "empty", "GPL", insns, ARRAY_LEN(insns), &options);
}

/* Another build's programs, which a process of their own holds; they change between attached and not with each call. */
static struct other {
	int to, from;
} other = { -1, -1 };

static int other_turn(void)
{
	char byte = 0;

	return write(other.to, &byte, 1) == 1 && read(other.from, &byte, 1) == 1 ? 0 : -EPIPE;
}

static int other_start(char *program, char *rules)
{
	char word[] = "hold", *const arguments[] = { program, word, rules, NULL };
	posix_spawn_file_actions_t actions;
	int there[2], back[2], r;
	pid_t pid;

	if (pipe2(there, O_CLOEXEC) < 0 || pipe2(back, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, there[0], 0);
	posix_spawn_file_actions_adddup2(&actions, back[1], 1);
	r = -posix_spawn(&pid, program, &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(there[0]);
	close(back[1]);
	other = (struct other){ there[1], back[0] };
	return r;
}

static int attach(enum variant variant, struct ebpf *ebpf, int empty)
{
	switch (variant) {
	case VARIANT_EMPTY: return bpf_raw_tracepoint_open(NULL, empty);
	case VARIANT_SENSOR: return tocsin_bpf__attach(ebpf->object);
	case VARIANT_OTHER: return other_turn();
	default: return 0;
	}
}

static void detach(enum variant variant, struct ebpf *ebpf, int link)
{
	if (variant == VARIANT_EMPTY)
		close(link);
	else if (variant == VARIANT_SENSOR)
		tocsin_bpf__detach(ebpf->object);
	else if (variant == VARIANT_OTHER)
		(void)other_turn();
}

static int open_probe(const char *rules, struct ebpf **ret)
{
	static struct interest *interest; /* the probe's, as long as it is open */
	struct probe_settings settings = { 0 };
	struct fields *fields = fields_new();
	struct buf report = { 0 };
	struct prefilter *prefilter;
	const char *why = "the rules cannot be loaded";
	void *state;
	int r = fields == NULL ? -ENOMEM : prefilter_new(&rules, 1, fields, &report, &prefilter);

	if (r == 0)
		r = prefilter_interest(prefilter, &interest);
	if (r == 0) {
		settings.interest = interest;
		prefilter_calls(interest, &settings);
		r = probe_ebpf.open(&settings, &state, &why);
		prefilter_free(prefilter);
	}
	if (r < 0)
		fprintf(stderr, "bench_probe: %s: %s\n%.*s", why, strerror(-r), STR_ARG(buf_str(&report)));
	else
		*ret = state;
	buf_done(&report);
	fields_free(fields);
	return r;
}

static const char *chosen = ""; /* how the names of the loads that are measured begin */

static bool is_chosen(const struct load *load)
{
	return strncmp(load->name, chosen, strlen(chosen)) == 0;
}

/* ---- figures ---- */

static double figures[LOADS][VARIANTS][ROUNDS_MAX];

static int double_cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Sorts, and prints the median and two percentiles. */
static void print_spread(const char *name, double *at, unsigned count, int digits)
{
	qsort(at, count, sizeof(*at), double_cmp);
	printf("\"%s\": [%.*f, %.*f, %.*f], ", name, digits, at[count / 2], digits, at[count / 10], digits, at[count * 9 / 10]);
}

/* Instructions that the verifier went through: how long the sensor's start takes. */
static unsigned long verified(const struct ebpf *ebpf)
{
	struct bpf_program *program;
	unsigned long sum = 0;

	bpf_object__for_each_program(program, ebpf->object->obj) {
		struct bpf_prog_info info = { 0 };
		uint32_t len = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len) == 0)
			sum += info.verified_insns;
	}
	return sum;
}

static void print(unsigned rounds, unsigned variants, const struct ebpf *ebpf)
{
	printf("{\"rounds\": %u, \"verified_instructions\": %lu", rounds, verified(ebpf));
	for (unsigned i = 0; i < LOADS; i++) {
		double ratios[ROUNDS_MAX], saved[ROUNDS_MAX];

		if (!is_chosen(&loads[i]))
			continue;
		for (unsigned round = 0; round < rounds; round++) {
			ratios[round] = figures[i][VARIANT_SENSOR][round] / figures[i][VARIANT_EMPTY][round];
			saved[round] = figures[i][VARIANT_OTHER][round] - figures[i][VARIANT_SENSOR][round];
		}
		printf(",\n \"%s\": {", loads[i].name);
		for (unsigned variant = 0; variant < variants; variant++)
			print_spread(variant_names[variant], figures[i][variant], rounds, 1);
		if (variants > VARIANT_OTHER)
			print_spread("saved", saved, rounds, 1);
		print_spread("beyond", ratios, rounds, 3);
		printf("\"records\": %.3f}", (double)records[i] / rounds / (loads[i].count + FEW));
	}
	printf("}\n");
}

static int run(unsigned rounds, struct ebpf *ebpf, int empty, const struct caller *caller)
{
	const unsigned variants = other.to < 0 ? VARIANT_OTHER : VARIANTS;

	for (unsigned round = 0; round < rounds; round++)
		for (unsigned variant = 0; variant < variants; variant++) {
			int link = attach(variant, ebpf, empty);

			if (link < 0)
				return link;
			for (unsigned char i = 0; i < LOADS; i++)
				if (is_chosen(&loads[i]))
					figures[i][variant][round] = measure(caller, i, ebpf);
			detach(variant, ebpf, link);
		}
	print(rounds, variants, ebpf);
	return 0;
}

static int hold_empty(void)
{
	int empty = load_empty(), link = empty < 0 ? empty : bpf_raw_tracepoint_open(NULL, empty);
	char byte;

	if (link < 0)
		return 1;
	printf("attached\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}

/* The rings are emptied while they are attached. */
static int hold(const char *rules)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	struct ebpf *ebpf = NULL;
	bool attached = false;
	uint64_t taken = 0;
	char byte;

	if (open_probe(rules, &ebpf) < 0)
		return 1;
	tocsin_bpf__detach(ebpf->object);
	pin(1);
	for (;;) {
		if (poll(&input, 1, attached ? 0 : -1) > 0) {
			if (read(STDIN_FILENO, &byte, 1) <= 0)
				break;
			if (attached)
				tocsin_bpf__detach(ebpf->object);
			else if (tocsin_bpf__attach(ebpf->object) < 0)
				break;
			attached = !attached;
			if (write(STDOUT_FILENO, &byte, 1) != 1)
				break;
		}
		if (attached)
			ebpf_poll(ebpf, 20, drop, &taken);
	}
	ebpf_close(ebpf);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 60;
	struct caller caller = { 0 };
	struct ebpf *ebpf = NULL;
	int r, empty;

	if (argc == 2 && strcmp(argv[1], "empty") == 0)
		return hold_empty();
	if (argc == 3 && strcmp(argv[1], "hold") == 0)
		return hold(argv[2]);
	if (argc < 2 || rounds == 0 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: bench_probe RULES [ROUNDS, at most %d [OTHER [LOAD]]]\n", ROUNDS_MAX);
		return 2;
	}
	if (argc > 4)
		chosen = argv[4];
	make_deep_path();
	r = caller_start(&caller);
	if (r < 0 || open_probe(argv[1], &ebpf) < 0)
		return 1;
	tocsin_bpf__detach(ebpf->object);
	pin(1);
	empty = load_empty();
	r = empty < 0 ? empty : argc > 3 ? other_start(argv[3], argv[1]) : 0;
	r = r < 0 ? r : run(rounds, ebpf, empty, &caller);
	if (r < 0)
		fprintf(stderr, "bench_probe: %s\n", strerror(-r));
	close(caller.to);
	waitpid(caller.pid, NULL, 0);
	ebpf_close(ebpf);
	return r < 0;
}
