/* Parameters of the events that processes' own records make: of programs that begin, of new processes, and of their
 * ends. Only those that a rule asks for. */
#include "sensor/enrich_inner.h"

#include "base/cleanup.h"
#include "sensor/record_text.h"

/* How the process ended, as wait(2) has it. */
static int64_t exit_param(const struct record *record, struct str name)
{
	int64_t status = record->ret;

	return str_eq(name, STR("ret"))	  ? (status & 0xff00) >> 8
	       : str_eq(name, STR("sig")) ? status & 0x7f
	       : str_eq(name, STR("core")) ? (status & 0x80) != 0
					   : status;
}

static bool put_exit_param(struct enrich *enrich, field_id id, struct str name, bool raw)
{
	static const char *const names[] = { "status", "ret", "sig", "core" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int64_t value = exit_param(enrich->record, name);

		if (!str_eq(name, str_of(names[i])))
			continue;
		if (raw || i != 2 || value == 0) {
			enrich_put_int(enrich, id, value);
			return true;
		}
		flags_add_name(&enrich->text, names_signal, (uint64_t)value);
		enrich_put_text(enrich, id);
		return true;
	}
	return false;
}

static bool put_process_number(struct enrich *enrich, field_id id, struct str name)
{
	const struct record *record = enrich->record;
	const struct image *image = enrich->proc->image;
	const struct {
		const char *name;
		int64_t value;
	} rows[] = {
		{ "res", record->type == RECORD_FORK ? record->ret : 0 },
		{ "tid", record->tid },
		{ "pid", record->tgid },
		{ "ptid", record->ppid },
		{ "tty", record->tty },
		{ "pgid", record->pgid },
		{ "vpgid", record->vpgid },
		{ "vtid", record->vtid },
		{ "vpid", record->vpid },
		{ "cap_inheritable", (int64_t)enrich->proc->cap_inheritable },
		{ "cap_permitted", (int64_t)enrich->proc->cap_permitted },
		{ "cap_effective", (int64_t)enrich->proc->cap_effective },
		{ "exe_ino", (int64_t)image->exe_ino },
		{ "exe_ino_ctime", (int64_t)image->exe_ctime_ns },
		{ "exe_ino_mtime", (int64_t)image->exe_mtime_ns },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_eq(name, str_of(rows[i].name))) {
			enrich_put_int(enrich, id, rows[i].value);
			return true;
		}
	return false;
}

/* Parameters that fields have, too: by number and, for people, by name. */
static void put_as_field(struct enrich *enrich, field_id id, struct str name, bool raw)
{
	static const struct {
		const char *name;
		field_id field, raw;
	} rows[] = {
		{ "exe", FIELD_PROC_EXE, FIELD_PROC_EXE },
		{ "args", FIELD_PROC_ARGS, FIELD_PROC_ARGS },
		{ "cwd", FIELD_PROC_CWD, FIELD_PROC_CWD },
		{ "comm", FIELD_PROC_NAME, FIELD_PROC_NAME },
		{ "trusted_exepath", FIELD_PROC_EXEPATH, FIELD_PROC_EXEPATH },
		{ "uid", FIELD_USER_NAME, FIELD_USER_UID },
		{ "gid", FIELD_GROUP_NAME, FIELD_GROUP_GID },
		{ "loginuid", FIELD_USER_LOGINNAME, FIELD_USER_LOGINUID },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct value *value = event_get(&enrich->event, raw ? rows[i].raw : rows[i].field);

		if (str_eq(name, str_of(rows[i].name)) && value->kind != VALUE_ABSENT)
			event_set(&enrich->event, id, *value);
	}
}

static void put_clone_flags(struct enrich *enrich, field_id id, bool raw)
{
	uint64_t flags = enrich->record->args[2];

	if (raw) {
		enrich_put_int(enrich, id, (int64_t)flags);
		return;
	}
	flags_add(&enrich->text, flags_clone, flags & ~(uint64_t)0xff);
	enrich_put_text(enrich, id);
}

void enrich_life_param(struct enrich *enrich, field_id id, struct str name, bool raw)
{
	uint8_t type = enrich->record->type;

	if (type == RECORD_EXIT) {
		put_exit_param(enrich, id, name, raw);
		return;
	}
	if (str_eq(name, STR("flags"))) {
		if (type == RECORD_FORK)
			put_clone_flags(enrich, id, raw);
		else if (raw)
			enrich_put_int(enrich, id, (int64_t)enrich_exec_flags(enrich));
		else
			event_set(&enrich->event, id, *event_get(&enrich->event, enrich->exec_flags));
		return;
	}
	if (str_eq(name, STR("env")))
		enrich_put_borrowed(enrich, id, enrich->proc->image->env);
	else if (!put_process_number(enrich, id, name) && !enrich_live_param(enrich, id, name))
		put_as_field(enrich, id, name, raw);
}

/* ---- all of them ---- */

/* The parameter, by way of the field that is to have them all; null: it has no value. */
static struct value take_param(struct enrich *enrich, field_id id, const char *name, bool raw)
{
	enrich_put_null(enrich, id);
	enrich_life_param(enrich, id, str_of(name), raw);
	return *event_get(&enrich->event, id);
}

static struct str name_of_process(const struct enrich *enrich, const char *param)
{
	const struct value *parent = event_get(&enrich->event, FIELD_PROC_PNAME);

	if (strcmp(param, "tid") == 0 || strcmp(param, "pid") == 0)
		return (struct str){ enrich->proc->comm, strnlen(enrich->proc->comm, sizeof(enrich->proc->comm)) };
	return strcmp(param, "ptid") == 0 && parent->kind == VALUE_STR ? value_as_str(parent) : STR("");
}

/* "name=raw" or, where a number has a name, "name=raw(name)". */
static void add_param(struct enrich *enrich, field_id id, const char *name)
{
	struct value raw = take_param(enrich, id, name, true), named = take_param(enrich, id, name, false);
	struct str text = named.kind == VALUE_STR ? value_as_str(&named) : name_of_process(enrich, name);
	struct buf *out = &enrich->line;

	if (named.kind == VALUE_NULL && raw.kind == VALUE_NULL)
		return;
	if (out->len > 0)
		buf_add_char(out, ' ');
	buf_addf(out, "%s=", name);
	if (raw.kind != VALUE_INT) {
		buf_add(out, text);
		return;
	}
	buf_add_i64(out, raw.i);
	if (text.len > 0 && !str_eq(text, STR("0")))
		buf_addf(out, "(%.*s)", STR_ARG(text));
}

void enrich_life_args(struct enrich *enrich, field_id id)
{
	static const char *const exec[] = { "res", "exe", "args", "tid", "pid", "ptid", "cwd", "comm", "env", "tty", "vpgid",
					    "loginuid", "flags", "cap_inheritable", "cap_permitted", "cap_effective", "exe_ino",
					    "exe_ino_ctime", "exe_ino_mtime", "uid", "trusted_exepath", "pgid", "gid", NULL };
	static const char *const birth[] = { "res", "exe", "args", "tid", "pid", "ptid", "cwd", "comm", "flags", "uid", "gid",
					     "vtid", "vpid", NULL };
	static const char *const end[] = { "status", "ret", "sig", "core", NULL };
	uint8_t type = enrich->record->type;

	buf_clear(&enrich->line);
	for (const char *const *name = type == RECORD_EXEC ? exec : type == RECORD_FORK ? birth : end; *name != NULL; name++)
		add_param(enrich, id, *name);
	enrich_put_null(enrich, id);
	if (buf_ok(&enrich->line))
		enrich_put(enrich, id, buf_str(&enrich->line));
}
