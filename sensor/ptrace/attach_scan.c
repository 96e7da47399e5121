/* Whom to attach to, and doing it. The tracee runs on while it is seized; what it begets meanwhile is ours by itself
 * from the thread on that is, and what others of its threads beget is found by looking again until nothing new
 * is there. */
#include "sensor/ptrace/attach_inner.h"

#include "base/clock.h"
#include "base/log.h"
#include "sensor/container.h"
#include "sensor/ptrace/tracee.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>

enum { ROUNDS = 64 };

/* A process as it was when it was looked at. */
struct seen {
	uint32_t pid, ppid;
	uint64_t start_ns;
	bool ours; /* to be attached to */
};

/* All processes: as many as the system allows. */
struct listing {
	struct seen *of;
	size_t count, room;
};

struct scan {
	struct attach *attach;
	struct listing listing;
	size_t seized; /* threads seized in this round */
	char *why;   /* first time: why a named process cannot be attached to */
	int failed;  /* ... and -errno */
};

static void listing_done(struct listing *listing)
{
	free(listing->of);
}

/* Calls `visit` for each number in a folder of /proc. */
static void each_number(const char *folder, void (*visit)(struct scan *scan, uint32_t number, uint32_t of),
			struct scan *scan, uint32_t of)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			visit(scan, (uint32_t)strtoul(entry->d_name, NULL, 10), of);
	if (dir != NULL)
		closedir(dir);
}

/* ---- whom ---- */

static bool is_named(const struct attach_whom *whom, uint32_t pid)
{
	for (size_t i = 0; i < whom->pids_count; i++)
		if (whom->pids[i] == pid)
			return true;
	return false;
}

static bool is_in_container(const struct attach_whom *whom, struct str cgroup)
{
	struct container_id id = container_of_cgroup(cgroup);
	struct str text = { id.text, id.len }, want = str_of(whom->container);

	return id.len > 0 && (id.is_name ? str_eq(text, want) : str_starts(text, want));
}

static void see(struct scan *scan, uint32_t pid, uint32_t of)
{
	const struct attach_whom *whom = &scan->attach->whom;
	struct listing *listing = &scan->listing;
	struct proc_facts *facts = &scan->attach->facts;

	(void)of;
	if (listing->count == listing->room) {
		size_t room = listing->room == 0 ? 512 : 2 * listing->room;
		struct seen *grown = realloc(listing->of, room * sizeof(*grown));

		if (grown == NULL)
			return;
		listing->of = grown;
		listing->room = room;
	}
	if (proc_read("/proc", pid, whom->container != NULL ? PROC_READ_CGROUP : 0, facts) < 0)
		return;
	listing->of[listing->count++] = (struct seen){
		.pid = pid,
		.ppid = facts->ppid,
		.start_ns = facts->start_ns,
		.ours = whom->all || is_named(whom, pid) ||
			(whom->container != NULL && is_in_container(whom, buf_str(&facts->cgroup))),
	};
}

static struct seen *find(const struct listing *listing, uint32_t pid)
{
	for (size_t i = 0; i < listing->count; i++)
		if (listing->of[i].pid == pid)
			return &listing->of[i];
	return NULL;
}

static void add_descendants(struct listing *listing)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < listing->count; i++) {
			const struct seen *parent = listing->of[i].ours ? NULL : find(listing, listing->of[i].ppid);

			if (parent != NULL && parent->ours)
				listing->of[i].ours = more = true;
		}
	}
}

/* Not the sensor, which would wait for itself, nor those who wait for it: whoever reads what it writes may be
 * among them. */
static void leave_out_self(const struct scan *scan)
{
	uint32_t pid = (uint32_t)getpid();
	struct seen *seen;

	for (unsigned i = 0; i < 64 && (seen = find(&scan->listing, pid)) != NULL; i++) {
		if (i == 0 || (scan->attach->whom.all && !is_named(&scan->attach->whom, pid)))
			seen->ours = false;
		pid = seen->ppid;
	}
	for (size_t i = 0; i < scan->listing.count; i++)
		if (scan->listing.of[i].ppid == (uint32_t)getpid())
			scan->listing.of[i].ours = false;
}

/* ---- seizing ---- */

/* What stands behind a key in /proc/TID/status. */
static void status_text(uint32_t tid, const char *key, char *to, size_t size)
{
	char text[TRACEE_FILE];
	const char *at;

	tracee_file(tid, "status", text);
	at = strstr(text, key);
	at = at == NULL ? "" : at + strlen(key) + strspn(at + strlen(key), " \t");
	snprintf(to, size, "%.*s", (int)strcspn(at, "\n"), at);
}

static uint32_t tracer_of(uint32_t tid)
{
	char text[32];

	status_text(tid, "\nTracerPid:", text, sizeof(text));
	return (uint32_t)strtoul(text, NULL, 10);
}

static void explain(char *why, uint32_t pid, int error)
{
	uint32_t tracer = tracer_of(pid);
	char name[32], state[32];

	status_text(pid, "\nState:", state, sizeof(state));
	if (error == ESRCH) {
		snprintf(why, ATTACH_WHY, "there is no process %u", pid);
	} else if (pid == (uint32_t)getpid()) {
		snprintf(why, ATTACH_WHY, "process %u is the sensor itself", pid);
	} else if (tracer != 0) {
		status_text(tracer, "Name:", name, sizeof(name));
		snprintf(why, ATTACH_WHY,
			 "process %u is traced already, by \"%.20s\" (%u); there is room for one tracer only", pid,
			 name, tracer);
	} else if (state[0] == 'Z') {
		snprintf(why, ATTACH_WHY, "process %u has ended already", pid);
	} else {
		snprintf(why, ATTACH_WHY,
			 "process %u may not be traced: that needs CAP_SYS_PTRACE, or the same user and "
			 "kernel.yama.ptrace_scope 0",
			 pid);
	}
}

/* The same for whom descendants do not matter: threads can come by any of these. */
#define OPTIONS                                                                                                        \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)

/* One that has ended, and one of the kernel's, have nothing to be traced. */
static bool has_nothing(uint32_t tid)
{
	char path[48], text[32];

	status_text(tid, "\nState:", text, sizeof(text));
	snprintf(path, sizeof(path), "/proc/%u/exe", tid);
	return text[0] == '\0' || text[0] == 'Z' || text[0] == 'X' ||
	       (readlink(path, text, sizeof(text)) < 0 && errno == ENOENT);
}

/* A thread is to be stopped once, or its calls would not stop. */
static void seize_thread(struct scan *scan, uint32_t tid, uint32_t tgid)
{
	struct attach *attach = scan->attach;
	struct tracee *tracee = attach_find(attach, tid);

	if (tracee != NULL)
		return;
	if (ptrace(PTRACE_SEIZE, tid, 0, OPTIONS) < 0) {
		if (errno == EPERM && tracer_of(tid) != attach->tracer && !has_nothing(tid))
			scan->failed = -EPERM;
		return;
	}
	tracee = attach_add(attach, tid);
	scan->seized++;
	ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	if (tracee == NULL)
		return; /* it is let go at its first stop */
	tracee->known = true;
	tracee->tgid = tgid;
	tracee->leave = tracee_tgid(tid) != tgid; /* the number has passed to another one */
	if (tid == tgid)
		attach_meet(attach, tracee);
}

static void seize_process(struct scan *scan, uint32_t tgid)
{
	char folder[48];
	size_t before;

	snprintf(folder, sizeof(folder), "/proc/%u/task", tgid);
	do {
		before = scan->seized;
		each_number(folder, seize_thread, scan, tgid);
	} while (scan->seized != before);
}

static bool has_process(const struct attach *attach, uint32_t tgid)
{
	for (size_t i = 0; i < ATTACH_BUCKETS; i++)
		for (const struct tracee *tracee = attach->buckets[i]; tracee != NULL; tracee = tracee->next)
			if (tracee->tgid == tgid)
				return true;
	return false;
}

/* One that was named has to be there; others may be somebody else's. */
static void refuse(struct scan *scan, uint32_t pid)
{
	char why[ATTACH_WHY];

	if (!is_named(&scan->attach->whom, pid) && has_nothing(pid)) {
		scan->failed = 0;
		return;
	}
	explain(why, pid, EPERM);
	if (is_named(&scan->attach->whom, pid))
		memcpy(scan->why, why, sizeof(why));
	else
		log_warning("attach: %s", why);
	scan->failed = is_named(&scan->attach->whom, pid) ? -EPERM : 0;
}

static void seize(struct scan *scan, const struct seen *seen)
{
	size_t before = scan->seized;
	struct tracee *leader = attach_find(scan->attach, seen->pid);

	if (leader != NULL && leader->complete)
		return;
	scan->failed = 0;
	seize_process(scan, seen->pid);
	leader = attach_find(scan->attach, seen->pid);
	if (leader != NULL && leader->last.start_ns != seen->start_ns)
		leader->leave = true; /* the number has passed to another one */
	if (leader != NULL)
		leader->complete = scan->seized == before;
	if (scan->why != NULL && (scan->failed < 0 || !has_process(scan->attach, seen->pid)))
		refuse(scan, seen->pid);
}

static int scan_once(struct scan *scan)
{
	const struct attach_whom *whom = &scan->attach->whom;

	scan->listing.count = scan->seized = 0;
	each_number("/proc", see, scan, 0);
	if (!whom->alone)
		add_descendants(&scan->listing);
	leave_out_self(scan);
	for (size_t i = 0; i < scan->listing.count; i++) {
		if (scan->listing.of[i].ours)
			seize(scan, &scan->listing.of[i]);
		if (scan->why != NULL && scan->failed < 0)
			return scan->failed;
	}
	return 0;
}

static int check_named(struct scan *scan)
{
	const struct attach_whom *whom = &scan->attach->whom;

	for (size_t i = 0; i < whom->pids_count; i++) {
		const struct seen *seen = find(&scan->listing, whom->pids[i]);

		if (seen == NULL || !seen->ours) {
			explain(scan->why, whom->pids[i], seen == NULL ? ESRCH : EPERM);
			return seen == NULL ? -ESRCH : -EPERM;
		}
	}
	if (scan->attach->count > 0)
		return 0;
	snprintf(scan->why, ATTACH_WHY, whom->container != NULL ? "no process is in container %s" : "there is nobody to attach to",
		 whom->container);
	return -ESRCH;
}

int attach_scan(struct attach *attach, char *why)
{
	struct scan scan = { .attach = attach, .why = why };
	int r;

	r = scan_once(&scan);
	if (r == 0 && why != NULL)
		r = check_named(&scan);
	for (unsigned i = 0; r == 0 && scan.seized > 0 && i < ROUNDS; i++)
		r = scan_once(&scan);
	listing_done(&scan.listing);
	return r;
}
