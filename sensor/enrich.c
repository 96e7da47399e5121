/* The frame of an event: its kind, its result, and the order of the parts. */
#include "sensor/enrich_inner.h"

#include "base/cleanup.h"
#include "sensor/record_text.h"

#include <errno.h>

static field_id intern(struct fields *fields, const char *format, const char *what, unsigned index)
{
	char name[96];

	if (index == UINT32_MAX)
		snprintf(name, sizeof(name), "%s%s", format, what);
	else
		snprintf(name, sizeof(name), "%s[%u]", what, index);
	return fields_intern(fields, str_of(name));
}

static field_id find_indexed(const struct fields *fields, const char *what, unsigned index)
{
	char name[96];

	snprintf(name, sizeof(name), "%s[%u]", what, index);
	return fields_find(fields, str_of(name));
}

/* Names of the seven nearest ancestors go with every event; farther ones, and other facts of
 * ancestors, only when a rule reads them. */
static void intern_ancestors(struct enrich *enrich)
{
	enum { ALWAYS = 7 };
	struct fields *fields = enrich->settings.fields;
	struct ancestor_ids *ids = &enrich->ancestors;

	for (unsigned i = 0; i <= PROCS_ANCESTORS_MAX; i++) {
		ids->aname[i] = i >= 2 && i <= ALWAYS ? intern(fields, "", "proc.aname", i)
						      : find_indexed(fields, "proc.aname", i);
		ids->aexe[i] = find_indexed(fields, "proc.aexe", i);
		ids->aexepath[i] = find_indexed(fields, "proc.aexepath", i);
		ids->acmdline[i] = find_indexed(fields, "proc.acmdline", i);
		ids->apid[i] = find_indexed(fields, "proc.apid", i);
	}
}

static void intern_params(struct enrich *enrich)
{
	for (size_t i = 0; i < calls_count; i++)
		enrich->by_nr[calls[i].nr] = &calls[i];
	for (size_t i = 0; i < calls_count; i++)
		for (size_t p = 0; p < CALL_PARAMS_MAX && calls[i].params[p].name != NULL; p++)
			enrich->params[i][p] = intern(enrich->settings.fields, "evt.arg.",
						      calls[i].params[p].name, UINT32_MAX);
	enrich->exec_flags = intern(enrich->settings.fields, "evt.arg.", "flags", UINT32_MAX);
	enrich->exec_filename = intern(enrich->settings.fields, "evt.arg.", "filename", UINT32_MAX);
	enrich->open_name = intern(enrich->settings.fields, "evt.arg.", "name", UINT32_MAX);
}

/* A key of fixed halves makes one of the boot id. */
static void set_machine(struct enrich *enrich)
{
	static const struct hash_key fixed = { 0x746f6373696e2d70, 0x726f632e75696400 };
	struct hash128 hash = hash128_of(&fixed, enrich->settings.machine);

	enrich->machine = (struct hash_key){ hash.lo, hash.hi };
}

int enrich_new(const struct enrich_settings *settings, struct enrich **ret)
{
	struct enrich *enrich = calloc(1, sizeof(*enrich));

	if (enrich == NULL)
		return -ENOMEM;
	enrich->settings = *settings;
	enrich->live.folder = -1;
	arena_init(&enrich->arena, ENRICH_ARENA_MAX);
	set_machine(enrich);
	intern_ancestors(enrich);
	intern_params(enrich);
	enrich->wanted_count = fields_count(settings->fields);
	enrich->wanted = calloc(enrich->wanted_count, sizeof(*enrich->wanted));
	if (enrich->wanted == NULL || enrich_intern_labels(enrich) < 0 || event_init(&enrich->event, enrich->wanted_count) < 0) {
		enrich_free(enrich);
		return -ENOMEM;
	}
	/* Every event that is sent has them. */
	enrich_want(enrich, FIELD_PROC_CMDLINE);
	enrich_want(enrich, FIELD_PROC_PCMDLINE);
	*ret = enrich;
	return 0;
}

void enrich_free(struct enrich *enrich)
{
	if (enrich == NULL)
		return;
	enrich_live_end(enrich);
	event_done(&enrich->event);
	arena_done(&enrich->arena);
	buf_done(&enrich->text);
	buf_done(&enrich->line);
	free(enrich->wanted);
	free(enrich->labels);
	free(enrich);
}

void enrich_want(struct enrich *enrich, field_id id)
{
	struct str name;

	if (id >= enrich->wanted_count)
		return;
	name = fields_name(enrich->settings.fields, id);
	if (enrich->wanted[id] == UNWANTED)
		enrich->wanted[id] = enrich_ask(enrich, id, name);
	if (enrich_field_is_metadata(name))
		enrich->wants_metadata = true;
	if (str_starts(name, STR("container.mount")))
		enrich->wants_mounts = true;
}

void enrich_put(struct enrich *enrich, field_id id, struct str text)
{
	if (text.len == 0 || id == FIELD_NONE)
		return;
	text = arena_str(&enrich->arena, text);
	event_set(&enrich->event, id, text.at == NULL ? (struct value){ .kind = VALUE_NULL } : value_str(text));
}

void enrich_put_null(struct enrich *enrich, field_id id)
{
	event_set(&enrich->event, id, (struct value){ .kind = VALUE_NULL });
}

void enrich_cut(struct enrich *enrich, field_id id)
{
	struct str name = fields_name(enrich->settings.fields, id);

	if (event_get(&enrich->event, id)->kind == VALUE_STR && enrich->cut_count < ENRICH_CUT_MAX)
		enrich->cut[enrich->cut_count++] = value_str(name);
}

static void put_cut(struct enrich *enrich)
{
	if (enrich->cut_count > 0)
		event_set(&enrich->event, FIELD_EVT_TRUNCATED,
			  (struct value){ .kind = VALUE_LIST, .len = enrich->cut_count, .list = enrich->cut });
}

void enrich_put_borrowed(struct enrich *enrich, field_id id, struct str text)
{
	if (text.len > 0)
		event_set(&enrich->event, id, value_str(text));
}

void enrich_put_int(struct enrich *enrich, field_id id, int64_t value)
{
	event_set(&enrich->event, id, value_i64(value));
}

void enrich_put_bool(struct enrich *enrich, field_id id, bool value)
{
	event_set(&enrich->event, id, value_bool(value));
}

void enrich_put_text(struct enrich *enrich, field_id id)
{
	if (buf_ok(&enrich->text))
		enrich_put(enrich, id, buf_str(&enrich->text));
	buf_clear(&enrich->text);
}

/* Appends the components of `path` to the absolute path in `out`, folding "." and "..". */
static void fold(struct buf *out, struct str path)
{
	for (size_t i = 0; i < path.len;) {
		struct str part = { path.at + i, 0 };

		while (i < path.len && path.at[i] != '/') {
			part.len++;
			i++;
		}
		i++;
		if (part.len == 0 || str_eq(part, STR(".")))
			continue;
		if (str_eq(part, STR(".."))) {
			while (out->len > 0 && out->at[out->len - 1] != '/')
				out->len--;
			if (out->len > 0)
				out->len--;
			continue;
		}
		buf_add_char(out, '/');
		buf_add(out, part);
	}
}

struct str enrich_path(struct enrich *enrich, struct str folder, struct str name)
{
	struct str path;

	buf_clear(&enrich->text);
	if (name.len == 0 || name.at[0] != '/') {
		if (folder.len == 0)
			return arena_str(&enrich->arena,
					 name); /* nothing to start from: as given */
		fold(&enrich->text, folder);
	}
	fold(&enrich->text, name);
	if (enrich->text.len == 0)
		buf_add_char(&enrich->text, '/');
	path = arena_str(&enrich->arena, buf_str(&enrich->text));
	buf_clear(&enrich->text);
	return path;
}

/* What the command's profile said. */
static void put_decision(struct enrich *enrich)
{
	const struct record *record = enrich->record;

	if (enrich->call == NULL)
		enrich_put_borrowed(enrich, FIELD_EVT_TYPE, record_text(record, RECORD_STRING_CALL));
	enrich_put_borrowed(enrich, FIELD_SECCOMP_ACTION, record_text(record, RECORD_STRING_ACTION));
	enrich_put_borrowed(enrich, FIELD_SECCOMP_MODE, record_text(record, RECORD_STRING_MODE));
	enrich_put_borrowed(enrich, FIELD_SECCOMP_PROFILE, record_text(record, RECORD_STRING_PROFILE));
	enrich_put_borrowed(enrich, FIELD_SECCOMP_ARGS, record_text(record, RECORD_STRING_CALL_ARGS));
}

static void put_frame(struct enrich *enrich)
{
	const struct record *record = enrich->record;

	if (record->type == RECORD_EXIT)
		enrich_put_borrowed(enrich, FIELD_EVT_TYPE, STR("procexit"));
	else if (enrich->call != NULL)
		enrich_put_borrowed(enrich, FIELD_EVT_TYPE, str_of(enrich->call->name));
	enrich_put_int(enrich, FIELD_EVT_CPU, record->cpu);
	if (record->flags & RECORD_URING)
		enrich_put_bool(enrich, FIELD_EVT_IS_IO_URING, true);
	if (record->flags & RECORD_PRESUMED)
		enrich_put_bool(enrich, FIELD_EVT_IS_PRESUMED, true);
	if (record->flags & RECORD_NO_RESULT || record->type == RECORD_EXIT)
		return;
	enrich_put_int(enrich, FIELD_EVT_RAWRES, record->ret);
	enrich_put_borrowed(enrich, FIELD_EVT_RES, flags_errno(record->ret));
}

/* A name argument, or the directory that a relative one starts from, is not whole or not known. */
static bool path_is_cut(const struct record *record, enum record_string_tag tag, enum record_string_tag dir)
{
	struct str name = record_text(record, tag);

	if (name.at == NULL)
		return false;
	return record_is_cut(record, tag) || ((name.len == 0 || name.at[0] != '/') &&
					      (record_text(record, dir).at == NULL || record_is_cut(record, dir)));
}

/* An open by a relative name through no link: then a probe does not tell where the name starts from. */
static bool is_named_as_found(const struct enrich *enrich)
{
	const struct record *record = enrich->record;
	struct str name = record_text(record, RECORD_STRING_NAME);

	return enrich->call != NULL && (enrich->call->plan.flags & PLAN_OPEN) && !str_starts(name, STR("/")) &&
	       record_text(record, RECORD_STRING_DIR).at == NULL &&
	       record_text(record, RECORD_STRING_PATH).at != NULL;
}

static void name_paths(struct enrich *enrich)
{
	const struct record *record = enrich->record;
	struct str name = record_text(record, RECORD_STRING_NAME);
	struct str name2 = record_text(record, RECORD_STRING_NAME2);

	enrich->path = enrich->path2 = STR("");
	enrich->path_cut = enrich->path2_cut = false;
	if (record->flags & (RECORD_CUT_ARGS | RECORD_CUT_PATH)) {
		enrich->path_cut = path_is_cut(record, RECORD_STRING_NAME, RECORD_STRING_DIR);
		enrich->path2_cut = path_is_cut(record, RECORD_STRING_NAME2, RECORD_STRING_DIR2);
	}
	if (name.at != NULL && is_named_as_found(enrich))
		enrich->path = record_text(record, RECORD_STRING_PATH);
	else if (name.at != NULL)
		enrich->path = enrich_path(enrich, record_text(record, RECORD_STRING_DIR), name);
	if (name2.at != NULL)
		enrich->path2 = enrich_path(enrich, record_text(record, RECORD_STRING_DIR2), name2);
}

/* evt.arg.name as a path, be it that nobody has read it yet. */
static struct str asked_name(const struct enrich *enrich, const struct event *event)
{
	const struct value *value = event_get(event, enrich->open_name);
	const struct call *call = enrich->call;

	if (value->kind == VALUE_STR)
		return value_as_str(value);
	for (size_t i = 0; event == &enrich->event && call != NULL && i < CALL_PARAMS_MAX; i++)
		if (call->params[i].kind == PARAM_PATH && enrich->params[call - calls][i] == enrich->open_name)
			return enrich->path;
	return STR("");
}

bool enrich_by_asked_name(const struct enrich *enrich, struct event *event)
{
	const struct value *name = event_get(event, FIELD_FD_NAME);
	struct str asked;

	if (event_get(event, FIELD_FD_NAMERAW)->kind != VALUE_STR)
		return false;
	asked = asked_name(enrich, event);
	if (asked.len == 0 || (name->kind == VALUE_STR && str_eq(asked, value_as_str(name))))
		return false;
	event_set(event, FIELD_FD_NAME, value_str(asked));
	if (event_get(event, FIELD_FD_TYPECHAR)->kind == VALUE_STR &&
	    str_eq(value_as_str(event_get(event, FIELD_FD_TYPECHAR)), STR("d")))
		return true;
	/* What was opened by a name is a file to rules, be it a pipe. */
	event_set(event, FIELD_FD_TYPE, value_str(STR("file")));
	event_set(event, FIELD_FD_TYPECHAR, value_str(STR("f")));
	return true;
}

struct event *enrich_record(struct enrich *enrich, const struct record *record, int64_t boot_offset_ns)
{
	struct event *event = &enrich->event;

	event_clear(event);
	event->ask = enrich_read;
	event->ask_arg = enrich;
	enrich_live_end(enrich);
	arena_reset(&enrich->arena);
	enrich->record = record;
	enrich->call = record->type == RECORD_EXIT || record->nr >= PLAN_CALLS
			       ? NULL
			       : enrich->by_nr[record->nr];
	enrich->proc = procs_update(enrich->settings.procs, record);
	enrich->fd_name = STR("");
	enrich->fd_typechar = '\0';
	enrich->cut_count = 0;
	if (enrich->proc == NULL)
		return NULL;
	event->time_ns = (int64_t)record->time_ns + boot_offset_ns;
	event->received_ns = event->time_ns;
	event->source = STR("syscall");
	event->hostname = enrich->settings.hostname;
	enrich->before_ns = enrich->records == 0 ? event->time_ns : enrich->now_ns;
	enrich->now_ns = event->time_ns;
	if (enrich->records++ == 0)
		enrich->first_ns = event->time_ns;
	put_frame(enrich);
	if (record->type == RECORD_CALL && record_text(record, RECORD_STRING_ACTION).at != NULL)
		put_decision(enrich);
	name_paths(enrich);
	enrich_process(enrich, boot_offset_ns);
	enrich_object(enrich);
	enrich_params(enrich);
	put_cut(enrich);
	return event;
}

void enrich_late(struct enrich *enrich, const struct event *event)
{
	if (event != &enrich->event)
		return;
	enrich_asked(enrich);
	put_cut(enrich);
}
