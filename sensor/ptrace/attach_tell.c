/* From a stopped thread to records. What reads the memory of a tracee may take as long as the tracee likes (it
 * can have its pages served by a process of its own), so that is done without the lock. */
#include "sensor/ptrace/attach_inner.h"

#include "base/clock.h"
#include "sensor/call_numbers.h"
#include "sensor/ptrace/entry.h"
#include "sensor/ptrace/tracee.h"
#include "sensor/record_text.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

/* ---- handing over: with the lock ---- */

/* The parent may be outside of what is traced; then nothing is known of it. */
static void fill_identity(struct attach *attach, struct record *record, const struct tracee *leader)
{
	const struct tracee *parent = attach_find(attach, record->ppid);

	record->exec_id = leader == NULL ? 0 : leader->execs;
	if (parent == NULL || parent->last.start_ns == 0)
		return;
	record->parent_start_ns = parent->last.start_ns;
	record->parent_exec_id = parent->execs;
}

static void hand_over(struct attach *attach, struct record *record)
{
	struct tracee *leader = attach_find(attach, record->tgid);

	fill_identity(attach, record, leader);
	if (leader != NULL && record->type != RECORD_EXIT)
		leader->last = *record;
	attach->counts.of[record->class].emitted++;
	attach->take(record, attach->userdata);
	if (attach->records++ == attach->handed)
		pthread_cond_signal(&attach->told);
}

/* With what /proc says of the process, or lost if that is nothing any more. */
static void tell(struct attach *attach, struct record *record, int known)
{
	pthread_mutex_lock(&attach->lock);
	attach->counts.of[record->class].seen++;
	if (known < 0)
		attach->counts.of[record->class].dropped++;
	else
		hand_over(attach, record);
	pthread_mutex_unlock(&attach->lock);
}

/* ---- processes ---- */

static struct record *begin(struct attach *attach, enum record_type type, uint16_t nr)
{
	struct record *record = attach->scratch;

	memset(record, 0, sizeof(*record));
	record->len = sizeof(*record);
	record->type = (__u8)type;
	record->class = RECORD_CLASS_PROCESS;
	record->nr = nr;
	return record;
}

/* An exec returns 0, and that is also the descriptor of interest. */
static const struct plan standard_input = { .flags = PLAN_RETURNS_FD };

void attach_tell_exec(struct attach *attach, struct tracee *tracee)
{
	struct record *record = begin(attach, RECORD_EXEC, tracee->call != NULL ? tracee->call->nr : SYS_execve);
	unsigned what = PROC_READ_IMAGE | (atomic_load(&attach->take_environment) ? PROC_READ_ENV : 0);
	int r = tracee_fill_head(record, tracee->tid, tracee->tgid, what, &attach->facts);

	if (r == 0) {
		tracee_add_image(record, &attach->facts);
		tracee_add_object(record, tracee->tid, &standard_input);
		if (atomic_load(&attach->take_standard))
			tracee_add_standard(record);
	}
	tell(attach, record, r);
}

void attach_tell_fork(struct attach *attach, uint32_t parent, uint32_t child, const struct record *call)
{
	struct record *record = begin(attach, RECORD_FORK, call->nr);
	int r = tracee_fill_head(record, child, child, PROC_READ_CGROUP, &attach->facts);

	record->ret = child;
	record->args[0] = parent;
	record->args[2] = tracee_clone_flags(call);
	if (r == 0)
		record_add(record, RECORD_STRING_CGROUP, buf_str(&attach->facts.cgroup));
	tell(attach, record, r);
}

void attach_tell_exit(struct attach *attach, const struct tracee *tracee, int status)
{
	struct record *record = begin(attach, RECORD_EXIT, 0);
	struct timespec now;

	if (tracee->last.tgid == 0)
		return; /* nothing was ever known of it */
	*record = tracee->last;
	record->len = sizeof(*record);
	record->type = RECORD_EXIT;
	record->class = RECORD_CLASS_PROCESS;
	record->flags = 0;
	record->ret = status;
	clock_gettime(CLOCK_BOOTTIME, &now);
	record->time_ns = (uint64_t)(now.tv_sec * NS_PER_S + now.tv_nsec);
	tell(attach, record, 0);
}

void attach_meet(struct attach *attach, struct tracee *leader)
{
	struct record *record = begin(attach, RECORD_FORK, 0);

	if (tracee_fill_head(record, leader->tid, leader->tgid, 0, &attach->facts) == 0)
		leader->last = *record;
}

/* ---- calls ---- */

void attach_call_begin(struct attach *attach, struct tracee *tracee, const struct __ptrace_syscall_info *info)
{
	struct seccomp_data data = { .nr = (int)info->entry.nr, .arch = info->arch };
	struct record *record = attach->scratch;
	struct entry entry;

	memcpy(data.args, info->entry.args, sizeof(data.args));
	if (!entry_read(&data, tracee->tid, &entry) || call_is_traced(entry.call) ||
	    !atomic_load_explicit(&attach->wanted[entry.call - calls], memory_order_relaxed))
		return;
	memset(record, 0, sizeof(*record));
	record->len = sizeof(*record);
	record->type = RECORD_CALL;
	record->class = entry.call->plan.class;
	record->nr = entry.call->nr;
	record->flags = entry.compat ? RECORD_COMPAT : 0;
	memcpy(record->args, entry.args, sizeof(record->args));
	tracee_add_arguments(record, tracee->tid, &entry.call->plan);
	tracee->call = malloc(record->len);
	if (tracee->call != NULL)
		memcpy(tracee->call, record, record->len);
}

/* The same question as in the eBPF program. */
static bool open_is_wanted(const struct attach *attach, const struct record *record, const struct plan *plan)
{
	uint64_t flags = record->args[4];
	struct str path = record_text(record, RECORD_STRING_PATH), given = record_text(record, RECORD_STRING_NAME);
	uint16_t kind = plan_open_kind(plan->open_arg == 0, flags, record->args[5], record->ret < 0);

	if ((flags & O_ACCMODE) == O_RDONLY && (flags & O_PATH))
		return false;
	return interest_wants_open(attach->interest, record->nr, kind, path.at != NULL ? path : given, given,
				   (struct str){ record->comm, strnlen(record->comm, RECORD_COMM) });
}

static bool call_is_wanted(const struct attach *attach, const struct record *record, const struct plan *plan)
{
	const struct plan_interest *of = &attach->interest->calls[record->nr];

	if ((plan->flags & PLAN_STANDARD_FD) && !(of->can & plan_other_kind(plan->flags, record->ret)))
		return false;
	if ((plan->flags & PLAN_SUCCESS_ONLY) && record->ret < 0)
		return false;
	if ((plan->flags & PLAN_NEEDS_ADDRESS) && record_text(record, RECORD_STRING_ADDRESS).at == NULL)
		return of->bare != 0;
	return !(plan->flags & PLAN_OPEN) || open_is_wanted(attach, record, plan);
}

/* Rules may want an open for who makes it: by the name that the process had when it was last heard of. */
static void set_comm(struct attach *attach, const struct tracee *tracee, struct record *record)
{
	const struct tracee *leader = attach_find(attach, tracee->tgid);

	if (leader != NULL)
		memcpy(record->comm, leader->last.comm, sizeof(record->comm));
}

static void judge(struct attach *attach, const struct tracee *tracee, struct record *record, const struct plan *plan)
{
	struct plan_counters *counts = &attach->counts.of[record->class];

	pthread_mutex_lock(&attach->lock);
	counts->seen++;
	if (!call_is_wanted(attach, record, plan))
		counts->filtered++;
	else if (tracee_fill_head(record, tracee->tid, tracee->tgid, 0, &attach->facts) < 0)
		counts->dropped++;
	else
		hand_over(attach, record);
	pthread_mutex_unlock(&attach->lock);
}

/* A call that a signal broke off ended with EINTR, as far as that can be known now: if the kernel starts it again,
 * that is another call here. */
static int64_t result_of(int64_t result)
{
	return result <= -512 && result >= -516 ? -EINTR : result;
}

static bool wants_data(struct attach *attach, const struct record *record)
{
	bool wants;

	pthread_mutex_lock(&attach->lock);
	wants = attach->interest->calls[record->nr].data != 0;
	pthread_mutex_unlock(&attach->lock);
	return wants;
}

static void end_one(struct attach *attach, struct tracee *tracee, struct record *record, const struct plan *plan)
{
	tracee_add_answer(record, tracee->tid, plan, wants_data(attach, record));
	tracee_add_object(record, tracee->tid, plan);
	if (plan->flags & PLAN_CWD)
		tracee_add_link(record, tracee->tid, "cwd", RECORD_STRING_CWD);
	judge(attach, tracee, record, plan);
}

void attach_call_end(struct attach *attach, struct tracee *tracee, int64_t result)
{
	struct record *record = attach->scratch;
	const struct plan *plan;

	memcpy(record, tracee->call, tracee->call->len);
	free(tracee->call);
	tracee->call = NULL;
	plan = &call_find(record->nr)->plan;
	if ((plan->flags & PLAN_FAILED_ONLY) && result >= 0)
		return;
	record->ret = result_of(result);
	record->tgid = tracee->tgid;
	set_comm(attach, tracee, record);
	end_one(attach, tracee, record, plan);
	for (unsigned i = 1; tracee_next_message(record, plan, i); i++)
		end_one(attach, tracee, record, plan);
}
