/* From what was seen to records: who it was, what a descriptor is, whether rules still want it now that it
 * has ended; then the queue, and the account of what did not get into it. */
#include "sensor/ptrace/notify.h"
#include "sensor/ptrace/presume.h"
#include "sensor/ptrace/tracee.h"
#include "sensor/record_text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PRESUMED_FD = 3 };

static void count(_Atomic uint64_t *at)
{
	atomic_fetch_add_explicit(at, 1, memory_order_relaxed);
}

void notify_filter(struct notify *notify, const struct call *call)
{
	struct notify_counters *of = &notify->of[call->plan.class];

	count(&of->seen);
	count(&of->filtered);
}

void notify_wake(struct notify *notify)
{
	const uint64_t one = 1;

	ssize_t n = sizeof(one);

	if (atomic_exchange(&notify->asleep, false))
		n = write(notify->wake, &one, sizeof(one));
	(void)n; /* when it is full it wakes anyway */
}

void notify_emit(struct record *record, void *userdata)
{
	struct notify *notify = userdata;
	struct notify_counters *of = &notify->of[record->class];

	count(&of->seen);
	if (queue_put(notify->queue, record)) {
		count(&of->emitted);
	} else {
		count(&of->dropped);
		by_call_note(&notify->by_call, record, PROBE_RING);
	}
	notify_wake(notify);
}

static void tell(struct notify *notify, struct record *record)
{
	life_put(notify->life, record, notify_emit, notify);
	notify_emit(record, notify);
}

/* The process is gone, or nothing of it can be read: seen, and lost. */
void notify_lose(struct notify *notify, const struct record *record)
{
	count(&notify->of[record->class].seen);
	count(&notify->of[record->class].dropped);
	by_call_note(&notify->by_call, record, PROBE_RING);
}

void notify_refused(struct notify *notify, const struct record *record)
{
	count(&notify->of[record->class].seen);
	count(&notify->of[record->class].emitted);
}

/* Who a process is, 0 or -errno; afterwards `notify->facts` has its stat. */
static int fill_head(struct notify *notify, struct record *record, uint32_t tid, uint32_t tgid)
{
	return life_fill(notify->life, record, tid, tgid, &notify->facts) ? 0
	       : tracee_fill_head(record, tid, tgid, 0, &notify->facts);
}

bool notify_presume_open(struct record *record, const struct plan *plan)
{
	return plan->name_arg[0] != 0 && presume_open(record, PRESUMED_FD);
}

bool notify_presume(struct notify *notify, struct record *record, const struct plan *plan)
{
	if (fill_head(notify, record, record->tid, record->tgid) < 0)
		return false;
	life_put(notify->life, record, notify_emit, notify);
	tracee_add_link(record, record->tid, "cwd", RECORD_STRING_CWD);
	if (plan->flags & PLAN_FAILED_ONLY)
		return presume_exec(record);
	if (!(plan->flags & PLAN_OPEN))
		record->ret = (plan->flags & PLAN_RETURNS_FD) ? PRESUMED_FD : 0;
	if (!(plan->flags & (PLAN_OPEN | PLAN_RETURNS_FD)))
		tracee_add_object(record, record->tid, plan);
	tracee_presume_peer(record);
	return true;
}

/* The same question as in the eBPF program. */
static bool is_wanted(struct notify *notify, struct record *record, const struct plan *plan)
{
	struct str path, given;
	const struct plan_interest *of = &notify->settings.interest->calls[record->nr];

	if ((plan->flags & PLAN_STANDARD_FD) && !(of->can & plan_other_kind(plan->flags, record->ret)))
		return false;
	if ((plan->flags & PLAN_SUCCESS_ONLY) && record->ret < 0)
		return false;
	if (plan->flags & PLAN_FAILED_ONLY)
		return notify->settings.wanted[call_find(record->nr) - calls];
	if ((plan->flags & PLAN_NEEDS_ADDRESS) && record_text(record, RECORD_STRING_ADDRESS).at == NULL)
		return of->bare != 0;
	if (!(plan->flags & PLAN_OPEN))
		return true;
	if ((record->args[4] & (O_ACCMODE | O_PATH)) == O_PATH)
		return false;
	path = record_text(record, RECORD_STRING_PATH);
	given = record_text(record, RECORD_STRING_NAME);
	return interest_wants_open(notify->settings.interest, record->nr,
				   plan_open_kind(plan->open_arg == 0, record->args[4], record->args[5],
						  record->ret < 0),
				   path.at != NULL ? path : given, given,
				   (struct str){ record->comm, strnlen(record->comm, RECORD_COMM) });
}

static bool wants_data(struct notify *notify, const struct record *record)
{
	bool wants;

	pthread_rwlock_rdlock(&notify->lock);
	wants = notify->settings.interest->calls[record->nr].data != 0;
	pthread_rwlock_unlock(&notify->lock);
	return wants;
}

static void finish_one(struct notify *notify, struct record *record, const struct plan *plan)
{
	bool known = !(record->flags & RECORD_NO_RESULT), wanted;

	if (known) {
		tracee_add_answer(record, record->tid, plan, wants_data(notify, record));
		tracee_add_object(record, record->tid, plan);
	}
	if (call_is_traced(call_find(record->nr))) {
		/* In another namespace it has another number: then it is told of when it does something. */
		if (known && record->ret > 0 && tracee_parent((uint32_t)record->ret) == record->tgid)
			life_meet(notify->life, (uint32_t)record->ret, record->nr, tracee_clone_flags(record), notify_emit, notify);
		return;
	}
	pthread_rwlock_rdlock(&notify->lock);
	wanted = known ? is_wanted(notify, record, plan) : !(plan->flags & PLAN_FAILED_ONLY);
	pthread_rwlock_unlock(&notify->lock);
	if (!wanted) {
		count(&notify->of[record->class].seen);
		count(&notify->of[record->class].filtered);
		return;
	}
	tracee_add_link(record, record->tid, "cwd", RECORD_STRING_CWD);
	if (fill_head(notify, record, record->tid, record->tgid) == 0)
		tell(notify, record);
	else if (life_recall(notify->life, record))
		notify_emit(record, notify); /* it has died meanwhile */
	else
		notify_lose(notify, record);
}

void notify_finish(struct notify *notify, struct record *record, const struct plan *plan)
{
	finish_one(notify, record, plan);
	for (unsigned i = 1; tracee_next_message(record, plan, i); i++)
		finish_one(notify, record, plan);
}

void notify_forget_presumed(struct record *record, const struct plan *plan)
{
	tracee_begin_again(record);
	tracee_add_arguments(record, record->tid, plan);
}

/* An open of what is not there, unless it would make it. */
static bool finds_nothing(const struct record *record, const struct plan *plan)
{
	return (plan->flags & PLAN_OPEN) && !(record->args[4] & O_CREAT) && record->object.ino == 0;
}

static void presumed_one(struct notify *notify, struct record *record, const struct plan *plan)
{
	bool wanted;

	pthread_rwlock_rdlock(&notify->lock);
	wanted = is_wanted(notify, record, plan);
	pthread_rwlock_unlock(&notify->lock);
	if (wanted) {
		notify_emit(record, notify);
		return;
	}
	count(&notify->of[record->class].seen);
	count(&notify->of[record->class].filtered);
}

void notify_presumed(struct notify *notify, struct record *record, const struct plan *plan, bool seen)
{
	if (!seen && finds_nothing(record, plan))
		record->ret = -ENOENT;
	if (!seen)
		record->flags |= RECORD_PRESUMED;
	presumed_one(notify, record, plan);
	for (unsigned i = 1; tracee_next_message(record, plan, i) && notify_presume(notify, record, plan); i++)
		presumed_one(notify, record, plan);
}

/* An exec returns 0, and that is also the descriptor of interest. */
static const struct plan standard_input = { .flags = PLAN_RETURNS_FD };

void notify_exec(struct notify *notify, uint32_t tgid, uint16_t nr)
{
	struct record *record = notify->image;
	bool with_environment, with_standard;

	pthread_rwlock_rdlock(&notify->lock);
	with_environment = notify->settings.take_environment;
	with_standard = notify->settings.take_standard;
	pthread_rwlock_unlock(&notify->lock);
	memset(record, 0, sizeof(*record));
	record->len = sizeof(*record);
	record->type = RECORD_EXEC;
	record->class = RECORD_CLASS_PROCESS;
	record->nr = nr;
	if (fill_head(notify, record, tgid, tgid) < 0 || tracee_read_image(tgid, with_environment, &notify->facts) < 0) {
		notify_lose(notify, record);
		return;
	}
	tracee_add_image(record, &notify->facts);
	tracee_add_object(record, tgid, &standard_input);
	if (with_standard)
		tracee_add_standard(record);
	tell(notify, record);
}

void notify_gone(struct notify *notify, uint32_t tid, int status)
{
	if ((pid_t)tid != notify->command)
		return;
	atomic_store(&notify->command_status, status);
	notify_wake(notify);
}
