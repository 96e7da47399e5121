/* Fields of the event itself that are only filled when a rule asks for them: what sort of call it was, what came of
 * it, when it was. */
#include "sensor/enrich_inner.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <sys/syscall.h>

bool enrich_call_is(const struct enrich *enrich, const char *const *names)
{
	for (; enrich->call != NULL && *names != NULL; names++)
		if (strcmp(*names, enrich->call->name) == 0)
			return true;
	return false;
}

static const char *const reads[] = { "read", "readv", "pread", "preadv", "recvfrom", "recvmsg", "recvmmsg",
				     "finit_module", NULL };
static const char *const writes[] = { "write", "writev", "pwrite", "pwritev", "sendto", "sendmsg", "sendmmsg",
				      "sendfile", NULL };

enum io { IO_ANY, IO_READ, IO_WRITE };

static void put_is_io(struct enrich *enrich, field_id id, unsigned what)
{
	bool is_read = enrich_call_is(enrich, reads), is_write = enrich_call_is(enrich, writes);

	enrich_put_bool(enrich, id, what == IO_READ ? is_read : what == IO_WRITE ? is_write : is_read || is_write);
}

static void put_io_direction(struct enrich *enrich, field_id id, unsigned unused)
{
	(void)unused;
	if (enrich_call_is(enrich, writes))
		enrich_put_borrowed(enrich, id, STR("write"));
	else if (enrich_call_is(enrich, reads))
		enrich_put_borrowed(enrich, id, STR("read"));
}

static void put_count(struct enrich *enrich, field_id id, unsigned count)
{
	enrich_put_int(enrich, id, count);
}

static void put_truth(struct enrich *enrich, field_id id, unsigned truth)
{
	enrich_put_bool(enrich, id, truth != 0);
}

/* Of reads and writes that of what they read and write. */
static struct str category_of_object(const struct enrich *enrich)
{
	switch (enrich->fd_typechar) {
	case 'f':
	case 'd': return STR("file");
	case '4':
	case '6': return STR("net");
	case 'u':
	case 'p': return STR("ipc");
	default: return STR("unknown");
	}
}

static struct str category_of(const struct enrich *enrich)
{
	static const char *const users[] = { "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid",
					     "setfsgid", "setgroups", NULL };
	static const char *const signals[] = { "kill", "tkill", "tgkill", "pidfd_send_signal", "signalfd", "signalfd4", NULL };
	static const char *const memory[] = { "mmap", "mprotect", "memfd_create", "memfd_secret", NULL };
	static const char *const processes[] = { "prctl", "setpgid", "setsid", "setns", "unshare", "ptrace", "seccomp", "chroot",
						 "capset", "pidfd_open", "pidfd_getfd", NULL };
	static const char *const ipc[] = { "pipe", "pipe2", "eventfd", "eventfd2", NULL };
	static const char *const others[] = { "dup", "dup2", "dup3", "fcntl", "ioctl", NULL };

	if (enrich->call == NULL || enrich->call->plan.class == RECORD_CLASS_PROCESS)
		return STR("process");
	if (enrich_call_is(enrich, others) || enrich_call_is(enrich, reads) || enrich_call_is(enrich, writes))
		return category_of_object(enrich);
	if (enrich->call->plan.class == RECORD_CLASS_NET)
		return STR("net");
	return enrich_call_is(enrich, users)	      ? STR("user")
	       : enrich_call_is(enrich, signals)   ? STR("signal")
	       : enrich_call_is(enrich, memory)    ? STR("memory")
	       : enrich_call_is(enrich, processes) ? STR("process")
	       : enrich_call_is(enrich, ipc)	      ? STR("IPC")
	       : enrich->call->plan.class == RECORD_CLASS_PRIVILEGE && enrich->call->plan.name_arg[0] == 0 ? STR("system")
											    : STR("file");
}

static void put_category(struct enrich *enrich, field_id id, unsigned unused)
{
	(void)unused;
	enrich_put_borrowed(enrich, id, category_of(enrich));
}

/* ---- errors ---- */

enum { ERRORS_ALL, ERRORS_FILE, ERRORS_NET, ERRORS_MEMORY, ERRORS_OTHER };

/* What is counted as whose: by the descriptor's kind, and without one by the call. */
static unsigned errors_of(const struct enrich *enrich)
{
	static const char *const connections[] = { "accept", "accept4", "connect", NULL };

	switch (enrich->fd_typechar) {
	case 'f':
	case 'd': return ERRORS_FILE;
	case '4':
	case '6':
	case 'u': return ERRORS_NET;
	case '\0': break;
	default: return ERRORS_OTHER;
	}
	return enrich->call != NULL && (enrich->call->plan.flags & PLAN_OPEN) ? ERRORS_FILE
	       : enrich_call_is(enrich, connections)			      ? ERRORS_NET
									      : ERRORS_OTHER;
}

static void put_errors(struct enrich *enrich, field_id id, unsigned of)
{
	bool is_memory = of == ERRORS_MEMORY || (of == ERRORS_OTHER && enrich->fd_typechar == '\0');

	if (enrich->record->type == RECORD_EXIT || (enrich->record->flags & RECORD_NO_RESULT))
		return;
	if (is_memory && str_eq(category_of(enrich), STR("memory")) != (of == ERRORS_MEMORY))
		return;
	if (of == ERRORS_ALL || of == ERRORS_MEMORY || of == errors_of(enrich))
		enrich_put_int(enrich, id, enrich->record->type == RECORD_CALL && enrich->record->ret < 0);
}

/* ---- what was moved ---- */

enum { LENGTH_ALL = 0, LENGTH_READ = 1, LENGTH_WRITTEN = 2, LENGTH_OF_FILE = 4, LENGTH_OF_NET = 8 };

/* All of it, whatever part of the data was taken. */
static void put_length(struct enrich *enrich, field_id id, unsigned what)
{
	bool is_read = enrich_call_is(enrich, reads) && enrich->record->nr != SYS_finit_module;
	bool is_written = enrich_call_is(enrich, writes);
	char kind = enrich->fd_typechar;

	if (enrich->record->ret < 0 || (!is_read && !is_written) || ((what & LENGTH_READ) && !is_read) ||
	    ((what & LENGTH_WRITTEN) && !is_written) || ((what & LENGTH_OF_FILE) && kind != 'f') ||
	    ((what & LENGTH_OF_NET) && kind != '4' && kind != '6'))
		return;
	enrich_put_int(enrich, id, enrich->record->ret);
}

static void put_is_syslog(struct enrich *enrich, field_id id, unsigned unused)
{
	(void)unused;
	enrich_put_bool(enrich, id,
			enrich_call_is(enrich, writes) && enrich->fd_typechar == 'u' &&
				str_find(enrich->fd_name, STR("/dev/log")) >= 0);
}

/* ---- times ---- */

enum { TIME_WHOLE, TIME_SECONDS, TIME_REST };

static void put_time(struct enrich *enrich, field_id id, unsigned part, int64_t since)
{
	int64_t ns = enrich->now_ns > since ? enrich->now_ns - since : 0;

	enrich_put_int(enrich, id, part == TIME_WHOLE ? ns : part == TIME_SECONDS ? ns / NS_PER_S : ns % NS_PER_S);
}

/* Since the event before, be it one that no rule wanted. */
static void put_delta(struct enrich *enrich, field_id id, unsigned part)
{
	put_time(enrich, id, part, enrich->before_ns);
}

static void put_since_start(struct enrich *enrich, field_id id, unsigned part)
{
	put_time(enrich, id, part, enrich->first_ns);
}

static void put_counter(struct enrich *enrich, field_id id, unsigned unused)
{
	(void)unused;
	enrich_put_int(enrich, id, (int64_t)enrich->records);
}

const struct asked_row enrich_event_rows[] = {
	{ "evt.category", put_category, 0 },
	{ "evt.count", put_count, 1 },
	{ "evt.count.exit", put_count, 1 },
	{ "evt.count.error", put_errors, ERRORS_ALL },
	{ "evt.is_async", put_truth, 0 },
	{ "evt.is_io", put_is_io, IO_ANY },
	{ "evt.is_io_read", put_is_io, IO_READ },
	{ "evt.is_io_write", put_is_io, IO_WRITE },
	{ "evt.io_dir", put_io_direction, 0 },
	{ "evt.count.error.file", put_errors, ERRORS_FILE },
	{ "evt.count.error.net", put_errors, ERRORS_NET },
	{ "evt.count.error.memory", put_errors, ERRORS_MEMORY },
	{ "evt.count.error.other", put_errors, ERRORS_OTHER },
	{ "evt.count.procinfo", put_count, 0 },
	{ "evt.count.threadinfo", put_count, 0 },
	{ "evt.is_syslog", put_is_syslog, 0 },
	{ "evt.buflen", put_length, LENGTH_ALL },
	{ "evt.buflen.in", put_length, LENGTH_READ },
	{ "evt.buflen.out", put_length, LENGTH_WRITTEN },
	{ "evt.buflen.file", put_length, LENGTH_OF_FILE },
	{ "evt.buflen.file.in", put_length, LENGTH_OF_FILE | LENGTH_READ },
	{ "evt.buflen.file.out", put_length, LENGTH_OF_FILE | LENGTH_WRITTEN },
	{ "evt.buflen.net", put_length, LENGTH_OF_NET },
	{ "evt.buflen.net.in", put_length, LENGTH_OF_NET | LENGTH_READ },
	{ "evt.buflen.net.out", put_length, LENGTH_OF_NET | LENGTH_WRITTEN },
	{ "evt.deltatime", put_delta, TIME_WHOLE },
	{ "evt.deltatime.s", put_delta, TIME_SECONDS },
	{ "evt.deltatime.ns", put_delta, TIME_REST },
	{ "evt.reltime", put_since_start, TIME_WHOLE },
	{ "evt.reltime.s", put_since_start, TIME_SECONDS },
	{ "evt.reltime.ns", put_since_start, TIME_REST },
	{ "proc.is_container_healthcheck", put_truth, 0 },
	{ "proc.is_container_liveness_probe", put_truth, 0 },
	{ "proc.is_container_readiness_probe", put_truth, 0 },
	{ "util.cnt", put_counter, 0 },
};
const size_t enrich_event_rows_count = ARRAY_LEN(enrich_event_rows);
