/* The process table: a hash by process id, and a list by age of the last news. */
#include "sensor/procs.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "sensor/image.h"
#include "sensor/proc_read.h"
#include "sensor/record_text.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>

enum { BUCKETS = 16384 };

struct procs {
	char *folder;
	struct proc *buckets[BUCKETS];
	struct proc *newest, *oldest;
	struct procs_stats stats;
	struct proc_facts facts;
	struct procs_hooks hooks;
	uint32_t hidden[PROCS_HIDDEN_MAX]; /* 0: none */
	struct {
		uint32_t tgid;
		uint64_t start_ns;
	} dead[PROCS_DEAD_MAX]; /* a ring: the next one's place is the oldest one's */
	size_t dead_count;
	int64_t tokens_ns; /* when the bucket was last filled */
	unsigned tokens;
};

struct procs *procs_new(const char *proc_folder)
{
	struct procs *procs = calloc(1, sizeof(*procs));

	if (procs == NULL)
		return NULL;
	procs->folder = str_dup(str_of(proc_folder));
	if (procs->folder == NULL) {
		free(procs);
		return NULL;
	}
	return procs;
}

static struct proc **bucket_of(const struct procs *procs, uint32_t tgid)
{
	return (struct proc **)(uintptr_t)&procs->buckets[tgid & (BUCKETS - 1)];
}

static void list_remove(struct procs *procs, struct proc *proc)
{
	*(proc->newer != NULL ? &proc->newer->older : &procs->newest) = proc->older;
	*(proc->older != NULL ? &proc->older->newer : &procs->oldest) = proc->newer;
	proc->newer = proc->older = NULL;
}

static void list_add(struct procs *procs, struct proc *proc)
{
	proc->older = procs->newest;
	*(procs->newest != NULL ? &procs->newest->newer : &procs->oldest) = proc;
	procs->newest = proc;
}

/* An image counts once, however many processes run it. */
static struct image *image_counted(struct procs *procs, struct image *image)
{
	if (image != NULL)
		procs->stats.bytes += image->bytes;
	return image;
}

static void image_drop(struct procs *procs, struct image *image)
{
	if (image != NULL && image->refs == 1)
		procs->stats.bytes -= image->bytes;
	image_unref(image);
}

static void cwd_drop(struct procs *procs, struct proc *proc)
{
	if (proc->cwd != NULL)
		procs->stats.bytes -= strlen(proc->cwd) + 1;
	free(proc->cwd);
	proc->cwd = NULL;
}

static void cwd_set(struct procs *procs, struct proc *proc, struct str cwd)
{
	cwd_drop(procs, proc);
	proc->cwd = cwd.len == 0 ? NULL : str_dup(cwd);
	if (proc->cwd != NULL)
		procs->stats.bytes += strlen(proc->cwd) + 1;
}

static void proc_remove(struct procs *procs, struct proc *proc)
{
	struct proc **at = bucket_of(procs, proc->tgid);

	while (*at != proc)
		at = &(*at)->hash_next;
	*at = proc->hash_next;
	list_remove(procs, proc);
	image_drop(procs, proc->image);
	cwd_drop(procs, proc);
	free(proc);
	procs->stats.count--;
	procs->stats.bytes -= sizeof(*proc);
}

static void proc_evict(struct procs *procs)
{
	proc_remove(procs, procs->oldest);
	procs->stats.evicted++;
}

/* The newest stays, however large it is: somebody is about to use it. */
static void procs_trim(struct procs *procs)
{
	while (procs->stats.bytes > PROCS_BYTES && procs->oldest != procs->newest)
		proc_evict(procs);
}

void procs_free(struct procs *procs)
{
	if (procs == NULL)
		return;
	while (procs->newest != NULL)
		proc_remove(procs, procs->newest);
	proc_facts_done(&procs->facts);
	free(procs->folder);
	free(procs);
}

static struct proc *find(const struct procs *procs, uint32_t tgid)
{
	struct proc *proc = *bucket_of(procs, tgid);

	while (proc != NULL && proc->tgid != tgid)
		proc = proc->hash_next;
	return proc;
}

const struct proc *procs_find(const struct procs *procs, uint32_t tgid)
{
	return find(procs, tgid);
}

/* A new entry, instead of one of the same id. Takes over the image's reference. */
static struct proc *proc_add(struct procs *procs, uint32_t tgid, struct image *image)
{
	struct proc *proc = find(procs, tgid), **bucket = bucket_of(procs, tgid);

	if (proc != NULL)
		proc_remove(procs, proc);
	if (procs->stats.count >= PROCS_MAX)
		proc_evict(procs);
	proc = image == NULL ? NULL : calloc(1, sizeof(*proc));
	if (proc == NULL) {
		image_drop(procs, image);
		return NULL;
	}
	proc->tgid = tgid;
	proc->image = image;
	proc->hash_next = *bucket;
	*bucket = proc;
	list_add(procs, proc);
	procs->stats.count++;
	procs->stats.bytes += sizeof(*proc);
	return proc;
}

static struct proc *add_from_facts(struct procs *procs, const struct proc_facts *facts)
{
	struct image *image = image_counted(procs, image_new(buf_str(&facts->exe), buf_str(&facts->args), STR("")));
	struct proc *proc = proc_add(procs, facts->tgid, image);

	if (proc == NULL)
		return NULL;
	image->lacks = IMAGE_NO_ENV;
	if (facts->args.len >= RECORD_STRING_MAX)
		image->lacks |= IMAGE_ARGS_CUT;
	if (facts->exe.len == 0 && facts->args.len > 0) /* a kernel thread has neither */
		image->lacks |= IMAGE_NO_EXE;
	proc->ppid = facts->ppid;
	proc->start_ns = facts->start_ns;
	proc->sid = facts->vsid;
	proc->pgid = facts->pgid;
	proc->vpid = facts->vpid;
	proc->cap_permitted = facts->cap_permitted;
	proc->cap_effective = facts->cap_effective;
	proc->cap_inheritable = facts->cap_inheritable;
	memcpy(proc->comm, facts->comm, sizeof(proc->comm));
	cwd_set(procs, proc, buf_str(&facts->cwd));
	proc->container = container_of_cgroup(buf_str(&facts->cgroup));
	procs_trim(procs);
	return proc;
}

void procs_set_hooks(struct procs *procs, const struct procs_hooks *hooks)
{
	procs->hooks = *hooks;
}

void procs_add(struct procs *procs, const struct proc_facts *facts)
{
	if (find(procs, facts->tgid) == NULL && procs->stats.count < PROCS_MAX)
		add_from_facts(procs, facts);
}

static int read_facts(struct procs *procs, uint32_t tgid, unsigned what, bool at_start)
{
	const struct procs_hooks *hooks = &procs->hooks;
	int r = hooks->read != NULL ? hooks->read(hooks->userdata, tgid, what, &procs->facts)
				    : proc_read(procs->folder, tgid, what, &procs->facts);

	if (r == 0 && hooks->was_read != NULL)
		hooks->was_read(hooks->userdata, &procs->facts, what, at_start);
	return r;
}

void procs_hide(struct procs *procs, uint32_t tgid)
{
	size_t i = 0;

	while (i < PROCS_HIDDEN_MAX - 1 && procs->hidden[i] != 0)
		i++;
	procs->hidden[i] = tgid;
}

int procs_scan(struct procs *procs)
{
	DIR *folder = opendir(procs->folder);
	struct dirent *entry;

	if (folder == NULL)
		return -errno;
	while ((entry = readdir(folder)) != NULL) {
		uint64_t tgid;

		if (!str_to_u64(str_of(entry->d_name), &tgid) || tgid == 0 || tgid > INT32_MAX ||
		    find(procs, (uint32_t)tgid) != NULL || procs->stats.count >= PROCS_MAX)
			continue;
		if (read_facts(procs, (uint32_t)tgid, PROC_READ_IMAGE, true) == 0)
			add_from_facts(procs, &procs->facts);
	}
	closedir(folder);
	return 0;
}

static bool token_take(struct procs *procs)
{
	int64_t now;

	if (procs->hooks.read != NULL) /* nothing depends on how long it takes */
		return true;
	now = clock_mono();
	if (now - procs->tokens_ns >= NS_PER_S) {
		procs->tokens_ns = now;
		procs->tokens = PROCS_LOOKUPS_PER_S;
	}
	if (procs->tokens == 0)
		return false;
	procs->tokens--;
	return true;
}

/* Whether both are the same moment as far as /proc can tell. */
static bool same_start(uint64_t a, uint64_t b)
{
	return a / PROCS_TICK_NS == b / PROCS_TICK_NS;
}

/* Whether the entry is of the process of this id that began then; 0: nobody knows when. */
static bool is_life(const struct proc *proc, uint64_t start_ns)
{
	if (start_ns == 0)
		return true;
	return proc->exact ? proc->start_ns == start_ns : same_start(proc->start_ns, start_ns);
}

/* Reads a process that was missed. With `start_ns` only the one that started then. */
static bool read_missed(struct procs *procs, uint32_t tgid, uint64_t start_ns)
{
	if (!token_take(procs))
		return false;
	procs->stats.looked_up++;
	return read_facts(procs, tgid, PROC_READ_IMAGE, false) == 0 &&
	       (start_ns == 0 || same_start(procs->facts.start_ns, start_ns));
}

static struct proc *look_up(struct procs *procs, uint32_t tgid, uint64_t start_ns)
{
	if (tgid == 0)
		return NULL;
	procs->stats.missed++;
	if (read_missed(procs, tgid, start_ns))
		return add_from_facts(procs, &procs->facts);
	procs->stats.unknown++;
	return NULL;
}

/* Heard of, or asked for: in either case among the last to be evicted, so that strings borrowed
 * from the ancestors of one event stay until the event is done. */
static void touch(struct procs *procs, struct proc *proc)
{
	if (procs->newest == proc)
		return;
	list_remove(procs, proc);
	list_add(procs, proc);
}

/* In a user namespace of its own a process has every capability, and none that it had counts for less:
 * the call by which it got there is told with those from before. */
static bool made_user_namespace(const struct record *record)
{
	return record->type == RECORD_CALL && record->nr == SYS_unshare && record->ret == 0 &&
	       (record->args[0] & CLONE_NEWUSER) != 0;
}

static void set_caps(struct proc *proc, const struct record *record)
{
	if (proc->exact && made_user_namespace(record))
		return;
	proc->cap_permitted = record->cap_permitted;
	proc->cap_effective = record->cap_effective;
	proc->cap_inheritable = record->cap_inheritable;
}

/* What every record says about its process. */
static void refresh(struct procs *procs, struct proc *proc, const struct record *record)
{
	set_caps(proc, record);
	proc->ppid = record->ppid;
	proc->parent_start_ns = record->parent_start_ns;
	proc->start_ns = record->start_ns;
	proc->exact = true;
	proc->dead = false;
	proc->exec_id = record->exec_id;
	proc->parent_exec_id = record->parent_exec_id;
	proc->sid = record->sid;
	proc->pgid = record->pgid;
	proc->vpid = record->vpid;
	memcpy(proc->comm, record->comm, sizeof(proc->comm));
	proc->comm[RECORD_COMM - 1] = '\0';
	touch(procs, proc);
}

static void set_cwd(struct procs *procs, struct proc *proc, const struct record *record)
{
	struct str cwd = record_text(record, RECORD_STRING_CWD);

	if (cwd.at == NULL)
		return;
	cwd_set(procs, proc, cwd);
	proc->cwd_cut = record_is_cut(record, RECORD_STRING_CWD);
}

/* Of a path that was cut it may be the beginning that says which one: then it is that of before, or of the parent. */
static void set_container(struct proc *proc, const struct record *record)
{
	struct str cgroup = record_text(record, RECORD_STRING_CGROUP);
	struct container_id id;

	if (cgroup.at == NULL)
		return;
	id = container_of_cgroup(cgroup);
	if (id.len > 0 || !record_is_cut(record, RECORD_STRING_CGROUP))
		proc->container = id;
}

/* The entry of the record's process, if it is that process and not an earlier one of the same id.
 */
static struct proc *find_same(struct procs *procs, const struct record *record)
{
	struct proc *proc = find(procs, record->tgid);

	if (proc == NULL)
		return NULL;
	return is_life(proc, record->start_ns) ? proc : NULL;
}

/* A process that no fork record told of; at worst all that is known is its name. */
static struct proc *find_or_add(struct procs *procs, const struct record *record)
{
	struct proc *proc = find_same(procs, record);

	if (proc == NULL)
		proc = look_up(procs, record->tgid, record->start_ns);
	if (proc == NULL) {
		proc = proc_add(procs, record->tgid, image_counted(procs, image_new(STR(""), STR(""), STR(""))));
		if (proc != NULL)
			proc->image->lacks = IMAGE_NO_EXE | IMAGE_NO_ARGS | IMAGE_NO_ENV;
	}
	return proc;
}

/* No text at all is what a program without arguments has; but not when it could not be read. */
static unsigned lacks_of_exec(const struct record *record)
{
	static const struct {
		enum record_string_tag tag;
		unsigned cut, missing;
	} texts[] = {
		{ RECORD_STRING_EXE, IMAGE_EXE_CUT, IMAGE_NO_EXE },
		{ RECORD_STRING_ARGS, IMAGE_ARGS_CUT, IMAGE_NO_ARGS },
		{ RECORD_STRING_ENV, IMAGE_ENV_CUT, IMAGE_NO_ENV },
	};
	unsigned lacks = 0;

	if (!(record->flags & (RECORD_CUT_ARGS | RECORD_CUT_PATH | RECORD_FAULT)))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (record_text(record, texts[i].tag).at == NULL)
			lacks |= record->flags & (RECORD_CUT_PATH | RECORD_FAULT) ? texts[i].missing : 0;
		else if (record_is_cut(record, texts[i].tag))
			lacks |= texts[i].cut;
	return lacks;
}

static struct image *image_of_exec(const struct record *record)
{
	struct str exe = record_text(record, RECORD_STRING_EXE);
	struct str args = record_text(record, RECORD_STRING_ARGS);
	struct image *image;

	/* A memfd has no directory: the walk's leading slash is not part of its name. */
	if ((record->flags & RECORD_EXE_MEMFD) && exe.len > 0)
		exe = str_from(exe, 1);
	image = image_new(exe, args, record_text(record, RECORD_STRING_ENV));
	if (image == NULL)
		return NULL;
	image->flags = record->flags;
	image->lacks = lacks_of_exec(record);
	image->exe_ino = record->exe_ino;
	image->exe_ctime_ns = record->exe_ctime_ns;
	image->exe_mtime_ns = record->exe_mtime_ns;
	image->exe_mode = record->exe_mode;
	image->exe_uid = record->exe_uid;
	image->exe_gid = record->exe_gid;
	image->exec_uid = record->uid;
	return image;
}

static struct proc *apply_exec(struct procs *procs, const struct record *record)
{
	struct proc *proc = find_same(procs, record);
	struct image *image = image_counted(procs, image_of_exec(record));

	if (proc == NULL) {
		proc = proc_add(procs, record->tgid, image);
	} else if (image != NULL) {
		image_drop(procs, proc->image);
		proc->image = image;
	}
	if (proc == NULL)
		return NULL;
	set_cwd(procs, proc, record);
	set_container(proc, record);
	return proc;
}

static struct proc *apply_fork(struct procs *procs, const struct record *record)
{
	uint32_t from = (uint32_t)record->args[0];
	uint64_t from_start = record->args[1];
	struct proc *parent = find(procs, from), *proc;

	if (parent == NULL || !is_life(parent, from_start))
		parent = look_up(procs, from, from_start);
	if (parent == NULL)
		return find_or_add(procs, record);
	proc = proc_add(procs, record->tgid, image_ref(parent->image));
	if (proc == NULL)
		return NULL;
	/* Adding may have evicted the parent. */
	parent = find(procs, from);
	if (parent != NULL) {
		cwd_set(procs, proc, parent->cwd == NULL ? STR("") : str_of(parent->cwd));
		proc->cwd_cut = parent->cwd_cut;
		proc->container = parent->container;
	}
	set_container(proc, record);
	return proc;
}

const struct proc *procs_update(struct procs *procs, const struct record *record)
{
	struct proc *proc;

	switch (record->type) {
	case RECORD_EXEC: proc = apply_exec(procs, record); break;
	case RECORD_FORK: proc = apply_fork(procs, record); break;
	default: proc = find_or_add(procs, record); break;
	}
	if (proc == NULL)
		return NULL;
	if (record->type == RECORD_CALL)
		set_cwd(procs, proc, record);
	refresh(procs, proc, record);
	procs_trim(procs);
	return proc;
}

void procs_complete(const struct procs *procs, struct record *record)
{
	const struct proc *proc = find(procs, record->tgid);

	if (proc == NULL || !proc->exact || !same_start(proc->start_ns, record->start_ns))
		return;
	record->start_ns = proc->start_ns;
	record->exec_id = proc->exec_id;
	record->parent_exec_id = proc->parent_exec_id;
	if (proc->ppid == record->ppid)
		record->parent_start_ns = proc->parent_start_ns;
}

void procs_keep(struct procs *procs, const struct record *record, struct procs_kept *ret)
{
	struct proc *proc = find_same(procs, record);

	if (proc == NULL)
		proc = look_up(procs, record->tgid, record->start_ns);
	*ret = (struct procs_kept){ 0 };
	if (proc == NULL)
		return;
	ret->image = image_ref(proc->image);
	ret->container = proc->container;
	memcpy(ret->comm, proc->comm, sizeof(ret->comm));
}

void procs_put_back(struct procs *procs, const struct record *record, struct procs_kept *kept)
{
	struct proc *proc = find_same(procs, record);

	if (proc != NULL && kept->image == NULL) {
		proc_remove(procs, proc);
	} else if (proc != NULL) {
		image_drop(procs, proc->image);
		proc->image = TAKE(kept->image);
		proc->container = kept->container;
		memcpy(proc->comm, kept->comm, sizeof(proc->comm));
	}
	image_drop(procs, kept->image);
}

/* The one that died, unless another has got its number meanwhile. */
static void bury(struct procs *procs, uint32_t tgid, uint64_t start_ns)
{
	struct proc *proc = tgid == 0 ? NULL : find(procs, tgid);

	if (proc != NULL && proc->dead && proc->start_ns == start_ns)
		proc_remove(procs, proc);
}

void procs_forget(struct procs *procs, const struct record *record)
{
	struct proc *proc = find_same(procs, record);

	if (proc == NULL || proc->dead)
		return;
	bury(procs, procs->dead[procs->dead_count % PROCS_DEAD_MAX].tgid,
	     procs->dead[procs->dead_count % PROCS_DEAD_MAX].start_ns);
	procs->dead[procs->dead_count % PROCS_DEAD_MAX].tgid = proc->tgid;
	procs->dead[procs->dead_count++ % PROCS_DEAD_MAX].start_ns = proc->start_ns;
	proc->dead = true;
}

/* Nobody is older than his parent: an entry that is has only inherited a dead parent's number. */
static bool can_be_parent(const struct proc *parent, const struct proc *child)
{
	return parent->start_ns / PROCS_TICK_NS <= child->start_ns / PROCS_TICK_NS;
}

static const struct proc *find_parent(struct procs *procs, const struct proc *child)
{
	struct proc *parent = find(procs, child->ppid);
	uint64_t start_ns = child->parent_start_ns;

	if (parent != NULL && !is_life(parent, start_ns)) {
		/* An earlier one of that id, of which the end was missed; or a later one, and it stays. */
		if (parent->start_ns > start_ns)
			return NULL;
		parent = NULL;
	}
	if (parent == NULL)
		parent = look_up(procs, child->ppid, start_ns);
	if (parent == NULL || !can_be_parent(parent, child))
		return NULL;
	touch(procs, parent);
	return parent;
}

/* Who took the place of a parent that has ended. The child may not have been heard of since. */
static bool ask_for_parent(struct procs *procs, uint32_t tgid)
{
	struct proc *child = find(procs, tgid);

	if (child == NULL || !token_take(procs))
		return false;
	procs->stats.looked_up++;
	if (read_facts(procs, tgid, 0, false) < 0 ||
	    !same_start(procs->facts.start_ns, child->start_ns) || procs->facts.ppid == child->ppid)
		return false;
	child->ppid = procs->facts.ppid;
	child->parent_start_ns = 0;
	return child->ppid != 0;
}

static bool is_hidden(const struct procs *procs, uint32_t tgid)
{
	for (size_t i = 0; i < PROCS_HIDDEN_MAX; i++)
		if (tgid != 0 && procs->hidden[i] == tgid)
			return true;
	return false;
}

const struct proc *procs_parent(struct procs *procs, const struct proc *proc)
{
	const struct proc *parent;
	uint32_t tgid = proc->tgid;

	if (proc->ppid == 0 || proc->ppid == tgid || is_hidden(procs, proc->ppid))
		return NULL;
	parent = find_parent(procs, proc);
	if ((parent != NULL && !parent->dead) || !ask_for_parent(procs, tgid))
		return parent;
	proc = find(procs, tgid);
	return proc == NULL || is_hidden(procs, proc->ppid) ? NULL : find_parent(procs, proc);
}

struct procs_stats procs_stats(const struct procs *procs)
{
	return procs->stats;
}
