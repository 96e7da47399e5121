/* Fields that an event does not carry but that follow from others: the table says from which, so
 * that whoever asks a sensor for a field asks for those too. */
#include "rules/derive.h"

#include "rules/text.h"

enum { INPUTS_MAX = 4 };

struct derivation {
	derive_fn *derive;
	field_id from[INPUTS_MAX];
};

/* Two texts with a blank between them, or the first alone. */
static bool with_blank(struct rules_scratch *scratch, struct str a, struct str b, struct value *ret)
{
	char *out;

	if (a.at == NULL)
		return false;
	if (b.len == 0)
		return give_text(ret, a);
	out = scratch_take(scratch, a.len + 1 + b.len);
	if (out == NULL)
		return false;
	memcpy(out, a.at, a.len);
	out[a.len] = ' ';
	memcpy(out + a.len + 1, b.at, b.len);
	return give_text(ret, (struct str){ .at = out, .len = a.len + 1 + b.len });
}

/* evt */

static bool evt_syscall_type(struct rules_scratch *scratch, const struct term *term,
			     struct value *ret)
{
	(void)term;
	return same(scratch, FIELD_EVT_TYPE, ret);
}

static bool evt_dir(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	(void)scratch;
	(void)term;
	return give_text(ret, STR("<")); /* enter events are gone */
}

static bool evt_res(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	const char *name;
	__int128 raw;

	(void)term;
	if (!number_of(scratch, FIELD_EVT_RAWRES, &raw))
		return false;
	if (raw >= 0)
		return give_text(ret, STR("SUCCESS"));
	name = raw > -4096 ? strerrorname_np((int)-raw) : NULL;
	return name != NULL && give_text(ret, str_of(name));
}

static bool evt_rawres(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	(void)term;
	*ret = value_i64(0);
	return str_eq(text_of(scratch, FIELD_EVT_RES), STR("SUCCESS"));
}

static bool evt_failed(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	struct str res = text_of(scratch, FIELD_EVT_RES);
	__int128 raw;

	(void)term;
	if (number_of(scratch, FIELD_EVT_RAWRES, &raw))
		*ret = value_bool(raw < 0);
	else if (res.len > 0)
		*ret = value_bool(!str_eq(res, STR("SUCCESS")));
	else
		return false;
	return true;
}

static bool has_flag(struct rules_scratch *scratch, struct str flag)
{
	return str_find(text_of(scratch, scratch->rules->arg_flags), flag) >= 0;
}

/* False, not missing, on every other type of event. */
static bool evt_is_open(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	struct str type = text_of(scratch, FIELD_EVT_TYPE);
	bool open = str_eq(type, STR("open")) || str_eq(type, STR("openat")) ||
		    str_eq(type, STR("openat2"));
	bool made = str_eq(type, STR("creat")) || (open && (has_flag(scratch, STR("O_CREAT")) ||
							    has_flag(scratch, STR("O_TMPFILE"))));
	__int128 mode = 0, result;

	open |= str_eq(type, STR("open_by_handle_at"));
	number_of(scratch, scratch->rules->arg_mode, &mode);
	switch (term->base) {
	case FIELD_EVT_IS_OPEN_READ:
		open = open &&
		       (has_flag(scratch, STR("O_RDONLY")) || has_flag(scratch, STR("O_RDWR")));
		break;
	case FIELD_EVT_IS_OPEN_WRITE:
		open = open &&
		       (has_flag(scratch, STR("O_WRONLY")) || has_flag(scratch, STR("O_RDWR")));
		break;
	case FIELD_EVT_IS_OPEN_EXEC: open = made && (mode & 0111) != 0; break;
	default:
		open = open && (has_flag(scratch, STR("O_F_CREATED")) ||
				(has_flag(scratch, STR("O_TMPFILE")) && number_of(scratch, FIELD_EVT_RAWRES, &result) &&
				 result >= 0));
		break;
	}
	*ret = value_bool(open);
	return true;
}

/* There are no events of calls that have only begun: Falco has nothing between begin and end any more. */
static bool evt_latency(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	(void)scratch;
	if (term->base == FIELD_EVT_LATENCY_HUMAN)
		return give_text(ret, STR("0ns"));
	*ret = value_i64(0);
	return true;
}

static bool evt_false(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	(void)scratch;
	(void)term;
	*ret = value_bool(false);
	return true;
}

/* proc */

static bool proc_cmdline(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	field_id first = term->base == FIELD_PROC_EXELINE ? FIELD_PROC_EXE : FIELD_PROC_NAME;

	return with_blank(scratch, text_of(scratch, first), text_of(scratch, FIELD_PROC_ARGS), ret);
}

/* One item of proc.args; of a text, the words between blanks. */
static bool proc_arg(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	const struct value *args = get(scratch, FIELD_PROC_ARGS);
	struct str text = text_of(scratch, FIELD_PROC_ARGS);
	int64_t at = term->index;

	if (at < 0)
		return false;
	if (args->kind == VALUE_LIST) {
		if (at >= args->len)
			return false;
		*ret = args->list[at];
		return has(ret);
	}
	for (; text.len > 0; at--) {
		size_t len = 0;

		while (len < text.len && text.at[len] != ' ')
			len++;
		if (at == 0)
			return give_text(ret, str_cut(text, len));
		text = str_from(text, len + 1);
	}
	return false;
}

/* A value may hold blanks: it ends where another name begins. */
static bool env_of_text(struct str text, struct str name, struct value *ret)
{
	while (text.len > 0) {
		size_t len = text_next_variable(text);
		struct str item = str_cut(text, len);

		if (item.len > name.len && str_starts(item, name) && item.at[name.len] == '=')
			return give_text(ret, str_from(item, name.len + 1));
		text = len < text.len ? str_from(text, len + 1) : STR("");
	}
	return false;
}

/* proc.env[NAME] out of proc.env, which is a list or a text. */
static bool proc_env(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	const struct value *env = get(scratch, FIELD_PROC_ENV);

	for (uint32_t i = 0; env->kind == VALUE_LIST && i < env->len; i++) {
		struct str item = value_as_str(&env->list[i]);

		if (env->list[i].kind == VALUE_STR && item.len > term->arg.len &&
		    str_starts(item, term->arg) && item.at[term->arg.len] == '=')
			return give_text(ret, str_from(item, term->arg.len + 1));
	}
	return env->kind == VALUE_STR && env_of_text(value_as_str(env), term->arg, ret);
}

static bool proc_count_args(struct rules_scratch *scratch, const struct term *term,
			    struct value *ret)
{
	const struct value *args = get(scratch, FIELD_PROC_ARGS);
	int64_t bytes = 0;

	if (args->kind != VALUE_LIST)
		return false;
	for (uint32_t i = 0; i < args->len; i++)
		bytes += args->list[i].kind == VALUE_STR ? args->list[i].len : 0;
	*ret = value_i64(term->base == FIELD_PROC_CMDNARGS ? args->len : bytes);
	return true;
}

static const struct {
	field_id field, self, parent;
} ancestor_fields[ANCESTOR_KINDS] = {
	[ANCESTOR_NAME] = { FIELD_PROC_ANAME, FIELD_PROC_NAME, FIELD_PROC_PNAME },
	[ANCESTOR_EXE] = { FIELD_PROC_AEXE, FIELD_PROC_EXE, FIELD_PROC_PEXE },
	[ANCESTOR_EXEPATH] = { FIELD_PROC_AEXEPATH, FIELD_PROC_EXEPATH, FIELD_PROC_PEXEPATH },
	[ANCESTOR_CMDLINE] = { FIELD_PROC_ACMDLINE, FIELD_PROC_CMDLINE, FIELD_PROC_PCMDLINE },
	[ANCESTOR_PID] = { FIELD_PROC_APID, FIELD_PROC_PID, FIELD_PROC_PPID },
	[ANCESTOR_ARGS] = { FIELD_PROC_AARGS, FIELD_PROC_ARGS, FIELD_NONE },
	[ANCESTOR_ENV] = { FIELD_PROC_AENV, FIELD_PROC_ENV, FIELD_NONE },
};

int ancestor_kind(field_id base)
{
	for (int i = 0; i < ANCESTOR_KINDS; i++)
		if (base != FIELD_NONE && ancestor_fields[i].field == base)
			return i;
	return -1;
}

/* proc.aname[0] is the process, [1] its parent, which has a name of its own too. */
static bool proc_ancestor(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	int kind = ancestor_kind(term->base);

	if (term->index == 0)
		return same(scratch, ancestor_fields[kind].self, ret);
	return term->index == 1 && same(scratch, ancestor_fields[kind].parent, ret);
}

static bool proc_parent(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	for (int i = 0; i < ANCESTOR_KINDS; i++)
		if (ancestor_fields[i].parent == term->base)
			return same(scratch, scratch->rules->ancestors[i][1], ret);
	return false;
}

/* Time since another time. */
static bool proc_duration(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	field_id start = term->base == FIELD_PROC_DURATION ? FIELD_PROC_PID_TS : FIELD_PROC_PPID_TS;
	__int128 ts;

	if (!number_of(scratch, start, &ts) || ts <= 0 || ts > scratch->event->time_ns)
		return false;
	*ret = value_i64(scratch->event->time_ns - (int64_t)ts);
	return true;
}

static bool proc_ctime_age(struct rules_scratch *scratch, const struct term *term,
			   struct value *ret)
{
	__int128 ctime, ts;

	(void)term;
	if (!number_of(scratch, FIELD_PROC_EXE_INO_CTIME, &ctime) ||
	    !number_of(scratch, FIELD_PROC_PID_TS, &ts) || ctime > ts || ctime <= 0)
		return false;
	*ret = value_i64((int64_t)(ts - ctime));
	return true;
}

static bool proc_is_leader(struct rules_scratch *scratch, const struct term *term,
			   struct value *ret)
{
	bool host = term->base == FIELD_PROC_IS_PGID_LEADER;
	field_id group = term->base == FIELD_PROC_IS_SID_LEADER	    ? FIELD_PROC_SID
			 : term->base == FIELD_PROC_IS_VPGID_LEADER ? FIELD_PROC_VPGID
								    : FIELD_PROC_PGID;
	__int128 a, b;

	if (!number_of(scratch, group, &a) ||
	    !number_of(scratch, host ? FIELD_PROC_PID : FIELD_PROC_VPID, &b))
		return false;
	*ret = value_bool(a == b);
	return true;
}

/* From the flags of an exec; of other events nothing is known. */
static bool proc_exe_flag(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	static const struct {
		field_id id;
		struct str flag;
	} flags[] = {
		{ FIELD_PROC_IS_EXE_WRITABLE, STR("EXE_WRITABLE") },
		{ FIELD_PROC_IS_EXE_UPPER_LAYER, STR("EXE_UPPER_LAYER") },
		{ FIELD_PROC_IS_EXE_LOWER_LAYER, STR("EXE_LOWER_LAYER") },
		{ FIELD_PROC_IS_EXE_FROM_MEMFD, STR("EXE_FROM_MEMFD") },
	};

	if (!str_starts(text_of(scratch, FIELD_EVT_TYPE), STR("execve")) ||
	    !has(get(scratch, scratch->rules->arg_flags)))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].id == term->base)
			*ret = value_bool(has_flag(scratch, flags[i].flag));
	return true;
}

static bool root_name(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	field_id id = term->base == FIELD_USER_NAME ? FIELD_USER_UID : FIELD_GROUP_GID;
	__int128 number;

	return number_of(scratch, id, &number) && number == 0 && give_text(ret, STR("root"));
}

/* An older name. */
static bool pod_id(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	(void)term;
	return same(scratch, FIELD_K8S_POD_UID, ret);
}

/* All containers of a pod have its address. */
static bool pod_ip(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	(void)term;
	return has(get(scratch, FIELD_K8S_POD_UID)) && same(scratch, FIELD_CONTAINER_IP, ret);
}

static const struct derivation derivations[FIELD_CATALOGUE_END] = {
	[FIELD_SYSCALL_TYPE] = { evt_syscall_type, { FIELD_EVT_TYPE } },
	[FIELD_EVT_DIR] = { evt_dir, { 0 } },
	[FIELD_EVT_RES] = { evt_res, { FIELD_EVT_RAWRES } },
	[FIELD_EVT_RAWRES] = { evt_rawres, { FIELD_EVT_RES } },
	[FIELD_EVT_FAILED] = { evt_failed, { FIELD_EVT_RAWRES, FIELD_EVT_RES } },
	[FIELD_EVT_IS_OPEN_READ] = { evt_is_open, { FIELD_EVT_TYPE } },
	[FIELD_EVT_IS_OPEN_WRITE] = { evt_is_open, { FIELD_EVT_TYPE } },
	[FIELD_EVT_IS_OPEN_EXEC] = { evt_is_open, { FIELD_EVT_TYPE } },
	[FIELD_EVT_IS_OPEN_CREATE] = { evt_is_open, { FIELD_EVT_TYPE } },
	[FIELD_EVT_LATENCY] = { evt_latency, { 0 } },
	[FIELD_EVT_LATENCY_S] = { evt_latency, { 0 } },
	[FIELD_EVT_LATENCY_NS] = { evt_latency, { 0 } },
	[FIELD_EVT_LATENCY_QUANTIZED] = { evt_latency, { 0 } },
	[FIELD_EVT_LATENCY_HUMAN] = { evt_latency, { 0 } },
	[FIELD_EVT_WAIT_LATENCY] = { evt_latency, { 0 } },
	[FIELD_EVT_IS_IO] = { evt_false, { 0 } },
	[FIELD_EVT_IS_IO_READ] = { evt_false, { 0 } },
	[FIELD_EVT_IS_IO_WRITE] = { evt_false, { 0 } },
	[FIELD_EVT_IS_WAIT] = { evt_false, { 0 } },
	[FIELD_PROC_CMDLINE] = { proc_cmdline, { FIELD_PROC_NAME, FIELD_PROC_ARGS } },
	[FIELD_PROC_EXELINE] = { proc_cmdline, { FIELD_PROC_EXE, FIELD_PROC_ARGS } },
	[FIELD_PROC_ARGS] = { proc_arg, { FIELD_PROC_ARGS } },
	[FIELD_PROC_ENV] = { proc_env, { FIELD_PROC_ENV } },
	[FIELD_PROC_CMDNARGS] = { proc_count_args, { FIELD_PROC_ARGS } },
	[FIELD_PROC_CMDLENARGS] = { proc_count_args, { FIELD_PROC_ARGS } },
	[FIELD_PROC_ANAME] = { proc_ancestor, { FIELD_PROC_NAME, FIELD_PROC_PNAME } },
	[FIELD_PROC_AEXE] = { proc_ancestor, { FIELD_PROC_EXE, FIELD_PROC_PEXE } },
	[FIELD_PROC_AEXEPATH] = { proc_ancestor, { FIELD_PROC_EXEPATH, FIELD_PROC_PEXEPATH } },
	[FIELD_PROC_ACMDLINE] = { proc_ancestor, { FIELD_PROC_CMDLINE, FIELD_PROC_PCMDLINE } },
	[FIELD_PROC_APID] = { proc_ancestor, { FIELD_PROC_PID, FIELD_PROC_PPID } },
	[FIELD_PROC_AARGS] = { proc_ancestor, { FIELD_PROC_ARGS } },
	[FIELD_PROC_PNAME] = { proc_parent, { 0 } },
	[FIELD_PROC_PEXE] = { proc_parent, { 0 } },
	[FIELD_PROC_PEXEPATH] = { proc_parent, { 0 } },
	[FIELD_PROC_PCMDLINE] = { proc_parent, { 0 } },
	[FIELD_PROC_PPID] = { proc_parent, { 0 } },
	[FIELD_PROC_DURATION] = { proc_duration, { FIELD_PROC_PID_TS } },
	[FIELD_PROC_PPID_DURATION] = { proc_duration, { FIELD_PROC_PPID_TS } },
	[FIELD_PROC_EXE_INO_CTIME_DURATION_PROC_START] = { proc_ctime_age,
							   { FIELD_PROC_EXE_INO_CTIME,
							     FIELD_PROC_PID_TS } },
	[FIELD_PROC_IS_SID_LEADER] = { proc_is_leader, { FIELD_PROC_SID, FIELD_PROC_VPID } },
	[FIELD_PROC_IS_VPGID_LEADER] = { proc_is_leader, { FIELD_PROC_VPGID, FIELD_PROC_VPID } },
	[FIELD_PROC_IS_PGID_LEADER] = { proc_is_leader, { FIELD_PROC_PGID, FIELD_PROC_PID } },
	[FIELD_PROC_IS_EXE_WRITABLE] = { proc_exe_flag, { FIELD_EVT_TYPE } },
	[FIELD_PROC_IS_EXE_UPPER_LAYER] = { proc_exe_flag, { FIELD_EVT_TYPE } },
	[FIELD_PROC_IS_EXE_LOWER_LAYER] = { proc_exe_flag, { FIELD_EVT_TYPE } },
	[FIELD_PROC_IS_EXE_FROM_MEMFD] = { proc_exe_flag, { FIELD_EVT_TYPE } },
	[FIELD_USER_NAME] = { root_name, { FIELD_USER_UID } },
	[FIELD_GROUP_NAME] = { root_name, { FIELD_GROUP_GID } },
	[FIELD_FD_DIRECTORY] = { derive_fd_path_part, { FIELD_FD_NAME, FIELD_FD_TYPECHAR } },
	[FIELD_FD_FILENAME] = { derive_fd_path_part, { FIELD_FD_NAME, FIELD_FD_TYPECHAR } },
	[FIELD_FD_TYPE] = { derive_fd_type, { FIELD_FD_TYPECHAR } },
	[FIELD_FD_TYPECHAR] = { derive_fd_type, { FIELD_FD_TYPE } },
	[FIELD_FD_SOCKFAMILY] = { derive_fd_family, { FIELD_FD_TYPECHAR } },
	[FIELD_FD_CIP] = { derive_fd_endpoint, { FIELD_FD_NAME, FIELD_FD_TYPECHAR } },
	[FIELD_FD_SIP] = { derive_fd_endpoint, { FIELD_FD_NAME, FIELD_FD_TYPECHAR } },
	[FIELD_FD_CPORT] = { derive_fd_endpoint, { FIELD_FD_NAME, FIELD_FD_TYPECHAR } },
	[FIELD_FD_SPORT] = { derive_fd_endpoint, { FIELD_FD_NAME, FIELD_FD_TYPECHAR } },
	[FIELD_FD_IP] = { NULL, { FIELD_FD_CIP, FIELD_FD_SIP, FIELD_FD_NAME } },
	[FIELD_FD_NET] = { NULL, { FIELD_FD_CIP, FIELD_FD_SIP, FIELD_FD_NAME } },
	[FIELD_FD_PORT] = { NULL, { FIELD_FD_CPORT, FIELD_FD_SPORT, FIELD_FD_NAME } },
	[FIELD_FD_PROTO] = { NULL, { FIELD_FD_CPORT, FIELD_FD_SPORT, FIELD_FD_NAME } },
	[FIELD_FD_CNET] = { derive_fd_side_net, { FIELD_FD_CIP, FIELD_FD_NAME } },
	[FIELD_FD_SNET] = { derive_fd_side_net, { FIELD_FD_SIP, FIELD_FD_NAME } },
	[FIELD_FD_LIP] = { derive_fd_by_role, { FIELD_FD_IS_SERVER, FIELD_FD_CIP, FIELD_FD_SIP } },
	[FIELD_FD_RIP] = { derive_fd_by_role, { FIELD_FD_IS_SERVER, FIELD_FD_CIP, FIELD_FD_SIP } },
	[FIELD_FD_LPORT] = { derive_fd_by_role,
			     { FIELD_FD_IS_SERVER, FIELD_FD_CPORT, FIELD_FD_SPORT } },
	[FIELD_FD_RPORT] = { derive_fd_by_role,
			     { FIELD_FD_IS_SERVER, FIELD_FD_CPORT, FIELD_FD_SPORT } },
	[FIELD_FD_LNET] = { derive_fd_by_role,
			    { FIELD_FD_IS_SERVER, FIELD_FD_LIP, FIELD_FD_CIP, FIELD_FD_SIP } },
	[FIELD_FD_RNET] = { derive_fd_by_role,
			    { FIELD_FD_IS_SERVER, FIELD_FD_RIP, FIELD_FD_CIP, FIELD_FD_SIP } },
	[FIELD_FD_DEV_MAJOR] = { derive_fd_dev_part, { FIELD_FD_DEV } },
	[FIELD_FD_DEV_MINOR] = { derive_fd_dev_part, { FIELD_FD_DEV } },
	[FIELD_K8S_POD_ID] = { pod_id, { FIELD_K8S_POD_UID } },
	[FIELD_K8S_POD_IP] = { pod_ip, { FIELD_K8S_POD_UID, FIELD_CONTAINER_IP } },
	[FIELD_CONTAINER_IMAGE] = { derive_container_image,
				    { FIELD_CONTAINER_IMAGE_REPOSITORY,
				      FIELD_CONTAINER_IMAGE_TAG } },
	[FIELD_CONTAINER_MOUNT] = { derive_container_mount, { FIELD_CONTAINER_MOUNTS } },
	[FIELD_CONTAINER_MOUNT_SOURCE] = { derive_container_mount, { FIELD_CONTAINER_MOUNTS } },
	[FIELD_CONTAINER_MOUNT_DEST] = { derive_container_mount, { FIELD_CONTAINER_MOUNTS } },
	[FIELD_CONTAINER_MOUNT_MODE] = { derive_container_mount, { FIELD_CONTAINER_MOUNTS } },
	[FIELD_CONTAINER_MOUNT_RDWR] = { derive_container_mount, { FIELD_CONTAINER_MOUNTS } },
	[FIELD_CONTAINER_MOUNT_PROPAGATION] = { derive_container_mount,
						{ FIELD_CONTAINER_MOUNTS } },
};

bool derive_field(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	if (term->base == FIELD_NONE || derivations[term->base].derive == NULL)
		return false;
	return derivations[term->base].derive(scratch, term, ret);
}

void derive_inputs(field_id base, void (*want)(void *arg, field_id id), void *arg)
{
	if (base == FIELD_NONE)
		return;
	for (size_t i = 0; i < INPUTS_MAX; i++)
		if (derivations[base].from[i] != FIELD_NONE)
			want(arg, derivations[base].from[i]);
}

/* Every generation from the parent up that the event knows. */
void derive_ancestors(struct rules_scratch *scratch, const struct term *term, struct slot *slot)
{
	int kind = ancestor_kind(term->base);
	const struct value *whole = get(scratch, term->id);
	struct value *values;

	if (has(whole)) {
		slot->value = *whole;
		slot->values = whole->kind == VALUE_LIST ? whole->list : &slot->value;
		slot->count = whole->kind == VALUE_LIST ? whole->len : 1;
		return;
	}
	values = scratch_take(scratch, RULES_ANCESTORS_MAX * sizeof(*values));
	if (values == NULL)
		return;
	for (int i = 1; i <= RULES_ANCESTORS_MAX; i++) {
		const struct value *one = get(scratch, scratch->rules->ancestors[kind][i]);

		if (i == 1 && !has(one) && ancestor_fields[kind].parent != FIELD_NONE)
			one = get(scratch, ancestor_fields[kind].parent);
		if (has(one))
			values[slot->count++] = *one;
	}
	slot->values = values;
}

bool rules_field_is_derived(field_id base)
{
	return base < FIELD_CATALOGUE_END &&
	       (derivations[base].derive != NULL || derivations[base].from[0] != FIELD_NONE);
}
