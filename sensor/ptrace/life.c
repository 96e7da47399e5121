/* The table of processes, and their pidfds in an epoll. */
#include "sensor/ptrace/life.h"

#include "base/clock.h"
#include "sensor/ptrace/keeper.h"
#include "sensor/ptrace/tracee.h"
#include "sensor/record_text.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

enum { BUCKETS = 4096, ANCESTORS = 32, ENDS_AT_ONCE = 64 };

struct process {
	uint32_t tgid;
	int pidfd;	    /* -1: too many; its end is not seen */
	uint64_t start_ns;  /* 0: not looked at yet */
	uint64_t execs;	    /* programs that it and its forebears have run here */
	bool changed;	    /* who it is may not be what `last` says */
	struct record last; /* a head, for the end */
	struct process *next;
};

struct life {
	pthread_mutex_t lock;
	struct process *buckets[BUCKETS];
	size_t count;
	int epoll;
	struct keeper_pids own;
	struct {
		uint32_t tgid;
		uint64_t image;
		int64_t until;
	} looks[LIFE_LOOKS];
	size_t looks_count;
	struct proc_facts facts;
	struct record *birth; /* RECORD_MAX bytes */
	uint64_t flags;	      /* of the call that made the process which is met */
	life_emit_fn emit;
	void *userdata;
};

/* ---- the table ---- */

static struct process *find(struct life *life, uint32_t tgid)
{
	struct process *process = life->buckets[tgid % BUCKETS];

	while (process != NULL && process->tgid != tgid)
		process = process->next;
	return process;
}

static void watch_end(struct life *life, struct process *process)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = process->tgid };

	process->pidfd = (int)syscall(SYS_pidfd_open, process->tgid, 0);
	if (process->pidfd >= 0 && epoll_ctl(life->epoll, EPOLL_CTL_ADD, process->pidfd, &event) < 0) {
		close(process->pidfd);
		process->pidfd = -1;
	}
}

static struct process *add(struct life *life, uint32_t tgid)
{
	struct process *process = life->count < LIFE_MAX ? calloc(1, sizeof(*process)) : NULL;

	if (process == NULL)
		return NULL;
	process->tgid = tgid;
	process->next = life->buckets[tgid % BUCKETS];
	life->buckets[tgid % BUCKETS] = process;
	life->count++;
	watch_end(life, process);
	return process;
}

static void forget(struct life *life, struct process *process)
{
	struct process **at = &life->buckets[process->tgid % BUCKETS];

	while (*at != process)
		at = &(*at)->next;
	*at = process->next;
	if (process->pidfd >= 0)
		close(process->pidfd);
	free(process);
	life->count--;
}

/* ---- ends ---- */

/* As wait(2) would give it: from the pidfd when its parent has been told, until then from what is left of
 * it. False: nobody says. */
static bool exit_code_of(const struct process *process, int *ret)
{
	struct tracee_info info = { .mask = TRACEE_INFO_EXIT };
	char text[TRACEE_FILE];
	const char *last;

	if (tracee_ask(process->pidfd, &info)) {
		*ret = info.exit_code;
		return true;
	}
	tracee_file(process->tgid, "stat", text);
	last = strrchr(text, ' ');
	return last != NULL && strstr(text, ") Z ") != NULL && sscanf(last, "%d", ret) == 1;
}

static void emit_end(struct life *life, struct process *process)
{
	struct record record = process->last;
	int code = 0;

	if (record.tgid == 0)
		return; /* never said anything */
	record.flags = exit_code_of(process, &code) ? 0 : RECORD_NO_RESULT;
	record.len = sizeof(record);
	record.type = RECORD_EXIT;
	record.class = RECORD_CLASS_PROCESS;
	record.nr = 0;
	record.tid = record.tgid;
	record.vtid = record.vpid;
	record.ret = code;
	record.time_ns = tracee_now();
	memset(&record.object, 0, sizeof(record.object));
	life->emit(&record, life->userdata);
}

static void end_one(struct life *life, uint32_t tgid)
{
	struct process *process = find(life, tgid);

	if (process == NULL)
		return;
	emit_end(life, process);
	forget(life, process);
}

void life_end(struct life *life, life_emit_fn emit, void *userdata)
{
	struct epoll_event events[ENDS_AT_ONCE];
	int n = epoll_wait(life->epoll, events, ENDS_AT_ONCE, 0);

	pthread_mutex_lock(&life->lock);
	life->emit = emit;
	life->userdata = userdata;
	for (int i = 0; i < n; i++)
		end_one(life, (uint32_t)events[i].data.u64);
	pthread_mutex_unlock(&life->lock);
}

/* ---- beginnings ---- */

static bool is_own(const struct life *life, uint32_t tgid)
{
	return tgid == (uint32_t)life->own.front || tgid == (uint32_t)life->own.keeper ||
	       tgid == (uint32_t)life->own.worker;
}

/* What began below the sensor; what has lost its parents is below the machine's first process instead. */
static bool is_below(struct life *life, uint32_t tgid)
{
	for (unsigned i = 0; i < ANCESTORS && tgid > 1; i++) {
		if (is_own(life, tgid) || find(life, tgid) != NULL)
			return true;
		tgid = tracee_parent(tgid);
	}
	return false;
}

static void fill_ids(struct life *life, struct record *record, const struct process *process)
{
	const struct process *parent = find(life, record->ppid);

	record->exec_id = process == NULL ? 0 : process->execs;
	if (parent == NULL || parent->start_ns == 0 || parent->start_ns > record->start_ns)
		return;
	record->parent_start_ns = parent->start_ns;
	record->parent_exec_id = parent->execs;
}

/* Who it is: what its parent is, where that is known. */
static bool fill_child(struct life *life, struct record *record, uint32_t tgid, const struct process *parent)
{
	if (parent != NULL && parent->last.tgid != 0 && parent->last.pidns_level == 0 && !parent->changed &&
	    tracee_fill_child(record, &parent->last, &life->facts))
		return true;
	if (tracee_fill_head(record, tgid, tgid, PROC_READ_CGROUP, &life->facts) < 0)
		return false;
	record_add(record, RECORD_STRING_CGROUP, buf_str(&life->facts.cgroup));
	return true;
}

/* Its fork, as if it had been seen: who it is, and whose child it is by now; it runs what that ran. Its stat has been
 * read. */
static void tell_birth(struct life *life, struct process *process, uint16_t nr, uint64_t flags)
{
	struct record *record = life->birth;
	const struct process *parent;

	memset(record, 0, sizeof(*record));
	record->len = sizeof(*record);
	record->type = RECORD_FORK;
	record->class = RECORD_CLASS_PROCESS;
	record->nr = nr;
	record->ret = process->tgid;
	record->args[2] = flags;
	parent = find(life, life->facts.ppid);
	if (!fill_child(life, record, process->tgid, parent))
		return;
	process->start_ns = record->start_ns;
	parent = find(life, record->ppid);
	if (parent != NULL) {
		process->execs = parent->execs;
		record->args[0] = parent->tgid;
		record->args[1] = parent->start_ns;
	}
	fill_ids(life, record, process);
	process->last = *record;
	life->emit(record, life->userdata);
}

static struct process *meet(struct life *life, uint32_t tgid, uint16_t nr, unsigned depth)
{
	struct process *process = find(life, tgid);
	bool there;
	uint32_t parent;

	if (process != NULL)
		return process;
	there = proc_read_stat("/proc", tgid, &life->facts) == 0;
	parent = there ? life->facts.ppid : 0;
	if (depth < ANCESTORS && parent > 1 && !is_own(life, parent) && find(life, parent) == NULL &&
	    is_below(life, parent)) {
		meet(life, parent, SYS_clone, depth + 1);
		there = proc_read_stat("/proc", tgid, &life->facts) == 0;
	}
	process = add(life, tgid);
	if (process != NULL && there)
		tell_birth(life, process, nr, depth == 0 ? life->flags : 0);
	return process;
}

void life_meet(struct life *life, uint32_t tgid, uint16_t nr, uint64_t flags, life_emit_fn emit, void *userdata)
{
	pthread_mutex_lock(&life->lock);
	life->emit = emit;
	life->userdata = userdata;
	life->flags = flags;
	meet(life, tgid, nr, 0);
	life->flags = 0;
	pthread_mutex_unlock(&life->lock);
}

void life_changed(struct life *life, uint32_t tgid)
{
	struct process *process;

	pthread_mutex_lock(&life->lock);
	process = find(life, tgid);
	if (process != NULL)
		process->changed = true;
	pthread_mutex_unlock(&life->lock);
}

bool life_fill(struct life *life, struct record *record, uint32_t tid, uint32_t tgid, struct proc_facts *facts)
{
	const struct process *process;
	bool known;

	pthread_mutex_lock(&life->lock);
	process = find(life, tgid);
	known = process != NULL && process->last.tgid == tgid && !process->changed &&
		tracee_fill_known(record, tid, &process->last, process->pidfd, facts);
	pthread_mutex_unlock(&life->lock);
	return known;
}

void life_meet_other(struct life *life, uint32_t tgid, life_emit_fn emit, void *userdata)
{
	pthread_mutex_lock(&life->lock);
	life->emit = emit;
	life->userdata = userdata;
	if (find(life, tgid) == NULL && !is_own(life, tgid) && is_below(life, tgid))
		meet(life, tgid, SYS_clone, 0);
	pthread_mutex_unlock(&life->lock);
}

void life_put(struct life *life, struct record *record, life_emit_fn emit, void *userdata)
{
	struct process *process;

	pthread_mutex_lock(&life->lock);
	life->emit = emit;
	life->userdata = userdata;
	process = find(life, record->tgid);
	if (process != NULL && process->start_ns != 0 && process->start_ns != record->start_ns) {
		end_one(life, record->tgid); /* another one has got its number */
		process = NULL;
	}
	if (process == NULL)
		process = meet(life, record->tgid, SYS_clone, 0);
	if (process != NULL) {
		process->execs += record->type == RECORD_EXEC;
		process->changed &= record->type != RECORD_EXEC;
		process->start_ns = record->start_ns;
	}
	fill_ids(life, record, process);
	if (process != NULL)
		process->last = *record;
	pthread_mutex_unlock(&life->lock);
}

/* ---- programs that nobody saw begin ---- */

/* Tells one image from another: where the stack began differs with each. 0: it is gone, or secret. */
static uint64_t image_of(uint32_t tgid)
{
	char text[TRACEE_FILE];
	unsigned long long start = 0;
	const char *at;

	tracee_file(tgid, "stat", text);
	at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 28; field++)
		at = strchr(at + 1, ' ');
	if (at != NULL)
		sscanf(at, "%llu", &start);
	return start;
}

void life_suspect(struct life *life, uint32_t tgid)
{
	uint64_t image = image_of(tgid);

	pthread_mutex_lock(&life->lock);
	if (image != 0 && life->looks_count < LIFE_LOOKS) {
		life->looks[life->looks_count].tgid = tgid;
		life->looks[life->looks_count].image = image;
		life->looks[life->looks_count++].until = clock_mono() + NS_PER_S;
	}
	pthread_mutex_unlock(&life->lock);
}

static void tell_image(struct life *life, struct process *process, bool with_environment)
{
	struct record *record = life->birth;

	memset(record, 0, sizeof(*record));
	record->len = sizeof(*record);
	record->type = RECORD_EXEC;
	record->class = RECORD_CLASS_PROCESS;
	record->nr = SYS_execve;
	if (tracee_fill_head(record, process->tgid, process->tgid,
			     PROC_READ_IMAGE | (with_environment ? PROC_READ_ENV : 0), &life->facts) < 0)
		return;
	tracee_add_image(record, &life->facts);
	process->execs++;
	fill_ids(life, record, process);
	process->last = *record;
	life->emit(record, life->userdata);
}

void life_look(struct life *life, bool with_environment, life_emit_fn emit, void *userdata)
{
	pthread_mutex_lock(&life->lock);
	life->emit = emit;
	life->userdata = userdata;
	for (size_t i = 0; i < life->looks_count;) {
		uint64_t image = image_of(life->looks[i].tgid);
		struct process *process = find(life, life->looks[i].tgid);

		if (image != 0 && image != life->looks[i].image && process != NULL)
			tell_image(life, process, with_environment);
		else if (image != 0 && process != NULL && clock_mono() < life->looks[i].until) {
			i++;
			continue;
		}
		life->looks[i] = life->looks[--life->looks_count];
	}
	pthread_mutex_unlock(&life->lock);
}

bool life_recall(struct life *life, struct record *record)
{
	const struct process *process;
	struct record head;

	pthread_mutex_lock(&life->lock);
	process = find(life, record->tgid);
	if (process != NULL)
		head = process->last;
	pthread_mutex_unlock(&life->lock);
	if (process == NULL || head.tgid == 0)
		return false;
	head.time_ns = tracee_now();
	head.len = record->len;
	head.type = record->type;
	head.class = record->class;
	head.nr = record->nr;
	head.flags = record->flags;
	head.tid = record->tid;
	head.vtid = record->tid == record->tgid ? head.vpid : record->tid;
	head.ret = record->ret;
	head.object = record->object;
	memcpy(head.args, record->args, sizeof(head.args));
	*record = head;
	return true;
}

void life_begin(struct life *life, uint32_t tgid)
{
	pthread_mutex_lock(&life->lock);
	add(life, tgid);
	pthread_mutex_unlock(&life->lock);
}

struct str life_comm(struct life *life, uint32_t tgid, char to[RECORD_COMM])
{
	const struct process *process;

	pthread_mutex_lock(&life->lock);
	process = find(life, tgid);
	if (process == NULL)
		to[0] = '\0';
	else
		memcpy(to, process->last.comm, RECORD_COMM);
	pthread_mutex_unlock(&life->lock);
	return (struct str){ to, strnlen(to, RECORD_COMM) };
}

int life_fd(const struct life *life)
{
	return life->epoll;
}

/* ---- begin and end ---- */

/* A descriptor each: as many as the sensor may have. The command has been started with the limit of before. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

struct life *life_new(struct keeper *keeper)
{
	struct life *life = calloc(1, sizeof(*life));

	if (life == NULL)
		return NULL;
	raise_limit();
	pthread_mutex_init(&life->lock, NULL);
	life->own = keeper_pids(keeper);
	life->birth = calloc(1, RECORD_MAX);
	life->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (life->birth == NULL || life->epoll < 0) {
		life_free(life);
		return NULL;
	}
	return life;
}

void life_free(struct life *life)
{
	if (life == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (life->buckets[i] != NULL)
			forget(life, life->buckets[i]);
	if (life->epoll >= 0)
		close(life->epoll);
	proc_facts_done(&life->facts);
	pthread_mutex_destroy(&life->lock);
	free(life->birth);
	free(life);
}
