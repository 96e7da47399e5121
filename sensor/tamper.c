/* Pauses are seen by the clock, blindness by a call that is made and not seen. */
#include "sensor/tamper.h"

#include "base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A program that is not there: the call fails, harmlessly, and every probe has to report it. */
#define CANARY "/nonexistent/tocsin-sensor-canary"

void tamper_signal(struct tamper *tamper, int number, uint32_t from)
{
	if (number == SIGCONT) {
		tamper->woken_from = from;
	} else {
		tamper->ended_by = (unsigned)number;
		tamper->ended_from = from;
	}
}

/* The name first, as the process chose it; then its number. */
static void name_process(const struct procs *procs, uint32_t pid, char *to, size_t size)
{
	const struct proc *proc = pid == 0 ? NULL : procs_find(procs, pid);

	if (pid == 0)
		snprintf(to, size, "the kernel");
	else
		snprintf(to, size, "%s (%u)", proc == NULL ? "a process" : proc->comm, pid);
}

static struct tamper_notice *notice(struct tamper *tamper, const char *what, int64_t ns)
{
	struct tamper_notice *at = &tamper->notices[tamper->count++ % TAMPER_NOTICES];

	*at = (struct tamper_notice){ .what = what, .seconds = (uint64_t)(ns / NS_PER_S) };
	return at;
}

/* As a whole: a name may be anything. */
static void name_sender(const struct plan_sender *sender, char *to, size_t size)
{
	snprintf(to, size, "SIG%s from %s (%u), uid %u", sigabbrev_np((int)sender->number), sender->comm, sender->pid,
		 sender->uid);
}

void tamper_harm(struct tamper *tamper, const struct probe_harm *harm)
{
	tamper->killer = harm->killer;
	tamper->stopper = harm->stopper;
	if (harm->detached > tamper->detached)
		snprintf(notice(tamper, "sensor_blind", 0)->detail, TAMPER_TEXT,
			 "%zu of its programs are not attached any more", harm->detached);
	tamper->detached = harm->detached;
	if (harm->changed)
		snprintf(notice(tamper, "sensor_blind", 0)->detail, TAMPER_TEXT,
			 "what its programs look for was changed from outside; it is set again");
}

void tamper_add_killer(const struct tamper *tamper, struct buf *out)
{
	char who[TAMPER_TEXT / 2];

	if (tamper->killer.number == 0)
		return;
	name_sender(&tamper->killer, who, sizeof(who));
	buf_add(out, STR(",\"killed\":"));
	buf_add_json(out, str_of(who));
}

static void look_for_pause(struct tamper *tamper, const struct procs *procs, int64_t now_ns)
{
	int64_t gap = tamper->ran_ns == 0 ? 0 : now_ns - tamper->ran_ns;
	uint32_t from = tamper->woken_from;
	char who[TAMPER_TEXT / 2], stopper[TAMPER_TEXT / 2] = "";

	tamper->ran_ns = now_ns;
	if (gap < TAMPER_GAP_S * NS_PER_S && (from == 0 || gap < NS_PER_S))
		return;
	tamper->woken_from = 0;
	name_process(procs, from, who, sizeof(who));
	if (from != 0 && tamper->stopper.number != 0)
		name_sender(&tamper->stopper, stopper, sizeof(stopper));
	snprintf(notice(tamper, "sensor_paused", gap)->detail, TAMPER_TEXT, "%s%s%s%s", stopper,
		 stopper[0] == '\0' ? "" : ", ", from == 0 ? "without a signal" : "continued by ", from == 0 ? "" : who);
}

static void sing(struct tamper *tamper, int64_t now_ns)
{
	static char *const nothing[] = { NULL };

	if (!tamper->sees_itself || now_ns < tamper->canary_ns)
		return;
	if (tamper->unseen % TAMPER_REPEAT == TAMPER_BLIND)
		snprintf(notice(tamper, "sensor_blind", tamper->unseen * TAMPER_CANARY_S * NS_PER_S)->detail,
			 TAMPER_TEXT, "its own calls are not reported to it");
	tamper->canary_ns = now_ns + TAMPER_CANARY_S * NS_PER_S;
	tamper->unseen++;
	syscall(SYS_execve, CANARY, nothing, nothing);
}

void tamper_tick(struct tamper *tamper, const struct procs *procs, int64_t now_ns)
{
	look_for_pause(tamper, procs, now_ns);
	sing(tamper, now_ns);
}

void tamper_failures(struct tamper *tamper, uint64_t count, const char *last, uint64_t missed)
{
	if (count == tamper->failures)
		return;
	tamper->failures = count;
	snprintf(notice(tamper, "sensor_failed", 0)->detail, TAMPER_TEXT, "%.100s; %llu calls went on unseen so far", last,
		 (unsigned long long)missed);
}

bool tamper_take(struct tamper *tamper, const struct record *record)
{
	if (!tamper->sees_itself || record->type != RECORD_CALL || record->nr != SYS_execve ||
	    record->tgid != (uint32_t)getpid())
		return false;
	tamper->unseen = 0;
	return true;
}

static void add_notice(const struct tamper *tamper, uint64_t n, struct buf *out)
{
	const struct tamper_notice *at = &tamper->notices[(n - 1) % TAMPER_NOTICES];

	buf_addf(out, "{\"n\":%llu,\"what\":\"%s\",\"seconds\":%llu,\"detail\":", (unsigned long long)n, at->what,
		 (unsigned long long)at->seconds);
	buf_add_json(out, str_of(at->detail));
	buf_add_char(out, '}');
}

void tamper_add_json(const struct tamper *tamper, const struct procs *procs, bool ends, struct buf *out)
{
	uint64_t first = tamper->count > TAMPER_NOTICES ? tamper->count - TAMPER_NOTICES + 1 : 1;
	char who[TAMPER_TEXT / 2], text[TAMPER_TEXT];

	buf_addf(out, "\"tamper\":{\"count\":%llu,\"notices\":[", (unsigned long long)tamper->count);
	for (uint64_t n = first; n <= tamper->count; n++) {
		if (n > first)
			buf_add_char(out, ',');
		add_notice(tamper, n, out);
	}
	buf_add(out, STR("]}"));
	if (!ends)
		return;
	name_process(procs, tamper->ended_from, who, sizeof(who));
	if (tamper->ended_by == 0)
		snprintf(text, sizeof(text), "nothing is left to observe");
	else
		snprintf(text, sizeof(text), "SIG%s from %s", sigabbrev_np((int)tamper->ended_by), who);
	buf_add(out, STR(",\"farewell\":"));
	buf_add_json(out, str_of(text));
}
