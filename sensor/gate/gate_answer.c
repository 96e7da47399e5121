/* The thread that answers. It opens nothing but what the kernel itself shows (/proc), which has no marks, and waits for
 * nobody: what it cannot decide at once waits in a table of its own. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "sensor/calls.h"
#include "sensor/gate/gate_inner.h"
#include "sensor/ptrace/presume.h"
#include "sensor/ptrace/tracee.h"
#include "sensor/record_text.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	EVENTS_BYTES = 4096,
	PRESUMED_FD = 3,
	HEADERS_MAX = 64,
	MOMENT_NS = 20000,
	MOMENTS_MAX = 2000, /* with what nanosleep() adds some 150 ms */
};

/* ---- the call that waits ---- */

struct waiting {
	const struct call *call; /* NULL: one that is not known to open files, like that of an io_uring */
	bool compat;
	uint64_t args[6];
};

static bool opens_files(const struct call *call)
{
	return call != NULL && (call->plan.flags & (PLAN_OPEN | PLAN_FAILED_ONLY)) != 0;
}

/* The event may come before who made it waits; on a busy machine much before. */
static void read_waiting(uint32_t tid, char text[TRACEE_FILE])
{
	const struct timespec moment = { 0, MOMENT_NS };

	tracee_file(tid, "syscall", text);
	for (int i = 0; i < MOMENTS_MAX && str_starts(str_of(text), STR("running")); i++) {
		nanosleep(&moment, NULL);
		tracee_file(tid, "syscall", text);
	}
}

static void read_call(uint32_t tid, struct waiting *ret)
{
	char text[TRACEE_FILE];
	unsigned long long nr, a[6];

	*ret = (struct waiting){ .call = NULL };
	read_waiting(tid, text);
	if (sscanf(text, "%llu %llx %llx %llx %llx %llx %llx", &nr, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5]) != 7)
		return;
	for (size_t i = 0; i < ARRAY_LEN(a); i++)
		ret->args[i] = a[i];
	ret->call = nr < PLAN_FOREIGN ? call_find((uint16_t)nr) : NULL;
	if (opens_files(ret->call))
		return;
	/* By which entry it came nobody says: but of the two calls of a number only one opens files. */
	ret->call = nr < PLAN_FOREIGN ? call_find_compat((uint32_t)nr) : NULL;
	ret->compat = opens_files(ret->call);
	if (!ret->compat)
		ret->call = NULL;
}

/* ---- the record ---- */

static bool begin(struct gate *gate, struct record *record, uint32_t tid, uint32_t tgid, const struct waiting *waiting)
{
	const struct call *call = waiting->call != NULL ? waiting->call : call_find_name(STR("openat"));

	memset(record, 0, sizeof(*record));
	record->len = sizeof(*record);
	record->type = RECORD_CALL;
	record->class = call->plan.class;
	record->nr = call->nr;
	record->flags = waiting->compat ? RECORD_COMPAT : 0;
	record->tid = tid;
	record->tgid = tgid;
	memcpy(record->args, waiting->args, sizeof(record->args));
	if (tracee_fill_head(record, tid, tgid, 0, &gate->facts) < 0)
		return false;
	if (waiting->call != NULL)
		tracee_add_arguments(record, tid, &call->plan);
	return true;
}

static uint32_t layer_of(const struct gate *gate, int fd)
{
	return gate->settings.layer == NULL ? 0 : gate->settings.layer(gate->settings.userdata, fd);
}

static bool put_object(const struct gate *gate, struct record *record, int fd)
{
	uint32_t layer = layer_of(gate, fd);

	record->ret = record->object.fd = PRESUMED_FD;
	record->flags |= layer & RECORD_EXE_UPPER ? RECORD_FD_UPPER : layer & RECORD_EXE_LOWER ? RECORD_FD_LOWER : 0;
	return presume_put_object(record, fd);
}

/* Whether a rule that responds can match it, opened in this way. */
static bool is_wanted(struct gate *gate, const struct record *record, uint64_t flags)
{
	const struct call *call = call_find(record->nr);
	bool wanted;

	pthread_mutex_lock(&gate->lock);
	wanted = gate->judged != NULL &&
		 interest_wants_open(gate->judged, record->nr,
				     plan_open_kind(call->plan.open_arg == 0, flags, record->args[5], false),
				     record_text(record, RECORD_STRING_PATH), record_text(record, RECORD_STRING_NAME),
				     (struct str){ record->comm, strnlen(record->comm, RECORD_COMM) });
	pthread_mutex_unlock(&gate->lock);
	return wanted;
}

/* Most opens in a folder are to read, and most rules are about writing: known before anything is read of who opens. */
static bool may_be_wanted(struct gate *gate, const struct waiting *waiting)
{
	const struct plan *plan = waiting->call == NULL ? NULL : &waiting->call->plan;
	uint16_t can, kind;

	if (plan == NULL || !(plan->flags & PLAN_OPEN) || (plan->flags & PLAN_OPEN_HOW))
		return true;
	kind = plan_open_kind(plan->open_arg == 0, plan->open_arg == 0 ? 0 : waiting->args[plan->open_arg - 1],
			      plan->mode_arg == 0 ? 0 : waiting->args[plan->mode_arg - 1], false);
	pthread_mutex_lock(&gate->lock);
	can = gate->judged == NULL ? 0 : gate->judged->calls[waiting->call->nr].can;
	pthread_mutex_unlock(&gate->lock);
	return (can & kind) != 0;
}

/* ---- questions ---- */

static struct question *free_question(struct gate *gate)
{
	struct question *found = NULL;

	pthread_mutex_lock(&gate->lock);
	for (size_t i = 0; i < ARRAY_LEN(gate->questions) && found == NULL; i++)
		if (gate->questions[i].state == QUESTION_NONE)
			found = &gate->questions[i];
	pthread_mutex_unlock(&gate->lock);
	if (found != NULL && found->record == NULL)
		found->record = malloc(RECORD_MAX);
	return found == NULL || found->record == NULL ? NULL : found;
}

static void ask(struct gate *gate, struct question *question, int fd, bool either)
{
	pthread_mutex_lock(&gate->lock);
	question->state = QUESTION_ASKED;
	question->fd = fd;
	question->either = either;
	question->number = gate->numbers++;
	question->until = clock_mono() + GATE_WAIT_MS * NS_PER_MS;
	pthread_mutex_unlock(&gate->lock);
	gate_ring(gate->wake);
}

/* When the first is too late: in milliseconds, -1: none waits. */
static int let_late_go(struct gate *gate)
{
	int64_t now = clock_mono(), first = INT64_MAX;

	pthread_mutex_lock(&gate->lock);
	for (size_t i = 0; i < ARRAY_LEN(gate->questions); i++) {
		struct question *question = &gate->questions[i];

		if (question->state != QUESTION_ASKED && question->state != QUESTION_JUDGING)
			continue;
		if (question->until > now) {
			first = question->until < first ? question->until : first;
			continue;
		}
		question->state = question->state == QUESTION_ASKED ? QUESTION_NONE : QUESTION_LATE;
		gate_reply(gate, question->fd, true);
		gate_count(&gate->counters.late);
	}
	pthread_mutex_unlock(&gate->lock);
	return first == INT64_MAX ? -1 : (int)((first - now) / NS_PER_MS) + 1;
}

/* ---- opens ---- */

/* True: it waits. False: it may be opened. */
static bool take_open(struct gate *gate, struct question *question, int fd, const struct waiting *waiting)
{
	struct record *record = question->record;
	bool either = waiting->call == NULL;

	if (!either && !(waiting->call->plan.flags & PLAN_OPEN))
		return false; /* it is run, which is another question */
	if (!put_object(gate, record, fd)) {
		gate_count(&gate->counters.unknown);
		return false;
	}
	if (either ? !is_wanted(gate, record, O_RDONLY) || !is_wanted(gate, record, O_WRONLY)
		   : !is_wanted(gate, record, record->args[4]))
		return false;
	ask(gate, question, fd, either);
	return true;
}

/* ---- programs ---- */

static bool is_script(int fd)
{
	char head[2];

	return pread(fd, head, sizeof(head), 0) == sizeof(head) && head[0] == '#' && head[1] == '!';
}

/* Where the name of a program's loader stands in its file; 0: it has none. */
static uint64_t interpreter_at(int fd, uint64_t *ret_len)
{
	union {
		Elf64_Ehdr wide;
		Elf32_Ehdr narrow;
	} head;
	ssize_t n = pread(fd, &head, sizeof(head), 0);
	bool wide = n == sizeof(head) && head.wide.e_ident[EI_CLASS] == ELFCLASS64;
	unsigned count = wide ? head.wide.e_phnum : head.narrow.e_phnum;
	uint64_t at = wide ? head.wide.e_phoff : head.narrow.e_phoff;

	if (n < (ssize_t)sizeof(head.narrow) || memcmp(head.wide.e_ident, ELFMAG, SELFMAG) != 0)
		return 0;
	for (unsigned i = 0; i < count && i < HEADERS_MAX; i++) {
		Elf64_Phdr w;
		Elf32_Phdr s;

		if (wide ? pread(fd, &w, sizeof(w), (off_t)(at + i * sizeof(w))) != sizeof(w)
			 : pread(fd, &s, sizeof(s), (off_t)(at + i * sizeof(s))) != sizeof(s))
			return 0;
		if ((wide ? w.p_type : s.p_type) != PT_INTERP)
			continue;
		*ret_len = wide ? w.p_filesz : s.p_filesz;
		return wide ? w.p_offset : s.p_offset;
	}
	return 0;
}

/* Next the kernel will ask about the program's loader, which is no program of its own then. */
static void note_loader(struct gate *gate, uint32_t tid, int fd)
{
	char name[RECORD_STRING_MAX];
	uint64_t len = 0, at = interpreter_at(fd, &len);
	struct loader *loader;
	struct stat st;

	if (at == 0 || len < 2 || len > sizeof(name) || pread(fd, name, len, (off_t)at) != (ssize_t)len ||
	    name[len - 1] != '\0' || !presume_stat(tid, name, &st))
		return;
	loader = &gate->loaders[gate->loaders_count++ % LOADERS];
	*loader = (struct loader){ .tid = tid, .dev = st.st_dev, .ino = st.st_ino };
}

static bool is_loader(struct gate *gate, uint32_t tid, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	for (size_t i = 0; i < LOADERS; i++) {
		struct loader *loader = &gate->loaders[i];

		if (loader->tid != tid || loader->dev != st.st_dev || loader->ino != st.st_ino)
			continue;
		*loader = (struct loader){ 0 };
		return true;
	}
	return false;
}

/* Rules that ask for what is not in the image ask for nothing else. */
static bool program_is_wanted(struct gate *gate, uint32_t layer)
{
	const struct places *places;
	bool wanted;

	pthread_mutex_lock(&gate->lock);
	places = gate->places;
	wanted = places != NULL && gate->judged != NULL && gate->judged->execs &&
		 ((layer & RECORD_EXE_UPPER) || !places->only_upper || places->count > 0);
	pthread_mutex_unlock(&gate->lock);
	return wanted;
}

static bool take_program(struct gate *gate, struct question *question, int fd, const struct waiting *waiting)
{
	struct record *record = question->record;
	uint32_t layer;

	if (waiting->call == NULL || !(waiting->call->plan.flags & PLAN_FAILED_ONLY) ||
	    is_loader(gate, record->tid, fd) || is_script(fd))
		return false;
	note_loader(gate, record->tid, fd);
	layer = layer_of(gate, fd);
	if (!program_is_wanted(gate, layer))
		return false;
	if (!presume_exec_of(record, fd)) {
		gate_count(&gate->counters.unknown);
		return false;
	}
	record->flags |= layer;
	ask(gate, question, fd, false);
	return true;
}

/* ---- events ---- */

static bool take(struct gate *gate, const struct fanotify_event_metadata *event)
{
	uint32_t tid = (uint32_t)event->pid, tgid = tracee_tgid(tid);
	struct question *question;
	struct waiting waiting;

	if (tid == 0 || tgid == (uint32_t)getpid())
		return false;
	read_call(tid, &waiting);
	if (!(event->mask & FAN_OPEN_EXEC_PERM) && !may_be_wanted(gate, &waiting))
		return false;
	question = free_question(gate);
	if (question == NULL) {
		gate_count(&gate->counters.full);
		return false;
	}
	if (!begin(gate, question->record, tid, tgid, &waiting)) {
		gate_count(&gate->counters.unknown);
		return false;
	}
	if (event->mask & FAN_OPEN_EXEC_PERM)
		return take_program(gate, question, event->fd, &waiting);
	return take_open(gate, question, event->fd, &waiting);
}

static void take_events(struct gate *gate)
{
	char room[EVENTS_BYTES] __attribute__((aligned(8)));
	ssize_t len = read(gate->group, room, sizeof(room));
	struct fanotify_event_metadata *event = (void *)room; /* not const: the next one is found through a cast */

	for (; len > 0 && FAN_EVENT_OK(event, len); event = FAN_EVENT_NEXT(event, len)) {
		if (event->fd < 0)
			continue;
		gate_count(&gate->counters.asked);
		atomic_store(&gate->busy_since, clock_mono());
		if (event->vers != FANOTIFY_METADATA_VERSION || !take(gate, event))
			gate_reply(gate, event->fd, true);
	}
	atomic_store(&gate->busy_since, 0);
}

void *gate_answer_thread(void *userdata)
{
	struct gate *gate = userdata;
	struct pollfd fds[] = { { gate->group, POLLIN, 0 }, { gate->news, POLLIN, 0 } };

	while (!atomic_load(&gate->stop)) {
		(void)poll(fds, ARRAY_LEN(fds), let_late_go(gate));
		if (atomic_load(&gate->open))
			break;
		if (fds[0].revents & POLLIN)
			take_events(gate);
	}
	return NULL;
}
