/* The thread that is told of calls. Most are let go at once, for no rule wants them; of the others arguments
 * are read, and the thread is held for the result. It never waits for the sensor's own thread. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "sensor/ptrace/notify.h"
#include "sensor/ptrace/tracee.h"
#include "sensor/seccomp/listener.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Since Linux 6.6: the thread that asks and the one that answers change places on one processor. */
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS	   SECCOMP_IOW(4, __u64)
#endif

enum { WATCH_MS = 20 };

/* ---- answers ---- */

static void answer(struct notify *notify, struct seccomp_notif *asked, int error, int64_t value, uint32_t flags)
{
	const struct seccomp_notif_resp answer = { .id = asked->id, .error = error, .val = value, .flags = flags };

	(void)listener_answer(notify->listener, &answer);
	keeper_answered(notify->keeper, asked);
}

void notify_continue(struct notify *notify, struct seccomp_notif *asked)
{
	answer(notify, asked, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

void notify_answer(struct notify *notify, struct seccomp_notif *asked, int error)
{
	answer(notify, asked, error, 0, 0);
}

void notify_answer_with(struct notify *notify, struct seccomp_notif *asked, int error, int64_t value)
{
	answer(notify, asked, error, value, 0);
}

/* ---- calls ---- */

/* Whom a call is about may not have done anything yet. */
static void meet_others(struct notify *notify, const struct entry *entry)
{
	for (size_t i = 0; i < CALL_PARAMS_MAX && entry->call->params[i].name != NULL; i++) {
		const struct param *param = &entry->call->params[i];
		int32_t pid = param->kind == PARAM_PID && param->place > 0 ? (int32_t)entry->args[param->place - 1] : 0;

		if (pid > 1)
			life_meet_other(notify->life, (uint32_t)pid, notify_emit, notify);
	}
}

static struct record *begin(struct notify *notify, const struct entry *entry, bool with_arguments)
{
	struct record *record = notify->spare != NULL ? TAKE(notify->spare) : malloc(RECORD_MAX);

	if (record == NULL)
		return NULL;
	memset(record, 0, sizeof(*record));
	record->len = sizeof(*record);
	record->type = RECORD_CALL;
	record->class = entry->call->plan.class;
	record->nr = entry->call->nr;
	record->flags = entry->compat ? RECORD_COMPAT : 0;
	record->tid = entry->tid;
	record->tgid = tracee_tgid(entry->tid);
	memcpy(record->args, entry->args, sizeof(record->args));
	/* Before it is another program. */
	life_meet(notify->life, record->tgid, SYS_clone, 0, notify_emit, notify);
	meet_others(notify, entry);
	life_comm(notify->life, record->tgid, record->comm);
	if (with_arguments)
		tracee_add_arguments(record, record->tid, &entry->call->plan);
	return record;
}

/* Records one after the other are written to the same memory. */
void notify_put_back(struct notify *notify, struct record *record)
{
	free(notify->spare);
	notify->spare = record;
}

/* Its result is waited for, or looked for from outside. */
void receiver_look_at(struct notify *notify, const struct question *call)
{
	if (held_begin(notify, call->asked, call->call, call->record))
		return;
	if (!(call->call->plan.flags & PLAN_FAILED_ONLY)) {
		unheld_begin(notify, call);
		return;
	}
	call->record->flags |= RECORD_NO_RESULT;
	life_suspect(notify->life, call->record->tgid);
	notify_finish(notify, call->record, &call->call->plan);
	notify_put_back(notify, call->record);
	notify_continue(notify, call->asked);
}

static struct record *begin_wanted(struct notify *notify, struct seccomp_notif *asked, const struct entry *entry,
				   bool with_arguments)
{
	struct record *record = begin(notify, entry, with_arguments);

	if (record != NULL && listener_waits(notify->listener, asked->id))
		return record;
	notify_continue(notify, asked);
	notify_put_back(notify, record);
	return NULL;
}

static bool changes_root(const struct call *call)
{
	return call->plan.group == PLAN_GROUP_MOUNT || call->nr == SYS_setns || call->nr == SYS_unshare;
}

/* What was known of processes may not be so any more. That a new one has a namespace of its own is not seen: as long as
 * nothing is mounted in that, names mean the same. */
static void note_change(struct notify *notify, const struct entry *entry)
{
	if (entry->call->plan.class == RECORD_CLASS_PRIVILEGE)
		life_changed(notify->life, tracee_tgid(entry->tid));
	if (changes_root(entry->call))
		entry_view_done(&notify->view);
	else if (!keeper_saw_all(notify->keeper))
		entry_roots_differ(&notify->view);
}

/* What rules want to know of it, and whether one of them has to be asked first. */
struct want {
	bool look, ask, arguments;
};

static struct want want_of(struct notify *notify, struct entry *entry)
{
	const struct interest *interest, *judged;
	char name[RECORD_COMM];
	struct str comm = { NULL, 0 };
	struct want want = { false, false, true };

	pthread_rwlock_rdlock(&notify->lock);
	interest = notify->settings.interest;
	judged = notify->settings.judged;
	if ((entry->call->plan.flags & PLAN_OPEN) && (interest->kinds[RULES_FACT_COMM] & PLAN_BITS_OF_OPENS))
		comm = life_comm(notify->life, tracee_tgid(entry->tid), name);
	entry->at_its_end = true;
	want.look = notify->wanted[entry->call - calls] && entry_wants(entry, interest, comm, &notify->view);
	entry->at_its_end = false;
	want.ask = judged != NULL && judged_wants(judged, entry, &notify->view);
	/* What a program has begun with is read there; what it was called with matters when it could not begin. */
	if (entry->call->plan.flags & PLAN_FAILED_ONLY)
		want.arguments = want.ask || notify->settings.wanted[entry->call - calls];
	pthread_rwlock_unlock(&notify->lock);
	return want;
}

/* Where more wait than ever can, what a rule may refuse is not let go. */
static void ask(struct notify *notify, const struct question *question)
{
	if (!judged_still_wants(notify, question) ||
	    !notify_presume(notify, question->record, &question->call->plan)) {
		judged_not(notify, question);
	} else if (!judged_ask(notify, question)) {
		notify_lose(notify, question->record);
		notify_answer(notify, question->asked, -EPERM);
		notify_put_back(notify, question->record);
	}
}

static void take(struct notify *notify, struct seccomp_notif *asked)
{
	struct question question = { .asked = asked };
	struct entry entry;
	struct want want;

	if (notify->held_count > 0 && held_again(notify, asked->pid)) {
		notify_continue(notify, asked);
		return;
	}
	if (notify->profile != NULL && refused_take(notify, asked))
		return;
	if (!entry_read(&asked->data, asked->pid, &entry)) {
		notify_continue(notify, asked);
		return;
	}
	note_change(notify, &entry);
	want = want_of(notify, &entry);
	if (!want.look && !want.ask) {
		notify_continue(notify, asked);
		notify_filter(notify, entry.call);
		return;
	}
	question.call = entry.call;
	question.look = want.look;
	question.record = begin_wanted(notify, asked, &entry, want.arguments);
	if (question.record == NULL)
		return;
	if (want.ask)
		ask(notify, &question);
	else
		receiver_look_at(notify, &question);
}

/* ---- the loop ---- */

/* Waits for a call as long as none comes, also if there was one a moment ago: its thread may have been killed, or a
 * keeper was quicker. Whoever else waits then is thought of by receiver_watch(). */
static int wait_for_call(struct notify *notify, struct seccomp_notif *asked)
{
	int r;

	atomic_fetch_add(&notify->receiving, 1);
	r = ioctl(notify->listener, SECCOMP_IOCTL_NOTIF_RECV, asked);
	atomic_fetch_add(&notify->receiving, 1);
	return r;
}

/* False: nobody is left under the filter, or the wait was interrupted. */
static bool receive(struct notify *notify)
{
	struct seccomp_notif *asked = keeper_slot(notify->keeper);

	keeper_beat(notify->keeper);
	if (asked == NULL)
		return true; /* more wait for the judge than ever can */
	if (wait_for_call(notify, asked) < 0) {
		keeper_answered(notify->keeper, asked);
		return false;
	}
	take(notify, asked);
	return true;
}

static void take_news(struct notify *notify)
{
	uint64_t times;

	if (read(notify->stops, &times, sizeof(times)) == sizeof(times))
		held_poll(notify);
	judged_take(notify);
}

void notify_ring(struct notify *notify)
{
	const uint64_t one = 1;
	ssize_t n = write(notify->stops, &one, sizeof(one));

	(void)n; /* when it is full it is readable anyway */
}

static bool is_over(struct notify *notify)
{
	struct pollfd fd = { notify->listener, POLLIN, 0 };

	if (atomic_load(&notify->waiting) > 0 || poll(&fd, 1, 0) <= 0 || (fd.revents & POLLHUP) == 0)
		return false;
	held_poll(notify);
	held_end(notify); /* some deaths nobody is told of: of a thread while another one begins a program */
	return true;
}

/* While threads are held or judged, they and the listener are waited for; else one call less is made. */
static bool step(struct notify *notify)
{
	struct pollfd fds[] = { { notify->listener, POLLIN, 0 }, { notify->stops, POLLIN, 0 } };
	const struct timespec moment = { 0, NS_PER_MS };
	bool others = notify->held_count > 0 || notify->unheld_count > 0 || atomic_load(&notify->waiting) > 0;
	int n;

	atomic_store(&notify->others, others);
	if (!others)
		return receive(notify);
	n = ppoll(fds, ARRAY_LEN(fds), notify->unheld_count > 0 ? &moment : NULL, &notify->while_waiting);
	/* A stop interrupts it only if nothing else is there: while calls come, or after the last user of the filter has
	 * gone, it has to be looked for. */
	if (n < 0 || notify->held_count > 0)
		held_poll(notify);
	unheld_poll(notify);
	if (n <= 0)
		return true;
	if (fds[1].revents != 0)
		take_news(notify);
	if (fds[0].revents & POLLIN)
		return receive(notify);
	return (fds[0].revents & POLLHUP) == 0;
}

/* Of this thread. */
static _Thread_local bool is_receiver;

static void *run(void *userdata)
{
	struct notify *notify = userdata;
	const uint64_t one = 1;

	is_receiver = true;
	while (!atomic_load(&notify->stop))
		if (!step(notify) && is_over(notify))
			break;
	held_done(notify);
	unheld_done(notify);
	atomic_store(&notify->over, true);
	return write(notify->wake, &one, sizeof(one)) < 0 ? userdata : NULL;
}

/* ---- begin and end ---- */

static void on_stop_signal(int number)
{
	(void)number;
}

/* Of the probe that runs. A thread that is held has stopped: the kernel tells the receiver when that waits next, and that
 * wait is over then. No other thread of the sensor's takes the signal (thread_start()); if one did, the receiver learned of
 * it so. */
static _Atomic int stops = -1;

static void on_child(int number)
{
	const uint64_t one = 1;
	int before = errno, fd = is_receiver ? -1 : atomic_load(&stops);

	(void)number;
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0) /* it is full: the receiver will look anyway */
		errno = before;
}

/* Interrupts the wait of this thread; no other takes it. */
static int stop_signal(void)
{
	return SIGRTMIN + 1;
}

static int start_thread(struct notify *notify)
{
	struct sigaction action = { .sa_handler = on_stop_signal };
	struct sigaction child = { .sa_handler = on_child, .sa_flags = SA_RESTART };
	sigset_t most, before;
	int r;

	sigaction(stop_signal(), &action, NULL);
	atomic_store(&stops, notify->stops);
	sigaction(SIGCHLD, &child, NULL);
	sigfillset(&most);
	sigdelset(&most, stop_signal());
	notify->while_waiting = most;
	sigdelset(&notify->while_waiting, SIGCHLD);
	pthread_sigmask(SIG_SETMASK, &most, &before);
	r = pthread_create(&notify->thread, NULL, run, notify);
	sigaddset(&before, SIGCHLD); /* else this thread would be the one to be woken */
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	notify->running = r == 0;
	return -r;
}

int receiver_start(struct notify *notify)
{
	struct seccomp_notif_sizes sizes;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		return -errno;
	if (sizes.seccomp_notif_resp > LISTENER_ANSWER_MAX)
		return -EOVERFLOW;
	notify->image = calloc(1, RECORD_MAX);
	if (notify->image == NULL)
		return -ENOMEM;
	entry_roots_are_ours(&notify->view);
	notify->stops = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (notify->stops < 0)
		return -errno;
	ioctl(notify->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, 0);
	return start_thread(notify);
}

int receiver_watch(struct notify *notify, int wait_ms)
{
	uint32_t now = atomic_load(&notify->receiving);
	bool waits = (now & 1) != 0 && atomic_load(&notify->others);

	if (waits && now == notify->receiving_before)
		pthread_kill(notify->thread, stop_signal());
	notify->receiving_before = waits ? now : 0;
	return waits && (wait_ms < 0 || wait_ms > WATCH_MS) ? WATCH_MS : wait_ms;
}

void receiver_stop(struct notify *notify)
{
	struct timespec until;
	int r = notify->running ? EBUSY : 0;

	atomic_store(&notify->stop, true);
	while (r != 0) {
		pthread_kill(notify->thread, stop_signal());
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 10 * NS_PER_MS;
		if (until.tv_nsec >= NS_PER_S) {
			until.tv_nsec -= NS_PER_S;
			until.tv_sec++;
		}
		r = pthread_timedjoin_np(notify->thread, NULL, &until);
	}
	notify->running = false;
	atomic_store(&stops, -1);
	if (notify->stops >= 0)
		close(notify->stops);
	notify->stops = -1;
	free(TAKE(notify->image));
	free(TAKE(notify->spare));
	entry_view_done(&notify->view);
	proc_facts_done(&notify->facts);
}
