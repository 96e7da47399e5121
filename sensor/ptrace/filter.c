/* A seccomp program from the table of calls and the rules' interest in them. */
#include "sensor/ptrace/filter.h"

#include "sensor/call_numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__x86_64__)
#define COMPAT_AUDIT_ARCH AUDIT_ARCH_I386
#define X32_FIRST	  512 /* numbers that only x32 has */
#else
#define COMPAT_AUDIT_ARCH AUDIT_ARCH_ARM
#endif

enum { ENTRIES_MAX = 2 * CALLS_MAX };

/* ---- what is wanted ---- */

#define KINDS(access)                                                                              \
	(1U << (access) | 1U << ((access) | PLAN_KIND_MAKES_EXEC) | 1U << ((access) | PLAN_KIND_FAILED) | \
	 1U << ((access) | PLAN_KIND_MAKES_EXEC | PLAN_KIND_FAILED))
#define KINDS_MAKING_EXEC 0xf0f0U
#define KINDS_OF_FAMILY(family) (0x1111U << (family))

static struct filter_condition condition_of(const struct call *call, uint16_t kinds, bool bare, bool folders)
{
	struct filter_condition condition = { .taken = kinds != 0, .bare = bare };

	condition.others = (call->plan.flags & PLAN_STANDARD_FD) && (kinds & 1U << PLAN_KIND_OTHER_FD) != 0;
	if (call->plan.flags & PLAN_OPEN) {
		condition.reads = (kinds & KINDS(PLAN_KIND_READ) & ~KINDS_MAKING_EXEC) != 0;
		condition.folders = condition.reads && folders;
		condition.writes =
			(kinds & (KINDS(PLAN_KIND_WRITE) | KINDS(PLAN_KIND_BOTH) | KINDS(PLAN_KIND_CREAT)) &
			 ~KINDS_MAKING_EXEC) != 0;
		condition.executables = (kinds & KINDS_MAKING_EXEC) != 0;
	} else if (call->nr == SYS_socket) {
		/* Of whatever family it was to be, a call that fails has no socket. */
		bool failed = (kinds & 1U << (PLAN_KIND_NO_SOCKET | PLAN_KIND_FAILED)) != 0;

		condition.ip = failed || (kinds & KINDS_OF_FAMILY(PLAN_KIND_IP)) != 0;
		condition.local = failed || (kinds & KINDS_OF_FAMILY(PLAN_KIND_UNIX)) != 0;
		condition.other = failed || (kinds & KINDS_OF_FAMILY(PLAN_KIND_OTHER_FAMILY)) != 0;
	}
	return condition;
}

/* Those that shells and run-time systems make all the time are not rare. */
static bool is_rare(const struct call *call)
{
	return call->plan.class == RECORD_CLASS_PRIVILEGE && call->watch == CALL_WANTED &&
	       call->nr != SYS_setpgid && call->nr != SYS_prctl;
}

/* The working directory is read when it is needed: those who change it are wanted for rules only. */
static bool is_for_state(const struct call *call)
{
	return call->watch == CALL_STATE && !(call->plan.flags & PLAN_FAILED_ONLY);
}

static uint16_t kinds_of(const struct probe_settings *settings, size_t row)
{
	const struct call *call = &calls[row];
	uint16_t kinds = settings->wanted[row] ? settings->interest->calls[call->nr].can : 0;

	if (settings->judged != NULL && !is_for_state(call))
		kinds |= settings->judged->calls[call->nr].can;

	if (call->plan.flags & PLAN_FAILED_ONLY)
		return UINT16_MAX; /* images are always known */
	if (is_for_state(call) || call_is_traced(call))
		return settings->reported[row] ? UINT16_MAX : 0;
	return is_rare(call) ? UINT16_MAX : kinds;
}

static bool wants_bare(const struct probe_settings *settings, size_t row)
{
	uint16_t nr = calls[row].nr;

	return (settings->wanted[row] && settings->interest->calls[nr].bare != 0) ||
	       (settings->judged != NULL && settings->judged->calls[nr].bare != 0);
}

void filter_cover_of(const struct probe_settings *settings, struct filter_cover *ret)
{
	bool folders = settings->interest->folders || (settings->judged != NULL && settings->judged->folders);

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < calls_count; i++)
		ret->of[i] = condition_of(&calls[i], kinds_of(settings, i), wants_bare(settings, i), folders);
}

static bool is_within(const struct filter_condition *want, const struct filter_condition *have)
{
	return want->taken <= have->taken && want->reads <= have->reads && want->writes <= have->writes &&
	       want->executables <= have->executables && want->folders <= have->folders && want->ip <= have->ip &&
	       want->local <= have->local && want->other <= have->other && want->bare <= have->bare &&
	       want->others <= have->others;
}

size_t filter_missing(const struct filter_cover *have, const struct filter_cover *want)
{
	size_t missing = 0;

	for (size_t i = 0; i < calls_count; i++)
		missing += !is_within(&want->of[i], &have->of[i]);
	return missing;
}

bool filter_is_full(const struct filter_cover *cover)
{
	for (size_t i = 0; i < calls_count; i++)
		if (cover->of[i].reads)
			return true;
	return false;
}

/* ---- instructions ---- */

/* Places that are known when a leaf is complete. */
enum { TO_NOTIFY = 0xff, TO_ALLOW = 0xfe };

static void add(struct filter *filter, unsigned code, unsigned k, unsigned jt, unsigned jf)
{
	filter->failed |= filter->count == FILTER_MAX;
	if (!filter->failed)
		filter->code[filter->count++] =
			(struct sock_filter){ (__u16)code, (__u8)jt, (__u8)jf, k };
}

static void add_load(struct filter *filter, size_t offset)
{
	add(filter, BPF_LD | BPF_W | BPF_ABS, (unsigned)offset, 0, 0);
}

/* Half of an argument, by its place from 1. */
static void add_load_low(struct filter *filter, unsigned place)
{
	add_load(filter, offsetof(struct seccomp_data, args) + 8 * (place - 1) +
				 (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0));
}

static void add_load_high(struct filter *filter, unsigned place)
{
	add_load(filter, offsetof(struct seccomp_data, args) + 8 * (place - 1) +
				 (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 0 : 4));
}

static void add_jump(struct filter *filter, unsigned test, unsigned k, unsigned jt, unsigned jf)
{
	add(filter, BPF_JMP | BPF_K | test, k, jt, jf);
}

static void add_ret(struct filter *filter, unsigned action)
{
	add(filter, BPF_RET | BPF_K, action, 0, 0);
}

/* ---- conditions ---- */

static void add_making(struct filter *filter, const struct plan *plan, bool flags_known)
{
	if (!flags_known) {
		add_load_low(filter, plan->open_arg);
		add_jump(filter, BPF_JSET, PLAN_O_CREAT | PLAN_O_TMPFILE, 0, TO_ALLOW);
	}
	add_load_low(filter, plan->mode_arg);
	add_jump(filter, BPF_JSET, 0111, TO_NOTIFY, TO_ALLOW);
}

/* Of opens for reading all but those of directories, which fail when it is none; others go on at `others`. What can
 * make a file may do so before it fails. */
static void add_reading(struct filter *filter, bool folders, unsigned others)
{
	if (folders) {
		add_jump(filter, BPF_JSET, O_ACCMODE, others, TO_NOTIFY);
		return;
	}
	add_jump(filter, BPF_JSET, O_ACCMODE, others == 0 ? 2 : others, 0);
	add_jump(filter, BPF_JSET, O_DIRECTORY, 0, TO_NOTIFY);
	add_jump(filter, BPF_JSET, PLAN_O_CREAT | PLAN_O_TMPFILE, TO_NOTIFY, TO_ALLOW);
}

static void add_open(struct filter *filter, const struct plan *plan, const struct filter_condition *of)
{
	/* open_by_handle_at(2) has no mode. */
	bool makes = of->executables && plan->mode_arg != 0 && !(of->reads && of->writes);

	if ((plan->flags & PLAN_OPEN_HOW) || (of->reads && of->writes && (of->folders || plan->open_arg == 0)))
		return; /* the flags are in memory, or it does not matter how */
	if (plan->open_arg == 0) { /* creat(2) */
		if (!of->writes && !of->reads)
			add_making(filter, plan, true);
		return;
	}
	add_load_low(filter, plan->open_arg);
	if (of->reads)
		add_reading(filter, of->folders, of->writes ? TO_NOTIFY : makes ? 0 : TO_ALLOW);
	else if (of->writes)
		add_jump(filter, BPF_JSET, O_ACCMODE, TO_NOTIFY, makes ? 0 : TO_ALLOW);
	if (makes)
		add_making(filter, plan, false);
}

static void add_family(struct filter *filter, const struct filter_condition *of)
{
	add_load_low(filter, 1);
	add_jump(filter, BPF_JEQ, AF_INET, of->ip ? TO_NOTIFY : TO_ALLOW, 0);
	add_jump(filter, BPF_JEQ, AF_INET6, of->ip ? TO_NOTIFY : TO_ALLOW, 0);
	add_jump(filter, BPF_JEQ, AF_UNIX, of->local ? TO_NOTIFY : TO_ALLOW, of->other ? TO_NOTIFY : TO_ALLOW);
}

/* A pointer that is there. */
static void add_address(struct filter *filter, unsigned place)
{
	add_load_low(filter, place);
	add_jump(filter, BPF_JEQ, 0, 0, TO_NOTIFY);
	add_load_high(filter, place);
	add_jump(filter, BPF_JEQ, 0, TO_ALLOW, TO_NOTIFY);
}

/* Falls through to be notified. */
static void add_condition(struct filter *filter, const struct call *call, const struct filter_condition *of)
{
	const struct plan *plan = &call->plan;

	if (plan->flags & PLAN_OPEN) {
		add_open(filter, plan, of);
	} else if (call->nr == SYS_socket) {
		if (!of->ip || !of->local || !of->other)
			add_family(filter, of);
	} else if ((plan->flags & PLAN_NEEDS_ADDRESS) && !(plan->flags & PLAN_MESSAGE)) {
		if (!of->bare)
			add_address(filter, plan->address_arg);
	} else if (of->others) {
		return;
	} else if (call->nr == SYS_dup2 || call->nr == SYS_dup3) {
		add_load_low(filter, 2);
		add_jump(filter, BPF_JGT, 2, TO_ALLOW, TO_NOTIFY);
	} else if (call->nr == SYS_clone) {
		add_load_low(filter, 1);
		add_jump(filter, BPF_JSET, CLONE_THREAD, TO_ALLOW, TO_NOTIFY);
	}
}

static unsigned resolve(unsigned to, size_t at, size_t notify)
{
	if (to == TO_NOTIFY)
		return (unsigned)(notify - at - 1);
	return to == TO_ALLOW ? (unsigned)(notify - at) : to;
}

/* ---- the search ---- */

struct entry {
	unsigned nr;
	size_t row; /* calls_count: a way to many calls, always notified */
};

static void add_leaf(struct filter *filter, const struct filter_cover *cover, const struct entry *entry)
{
	size_t first = filter->count, notify;

	add_jump(filter, BPF_JEQ, entry->nr, 0, TO_ALLOW);
	if (entry->row < calls_count)
		add_condition(filter, &calls[entry->row], &cover->of[entry->row]);
	notify = filter->count;
	add_ret(filter, SECCOMP_RET_USER_NOTIF);
	add_ret(filter, SECCOMP_RET_ALLOW);
	for (size_t i = first; i < notify && !filter->failed; i++) {
		struct sock_filter *at = &filter->code[i];

		if (BPF_CLASS(at->code) == BPF_JMP) {
			at->jt = (__u8)resolve(at->jt, i, notify);
			at->jf = (__u8)resolve(at->jf, i, notify);
		}
	}
}

static void add_search(struct filter *filter, const struct filter_cover *cover, const struct entry *entries,
		       size_t count)
{
	size_t middle = count / 2, jump;

	if (count == 1) {
		add_leaf(filter, cover, entries);
		return;
	}
	/* What a conditional jump can pass over may be too little. */
	add_jump(filter, BPF_JGE, entries[middle].nr, 0, 1);
	jump = filter->count;
	add(filter, BPF_JMP | BPF_JA, 0, 0, 0);
	add_search(filter, cover, entries, middle);
	if (!filter->failed)
		filter->code[jump].k = (unsigned)(filter->count - jump - 1);
	add_search(filter, cover, entries + middle, count - middle);
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->nr > y->nr) - (x->nr < y->nr);
}

static size_t entries_of(const struct filter_cover *cover, bool compat, struct entry *entries)
{
	size_t count = 0;
	bool network = false;

	for (size_t i = 0; i < calls_count; i++) {
		unsigned nr = compat ? calls[i].compat : calls[i].nr;

		if (!cover->of[i].taken)
			continue;
		network |= calls[i].plan.class == RECORD_CLASS_NET;
		if (compat ? nr != CALL_COMPAT_NONE : nr < PLAN_FOREIGN)
			entries[count++] = (struct entry){ nr, i };
	}
	for (size_t i = 0; compat && i < call_aliases_count; i++) {
		size_t row = (size_t)(call_find(call_aliases[i].nr) - calls);

		if (cover->of[row].taken)
			entries[count++] = (struct entry){ call_aliases[i].compat, row };
	}
	if (compat && network && COMPAT_AUDIT_ARCH == AUDIT_ARCH_I386)
		entries[count++] = (struct entry){ COMPAT_SOCKETCALL, calls_count };
	qsort(entries, count, sizeof(*entries), compare_entries);
	return count;
}

static void add_table(struct filter *filter, const struct filter_cover *cover, bool compat)
{
	struct entry entries[ENTRIES_MAX];
	size_t count = entries_of(cover, compat, entries);

	if (count == 0)
		add_ret(filter, SECCOMP_RET_ALLOW);
	else
		add_search(filter, cover, entries, count);
}

bool filter_make(const struct filter_cover *cover, struct filter *ret)
{
	size_t jump;

	ret->count = 0;
	ret->failed = false;
	add_load(ret, offsetof(struct seccomp_data, arch));
	add_jump(ret, BPF_JEQ, CALL_AUDIT_ARCH, 1, 0);
	jump = ret->count;
	add(ret, BPF_JMP | BPF_JA, 0, 0, 0);
	add_load(ret, offsetof(struct seccomp_data, nr));
#ifdef X32_FIRST
	add_jump(ret, BPF_JGE, FILTER_X32, 0, 3);
	add(ret, BPF_ALU | BPF_AND | BPF_K, ~(unsigned)FILTER_X32, 0, 0);
	add_jump(ret, BPF_JGE, X32_FIRST, 0, 1);
	add_ret(ret, SECCOMP_RET_USER_NOTIF);
#endif
	add_table(ret, cover, false);
	if (!ret->failed)
		ret->code[jump].k = (unsigned)(ret->count - jump - 1);
	add_jump(ret, BPF_JEQ, COMPAT_AUDIT_ARCH, 1, 0);
	add_ret(ret, SECCOMP_RET_ALLOW);
	add_load(ret, offsetof(struct seccomp_data, nr));
	add_table(ret, cover, true);
	return !ret->failed;
}

/* ---- in force ---- */

bool filter_is_killable(void)
{
	/* It looks at the flags first, and at the program then. */
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		       SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, NULL) < 0 &&
	       errno == EFAULT;
}

/* That calls can go on cannot be asked for, and a call of that version may be one that a container refuses. */
static bool lets_go_on(void)
{
	struct utsname kernel;
	unsigned major, minor;

	return uname(&kernel) == 0 && sscanf(kernel.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 5 || (major == 5 && minor >= 6));
}

bool filter_works(void)
{
	const uint32_t action = SECCOMP_RET_USER_NOTIF;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0 && lets_go_on();
}

static int install(const struct sock_fprog *program)
{
	unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER |
			 (filter_is_killable() ? SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV : 0);
	int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program);

	return fd < 0 ? -errno : fd;
}

int filter_install(const struct filter *filter)
{
	struct sock_fprog program = { .len = filter->count,
				      .filter = (struct sock_filter *)(uintptr_t)filter->code };
	int fd = install(&program);

	if (fd != -EACCES)
		return fd;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return install(&program);
}
