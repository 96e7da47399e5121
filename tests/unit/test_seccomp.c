/* Profiles of system calls: what is read of them and what is refused, what they become, and programs against
 * the kernel's own judgement. */
#include "base/cleanup.h"
#include "sensor/seccomp/compare.h"
#include "sensor/seccomp/compile.h"
#include "sensor/seccomp/decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/audit.h>

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { ARENA_MAX = 32 << 20 };

static const struct profile_machine no_caps = { .kernel = 6, .major = 1 };
static const struct profile_machine all_caps = { .capabilities = ~0ULL, .kernel = 6, .major = 1 };

struct loaded {
	struct arena arena;
	struct conf_errors errors;
	struct conf_reader reader;
	struct profile profile;
	int result;
};

static void load_begin(struct loaded *loaded)
{
	arena_init(&loaded->arena, ARENA_MAX);
	loaded->errors = (struct conf_errors){ .arena = &loaded->arena };
	loaded->reader = (struct conf_reader){ .arena = &loaded->arena, .errors = &loaded->errors };
}

static void load_text(struct loaded *loaded, const char *text, const struct profile_machine *machine)
{
	load_begin(loaded);
	loaded->result = profile_read_text(&loaded->reader, "p.json", str_of(text), machine, &loaded->profile);
}

static void load_file(struct loaded *loaded, const char *name, const struct profile_machine *machine)
{
	char path[512];

	snprintf(path, sizeof(path), TEST_DATA "/seccomp/%s", name);
	load_begin(loaded);
	loaded->result = profile_read_file(&loaded->reader, path, machine, &loaded->profile);
}

static void program_of(const struct loaded *loaded, struct seccomp_program *ret)
{
	const char *why = NULL;
	int r;

	assert_int_equal(loaded->result, 0);
	r = profile_compile(&loaded->profile, ret, &why);
	if (r < 0)
		fail_msg("%s: %s", why, strerror(-r));
}

static uint32_t verdict(const struct seccomp_program *program, uint32_t arch, int nr, uint64_t arg0, uint64_t arg1)
{
	const struct seccomp_data data = { .nr = nr, .arch = arch, .args = { arg0, arg1 } };

	return seccomp_program_run(program, &data);
}

/* ---- reading ---- */

#define ALLOW_READ "{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}"
#define PROFILE(rules) "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[" rules "]}"
#define ARGS(args) PROFILE("{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[" args "]}")

static const struct text_row {
	const char *name, *text;
	int result;
	const char *want[3]; /* in what is said, "LINE:COLUMN: text" */
} text_rows[] = {
	{ "the least there is", "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}", 0, { NULL } },
	{ "not JSON has a place", "{\n \"defaultAction\": oops }", -EINVAL, { "2:19: not JSON" } },
	{ "YAML is not JSON", "defaultAction: SCMP_ACT_ALLOW", -EINVAL, { "1:1: not JSON" } },
	{ "two profiles are none", "{\"defaultAction\":\"SCMP_ACT_ALLOW\"} {}", -EINVAL, { "1:36: not JSON: something" } },
	{ "an empty file", "", -EINVAL, { "not JSON" } },
	{ "a list", "[]", -EINVAL, { "is a JSON object" } },
	{ "a default is wanted", "{}", -EINVAL, { "defaultAction is missing" } },
	{ "an action that is meant otherwise", "{\"defaultAction\":\"SCMP_ACT_ALOW\"}", -EINVAL,
	  { "1:18: defaultAction: there is no \"SCMP_ACT_ALOW\", did you mean SCMP_ACT_ALLOW?" } },
	{ "several at once, each with its path",
	  PROFILE(ALLOW_READ ",{\"names\":[\"write\"],\"action\":\"x\"},{\"names\":7,\"action\":\"SCMP_ACT_ALLOW\"}"), -EINVAL,
	  { "syscalls[1].action: there is no \"x\"", "syscalls[2].names: a list is wanted", "2 errors" } },
	{ "an operator", ARGS("{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQUAL\"}"), -EINVAL,
	  { "syscalls[0].args[0].op: there is no" } },
	{ "a seventh argument", ARGS("{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}"), -EINVAL,
	  { "syscalls[0].args[0].index: 6 is more than 5" } },
	{ "a value below 0", ARGS("{\"index\":0,\"value\":-1,\"op\":\"SCMP_CMP_EQ\"}"), -EINVAL,
	  { "args[0].value: \"-1\" is not a number" } },
	{ "the largest value", ARGS("{\"index\":0,\"value\":18446744073709551615,\"op\":\"SCMP_CMP_EQ\"}"), 0, { NULL } },
	{ "a condition without an index", ARGS("{\"op\":\"SCMP_CMP_EQ\"}"), -EINVAL, { "args[0]: index is missing" } },
	{ "name beside names", PROFILE("{\"name\":\"read\",\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}"), -EINVAL,
	  { "syscalls[0].name: stands beside names" } },
	{ "no names", PROFILE("{\"action\":\"SCMP_ACT_ALLOW\"}"), -EINVAL, { "syscalls[0]: names is missing" } },
	{ "unknown calls are warnings", PROFILE("{\"names\":[\"read\",\"nope\",\"never\"],\"action\":\"SCMP_ACT_ALLOW\"}"), 0,
	  { "warning: syscalls[0].names: 2 not known here and left out: nope, never" } },
	{ "unknown settings are warnings", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscals\":[]}", 0,
	  { "warning: syscals: is not known and left out, did you mean \"syscalls\"?" } },
	{ "a key that stands twice", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultAction\":\"SCMP_ACT_LOG\"}", -EINVAL,
	  { "not JSON" } },
	{ "an errno that is none", "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":5000}", -EINVAL,
	  { "defaultErrnoRet: 5000 is more than 4095" } },
	{ "both kinds of architectures",
	  "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\"],"
	  "\"archMap\":[{\"architecture\":\"SCMP_ARCH_X86_64\"}]}", -EINVAL, { "archMap: stands beside architectures" } },
	{ "an architecture that is none", "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"x86\"]}", -EINVAL,
	  { "architectures[0]: there is no architecture \"x86\"" } },
	{ "a kernel that is none", PROFILE("{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"new\"}}"),
	  -EINVAL, { "includes.minKernel: \"new\" is not a kernel's version" } },
	{ "a capability that is none", PROFILE("{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_X\"]}}"),
	  0, { "warning: syscalls[0].includes.caps[0]: \"CAP_X\" is not a capability" } },
	{ "a mapping in place of a text", PROFILE("{\"names\":[{}],\"action\":[]}"), -EINVAL,
	  { "syscalls[0].names[0]: a text is wanted", "syscalls[0].action: a text is wanted" } },
};

static void text(void **state)
{
	const struct text_row *row = *state;
	struct loaded loaded;
	struct buf said = { 0 };

	load_text(&loaded, row->text, &no_caps);
	conf_errors_print(&loaded.errors, &said);
	buf_text(&said);
	assert_int_equal(loaded.result, row->result);
	for (size_t i = 0; i < ARRAY_LEN(row->want) && row->want[i] != NULL; i++)
		if (said.at == NULL || strstr(said.at, row->want[i]) == NULL)
			fail_msg("\"%s\" is not in:\n%s", row->want[i], said.at);
	if (row->want[0] == NULL)
		assert_int_equal(said.len, 0);
	buf_done(&said);
	arena_done(&loaded.arena);
}

static void limits(void **state)
{
	struct buf text = { 0 }, said = { 0 };
	struct loaded loaded;

	(void)state;
	buf_add(&text, STR("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"action\":\"SCMP_ACT_LOG\",\"names\":[\"read\""));
	for (int i = 0; i < PROFILE_NAMES_MAX; i++)
		buf_add(&text, STR(",\"read\""));
	buf_add(&text, STR("]}]}"));
	load_text(&loaded, buf_text(&text), &no_caps);
	assert_int_equal(loaded.result, -EINVAL);
	conf_errors_print(&loaded.errors, &said);
	assert_non_null(strstr(buf_text(&said), "more than 16384 names"));
	arena_done(&loaded.arena);

	buf_clear(&text);
	buf_clear(&said);
	buf_add(&text, STR("{\"comment\":\""));
	for (int i = 0; i < PROFILE_BYTES_MAX; i++)
		buf_add_char(&text, 'x');
	load_text(&loaded, buf_text(&text), &no_caps);
	conf_errors_print(&loaded.errors, &said);
	assert_non_null(strstr(buf_text(&said), "more than 1 MiB"));
	arena_done(&loaded.arena);
	buf_done(&text);
	buf_done(&said);
}

/* ---- profiles as engines have them ---- */

#define ERRNO(n) (SECCOMP_RET_ERRNO | (n))
#define X64 AUDIT_ARCH_X86_64
#define X86 AUDIT_ARCH_I386

static const struct engine_row {
	const char *name;
	uint32_t arch;
	int nr;
	uint64_t arg0;
	uint32_t without, with; /* capabilities */
} engine_rows[] = {
	{ "read", X64, SYS_read, 0, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW },
	{ "read of 32 bit", X86, 3, 0, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW },
	{ "read of x32", X64, 0x40000000, 0, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW },
	{ "add_key", X64, SYS_add_key, 0, ERRNO(EPERM), ERRNO(EPERM) },
	{ "add_key of 32 bit", X86, 286, 0, ERRNO(EPERM), ERRNO(EPERM) },
	{ "mount", X64, SYS_mount, 0, ERRNO(EPERM), SECCOMP_RET_ALLOW },
	{ "ptrace, by kernel", X64, SYS_ptrace, 0, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW },
	{ "socket", X64, SYS_socket, 2, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW },
	{ "socket of a virtual machine", X64, SYS_socket, 40, ERRNO(EPERM), ERRNO(EPERM) },
	{ "personality", X64, SYS_personality, 8, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW },
	{ "personality that loads elsewhere", X64, SYS_personality, 0x40000, ERRNO(EPERM), ERRNO(EPERM) },
	{ "clone", X64, SYS_clone, 0x11, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW },
	{ "clone into a namespace", X64, SYS_clone, 0x10000000 | 0x11, ERRNO(EPERM), SECCOMP_RET_ALLOW },
	{ "clone3", X64, SYS_clone3, 0, ERRNO(ENOSYS), SECCOMP_RET_ALLOW },
	{ "a call that is newer than all", X64, 1000, 0, ERRNO(ENOSYS), ERRNO(ENOSYS) },
	{ "a newer one of x32", X64, 0x40000000 + 1000, 0, ERRNO(ENOSYS), ERRNO(ENOSYS) },
	{ "a newer one of 32 bit", X86, 1000, 0, ERRNO(ENOSYS), ERRNO(ENOSYS) },
	{ "another machine's", AUDIT_ARCH_AARCH64, 0, 0, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_KILL_THREAD },
};

static void engines_profile(void **state)
{
	static struct seccomp_program without, with;
	struct loaded loaded;

	(void)state;
	load_file(&loaded, "engine.json", &no_caps);
	program_of(&loaded, &without);
	assert_int_equal(conf_errors_failed(&loaded.errors), 0);
	assert_int_equal(loaded.profile.arches_count, 3);
	arena_done(&loaded.arena);
	load_file(&loaded, "engine.json", &all_caps);
	program_of(&loaded, &with);
	arena_done(&loaded.arena);
	for (size_t i = 0; i < ARRAY_LEN(engine_rows); i++) {
		const struct engine_row *row = &engine_rows[i];
		uint32_t got = verdict(&without, row->arch, row->nr, row->arg0, 0);

		if (got != row->without)
			fail_msg("%s: %#x, not %#x", row->name, got, row->without);
		got = verdict(&with, row->arch, row->nr, row->arg0, 0);
		if (got != row->with)
			fail_msg("%s, with capabilities: %#x, not %#x", row->name, got, row->with);
	}
}

static void older_form(void **state)
{
	static struct seccomp_program program;
	struct loaded loaded;

	(void)state;
	load_file(&loaded, "old.json", &no_caps);
	assert_int_equal(loaded.errors.count, 0);
	program_of(&loaded, &program);
	assert_int_equal(verdict(&program, X64, SYS_read, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(&program, X64, SYS_getpid, 0, 0), ERRNO(EPERM));
	arena_done(&loaded.arena);
}

static void every_action(void **state)
{
	static const struct {
		const char *name;
		uint32_t want;
	} rows[] = { { "KILL", SECCOMP_RET_KILL_THREAD }, { "KILL_THREAD", SECCOMP_RET_KILL_THREAD },
		     { "KILL_PROCESS", SECCOMP_RET_KILL_PROCESS }, { "TRAP", SECCOMP_RET_TRAP },
		     { "ERRNO", ERRNO(7) }, { "TRACE", SECCOMP_RET_TRACE | 7 }, { "LOG", SECCOMP_RET_LOG },
		     { "NOTIFY", SECCOMP_RET_USER_NOTIF } };
	static struct seccomp_program program;
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct loaded loaded;

		snprintf(text, sizeof(text), "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"getpid\"],"
			 "\"action\":\"SCMP_ACT_%s\",\"errnoRet\":7}]}", rows[i].name);
		load_text(&loaded, text, &no_caps);
		program_of(&loaded, &program);
		assert_int_equal(verdict(&program, X64, SYS_getpid, 0, 0), rows[i].want);
		assert_int_equal(verdict(&program, X64, SYS_gettid, 0, 0), SECCOMP_RET_ALLOW);
		assert_int_equal(verdict(&program, X64, 1000, 0, 0), SECCOMP_RET_ALLOW);
		arena_done(&loaded.arena);
	}
}

/* Every operator on values around its own, whole 64 bits. */
static void operators(void **state)
{
	static const char *const names[] = { "", "NE", "LT", "LE", "EQ", "GE", "GT" };
	static const uint64_t values[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x1ffffffff, UINT64_MAX };
	static struct seccomp_program program;
	char text[512];

	(void)state;
	for (int op = PROFILE_NE; op <= PROFILE_GT; op++) {
		for (size_t i = 0; i < ARRAY_LEN(values); i++) {
			struct loaded loaded;

			snprintf(text, sizeof(text), ARGS("{\"index\":1,\"value\":%llu,\"op\":\"SCMP_CMP_%s\"}"),
				 (unsigned long long)values[i], names[op]);
			load_text(&loaded, text, &no_caps);
			program_of(&loaded, &program);
			for (size_t j = 0; j < ARRAY_LEN(values); j++) {
				uint64_t v = values[j], w = values[i];
				bool holds = op == PROFILE_NE   ? v != w
					     : op == PROFILE_LT ? v < w
					     : op == PROFILE_LE ? v <= w
					     : op == PROFILE_EQ ? v == w
					     : op == PROFILE_GE ? v >= w
								: v > w;

				if ((verdict(&program, X64, SYS_read, 0, v) == SECCOMP_RET_ALLOW) != holds)
					fail_msg("%#llx %s %#llx", (unsigned long long)v, names[op],
						 (unsigned long long)w);
			}
			arena_done(&loaded.arena);
		}
	}
}

/* One argument twice: runc takes that as "or". */
static void one_argument_twice(void **state)
{
	static struct seccomp_program program;
	struct loaded loaded;

	(void)state;
	load_text(&loaded, ARGS("{\"index\":0,\"value\":3,\"op\":\"SCMP_CMP_EQ\"},{\"index\":0,\"value\":5,\"op\":\"SCMP_CMP_EQ\"}"),
		  &no_caps);
	program_of(&loaded, &program);
	assert_int_equal(verdict(&program, X64, SYS_read, 3, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(&program, X64, SYS_read, 5, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(&program, X64, SYS_read, 4, 0), ERRNO(EPERM));
	arena_done(&loaded.arena);
}

/* ---- programs ---- */

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint32_t random_below(uint32_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 33) % bound;
}

static uint32_t random_word(void)
{
	static const uint32_t words[] = { 0, 1, 2, 31, 32, 0x7fffffff, 0x80000000, UINT32_MAX, 1000, 1001 };

	return random_below(2) ? words[random_below(ARRAY_LEN(words))] : random_below(UINT32_MAX);
}

enum { FIRST_NR = 1000, NRS = 4, PROGRAM_LEN = 24, CALLS = 12, PROGRAMS = 250 };

/* An instruction that is mostly sound, `left` others behind it. */
static struct sock_filter random_instruction(uint32_t left)
{
	static const uint16_t codes[] = {
		BPF_LD | BPF_W | BPF_ABS, BPF_LD | BPF_W | BPF_ABS, BPF_LD | BPF_IMM, BPF_LDX | BPF_IMM, BPF_LD | BPF_MEM,
		BPF_LDX | BPF_MEM, BPF_ST, BPF_STX, BPF_ST, BPF_STX, BPF_LD | BPF_W | BPF_LEN, BPF_LDX | BPF_W | BPF_LEN,
		BPF_MISC | BPF_TAX, BPF_MISC | BPF_TXA, BPF_RET | BPF_K,
		BPF_ALU | BPF_ADD | BPF_K, BPF_ALU | BPF_SUB | BPF_X, BPF_ALU | BPF_MUL | BPF_K, BPF_ALU | BPF_DIV | BPF_K,
		BPF_ALU | BPF_DIV | BPF_X, BPF_ALU | BPF_AND | BPF_K, BPF_ALU | BPF_OR | BPF_X, BPF_ALU | BPF_XOR | BPF_K,
		BPF_ALU | BPF_XOR | BPF_X, BPF_ALU | BPF_LSH | BPF_K, BPF_ALU | BPF_RSH | BPF_X, BPF_ALU | BPF_NEG,
		BPF_ALU | BPF_LSH | BPF_X, BPF_ALU | BPF_MOD | BPF_K,
		BPF_JMP | BPF_JA, BPF_JMP | BPF_JEQ | BPF_K, BPF_JMP | BPF_JGE | BPF_X, BPF_JMP | BPF_JGT | BPF_K,
		BPF_JMP | BPF_JSET | BPF_X, BPF_JMP | BPF_JSET | BPF_K,
	};
	struct sock_filter in = { .code = codes[random_below(ARRAY_LEN(codes))], .k = random_word() };

	if (random_below(60) == 0)
		in.code = (uint16_t)random_below(0x100);
	if (BPF_CLASS(in.code) == BPF_JMP) {
		in.jt = (uint8_t)random_below(left < 5 ? left + 1 : 6);
		in.jf = (uint8_t)random_below(left < 5 ? left + 1 : 6);
		in.k = in.code == (BPF_JMP | BPF_JA) ? random_below(left < 3 ? left + 1 : 4) : in.k;
	} else if (in.code == (BPF_LD | BPF_W | BPF_ABS)) {
		/* Not the instruction pointer: nobody knows it beforehand. */
		in.k = random_below(40) == 0 ? random_below(80) : 16 + 4 * random_below(12);
		in.k = in.k == 8 || in.k == 12 ? 0 : in.k;
	} else if (in.code == (BPF_RET | BPF_K)) {
		in.k = random_below(3) ? ERRNO(random_below(5000)) : random_below(2) ? SECCOMP_RET_ALLOW : random_word();
	} else if (BPF_CLASS(in.code) != BPF_ALU && random_below(40) != 0) {
		in.k = random_below(3);
	} else if (BPF_OP(in.code) == BPF_LSH || BPF_OP(in.code) == BPF_RSH) {
		in.k = random_below(34);
	}
	return in;
}

/* Calls of the test's own are let pass. */
static void random_program(struct seccomp_program *ret)
{
	const struct sock_filter head[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FIRST_NR, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_ST, 0),
		BPF_STMT(BPF_ST, 1),
		BPF_STMT(BPF_LDX | BPF_IMM, 7),
	};
	uint32_t len = ARRAY_LEN(head) + 1 + random_below(PROGRAM_LEN);

	memcpy(ret->at, head, sizeof(head));
	for (uint32_t i = ARRAY_LEN(head); i < len; i++)
		ret->at[i] = random_instruction(len - i - 1);
	if (random_below(40) != 0)
		ret->at[len - 1] = (struct sock_filter)BPF_STMT(
			BPF_RET | (random_below(3) ? BPF_A : BPF_K), ERRNO(77));
	ret->len = len;
}

struct tried {
	atomic_int accepted; /* 0, or the errno of installing */
	atomic_int count;    /* calls that came back */
	long results[CALLS]; /* -errno */
};

static struct seccomp_data tried_call(int i)
{
	static const uint64_t values[] = { 0, 1, 0x100000000, UINT64_MAX, 0x80000000, 77, 31, 0xdeadbeefcafe };

	return (struct seccomp_data){
		.nr = FIRST_NR + i % NRS, .arch = X64,
		.args = { values[i % 8], values[(i + 1) % 8], values[(i + 3) % 8], values[(i * 5 + 2) % 8], (uint64_t)(unsigned)i, 77 },
	};
}

static void try_in_child(const struct seccomp_program *program, struct tried *tried)
{
	struct sock_fprog fprog = { .len = (unsigned short)program->len,
				    .filter = (struct sock_filter *)(uintptr_t)program->at };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &fprog) < 0) {
		atomic_store(&tried->accepted, errno);
		_exit(0);
	}
	atomic_store(&tried->accepted, 0);
	for (int i = 0; i < CALLS; i++) {
		const struct seccomp_data call = tried_call(i);
		long r = syscall(call.nr, call.args[0], call.args[1], call.args[2], call.args[3], call.args[4], call.args[5]);

		tried->results[i] = r < 0 ? -errno : r;
		atomic_store(&tried->count, i + 1);
	}
	_exit(0);
}

static void assert_as_predicted(const struct seccomp_program *program, const struct tried *tried, int status)
{
	for (int i = 0; i < CALLS; i++) {
		const struct seccomp_data call = tried_call(i);
		uint32_t action = seccomp_program_run(program, &call), data = action & SECCOMP_RET_DATA;
		long want = -ENOSYS;

		switch (action & SECCOMP_RET_ACTION_FULL) {
		case SECCOMP_RET_ERRNO: want = -(long)(data > PROFILE_ERRNO_MAX ? PROFILE_ERRNO_MAX : data); break;
		case SECCOMP_RET_ALLOW:
		case SECCOMP_RET_LOG:
		case SECCOMP_RET_TRACE:
		case SECCOMP_RET_USER_NOTIF: break;
		default:
			assert_true(WIFSIGNALED(status));
			assert_int_equal(WTERMSIG(status), SIGSYS);
			assert_int_equal(tried->count, i);
			return;
		}
		assert_in_range(tried->count, i + 1, CALLS);
		assert_int_equal(tried->results[i], want);
	}
	assert_int_equal(status, 0);
}

/* What the checker takes the kernel takes, and no more; what the interpreter says is what happens. */
static void as_the_kernel(void **state)
{
	static struct seccomp_program program;
	struct tried *tried = mmap(NULL, sizeof(*tried), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned taken = 0;

	(void)state;
	assert_ptr_not_equal(tried, MAP_FAILED);
	for (int i = 0; i < PROGRAMS; i++) {
		int status;
		pid_t child;

		random_program(&program);
		memset(tried, 0, sizeof(*tried));
		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			try_in_child(&program, tried);
		assert_int_equal(waitpid(child, &status, 0), child);
		if ((tried->accepted == 0) != (seccomp_program_check(&program, NULL) == 0))
			fail_msg("program %d: the kernel says %s", i, strerror(tried->accepted));
		if (tried->accepted != 0)
			continue;
		taken++;
		assert_as_predicted(&program, tried, status);
	}
	assert_in_range(taken, PROGRAMS / 4, PROGRAMS);
	munmap(tried, sizeof(*tried));
}

static bool is_kept(uint32_t action)
{
	return (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
}

static void joined(void **state)
{
	static const struct sock_filter then[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	static struct seccomp_program program, both, strict;
	struct loaded loaded;

	(void)state;
	load_text(&loaded, PROFILE(ALLOW_READ ",{\"names\":[\"write\"],\"action\":\"SCMP_ACT_ALLOW\"},"
				   "{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_LOG\"}"), &no_caps);
	program_of(&loaded, &program);
	assert_int_equal(seccomp_program_join(&program, SECCOMP_RET_USER_NOTIF, NULL, then, ARRAY_LEN(then), &both), 0);
	assert_int_equal(seccomp_program_check(&both, NULL), 0);
	assert_int_equal(verdict(&both, X64, SYS_read, 0, 0), SECCOMP_RET_TRACE);
	assert_int_equal(verdict(&both, X64, SYS_write, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(&both, X64, SYS_getpid, 0, 0), SECCOMP_RET_USER_NOTIF);
	assert_int_equal(verdict(&both, X64, SYS_open, 0, 0), SECCOMP_RET_USER_NOTIF);
	assert_int_equal(seccomp_program_join(&program, SECCOMP_RET_USER_NOTIF, is_kept, then, ARRAY_LEN(then), &strict), 0);
	assert_int_equal(verdict(&strict, X64, SYS_getpid, 0, 0), SECCOMP_RET_USER_NOTIF);
	assert_int_equal(verdict(&strict, X64, SYS_open, 0, 0), ERRNO(EPERM));
	arena_done(&loaded.arena);

	program.at[program.len - 1].code = BPF_RET | BPF_A;
	assert_int_equal(seccomp_program_join(&program, 0, NULL, then, ARRAY_LEN(then), &both), -ENOTSUP);
	program.len = SECCOMP_PROGRAM_MAX - 1;
	assert_int_equal(seccomp_program_join(&program, 0, NULL, then, ARRAY_LEN(then), &both), -E2BIG);
}

/* ---- what differs, and what is decided ---- */

struct seen {
	size_t count;
	struct compare_difference last;
	char name[COMPARE_NAME_MAX];
};

static void see(const struct compare_difference *difference, void *userdata)
{
	struct seen *seen = userdata;

	seen->count++;
	seen->last = *difference;
	snprintf(seen->name, sizeof(seen->name), "%s", difference->name == NULL ? "" : difference->name);
}

#define ALLOW_CLONE(args) PROFILE(ALLOW_READ ",{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[" args "]}")
#define MASKED(mask, value) "{\"index\":0,\"value\":" mask ",\"valueTwo\":" value ",\"op\":\"SCMP_CMP_MASKED_EQ\"}"

/* How it is written does not matter; one bit of a mask does. */
static void differences(void **state)
{
	static const struct {
		const char *a, *b;
		size_t count;
		const char *name;
	} rows[] = {
		{ ALLOW_CLONE(MASKED("3", "0")), ALLOW_CLONE(MASKED("3", "0")), 0, "" },
		{ ALLOW_CLONE(MASKED("3", "0")), ALLOW_CLONE(MASKED("7", "0")), 1, "clone" },
		{ ALLOW_CLONE(MASKED("4294967296", "0")), ALLOW_CLONE(MASKED("8589934592", "0")), 2, "clone" },
		{ ALLOW_CLONE("{\"index\":0,\"value\":5,\"op\":\"SCMP_CMP_GT\"}"),
		  ALLOW_CLONE("{\"index\":0,\"value\":6,\"op\":\"SCMP_CMP_GE\"}"), 0, "" },
		{ ALLOW_CLONE("{\"index\":0,\"value\":5,\"op\":\"SCMP_CMP_GT\"}"),
		  ALLOW_CLONE("{\"index\":0,\"value\":5,\"op\":\"SCMP_CMP_GE\"}"), 1, "clone" },
	};
	static struct seccomp_program a, b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct loaded first, second;
		struct seen seen = { 0 };
		size_t untried;

		load_text(&first, rows[i].a, &no_caps);
		load_text(&second, rows[i].b, &no_caps);
		program_of(&first, &a);
		program_of(&second, &b);
		assert_int_equal(profile_compare(&(struct compared){ &first.profile, &a },
						 &(struct compared){ &second.profile, &b }, see, &seen, &untried), rows[i].count);
		assert_int_equal(untried, 0);
		assert_string_equal(seen.name, rows[i].name);
		assert_int_equal(seen.count, rows[i].count);
		arena_done(&first.arena);
		arena_done(&second.arena);
	}
}

static void decisions(void **state)
{
	static struct seccomp_program refusing, logging;
	const struct seccomp_data call = { .nr = SYS_getpid, .arch = X64 };
	struct decider *decider = decider_new();
	struct decide_answer answer;
	struct decided decided;
	struct loaded loaded;
	void (*before)(int);

	(void)state;
	assert_non_null(decider);
	assert_true(decider_ask(decider, &call).goes_on); /* nothing is in force */
	load_text(&loaded, PROFILE(ALLOW_READ ",{\"names\":[\"open\"],\"action\":\"SCMP_ACT_ALLOW\"},{\"names\":[\"getpid\"],"
				   "\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":7}"), &no_caps);
	program_of(&loaded, &refusing);
	arena_done(&loaded.arena);
	load_text(&loaded, PROFILE("{\"names\":[\"getpid\"],\"action\":\"SCMP_ACT_LOG\"}"), &no_caps);
	program_of(&loaded, &logging);
	arena_done(&loaded.arena);

	decider_change(decider, &refusing, DECIDE_ENFORCE);
	decided = decider_ask(decider, &call);
	assert_int_equal(decided.said, ERRNO(7));
	assert_false(decided.goes_on);
	answer = decider_answer(&decided, &call, (uint32_t)getpid());
	assert_int_equal(answer.error, -7);
	assert_int_equal(answer.signal, 0);
	decider_change(decider, &refusing, DECIDE_AUDIT);
	decided = decider_ask(decider, &call);
	assert_int_equal(decided.said, ERRNO(7));
	assert_true(decided.goes_on);
	decider_change(decider, &logging, DECIDE_ENFORCE);
	decided = decider_ask(decider, &call);
	assert_int_equal(decided.said, SECCOMP_RET_LOG);
	assert_true(decided.goes_on);

	/* A trap that nobody handles ends the process; so does a kill, by SIGSYS as long as that ends it. */
	decided = (struct decided){ .said = SECCOMP_RET_TRAP };
	before = signal(SIGSYS, SIG_DFL); /* the tests' own */
	assert_int_equal(decider_answer(&decided, &call, (uint32_t)getpid()).signal, SIGSYS);
	assert_false(decider_answer(&decided, &call, (uint32_t)getpid()).traps);
	signal(SIGSYS, SIG_IGN);
	assert_int_equal(decider_answer(&decided, &call, (uint32_t)getpid()).signal, SIGKILL);
	signal(SIGSYS, before);
	decider_free(decider);
}

/* Written to while it runs: an answer comes. */
static void torn(void **state)
{
	static struct seccomp_program program;
	const struct seccomp_data data = { 0 };

	(void)state;
	program.len = UINT32_MAX;
	for (uint32_t i = 0; i < SECCOMP_PROGRAM_MAX; i++)
		program.at[i] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, UINT32_MAX);
	assert_int_equal(seccomp_program_run(&program, &data), SECCOMP_RET_KILL_PROCESS);
	for (uint32_t i = 0; i < SECCOMP_PROGRAM_MAX; i++)
		program.at[i] = (struct sock_filter){ (uint16_t)random_word(), 0, 0, random_word() };
	seccomp_program_run(&program, &data);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(text_rows) + 16];
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(text_rows); i++)
		tests[count++] = (struct CMUnitTest){ .name = text_rows[i].name, .test_func = text,
						      .initial_state = (void *)(uintptr_t)&text_rows[i] };
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(limits);
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(engines_profile);
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(older_form);
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(every_action);
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(operators);
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(one_argument_twice);
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(as_the_kernel);
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(joined);
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(torn);
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(differences);
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(decisions);
	return _cmocka_run_group_tests("seccomp", tests, count, NULL, NULL);
}
