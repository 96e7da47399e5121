/* Columns of fixed width first, then what the call was about. */
#include "rules/line.h"

#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

enum { TYPE_WIDTH = 9, PID_WIDTH = 7, WHO_WIDTH = 16 };

/* By what happened. */
static const char bold[] = "1", dim[] = "2", red[] = "31", green[] = "32", yellow[] = "33", magenta[] = "35",
		  cyan[] = "36";

struct line {
	struct buf *out;
	const struct event *event;
	const struct fields *fields;
	bool color;
	struct str type;
	struct str said[16]; /* values that are on the line already */
	size_t said_count;
};

static void paint(const struct line *line, const char *code)
{
	if (line->color)
		buf_addf(line->out, "\033[%sm", code);
}

static void unpaint(const struct line *line)
{
	if (line->color)
		buf_add(line->out, STR("\033[0m"));
}

/* Cut between characters, so that none is shown as broken that was whole. */
static void add_value(struct buf *out, struct str text)
{
	size_t len = text.len;

	if (len <= LINE_VALUE_MAX) {
		buf_add_printable(out, text);
		return;
	}
	for (len = LINE_VALUE_MAX; len > LINE_VALUE_MAX - 4 && ((unsigned char)text.at[len] & 0xc0) == 0x80;)
		len--;
	buf_add_printable(out, str_cut(text, len));
	buf_add(out, STR("…"));
}

static struct str text_of(const struct line *line, field_id id)
{
	const struct value *value = id == FIELD_NONE ? NULL : event_get(line->event, id);

	return value != NULL && value->kind == VALUE_STR ? value_as_str(value) : STR("");
}

static int64_t number_of(const struct line *line, field_id id, int64_t fallback)
{
	const struct value *value = event_get(line->event, id);

	return value->kind == VALUE_INT ? value->i : fallback;
}

static bool is_one_of(struct str type, const char *const *types)
{
	for (; *types != NULL; types++)
		if (str_starts(type, str_of(*types)))
			return true;
	return false;
}

static const char *color_of(struct str type)
{
	static const char *const execs[] = { "exec", NULL };
	static const char *const lives[] = { "procexit", "clone", "fork", "vfork", NULL };
	static const char *const nets[] = { "connect", "bind", "listen", "accept", "socket", "shutdown", "send",
					    "recv", NULL };
	static const char *const privileges[] = { "set", "cap", "ptrace", "process_vm", "pivot", "move_mount",
						  "delete_module", "kexec", "seccomp", "unshare", "chroot", "mount", "umount",
						  "init_module", "finit_module", "bpf", "userfaultfd",
						  "memfd_create", NULL };

	return is_one_of(type, execs) ? green
	       : is_one_of(type, lives) ? dim
	       : is_one_of(type, nets) ? cyan
	       : is_one_of(type, privileges) ? magenta
					     : yellow;
}

static void pad(struct buf *out, size_t from, size_t width)
{
	while (buf_ok(out) && out->len - from < width)
		buf_add_char(out, ' ');
}

static void add_time(const struct line *line)
{
	time_t seconds = (time_t)(line->event->time_ns / NS_PER_S);
	struct tm parts;
	char shown[16];

	localtime_r(&seconds, &parts);
	paint(line, dim);
	if (strftime(shown, sizeof(shown), "%H:%M:%S", &parts) > 0)
		buf_addf(line->out, "%s.%03d", shown, (int)(line->event->time_ns % NS_PER_S / NS_PER_MS));
	unpaint(line);
	buf_add_char(line->out, ' ');
}

static void add_who(const struct line *line)
{
	struct str container = text_of(line, FIELD_CONTAINER_NAME), user = text_of(line, FIELD_USER_NAME);
	size_t from;

	paint(line, color_of(line->type));
	from = line->out->len;
	add_value(line->out, line->type);
	pad(line->out, from, TYPE_WIDTH);
	unpaint(line);
	buf_addf(line->out, " %*lld ", PID_WIDTH, (long long)number_of(line, FIELD_PROC_PID, 0));
	if (user.len == 0)
		buf_addf(line->out, "%lld", (long long)number_of(line, FIELD_USER_UID, -1));
	else
		add_value(line->out, user);
	if (container.len == 0)
		container = text_of(line, FIELD_CONTAINER_ID);
	if (container.len > 0 && !str_eq(container, STR("host"))) {
		buf_add_char(line->out, '@');
		add_value(line->out, container);
	}
	buf_add_char(line->out, ' ');
	paint(line, bold);
	add_value(line->out, text_of(line, FIELD_PROC_NAME));
	unpaint(line);
}

static bool is_said(const struct line *line, struct str text)
{
	for (size_t i = 0; i < line->said_count; i++)
		if (str_eq(line->said[i], text))
			return true;
	return false;
}

static void say(struct line *line, struct str text)
{
	if (text.len == 0)
		return;
	buf_add_char(line->out, ' ');
	add_value(line->out, text);
	if (line->said_count < sizeof(line->said) / sizeof(line->said[0]))
		line->said[line->said_count++] = text;
}

/* What tells nothing that the rest of the line does not: the descriptor by its number, the working
 * directory, a mode that no file got. */
static bool is_noise(const struct line *line, struct str name, struct str text)
{
	static const char *const dull[] = { "fd", "tuple", "res", NULL };

	for (const char *const *at = dull; *at != NULL; at++)
		if (str_eq(name, str_of(*at)))
			return true;
	return text.len == 0 || str_eq(text, STR("AT_FDCWD")) || str_eq(text, STR("0")) || is_said(line, text) ||
	       (str_eq(name, STR("name")) && str_ends(text_of(line, FIELD_FD_NAME), text));
}

static void say_number(struct line *line, struct str name, int64_t number)
{
	buf_addf(line->out, " %.*s=%lld", STR_ARG(name), (long long)number);
}

/* The call's own arguments, in its order. Paths stand alone, the rest with their names. */
static void say_arguments(struct line *line)
{
	const struct event *event = line->event;
	struct str prefix = STR("evt.arg.");

	for (size_t i = 0; i < event->set_count; i++) {
		const struct value *value = &event->values[event->set[i]];
		struct str name = fields_name(line->fields, event->set[i]);

		if (!str_starts(name, prefix))
			continue;
		name = str_from(name, prefix.len);
		if (value->kind == VALUE_INT && !is_noise(line, name, STR("-")))
			say_number(line, name, value->i);
		if (value->kind != VALUE_STR || is_noise(line, name, value_as_str(value)))
			continue;
		if (value->len > 0 && value->s[0] != '/' && value->s[0] != '<')
			buf_addf(line->out, " %.*s=", STR_ARG(name));
		else
			buf_add_char(line->out, ' ');
		add_value(line->out, value_as_str(value));
	}
}

static void say_exec(struct line *line)
{
	struct str parent = text_of(line, FIELD_PROC_PNAME), exe = text_of(line, FIELD_PROC_EXEPATH);
	struct str command = text_of(line, FIELD_PROC_CMDLINE);

	say(line, exe);
	/* proc.cmdline begins with proc.name, which is there already. */
	if (str_starts(command, text_of(line, FIELD_PROC_NAME)))
		command = str_from(command, text_of(line, FIELD_PROC_NAME).len + 1);
	say(line, command);
	if (parent.len == 0)
		return;
	paint(line, dim);
	buf_add(line->out, STR(" ← "));
	add_value(line->out, parent);
	unpaint(line);
}

static void add_result(const struct line *line)
{
	int64_t result = number_of(line, FIELD_EVT_RAWRES, 0);

	if (result >= 0)
		return;
	paint(line, red);
	buf_add(line->out, STR(" = "));
	add_value(line->out, text_of(line, FIELD_EVT_RES));
	unpaint(line);
}

void event_line_add(struct buf *out, const struct event *event, const struct fields *fields, bool color)
{
	struct line line = { .out = out, .event = event, .fields = fields, .color = color };

	line.type = text_of(&line, FIELD_EVT_TYPE);
	add_time(&line);
	add_who(&line);
	if (str_starts(line.type, STR("exec"))) {
		say_exec(&line);
		if (number_of(&line, FIELD_EVT_RAWRES, 0) < 0)
			say_arguments(&line);
	} else {
		say(&line, text_of(&line, FIELD_FD_NAME));
		say_arguments(&line);
	}
	add_result(&line);
	buf_add_char(out, '\n');
}
