/* Who did it: the process, its image, its ancestors, its user, its container. */
#include "sensor/enrich_inner.h"

#include "base/cleanup.h"
#include "sensor/record_text.h"

static struct str comm_of(const struct proc *proc)
{
	return (struct str){ proc->comm, strnlen(proc->comm, sizeof(proc->comm)) };
}

static void add_cmdline(struct buf *out, const struct proc *proc)
{
	buf_add(out, comm_of(proc));
	if (proc->image->args.len > 0) {
		buf_add_char(out, ' ');
		buf_add(out, proc->image->args);
	}
}

void enrich_cmdline(struct enrich *enrich, field_id id, const struct proc *proc)
{
	if (id == FIELD_NONE)
		return;
	if (proc->image->lacks & IMAGE_NO_ARGS) {
		enrich_put_null(enrich, id);
		return;
	}
	add_cmdline(&enrich->text, proc);
	enrich_put_text(enrich, id);
	if (proc->image->lacks & IMAGE_ARGS_CUT)
		enrich_cut(enrich, id);
}

static void put_ids(struct enrich *enrich)
{
	const struct record *record = enrich->record;

	enrich_put_int(enrich, FIELD_PROC_PID, record->tgid);
	enrich_put_int(enrich, FIELD_THREAD_TID, record->tid);
	enrich_put_int(enrich, FIELD_PROC_PPID, record->ppid);
	enrich_put_int(enrich, FIELD_PROC_VPID, record->vpid);
	enrich_put_int(enrich, FIELD_THREAD_VTID, record->vtid);
	enrich_put_int(enrich, FIELD_PROC_PGID, record->pgid);
	enrich_put_int(enrich, FIELD_PROC_VPGID, record->vpgid);
	enrich_put_int(enrich, FIELD_PROC_SID, record->sid);
	enrich_put_int(enrich, FIELD_PROC_TTY, record->tty);
	enrich_put_bool(enrich, FIELD_PROC_IS_SID_LEADER, record->sid == record->vpid);
	enrich_put_bool(enrich, FIELD_PROC_IS_VPGID_LEADER, record->vpgid == record->vpid);
	enrich_put_bool(enrich, FIELD_PROC_IS_PGID_LEADER, record->pgid == record->tgid);
}

static void uid_make(const struct hash_key *machine, uint32_t tgid, uint64_t start_ns, uint64_t exec_id,
		     struct uid_memory *ret)
{
	static const char digits[] = "0123456789abcdef";
	struct hash_state state;
	uint64_t hash;

	hash_begin(&state, machine);
	hash_add_u64(&state, tgid);
	hash_add_u64(&state, start_ns);
	hash_add_u64(&state, exec_id);
	hash = hash_end(&state).lo;
	*ret = (struct uid_memory){ .tgid = tgid, .start_ns = start_ns, .exec_id = exec_id };
	for (size_t i = 0; i < sizeof(ret->text); i++)
		ret->text[i] = digits[hash >> (60 - 4 * i) & 15];
}

/* One program in one process: the same id in each of its events, and never of another one. With the start to
 * the nanosecond: a number is taken again within the same tick of /proc. */
static void put_uid(struct enrich *enrich, field_id id, uint32_t tgid, uint64_t start_ns, uint64_t exec_id)
{
	struct uid_memory *memory = &enrich->uids[tgid % ENRICH_UIDS];

	if (memory->text[0] == '\0' || memory->tgid != tgid || memory->start_ns != start_ns ||
	    memory->exec_id != exec_id)
		uid_make(&enrich->machine, tgid, start_ns, exec_id, memory);
	/* A copy: the parent's may take its place. */
	enrich_put(enrich, id, (struct str){ memory->text, sizeof(memory->text) });
}

static void put_uids(struct enrich *enrich)
{
	const struct record *record = enrich->record;

	put_uid(enrich, FIELD_PROC_UID, record->tgid, record->start_ns, record->exec_id);
	if (record->parent_start_ns != 0)
		put_uid(enrich, FIELD_PROC_PUID, record->ppid, record->parent_start_ns, record->parent_exec_id);
	else if (record->ppid != 0)
		enrich_put_null(enrich, FIELD_PROC_PUID);
}

/* Falco's question is whether the user who started the program could have written it. */
static bool exe_is_writable(const struct image *image, const struct record *record)
{
	if (image->exec_uid == 0)
		return true;
	if (image->exec_uid == image->exe_uid)
		return (image->exe_mode & 0200) != 0;
	if (record->gid == image->exe_gid)
		return (image->exe_mode & 0020) != 0;
	return (image->exe_mode & 0002) != 0;
}

static void put_exe_times(struct enrich *enrich, int64_t boot_offset_ns)
{
	const struct image *image = enrich->proc->image;
	int64_t start = (int64_t)enrich->record->start_ns + boot_offset_ns;
	int64_t age = start - (int64_t)image->exe_ctime_ns;

	enrich_put_int(enrich, FIELD_PROC_EXE_INO, (int64_t)image->exe_ino);
	enrich_put_int(enrich, FIELD_PROC_EXE_INO_CTIME, (int64_t)image->exe_ctime_ns);
	enrich_put_int(enrich, FIELD_PROC_EXE_INO_MTIME, (int64_t)image->exe_mtime_ns);
	/* A program made by the very process that then runs it is younger than the process: age 0.
	 */
	enrich_put_int(enrich, FIELD_PROC_EXE_INO_CTIME_DURATION_PROC_START, age > 0 ? age : 0);
}

/* Fields of the process's program of which something is missing. */
static void put_lacks(struct enrich *enrich)
{
	static const struct {
		unsigned missing, cut;
		field_id id;
	} rows[] = {
		{ IMAGE_NO_EXE, IMAGE_EXE_CUT, FIELD_PROC_EXEPATH },
		{ IMAGE_NO_ARGS, 0, FIELD_PROC_EXE },
		{ IMAGE_NO_ARGS, IMAGE_ARGS_CUT, FIELD_PROC_ARGS },
		{ IMAGE_NO_ARGS, IMAGE_ARGS_CUT, FIELD_PROC_CMDNARGS },
		{ IMAGE_NO_ENV, IMAGE_ENV_CUT, FIELD_PROC_ENV },
	};
	unsigned lacks = enrich->proc->image->lacks;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool always = rows[i].id == FIELD_PROC_EXEPATH || rows[i].id == FIELD_PROC_EXE ||
			      rows[i].id == FIELD_PROC_ARGS;

		if ((lacks & rows[i].missing) && (always || enrich_wants(enrich, rows[i].id)))
			enrich_put_null(enrich, rows[i].id);
		else if (lacks & rows[i].cut)
			enrich_cut(enrich, rows[i].id);
	}
}

static void put_image(struct enrich *enrich, int64_t boot_offset_ns)
{
	const struct image *image = enrich->proc->image;

	enrich_put_borrowed(enrich, FIELD_PROC_EXE, image->argv0);
	enrich_put_borrowed(enrich, FIELD_PROC_EXEPATH, image->exepath);
	/* To have no arguments, or not even a name for itself, is to have the empty text, which rules compare with; not
	 * known is another thing.
	 */
	if (image->argv0.len > 0 || image->exepath.len > 0)
		event_set(&enrich->event, FIELD_PROC_ARGS, value_str(image->args));
	if (enrich_wants(enrich, FIELD_PROC_CMDNARGS))
		enrich_put_int(enrich, FIELD_PROC_CMDNARGS, image->args_count);
	if (enrich_wants(enrich, FIELD_PROC_ENV))
		enrich_put_borrowed(enrich, FIELD_PROC_ENV, image->env);
	if (image->lacks != 0)
		put_lacks(enrich);
	if (!(image->flags & RECORD_HAS_EXE))
		return;
	enrich_put_bool(enrich, FIELD_PROC_IS_EXE_UPPER_LAYER, image->flags & RECORD_EXE_UPPER);
	enrich_put_bool(enrich, FIELD_PROC_IS_EXE_LOWER_LAYER, image->flags & RECORD_EXE_LOWER);
	enrich_put_bool(enrich, FIELD_PROC_IS_EXE_FROM_MEMFD, image->flags & RECORD_EXE_MEMFD);
	enrich_put_bool(enrich, FIELD_PROC_IS_EXE_WRITABLE, exe_is_writable(image, enrich->record));
	put_exe_times(enrich, boot_offset_ns);
}

static void put_parent(struct enrich *enrich, const struct proc *parent, int64_t boot_offset_ns)
{
	enrich_put_borrowed(enrich, FIELD_PROC_PNAME, comm_of(parent));
	enrich_put_borrowed(enrich, FIELD_PROC_PEXE, parent->image->argv0);
	enrich_put_borrowed(enrich, FIELD_PROC_PEXEPATH, parent->image->exepath);
	enrich_put_int(enrich, FIELD_PROC_PVPID, parent->vpid);
	enrich_put_int(enrich, FIELD_PROC_PPID_TS, (int64_t)parent->start_ns + boot_offset_ns);
	enrich_put_int(enrich, FIELD_PROC_PPID_DURATION,
		       (int64_t)(enrich->record->time_ns - parent->start_ns));
}

static void put_ancestor(struct enrich *enrich, const struct proc *proc, unsigned n)
{
	const struct ancestor_ids *ids = &enrich->ancestors;

	enrich_put_borrowed(enrich, ids->aname[n], comm_of(proc));
	enrich_put_borrowed(enrich, ids->aexe[n], proc->image->argv0);
	enrich_put_borrowed(enrich, ids->aexepath[n], proc->image->exepath);
	enrich_cmdline(enrich, ids->acmdline[n], proc);
	if (ids->apid[n] != FIELD_NONE)
		enrich_put_int(enrich, ids->apid[n], proc->tgid);
}

/* There is one, and it is not known who. */
static void put_no_parent(struct enrich *enrich)
{
	enrich_put_null(enrich, FIELD_PROC_PNAME);
	enrich_put_null(enrich, FIELD_PROC_PEXE);
	enrich_put_null(enrich, FIELD_PROC_PEXEPATH);
}

static void put_ancestors(struct enrich *enrich, int64_t boot_offset_ns)
{
	const struct proc *proc = enrich->proc;

	for (unsigned n = 1; n <= PROCS_ANCESTORS_MAX; n++) {
		proc = procs_parent(enrich->settings.procs, proc);
		if (proc == NULL && n == 1 && enrich->record->ppid != 0)
			put_no_parent(enrich);
		if (proc == NULL || proc == enrich->proc)
			return;
		if (n == 1)
			put_parent(enrich, proc, boot_offset_ns);
		put_ancestor(enrich, proc, n);
	}
}

static bool is_same_container(const struct proc *a, const struct proc *b)
{
	return a->container.len == b->container.len &&
	       memcmp(a->container.text, b->container.text, a->container.len) == 0;
}

/* The session's leader. Its id is of the process's own namespace: on the host it can be looked up; in a
 * container, or when it has ended, the eldest ancestor of the session stands for it. */
static const struct proc *session_leader(const struct enrich *enrich)
{
	const struct record *record = enrich->record;
	const struct proc *proc = enrich->proc, *eldest = proc;

	if (record->pidns_level == 0) {
		proc = procs_find(enrich->settings.procs, record->sid);
		if (proc != NULL)
			return proc;
		proc = eldest;
	}
	for (unsigned n = 0; n < PROCS_ANCESTORS_MAX && eldest->vpid != record->sid; n++) {
		proc = procs_find(enrich->settings.procs, proc->ppid);
		if (proc == NULL || proc->sid != record->sid || !is_same_container(proc, eldest))
			break;
		eldest = proc;
	}
	return eldest;
}

static void put_leaders(struct enrich *enrich)
{
	const struct record *record = enrich->record;
	const struct proc *leader = session_leader(enrich);

	if (leader != NULL) {
		enrich_put_borrowed(enrich, FIELD_PROC_SNAME, comm_of(leader));
		if (enrich_wants(enrich, FIELD_PROC_SID_EXE))
			enrich_put_borrowed(enrich, FIELD_PROC_SID_EXE, leader->image->argv0);
		if (enrich_wants(enrich, FIELD_PROC_SID_EXEPATH))
			enrich_put_borrowed(enrich, FIELD_PROC_SID_EXEPATH, leader->image->exepath);
	}
	leader = procs_find(enrich->settings.procs, record->pgid);
	if (leader != NULL && enrich_wants(enrich, FIELD_PROC_PGID_NAME))
		enrich_put_borrowed(enrich, FIELD_PROC_PGID_NAME, comm_of(leader));
	if (leader != NULL && enrich_wants(enrich, FIELD_PROC_VPGID_NAME))
		enrich_put_borrowed(enrich, FIELD_PROC_VPGID_NAME, comm_of(leader));
}

/* In a container the host's files say nothing about its users, but 0 is root everywhere. */
static struct str user_name(const struct enrich *enrich, const struct names *names, uint32_t id)
{
	struct str name = STR("");

	if (enrich->proc->container.len == 0)
		name = names_find(names, id);
	if (name.len == 0)
		name = id == 0 ? STR("root") : STR("<NA>");
	return name;
}

static void put_user(struct enrich *enrich)
{
	const struct record *record = enrich->record;
	int64_t login = record->loginuid == (uint32_t)-1 ? -1 : (int64_t)record->loginuid;

	enrich_put_int(enrich, FIELD_USER_UID, record->euid);
	enrich_put_borrowed(enrich, FIELD_USER_NAME, user_name(enrich, enrich->settings.users, record->euid));
	enrich_put_int(enrich, FIELD_GROUP_GID, record->egid);
	enrich_put_borrowed(enrich, FIELD_GROUP_NAME, user_name(enrich, enrich->settings.groups, record->egid));
	enrich_put_int(enrich, FIELD_USER_LOGINUID, login);
	enrich_put_borrowed(enrich, FIELD_USER_LOGINNAME,
			    login < 0 ? STR("<NA>") : user_name(enrich, enrich->settings.users, (uint32_t)login));
}

static void put_cwd(struct enrich *enrich)
{
	struct str cwd = str_of(enrich->proc->cwd);

	if (cwd.len == 0) {
		enrich_put_null(enrich, FIELD_PROC_CWD);
		return;
	}
	buf_add(&enrich->text, cwd);
	if (cwd.at[cwd.len - 1] != '/')
		buf_add_char(&enrich->text, '/');
	enrich_put_text(enrich, FIELD_PROC_CWD);
	if (enrich->proc->cwd_cut)
		enrich_cut(enrich, FIELD_PROC_CWD);
}

void enrich_process(struct enrich *enrich, int64_t boot_offset_ns)
{
	const struct record *record = enrich->record;

	enrich_put_borrowed(enrich, FIELD_PROC_NAME, comm_of(enrich->proc));
	put_image(enrich, boot_offset_ns);
	put_cwd(enrich);
	put_ids(enrich);
	put_uids(enrich);
	enrich_put_int(enrich, FIELD_PROC_PID_TS, (int64_t)record->start_ns + boot_offset_ns);
	enrich_put_int(enrich, FIELD_PROC_DURATION, (int64_t)(record->time_ns - record->start_ns));
	put_ancestors(enrich, boot_offset_ns);
	put_leaders(enrich);
	put_user(enrich);
	enrich_container(enrich, boot_offset_ns);
}
