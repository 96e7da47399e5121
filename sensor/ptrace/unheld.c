/* Threads that cannot be held: somebody else traces them, a debugger, or who hides behind one. What their calls did
 * is looked for from outside: the descriptor that a call would return is there. What cannot be seen within UNHELD_MS is
 * told as if the call had worked, and marked so. */
#include "sensor/ptrace/notify.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "sensor/ptrace/tracee.h"
#include "sensor/record_text.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

enum { UNHELD_MS = 5, LOOKS_AT_ONCE = 50, FDS_MAX = 1024 };

/* What it is, in `to`; .at NULL: it is not there. */
static struct str fd_target(uint32_t tid, int fd, char *to, size_t size)
{
	char path[48];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%u/fd/%d", tid, fd);
	len = readlink(path, to, size);
	return len < 0 ? (struct str){ NULL, 0 } : (struct str){ to, (size_t)len };
}

/* Which the kernel would give next. -1: not known. */
static int next_fd(uint32_t tid)
{
	char target[1];

	for (int fd = 0; fd < FDS_MAX; fd++)
		if (fd_target(tid, fd, target, sizeof(target)).at == NULL)
			return fd;
	return -1;
}

/* True: it is known now what came of it, and it was told. */
static bool look(struct notify *notify, const struct unheld *unheld)
{
	struct record *record = unheld->record;
	const struct plan *plan = &unheld->call->plan;
	char text[RECORD_STRING_MAX];
	struct str target = fd_target(record->tid, unheld->fd, text, sizeof(text));

	if (target.at == NULL)
		return false;
	if (str_eq(target, record_text(record, RECORD_STRING_PATH))) {
		record->ret = record->object.fd = unheld->fd;
		notify_presumed(notify, record, plan, true);
		return true;
	}
	notify_forget_presumed(record, plan);
	record->ret = unheld->fd;
	notify_finish(notify, record, plan);
	return true;
}

/* What can be known while the call waits. False: nothing more of it will be seen from outside. */
static bool begin(struct notify *notify, struct unheld *unheld)
{
	unheld->until = clock_mono() + UNHELD_MS * NS_PER_MS;
	unheld->fd = (unheld->call->plan.flags & PLAN_RETURNS_FD) ? next_fd(unheld->record->tid) : -1;
	return unheld->fd >= 0 && notify->unheld_count < UNHELD_MAX;
}

/* False: it is gone, or nothing to tell of. */
static bool presume(struct notify *notify, const struct unheld *unheld)
{
	struct record *record = unheld->record;
	const struct plan *plan = &unheld->call->plan;

	if (call_is_traced(unheld->call))
		return false; /* a new process tells of itself */
	/* It may have become another program, and nobody was told yet. */
	life_look(notify->life, notify->settings.take_environment, notify_emit, notify);
	if (!(record->flags & RECORD_FAULT) && (!(plan->flags & PLAN_OPEN) || notify_presume_open(record, plan)) &&
	    notify_presume(notify, record, plan))
		return true;
	/* Nobody may look into it, or it is gone: nothing can be presumed, nor that no rule wants it. */
	record->flags |= RECORD_NO_RESULT;
	notify_finish(notify, record, plan);
	return false;
}

void unheld_begin(struct notify *notify, const struct question *question)
{
	struct unheld unheld = { .call = question->call, .record = question->record };
	bool tells = presume(notify, &unheld), waits = tells && begin(notify, &unheld);

	if (tells && !waits)
		notify_presumed(notify, unheld.record, &unheld.call->plan, false);
	notify_continue(notify, question->asked);
	for (int i = 0; waits && i < LOOKS_AT_ONCE; i++) {
		sched_yield(); /* it was woken on this processor */
		waits = !look(notify, &unheld);
	}
	if (waits)
		notify->unheld[notify->unheld_count++] = unheld;
	else
		notify_put_back(notify, unheld.record);
}

void unheld_poll(struct notify *notify)
{
	int64_t now = clock_mono();

	for (size_t i = notify->unheld_count; i-- > 0;) {
		struct unheld *unheld = &notify->unheld[i];
		bool known = look(notify, unheld);

		if (!known && now < unheld->until)
			continue;
		if (!known)
			notify_presumed(notify, unheld->record, &unheld->call->plan, false);
		notify_put_back(notify, unheld->record);
		*unheld = notify->unheld[--notify->unheld_count];
	}
}

void unheld_done(struct notify *notify)
{
	while (notify->unheld_count > 0) {
		struct unheld *unheld = &notify->unheld[--notify->unheld_count];

		notify_presumed(notify, unheld->record, &unheld->call->plan, false);
		notify_put_back(notify, unheld->record);
	}
}
