/* The call's parameters as evt.arg.NAME, and what follows from an open's flags. */
#include "sensor/enrich_inner.h"

#include "base/cleanup.h"
#include "sensor/call_numbers.h"
#include "sensor/record_text.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/un.h>

enum { EXE_WRITABLE = 1, EXE_UPPER = 2, EXE_MEMFD = 4, EXE_LOWER = 8 };

static uint64_t argument(const struct record *record, const struct param *param)
{
	return param->place == 0 ? (uint64_t)record->ret : record->args[param->place - 1];
}

/* As Falco shows it: the object; else its number, or why there is none. */
static void add_fd(struct enrich *enrich)
{
	const struct record *record = enrich->record;
	const struct plan *plan = &enrich->call->plan;

	if (enrich->fd_typechar == '\0') {
		if ((plan->flags & PLAN_RETURNS_FD) && record->ret < 0)
			buf_add(&enrich->text, flags_errno(record->ret));
		else if (plan->flags & PLAN_RETURNS_FD)
			buf_add_i64(&enrich->text, record->ret);
		else if (plan->object_arg != 0)
			buf_add_i64(&enrich->text, (int32_t)record->args[plan->object_arg - 1]);
		return;
	}
	buf_add_char(&enrich->text, '<');
	buf_add_char(&enrich->text, enrich->fd_typechar);
	buf_add_char(&enrich->text, '>');
	buf_add(&enrich->text, enrich->fd_name);
}

static struct str inner_name(const struct enrich *enrich, const struct names *names, uint32_t id)
{
	const struct box *box = enrich->box;

	if (box == NULL || id == 0)
		return STR("");
	return box_name_of(names == enrich->settings.users ? &box->users : &box->groups, id);
}

static void add_user(struct enrich *enrich, const struct names *names, uint32_t id)
{
	struct str name;

	if (id == (uint32_t)-1) {
		buf_add(&enrich->text, STR("<NONE>"));
		return;
	}
	name = enrich->proc->container.len == 0 ? names_find(names, id) : inner_name(enrich, names, id);
	if (name.len == 0)
		name = id == 0 ? STR("root") : STR("<NA>");
	buf_add(&enrich->text, name);
}

/* Zero and less mean groups of processes, or all. */
static void add_pid(struct enrich *enrich, int32_t number)
{
	uint32_t pid = (uint32_t)number;
	const struct proc *proc = number <= 0 ? NULL : procs_find(enrich->settings.procs, pid);

	if (number <= 0) {
		buf_add_i64(&enrich->text, number);
		return;
	}
	if (proc != NULL && enrich->record->pidns_level == 0)
		buf_add(&enrich->text, str_of(proc->comm));
	else
		buf_add_i64(&enrich->text, (int32_t)pid); /* a group's is negative */
}

/* Numbers are numbers; everything else becomes text in enrich->text. True: already set. */
static bool put_number(struct enrich *enrich, field_id id, const struct param *param)
{
	uint64_t value = argument(enrich->record, param);

	switch (param->kind) {
	case PARAM_NUMBER: enrich_put_int(enrich, id, enrich->record->ret); return true;
	case PARAM_SIZE:
		if (enrich->record->ret >= 0)
			enrich_put_int(enrich, id, enrich->record->ret);
		return true;
	case PARAM_INO: enrich_put_int(enrich, id, (int64_t)enrich->record->object.ino); return true;
	case PARAM_INT: enrich_put_int(enrich, id, (int64_t)value); return true;
	case PARAM_INT32:
	case PARAM_PLAIN_FD: enrich_put_int(enrich, id, (int32_t)value); return true;
	case PARAM_UINT32: enrich_put_int(enrich, id, (uint32_t)value); return true;
	default: return false;
	}
}

/* A word of the data that was taken. */
static bool word_of(const struct record *record, const struct param *param, uint32_t *ret)
{
	struct str data = record_text(record, RECORD_STRING_DATA);
	size_t at = (size_t)(param->place - 1) * sizeof(*ret);

	if (data.len < at + sizeof(*ret))
		return false;
	memcpy(ret, data.at + at, sizeof(*ret));
	return true;
}

static void add_word(struct enrich *enrich, const struct param *param)
{
	uint32_t word;

	if (!word_of(enrich->record, param, &word))
		return;
	if (param->kind == PARAM_WORD_FLAGS)
		flags_add(&enrich->text, param->table, word);
	else
		buf_add_u64(&enrich->text, word);
}

static uint64_t caps_of(const struct record *record, uint8_t place)
{
	return place == 1   ? record->cap_inheritable
	       : place == 2 ? record->cap_permitted
			    : record->cap_effective;
}

/* Octal (3 bits a digit) or hexadecimal, as printf's %#o and %#x have it, at a tenth of the time. */
static void add_digits(struct buf *out, uint64_t value, unsigned bits)
{
	char text[24], *at = text + sizeof(text);

	for (uint64_t rest = value; rest != 0; rest >>= bits)
		*--at = "0123456789abcdef"[rest & ((1U << bits) - 1)];
	if (bits == 4 && value != 0)
		*--at = 'x';
	*--at = '0';
	buf_add(out, str_from((struct str){ text, sizeof(text) }, (size_t)(at - text)));
}

static void add_address(struct enrich *enrich)
{
	struct str address = record_text(enrich->record, RECORD_STRING_ADDRESS);
	size_t head = offsetof(struct sockaddr_un, sun_path);
	char ip[INET6_ADDRSTRLEN];
	struct sockaddr_in6 in6 = { 0 };
	struct sockaddr_in in;
	sa_family_t family;

	if (address.len < sizeof(family))
		return;
	memcpy(&family, address.at, sizeof(family));
	memcpy(&in6, address.at, address.len < sizeof(in6) ? address.len : sizeof(in6));
	memcpy(&in, &in6, sizeof(in));
	if (family == AF_INET && address.len >= sizeof(in))
		buf_addf(&enrich->text, "%s:%u", inet_ntop(AF_INET, &in.sin_addr, ip, sizeof(ip)), ntohs(in.sin_port));
	else if (family == AF_INET6 && address.len >= offsetof(struct sockaddr_in6, sin6_scope_id))
		buf_addf(&enrich->text, "%s:%u", inet_ntop(AF_INET6, &in6.sin6_addr, ip, sizeof(ip)), ntohs(in6.sin6_port));
	else if (family == AF_UNIX && address.len > head)
		buf_add(&enrich->text, (struct str){ address.at + head, strnlen(address.at + head, address.len - head) });
}

static void add_param(struct enrich *enrich, const struct param *param)
{
	const struct record *record = enrich->record;
	struct buf *out = &enrich->text;
	uint64_t value = argument(record, param);

	switch (param->kind) {
	case PARAM_RESULT: buf_add(out, flags_errno(record->ret)); break;
	case PARAM_NUMBER:
	case PARAM_SIZE: buf_add_i64(out, record->ret); break;
	case PARAM_INO: buf_add_u64(out, record->object.ino); break;
	case PARAM_INT: buf_add_i64(out, (int64_t)value); break;
	case PARAM_INT32:
	case PARAM_PLAIN_FD: buf_add_i64(out, (int32_t)value); break;
	case PARAM_UINT32: buf_add_u64(out, (uint32_t)value); break;
	case PARAM_FD: add_fd(enrich); break;
	case PARAM_DIR_FD:
		if ((int32_t)value == AT_FDCWD)
			buf_add(out, STR("AT_FDCWD"));
		else
			buf_add_i64(out, (int32_t)value);
		break;
	case PARAM_PATH: buf_add(out, enrich->path); break;
	case PARAM_PATH2: buf_add(out, enrich->path2); break;
	case PARAM_RAW_NAME: buf_add(out, record_text(record, RECORD_STRING_NAME)); break;
	case PARAM_FLAGS: flags_add(out, param->table, value); break;
	case PARAM_NAME: flags_add_name(out, param->table, value); break;
	case PARAM_OPEN_FLAGS: flags_add_open(out, record->args[4], record->flags); break;
	case PARAM_OPEN_MODE: add_digits(out, record->args[5], 3); break;
	case PARAM_MODE: flags_add(out, flags_chmod, value & 07777); break;
	case PARAM_UID: add_user(enrich, enrich->settings.users, (uint32_t)value); break;
	case PARAM_GID: add_user(enrich, enrich->settings.groups, (uint32_t)value); break;
	case PARAM_PID: add_pid(enrich, (int32_t)value); break;
	case PARAM_HEX: add_digits(out, value, 4); break;
	case PARAM_OCTAL: add_digits(out, value, 3); break;
	case PARAM_ADDRESS:
		if (record->ret < 0 && record->ret > -4096)
			buf_add(out, flags_errno(record->ret));
		else
			add_digits(out, value, 4);
		break;
	case PARAM_TUPLE:
	case PARAM_OBJECT_PATH: buf_add(out, enrich->fd_name); break;
	case PARAM_TEXT: buf_add(out, record_text(record, RECORD_STRING_TEXT)); break;
	case PARAM_OPTION:
		buf_add_u64(out, record_text(record, RECORD_STRING_NAME).at == NULL ? value : 0);
		break;
	case PARAM_CAPS: add_digits(out, caps_of(record, param->place), 4); break;
	case PARAM_WORD:
	case PARAM_WORD_FLAGS: add_word(enrich, param); break;
	case PARAM_DATA: buf_add(out, record_text(record, RECORD_STRING_DATA)); break;
	case PARAM_DEV: add_digits(out, device_number(record->object.dev), 4); break;
	case PARAM_SOCKADDR: add_address(enrich); break;
	default: break;
	}
}

/* A text of which the address was given, and that could not be read. True: it is null. */
static bool is_unread(const struct enrich *enrich, const struct param *param)
{
	const struct record *record = enrich->record;
	enum record_string_tag tag = param->kind == PARAM_PATH2 ? RECORD_STRING_NAME2 : RECORD_STRING_NAME;

	if (!(record->flags & (RECORD_FAULT | RECORD_CUT_PATH)) ||
	    (param->kind != PARAM_PATH && param->kind != PARAM_PATH2 && param->kind != PARAM_RAW_NAME))
		return false;
	return record_text(record, tag).at == NULL && argument(record, param) != 0;
}

static bool is_cut(const struct enrich *enrich, const struct param *param)
{
	switch (param->kind) {
	case PARAM_PATH: return enrich->path_cut;
	case PARAM_PATH2: return enrich->path2_cut;
	case PARAM_RAW_NAME: return record_is_cut(enrich->record, RECORD_STRING_NAME);
	default: return false;
	}
}

/* What Falco derives from an open, as booleans that rules test. */
static void put_open(struct enrich *enrich)
{
	const struct record *record = enrich->record;
	uint64_t flags = record->args[4], mode = record->args[5];
	unsigned access = (unsigned)flags & O_ACCMODE;
	bool is_creat = record->nr == SYS_creat;
	bool makes = (flags & O_CREAT) != 0 || (flags & (O_TMPFILE & ~O_DIRECTORY)) != 0;

	enrich_put_bool(enrich, FIELD_EVT_IS_OPEN_READ, !is_creat && access != O_WRONLY);
	enrich_put_bool(enrich, FIELD_EVT_IS_OPEN_WRITE, !is_creat && access != O_RDONLY);
	enrich_put_bool(enrich, FIELD_EVT_IS_OPEN_EXEC, makes && (mode & 0111) != 0);
	enrich_put_bool(enrich, FIELD_EVT_IS_OPEN_CREATE,
			(record->flags & RECORD_CREATED) || (record->ret >= 0 && (flags & (O_TMPFILE & ~O_DIRECTORY))));
}

uint64_t enrich_exec_flags(const struct enrich *enrich)
{
	const struct value *writable = event_get(&enrich->event, FIELD_PROC_IS_EXE_WRITABLE);
	uint32_t flags = enrich->record->flags;
	uint64_t bits = 0;

	bits |= writable->kind == VALUE_BOOL && writable->b ? EXE_WRITABLE : 0;
	bits |= flags & RECORD_EXE_UPPER ? EXE_UPPER : 0;
	bits |= flags & RECORD_EXE_MEMFD ? EXE_MEMFD : 0;
	bits |= flags & RECORD_EXE_LOWER ? EXE_LOWER : 0;
	return bits;
}

static void put_exec(struct enrich *enrich)
{
	flags_add(&enrich->text, flags_exec, enrich_exec_flags(enrich));
	enrich_put_text(enrich, enrich->exec_flags);
}

/* Falco's own bits of what open(2) was called with. */
static int64_t raw_open_flags(const struct record *record)
{
	static const uint64_t bits[] = { 0, 0, O_CREAT, O_APPEND, O_DSYNC, O_EXCL, O_NONBLOCK, O_SYNC & ~O_DSYNC, O_TRUNC, O_DIRECT,
					 O_DIRECTORY, 0100000, O_CLOEXEC, O_TMPFILE & ~O_DIRECTORY };
	unsigned access = (unsigned)record->args[4] & O_ACCMODE;
	int64_t raw = access == O_RDONLY ? 1 : access == O_WRONLY ? 2 : 3;

	for (size_t i = 2; i < ARRAY_LEN(bits); i++)
		raw |= (record->args[4] & bits[i]) != 0 ? 1LL << i : 0;
	raw |= record->flags & RECORD_CREATED ? 1 << 14 : 0;
	raw |= record->flags & RECORD_FD_UPPER ? 1 << 15 : 0;
	return raw | (record->flags & RECORD_FD_LOWER ? 1 << 16 : 0);
}

static int64_t raw_fd(const struct enrich *enrich)
{
	const struct plan *plan = &enrich->call->plan;

	return (plan->flags & PLAN_RETURNS_FD) || plan->object_arg == 0
		       ? enrich->record->ret : (int32_t)enrich->record->args[plan->object_arg - 1];
}

/* False: it is a text. */
static bool raw_number(const struct enrich *enrich, const struct param *param, int64_t *ret)
{
	const struct record *record = enrich->record;
	uint64_t value = argument(record, param);
	uint32_t word = 0;

	switch (param->kind) {
	case PARAM_RESULT:
	case PARAM_NUMBER:
	case PARAM_SIZE:
	case PARAM_ADDRESS: *ret = record->ret; return true;
	case PARAM_FD: *ret = raw_fd(enrich); return true;
	case PARAM_DIR_FD:
	case PARAM_PLAIN_FD:
	case PARAM_PID:
	case PARAM_INT32: *ret = (int32_t)value; return true;
	case PARAM_UID:
	case PARAM_GID:
	case PARAM_UINT32: *ret = (uint32_t)value; return true;
	case PARAM_OPEN_FLAGS: *ret = raw_open_flags(record); return true;
	case PARAM_OPEN_MODE: *ret = (int64_t)record->args[5]; return true;
	case PARAM_MODE: *ret = value & 07777; return true;
	case PARAM_FLAGS:
	case PARAM_NAME:
	case PARAM_INT:
	case PARAM_HEX:
	case PARAM_OCTAL: *ret = (int64_t)value; return true;
	case PARAM_OPTION: *ret = record_text(record, RECORD_STRING_NAME).at == NULL ? (int64_t)value : 0; return true;
	case PARAM_CAPS: *ret = (int64_t)caps_of(record, param->place); return true;
	case PARAM_WORD:
	case PARAM_WORD_FLAGS:
		word_of(record, param, &word);
		*ret = word;
		return true;
	case PARAM_DEV: *ret = device_number(record->object.dev); return true;
	case PARAM_INO: *ret = (int64_t)record->object.ino; return true;
	default: return false;
	}
}

static struct str raw_text(const struct enrich *enrich, const struct param *param)
{
	switch (param->kind) {
	case PARAM_PATH:
	case PARAM_RAW_NAME: return record_text(enrich->record, RECORD_STRING_NAME);
	case PARAM_PATH2: return record_text(enrich->record, RECORD_STRING_NAME2);
	case PARAM_TEXT: return record_text(enrich->record, RECORD_STRING_TEXT);
	case PARAM_DATA: return record_text(enrich->record, RECORD_STRING_DATA);
	case PARAM_TUPLE:
	case PARAM_OBJECT_PATH: return enrich->fd_name;
	default: return STR("");
	}
}

void enrich_raw_param(struct enrich *enrich, field_id id, struct str name)
{
	const struct param *params = enrich->call == NULL ? NULL : enrich->call->params;
	int64_t number;

	for (size_t i = 0; params != NULL && i < CALL_PARAMS_MAX && params[i].name != NULL; i++) {
		if (!str_eq(name, str_of(params[i].name)))
			continue;
		if (raw_number(enrich, &params[i], &number))
			enrich_put_int(enrich, id, number);
		else
			enrich_put(enrich, id, raw_text(enrich, &params[i]));
	}
}

/* As it was given, and behind it, if that says more, how it reads. */
static void add_both(struct enrich *enrich, const struct param *param)
{
	size_t from = enrich->text.len, raw_len;
	int64_t number;

	if (raw_number(enrich, param, &number) && (param->kind == PARAM_OPEN_MODE || param->kind == PARAM_MODE))
		add_digits(&enrich->text, (uint64_t)number, 3);
	else if (raw_number(enrich, param, &number))
		buf_add_i64(&enrich->text, number);
	else
		buf_add(&enrich->text, raw_text(enrich, param));
	raw_len = enrich->text.len - from;
	buf_add_char(&enrich->text, '(');
	add_param(enrich, param);
	if (!buf_ok(&enrich->text))
		return;
	if (enrich->text.len - from - raw_len - 1 == 0 || (param->kind == PARAM_RESULT && enrich->record->ret >= 0) ||
	    param->kind == PARAM_OPEN_MODE || param->kind == PARAM_HEX || param->kind == PARAM_OCTAL ||
	    (raw_len == enrich->text.len - from - raw_len - 1 &&
	     memcmp(enrich->text.at + from, enrich->text.at + from + raw_len + 1, raw_len) == 0))
		enrich->text.len = from + raw_len; /* it says the same */
	else if (raw_len == 0) /* there is no other form */
		memmove(enrich->text.at + from, enrich->text.at + from + 1, --enrich->text.len - from);
	else
		buf_add_char(&enrich->text, ')');
}

/* In the table's order. */
void enrich_call_args(struct enrich *enrich, field_id id)
{
	const struct param *params = enrich->call == NULL ? NULL : enrich->call->params;
	bool any = false;

	for (size_t i = 0; params != NULL && i < CALL_PARAMS_MAX && params[i].name != NULL; i++) {
		if (params[i].kind == PARAM_DATA && record_text(enrich->record, RECORD_STRING_DATA).at == NULL)
			continue;
		if (any)
			buf_add_char(&enrich->text, ' ');
		any = true;
		buf_add(&enrich->text, str_of(params[i].name));
		buf_add_char(&enrich->text, '=');
		add_both(enrich, &params[i]);
	}
	enrich_put_text(enrich, id);
}

/* Not with every event that has it. */
static bool is_seldom_wanted(enum param_kind kind)
{
	return kind == PARAM_RESULT || kind == PARAM_DATA || kind == PARAM_DEV || kind == PARAM_INO ||
	       kind == PARAM_SOCKADDR;
}

/* What was read or written. */
static void put_data(struct enrich *enrich)
{
	struct str data = record_text(enrich->record, RECORD_STRING_DATA);

	if (!(enrich->call->plan.flags & (PLAN_DATA_BUFFER | PLAN_DATA_VECTOR)) || data.at == NULL)
		return;
	enrich_put_borrowed(enrich, FIELD_EVT_BUFFER, data);
}

void enrich_params(struct enrich *enrich)
{
	const struct call *call = enrich->call;

	if (enrich->record->type == RECORD_EXEC)
		put_exec(enrich);
	if (enrich->record->type != RECORD_CALL || call == NULL)
		return;
	if (call->plan.flags & PLAN_OPEN)
		put_open(enrich);
	put_data(enrich);
}

void enrich_call_params(struct enrich *enrich)
{
	const struct call *call = enrich->call;
	const struct param *params;

	if (enrich->record->type != RECORD_CALL || call == NULL || enrich->params_looked == enrich->records)
		return;
	enrich->params_looked = enrich->records;
	params = call->params;
	for (size_t i = 0; i < CALL_PARAMS_MAX && params[i].name != NULL; i++) {
		field_id id = enrich->params[call - calls][i];

		if (is_seldom_wanted(params[i].kind) && !enrich_wants(enrich, id))
			continue;
		if (put_number(enrich, id, &params[i]))
			continue;
		if (is_unread(enrich, &params[i])) {
			enrich_put_null(enrich, id);
			continue;
		}
		add_param(enrich, &params[i]);
		if (enrich->text.len == 0)
			buf_add(&enrich->text, STR("<NA>"));
		enrich_put_text(enrich, id);
		if (is_cut(enrich, &params[i]))
			enrich_cut(enrich, id);
	}
}
