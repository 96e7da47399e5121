/* The command's profile: what it refuses or logs is told, with process and arguments, and done. */
#include "sensor/ptrace/notify.h"

#include "base/cleanup.h"
#include "sensor/call_numbers.h"
#include "sensor/ptrace/tracee.h"
#include "sensor/record_text.h"
#include "sensor/seccomp/compile.h"
#include "sensor/seccomp/listener.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int filter_join(struct filter *filter, const struct decider *profile)
{
	autofree struct seccomp_program *both = malloc(sizeof(*both));
	bool is_strict = atomic_load(&profile->mode) == DECIDE_STRICT;
	int r = both == NULL ? -ENOMEM
			     : seccomp_program_join(&profile->told, SECCOMP_RET_USER_NOTIF,
						    is_strict ? decider_is_refusal : NULL, filter->code, filter->count, both);

	_Static_assert((int)FILTER_MAX == (int)SECCOMP_PROGRAM_MAX, "both are as long as the kernel takes");
	if (r < 0)
		return r;
	memcpy(filter->code, both->at, both->len * sizeof(both->at[0]));
	filter->count = (unsigned short)both->len;
	return 0;
}

/* libseccomp's token. */
static uint32_t arch_of(const struct seccomp_data *data)
{
	return data->arch == AUDIT_ARCH_X86_64 && ((uint32_t)data->nr & FILTER_X32) ? PROFILE_ARCH_X32 : data->arch;
}

/* What the filter saw, and what it said. */
static void add_decision(struct record *record, const struct notify *notify, const struct seccomp_data *data, uint32_t said)
{
	static const char *const modes[] = { [DECIDE_ENFORCE] = "enforce", [DECIDE_AUDIT] = "audit", [DECIDE_STRICT] = "strict" };
	uint32_t mode = atomic_load(&notify->profile->mode);
	struct buf action = { 0 };
	char args[6 * 20];
	int len = 0;

	profile_add_action(said, &action);
	record_add(record, RECORD_STRING_ACTION, buf_str(&action));
	buf_done(&action);
	record_add(record, RECORD_STRING_MODE, str_of(mode < ARRAY_LEN(modes) ? modes[mode] : "?"));
	record_add(record, RECORD_STRING_PROFILE, str_of(notify->settings.profile_name));
	for (size_t i = 0; i < ARRAY_LEN(data->args); i++)
		len += snprintf(args + len, sizeof(args) - (size_t)len, i == 0 ? "%#llx" : " %#llx",
				(unsigned long long)data->args[i]);
	record_add(record, RECORD_STRING_CALL_ARGS, (struct str){ args, (size_t)len });
}

static struct record *begin(const struct seccomp_notif *asked)
{
	struct record *record = calloc(1, RECORD_MAX);
	char name[64];
	struct entry entry;

	if (record == NULL)
		return NULL;
	record->len = sizeof(*record);
	record->type = RECORD_CALL;
	record->class = RECORD_CLASS_OTHER;
	record->nr = RECORD_NR_NONE;
	record->tid = asked->pid;
	record->tgid = tracee_tgid(asked->pid);
	record->flags = asked->data.arch == CALL_AUDIT_ARCH ? 0 : RECORD_COMPAT;
	if (entry_read(&asked->data, asked->pid, &entry)) {
		record->nr = entry.call->nr;
		record->class = entry.call->plan.class;
		memcpy(record->args, entry.args, sizeof(record->args));
		tracee_add_arguments(record, record->tid, &entry.call->plan);
		if (!(entry.call->plan.flags & PLAN_RETURNS_FD))
			tracee_add_object(record, record->tid, &entry.call->plan);
	} else if (profile_call_name(arch_of(&asked->data), asked->data.nr, name, sizeof(name))) {
		record_add(record, RECORD_STRING_CALL, str_of(name));
	}
	return record;
}

static void tell(struct notify *notify, const struct seccomp_notif *asked, const struct decided *decision,
		 const struct decide_answer *answer)
{
	struct record *record = begin(asked);

	if (record == NULL)
		return;
	add_decision(record, notify, &asked->data, decision->said);
	record->ret = answer->error < 0 ? answer->error : -ENOSYS;
	/* How a call ends that goes on is not waited for, and one that ends its process returns nothing. */
	if (answer->goes_on || answer->signal != 0)
		record->flags |= RECORD_NO_RESULT;
	else
		record->ret = answer->error;
	life_meet(notify->life, record->tgid, SYS_clone, 0, notify_emit, notify);
	tracee_add_link(record, record->tid, "cwd", RECORD_STRING_CWD);
	if (tracee_fill_head(record, record->tid, record->tgid, 0, &notify->facts) == 0)
		notify_emit(record, notify);
	free(record);
}

bool refused_take(struct notify *notify, struct seccomp_notif *asked)
{
	struct decided decision;
	struct decide_answer answer;

	notify->started = notify->started || (asked->data.nr == SYS_execve && asked->data.arch == CALL_AUDIT_ARCH);
	if (!notify->started)
		return false;
	decision = decider_ask(notify->profile, &asked->data);
	if ((decision.said & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW)
		return false;
	answer = decider_answer(&decision, &asked->data, asked->pid);
	tell(notify, asked, &decision, &answer);
	if (answer.goes_on)
		return false;
	if (!listener_waits(notify->listener, asked->id))
		; /* killed meanwhile */
	else if (answer.traps)
		held_trap(notify, asked, decision.said & SECCOMP_RET_DATA);
	else if (answer.signal != 0)
		kill((pid_t)asked->pid, answer.signal);
	notify_answer_with(notify, asked, answer.error, answer.value);
	return true;
}
