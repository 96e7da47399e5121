/* Fields that are only filled when a rule asks for them: what the kernel was given beside how it reads
 * (evt.rawarg), parameters of the events that process records make, and what few rules look at. Each is found
 * once, when the rules come; an event costs what was asked for. */
#include "sensor/enrich_inner.h"

#include "base/cleanup.h"
#include "rules/text.h"
#include "sensor/record_text.h"

/* ---- processes ---- */

static void put_cmdline(struct enrich *enrich, field_id id, unsigned unused)
{
	(void)unused;
	enrich_cmdline(enrich, id, enrich->proc);
}

/* There may be a parent of whom nothing is known. */
static void put_parent_cmdline(struct enrich *enrich, field_id id, unsigned unused)
{
	const struct proc *parent = procs_parent(enrich->settings.procs, enrich->proc);

	(void)unused;
	if (parent != NULL && parent != enrich->proc)
		enrich_cmdline(enrich, id, parent);
	else if (parent == NULL && enrich->record->ppid != 0)
		enrich_put_null(enrich, id);
}

enum leader { OF_GROUP, OF_INNER_GROUP };

static void put_group_exe(struct enrich *enrich, field_id id, unsigned path)
{
	const struct proc *leader = procs_find(enrich->settings.procs, enrich->record->pgid);

	if (leader != NULL)
		enrich_put_borrowed(enrich, id, path != 0 ? leader->image->exepath : leader->image->argv0);
}

static bool is_shell(const struct proc *proc)
{
	struct str comm = { proc->comm, strnlen(proc->comm, sizeof(proc->comm)) };

	return str_ends(comm, STR("sh"));
}

/* The eldest one: the login's. */
static void put_login_shell(struct enrich *enrich, field_id id, unsigned unused)
{
	const struct proc *proc = enrich->proc;

	(void)unused;
	for (unsigned n = 0; proc != NULL && n < PROCS_ANCESTORS_MAX; n++) {
		if (is_shell(proc))
			enrich_put_int(enrich, id, proc->tgid);
		proc = procs_parent(enrich->settings.procs, proc);
	}
}

enum { CAPS_PERMITTED, CAPS_EFFECTIVE, CAPS_INHERITABLE };

static void put_caps(struct enrich *enrich, field_id id, unsigned which)
{
	const struct proc *proc = enrich->proc;

	flags_add_caps(&enrich->text, which == CAPS_PERMITTED	? proc->cap_permitted
				      : which == CAPS_EFFECTIVE ? proc->cap_effective
								: proc->cap_inheritable);
	enrich_put_text(enrich, id);
}

static void put_exe_line(struct enrich *enrich, field_id id, unsigned unused)
{
	const struct image *image = enrich->proc->image;

	(void)unused;
	if (image->lacks & IMAGE_NO_ARGS) {
		enrich_put_null(enrich, id);
		return;
	}
	buf_add(&enrich->text, image->argv0);
	if (image->args.len > 0)
		buf_add_char(&enrich->text, ' ');
	buf_add(&enrich->text, image->args);
	enrich_put_text(enrich, id);
	if (image->lacks & IMAGE_ARGS_CUT)
		enrich_cut(enrich, id);
}

static void put_is_main(struct enrich *enrich, field_id id, unsigned unused)
{
	(void)unused;
	enrich_put_bool(enrich, id, enrich->record->tid == enrich->record->tgid);
}

static void put_name_and_tid(struct enrich *enrich, field_id id, unsigned unused)
{
	const struct proc *proc = enrich->proc;

	(void)unused;
	buf_addf(&enrich->text, "%.*s%u", (int)strnlen(proc->comm, sizeof(proc->comm)), proc->comm, enrich->record->tid);
	enrich_put_text(enrich, id);
}

/* When the first process of the namespace of process numbers began: of the nearest ancestor that is one. 0: not known. */
static uint64_t namespace_start(struct enrich *enrich)
{
	const struct proc *proc = enrich->record->pidns_level == 0 ? procs_find(enrich->settings.procs, 1) : enrich->proc;

	for (unsigned n = 0; n < PROCS_ANCESTORS_MAX && proc != NULL && proc->vpid != 1; n++)
		proc = procs_parent(enrich->settings.procs, proc);
	return proc != NULL && proc->vpid == 1 ? proc->start_ns : 0;
}

enum { NAMESPACE_START, NAMESPACE_AGE_OF_EXE };

/* How much younger than its namespace a program is says that it was not in the image. */
static void put_namespace(struct enrich *enrich, field_id id, unsigned what)
{
	const struct value *container = event_get(&enrich->event, FIELD_CONTAINER_START_TS);
	int64_t offset = enrich->now_ns - (int64_t)enrich->record->time_ns, start = (int64_t)namespace_start(enrich);
	int64_t ctime = (int64_t)enrich->proc->image->exe_ctime_ns;

	start = start != 0 ? start + offset : container->kind == VALUE_INT ? container->i : 0;
	if (start == 0)
		return;
	if (what == NAMESPACE_START)
		enrich_put_int(enrich, id, start);
	else if (ctime > start)
		enrich_put_int(enrich, id, ctime - start);
}

enum { ACCOUNT_HOME, ACCOUNT_SHELL };

/* The container's own files have gone first. */
static void put_account(struct enrich *enrich, field_id id, unsigned what)
{
	const struct names *users = enrich->settings.users;
	uint32_t uid = enrich->record->euid;
	struct str text = STR("");

	if (event_get(&enrich->event, id)->kind != VALUE_ABSENT)
		return;
	if (enrich->proc->container.len == 0)
		text = what == ACCOUNT_HOME ? names_home(users, uid) : names_shell(users, uid);
	if (text.len == 0 && uid == 0 && what == ACCOUNT_HOME)
		text = STR("/root");
	enrich_put(enrich, id, text.len > 0 ? text : STR("<NA>"));
}

static void put_args_length(struct enrich *enrich, field_id id, unsigned unused)
{
	const struct image *image = enrich->proc->image;
	size_t blanks = image->args_count > 0 ? image->args_count - 1 : 0;

	(void)unused;
	if (!(image->lacks & (IMAGE_NO_ARGS | IMAGE_ARGS_CUT)) && image->args.len >= blanks)
		enrich_put_int(enrich, id, (int64_t)(image->args.len - blanks));
}

/* ---- ancestors ---- */

static struct str find_variable(struct str env, struct str name)
{
	for (size_t i = 0; i + name.len < env.len; i++) {
		struct str value = str_from(env, i + name.len + 1);

		if ((i == 0 || env.at[i - 1] == ' ') && env.at[i + name.len] == '=' &&
		    memcmp(env.at + i, name.at, name.len) == 0)
			return str_cut(value, text_next_variable(value));
	}
	return (struct str){ 0 };
}

/* proc.aenv[2] is all of one ancestor's, proc.aenv[NAME] the nearest one's that has it. */
static void put_ancestor_env(struct enrich *enrich, field_id id, struct str which)
{
	const struct proc *proc = enrich->proc;
	uint64_t number = 0;
	bool by_number = str_to_u64(which, &number);

	for (uint64_t n = 1; n <= PROCS_ANCESTORS_MAX; n++) {
		struct str value;

		proc = procs_parent(enrich->settings.procs, proc);
		if (proc == NULL)
			return;
		value = by_number ? proc->image->env : find_variable(proc->image->env, which);
		if (by_number ? n == number : value.len > 0) {
			enrich_put(enrich, id, value);
			return;
		}
	}
}

static void put_ancestor_args(struct enrich *enrich, field_id id, struct str which)
{
	const struct proc *proc = enrich->proc;
	uint64_t number;

	if (!str_to_u64(which, &number) || number > PROCS_ANCESTORS_MAX)
		return;
	for (; number > 0 && proc != NULL; number--)
		proc = procs_parent(enrich->settings.procs, proc);
	if (proc != NULL)
		enrich_put(enrich, id, proc->image->args);
}

/* ---- descriptors ---- */

static void put_in_container(struct enrich *enrich, field_id id, unsigned folder)
{
	struct str name = enrich->fd_name, container = enrich->proc->container.len == 0 ? STR("host") : STR("");
	size_t len = name.len;

	if (enrich->fd_typechar == '\0' || (folder != 0 && enrich->fd_typechar != 'f' && enrich->fd_typechar != 'd'))
		return;
	while (folder != 0 && enrich->fd_typechar == 'f' && len > 1 && name.at[len - 1] != '/')
		len--;
	if (len < name.len && len > 1)
		len--;
	if (container.len == 0) {
		container = (struct str){ enrich->proc->container.text, enrich->proc->container.len };
		container = str_cut(container, 12);
	}
	buf_add(&enrich->text, container);
	buf_add_char(&enrich->text, ':');
	buf_add(&enrich->text, str_cut(name, len));
	enrich_put_text(enrich, id);
}

static void put_fd_uid(struct enrich *enrich, field_id id, unsigned unused)
{
	const struct value *number = event_get(&enrich->event, FIELD_FD_NUM);

	(void)unused;
	if (number->kind != VALUE_INT)
		return;
	buf_addf(&enrich->text, "%u%lld", enrich->record->tid, (long long)number->i);
	enrich_put_text(enrich, id);
}

/* Ports are shown as numbers, as Falco does unless it is told to look up names. */
static void put_port(struct enrich *enrich, field_id id, unsigned of)
{
	const struct value *port = event_get(&enrich->event, (field_id)of);

	if (port->kind != VALUE_INT)
		return;
	buf_add_i64(&enrich->text, port->i);
	enrich_put_text(enrich, id);
}

static void put_layer(struct enrich *enrich, field_id id, unsigned flag)
{
	if (enrich->record->flags & RECORD_HAS_OBJECT)
		enrich_put_bool(enrich, id, (enrich->record->flags & flag) != 0);
}

/* ---- paths of calls that have worked ---- */

enum path_part { PATH_NAME, PATH_SOURCE, PATH_TARGET, PATH_RAW = 4 };

/* A link is its source, and what it leads to the target. */
static bool is_link(const struct enrich *enrich)
{
	static const char *const links[] = { "link", "linkat", "symlink", "symlinkat", NULL };

	return enrich_call_is(enrich, links);
}

static struct str first_path(const struct enrich *enrich, bool raw)
{
	bool is_text = raw || (enrich->call->plan.flags & PLAN_TARGET_TEXT);

	return is_text ? record_text(enrich->record, RECORD_STRING_NAME) : enrich->path;
}

static struct str second_path(const struct enrich *enrich, bool raw)
{
	return raw ? record_text(enrich->record, RECORD_STRING_NAME2) : enrich->path2;
}

static bool has_two_paths(const struct enrich *enrich)
{
	return enrich->call->plan.name_arg[1] != 0;
}

/* What a symbolic link says may be relative: to where the process is, as Falco takes it. */
static struct str made_absolute(struct enrich *enrich, struct str path)
{
	return path.len == 0 || path.at[0] == '/' ? path : enrich_path(enrich, str_of(enrich->proc->cwd), path);
}

static void put_path(struct enrich *enrich, field_id id, unsigned what)
{
	bool raw = (what & PATH_RAW) != 0;
	unsigned part = what & ~(unsigned)PATH_RAW;
	struct str path;

	if (enrich->call == NULL || enrich->record->type != RECORD_CALL || enrich->record->ret < 0 ||
	    enrich->call->plan.class > RECORD_CLASS_PATH || (enrich->call->plan.flags & PLAN_TEXT) ||
	    has_two_paths(enrich) != (part != PATH_NAME))
		return;
	if (part == PATH_NAME)
		path = enrich->call->plan.name_arg[0] != 0 ? first_path(enrich, raw)
		       : enrich->call->plan.class == RECORD_CLASS_PATH ? enrich->fd_name : STR("");
	else
		path = (part == PATH_SOURCE) != is_link(enrich) ? first_path(enrich, raw) : second_path(enrich, raw);
	enrich_put(enrich, id, raw ? path : made_absolute(enrich, path));
}

/* As the path of the call, be it made or not; "src" and "dst" of those with two. */
static void put_absolute(struct enrich *enrich, field_id id, unsigned part)
{
	if (enrich->call == NULL || enrich->record->type != RECORD_CALL || (enrich->call->plan.flags & PLAN_TEXT) ||
	    has_two_paths(enrich) != (part != PATH_NAME))
		return;
	enrich_put(enrich, id, part == PATH_TARGET ? second_path(enrich, false) : made_absolute(enrich, first_path(enrich, false)));
}

static void put_args(struct enrich *enrich, field_id id, unsigned unused)
{
	(void)unused;
	if (enrich->record->type == RECORD_CALL)
		enrich_call_args(enrich, id);
	else
		enrich_life_args(enrich, id);
}

/* ---- what was asked ---- */

static const struct asked_row by_name[] = {
	{ "proc.pgid.exe", put_group_exe, 0 },
	{ "proc.pgid.exepath", put_group_exe, 1 },
	{ "proc.vpgid.exe", put_group_exe, 0 },
	{ "proc.vpgid.exepath", put_group_exe, 1 },
	{ "proc.cmdline", put_cmdline, 0 },
	{ "proc.pcmdline", put_parent_cmdline, 0 },
	{ "proc.exeline", put_exe_line, 0 },
	{ "proc.loginshellid", put_login_shell, 0 },
	{ "proc.cmdlenargs", put_args_length, 0 },
	{ "proc.pidns_init_start_ts", put_namespace, NAMESPACE_START },
	{ "proc.exe_ino.ctime_duration_pidns_start", put_namespace, NAMESPACE_AGE_OF_EXE },
	{ "thread.cap_permitted", put_caps, CAPS_PERMITTED },
	{ "thread.cap_effective", put_caps, CAPS_EFFECTIVE },
	{ "thread.cap_inheritable", put_caps, CAPS_INHERITABLE },
	{ "thread.ismain", put_is_main, 0 },
	{ "thread.nametid", put_name_and_tid, 0 },
	{ "user.homedir", put_account, ACCOUNT_HOME },
	{ "user.shell", put_account, ACCOUNT_SHELL },
	{ "evt.args", put_args, 0 },
	{ "evt.info", put_args, 0 },
	{ "evt.abspath", put_absolute, PATH_NAME },
	{ "evt.abspath.src", put_absolute, PATH_SOURCE },
	{ "evt.abspath.dst", put_absolute, PATH_TARGET },
	{ "fd.containername", put_in_container, 0 },
	{ "fd.containerdirectory", put_in_container, 1 },
	{ "fd.uid", put_fd_uid, 0 },
	{ "fd.cproto", put_port, FIELD_FD_CPORT },
	{ "fd.sproto", put_port, FIELD_FD_SPORT },
	{ "fd.lproto", put_port, FIELD_FD_LPORT },
	{ "fd.rproto", put_port, FIELD_FD_RPORT },
	{ "fd.is_upper_layer", put_layer, RECORD_FD_UPPER },
	{ "fd.is_lower_layer", put_layer, RECORD_FD_LOWER },
	{ "fs.path.name", put_path, PATH_NAME },
	{ "fs.path.nameraw", put_path, PATH_NAME | PATH_RAW },
	{ "fs.path.source", put_path, PATH_SOURCE },
	{ "fs.path.sourceraw", put_path, PATH_SOURCE | PATH_RAW },
	{ "fs.path.target", put_path, PATH_TARGET },
	{ "fs.path.targetraw", put_path, PATH_TARGET | PATH_RAW },
};

enum {
	ASKED_FIELD,
	ASKED_PARAM,
	ASKED_RAW_PARAM,
	ASKED_ANCESTOR_ENV,
	ASKED_ANCESTOR_ARGS,
	ASKED_TYPES,
	ASKED_CGROUP,
};

static const struct {
	struct str start;
	uint8_t what;
} by_start[] = {
	{ STR("evt.arg."), ASKED_PARAM },
	{ STR("evt.rawarg."), ASKED_RAW_PARAM },
	{ STR("proc.aenv["), ASKED_ANCESTOR_ENV },
	{ STR("proc.aargs["), ASKED_ANCESTOR_ARGS },
	{ STR("fd.types["), ASKED_TYPES },
	{ STR("thread.cgroup["), ASKED_CGROUP },
	{ STR("thread.cgroup."), ASKED_CGROUP },
};

static const struct asked_row *find_row(const struct asked_row *rows, size_t count, struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(name, str_of(rows[i].name)))
			return &rows[i];
	return NULL;
}

static const struct asked_row *row_of(struct str name)
{
	const struct asked_row *row = find_row(by_name, ARRAY_LEN(by_name), name);

	if (row == NULL)
		row = find_row(enrich_event_rows, enrich_event_rows_count, name);
	return row != NULL ? row : find_row(enrich_live_rows, enrich_live_rows_count, name);
}

uint16_t enrich_ask(struct enrich *enrich, field_id id, struct str name)
{
	struct asked asked = { .id = id, .what = ASKED_FIELD };

	for (size_t i = 0; i < ARRAY_LEN(by_start); i++) {
		if (!str_starts(name, by_start[i].start))
			continue;
		asked.what = by_start[i].what;
		asked.param = str_from(name, by_start[i].start.len);
		if (str_ends(asked.param, STR("]")))
			asked.param.len--;
	}
	if (asked.what == ASKED_FIELD) {
		asked.row = row_of(name);
		if (asked.row == NULL)
			return WANTED;
	}
	if (enrich->asked_count == ENRICH_ASKED_MAX)
		return asked.what == ASKED_PARAM ? WANTED_PARAM : WANTED;
	enrich->asked[enrich->asked_count] = asked;
	return (uint16_t)(WANTED_ASKED + enrich->asked_count++);
}

static void put_asked(struct enrich *enrich, const struct asked *asked)
{
	bool is_call = enrich->record->type == RECORD_CALL;

	switch (asked->what) {
	case ASKED_FIELD: asked->row->put(enrich, asked->id, asked->row->what); break;
	case ASKED_TYPES: enrich_live_types(enrich, asked->id, asked->param); break;
	case ASKED_CGROUP: enrich_live_cgroup(enrich, asked->id, asked->param); break;
	case ASKED_ANCESTOR_ENV: put_ancestor_env(enrich, asked->id, asked->param); break;
	case ASKED_ANCESTOR_ARGS: put_ancestor_args(enrich, asked->id, asked->param); break;
	case ASKED_RAW_PARAM:
		if (is_call)
			enrich_raw_param(enrich, asked->id, asked->param);
		else
			enrich_life_param(enrich, asked->id, asked->param, true);
		break;
	default:
		if (is_call)
			enrich_call_params(enrich);
		else
			enrich_life_param(enrich, asked->id, asked->param, false);
		break;
	}
}

/* Once an event, found or not. */
static void look(struct enrich *enrich, struct asked *asked)
{
	if (asked->looked == enrich->records)
		return;
	asked->looked = enrich->records;
	put_asked(enrich, asked);
}

void enrich_read(void *userdata, field_id id)
{
	struct enrich *enrich = userdata;

	if (id >= enrich->wanted_count || enrich->wanted[id] < WANTED_PARAM)
		return;
	if (enrich->wanted[id] == WANTED_PARAM)
		enrich_call_params(enrich);
	else
		look(enrich, &enrich->asked[enrich->wanted[id] - WANTED_ASKED]);
}

void enrich_asked(struct enrich *enrich)
{
	enrich_call_params(enrich);
	for (size_t i = 0; i < enrich->asked_count; i++)
		look(enrich, &enrich->asked[i]);
	enrich_live_end(enrich);
}
