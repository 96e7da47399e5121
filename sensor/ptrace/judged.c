/* Calls that wait for a rule's word before they are made. The receiver hands them to the sensor's own thread,
 * which alone may ask rules, and goes on with others; what may be made and is to be watched comes back, because
 * only the receiver holds threads. */
#include "sensor/ptrace/notify.h"
#include "sensor/ptrace/tracee.h"
#include "sensor/record_text.h"

#include <stdlib.h>

/* ---- which ---- */

/* By how it opens; of openat2 that stands in memory. */
static bool may_open_so(const struct entry *entry, uint16_t can)
{
	const struct plan *plan = &entry->call->plan;

	if (plan->flags & PLAN_OPEN_HOW)
		return can != 0;
	return (can & plan_open_kind(plan->open_arg == 0, plan->open_arg == 0 ? 0 : entry->args[plan->open_arg - 1],
				     plan->mode_arg == 0 ? 0 : entry->args[plan->mode_arg - 1], false)) != 0;
}

/* Of an open it must first be known where links lead. */
bool judged_wants(const struct interest *judged, const struct entry *entry, struct entry_view *view)
{
	const struct call *call = entry->call;
	uint16_t can = judged->calls[call->nr].can;

	if (call->plan.flags & PLAN_FAILED_ONLY)
		return judged->execs;
	if (can == 0 || call_is_traced(call)) /* what a new process will be is not known before it is there */
		return false;
	if (call->plan.flags & PLAN_OPEN)
		return may_open_so(entry, can);
	return entry_wants(entry, judged, (struct str){ NULL, 0 }, view);
}

bool judged_still_wants(struct notify *notify, const struct question *question)
{
	const struct interest *judged;
	struct record *record = question->record;
	const struct plan *plan = &question->call->plan;
	bool wants;

	if (!(plan->flags & PLAN_OPEN))
		return true;
	if (!notify_presume_open(record, plan))
		return false;
	pthread_rwlock_rdlock(&notify->lock);
	judged = notify->settings.judged;
	if (judged != NULL && judged->kinds[RULES_FACT_COMM] != 0)
		tracee_comm(record->tgid, record->comm); /* it may have another name by now */
	wants = judged != NULL &&
		interest_wants_open(judged, record->nr,
				    plan_open_kind(plan->open_arg == 0, record->args[4], record->args[5], false),
				    record_text(record, RECORD_STRING_PATH), record_text(record, RECORD_STRING_NAME),
				    (struct str){ record->comm, strnlen(record->comm, RECORD_COMM) });
	pthread_rwlock_unlock(&notify->lock);
	return wants;
}

/* ---- there and back ---- */

static bool put(struct notify *notify, struct questions *to, const struct question *question)
{
	bool room;

	pthread_mutex_lock(&notify->judge_lock);
	room = to->count < QUESTIONS_MAX;
	if (room)
		to->at[to->count++] = *question;
	pthread_mutex_unlock(&notify->judge_lock);
	return room;
}

static bool get(struct notify *notify, struct questions *from, struct question *ret)
{
	bool any;

	pthread_mutex_lock(&notify->judge_lock);
	any = from->count > 0;
	if (any) {
		*ret = from->at[0];
		memmove(from->at, from->at + 1, --from->count * sizeof(*ret));
	}
	pthread_mutex_unlock(&notify->judge_lock);
	return any;
}

/* Never more at once than either list holds. */
bool judged_ask(struct notify *notify, const struct question *question)
{
	if (atomic_load(&notify->waiting) >= QUESTIONS_MAX || !put(notify, &notify->asked, question))
		return false;
	atomic_fetch_add(&notify->waiting, 1);
	atomic_store(&notify->asleep, true); /* not even a nap is too short to be ended */
	notify_wake(notify);
	return true;
}

void judged_not(struct notify *notify, const struct question *question)
{
	if (question->look) {
		notify_forget_presumed(question->record, &question->call->plan);
		receiver_look_at(notify, question);
		return;
	}
	notify_continue(notify, question->asked);
	notify_filter(notify, question->call);
	notify_put_back(notify, question->record);
}

void judged_take(struct notify *notify)
{
	struct question question;

	while (get(notify, &notify->allowed, &question)) {
		atomic_fetch_sub(&notify->waiting, 1);
		notify_forget_presumed(question.record, &question.call->plan);
		receiver_look_at(notify, &question);
	}
}

static void let_go(struct notify *notify, const struct question *question)
{
	if (question->look && put(notify, &notify->allowed, question)) {
		notify_ring(notify);
		return;
	}
	notify_continue(notify, question->asked);
	notify_filter(notify, question->call);
	free(question->record);
	atomic_fetch_sub(&notify->waiting, 1);
}

static void refuse(struct notify *notify, const struct question *question, int error)
{
	notify_answer(notify, question->asked, error);
	notify_refused(notify, question->record);
	free(question->record);
	atomic_fetch_sub(&notify->waiting, 1);
	notify_ring(notify);
}

bool judged_waits(struct notify *notify)
{
	bool any;

	pthread_mutex_lock(&notify->judge_lock);
	any = notify->asked.count > 0;
	pthread_mutex_unlock(&notify->judge_lock);
	return any;
}

/* Of many messages each is asked about: one that may not be sent keeps back all of them. */
static int judge(struct notify *notify, const struct question *question)
{
	const struct probe_settings *settings = &notify->settings; /* changed by this thread only */
	const struct plan *plan = &question->call->plan;
	struct record *record = question->record;
	const uint64_t first = record->args[1];
	int r = settings->judge == NULL ? 0 : settings->judge(record, settings->judge_userdata);

	for (unsigned i = 1; r == 0 && settings->judge != NULL && tracee_next_message(record, plan, i); i++)
		r = notify_presume(notify, record, plan) ? settings->judge(record, settings->judge_userdata) : 0;
	record->args[1] = first;
	return r;
}

int judged_poll(struct notify *notify)
{
	struct question question;
	int n = 0;

	while (get(notify, &notify->asked, &question)) {
		int r = judge(notify, &question);

		if (r == 0)
			let_go(notify, &question);
		else
			refuse(notify, &question, r);
		n++;
	}
	return n;
}

void judged_done(struct notify *notify)
{
	struct question question;

	while (get(notify, &notify->asked, &question) || get(notify, &notify->allowed, &question)) {
		if (notify->listener >= 0)
			notify_continue(notify, question.asked);
		free(question.record);
	}
}
