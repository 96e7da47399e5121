/* From the command line to rules, and from a hit to what is shown. With --follow there are two rules: one
 * says which processes, the other what they are shown with. */
#include "sensor/observe.h"

#include "base/cleanup.h"
#include "rules/filter.h"
#include "rules/line.h"
#include "rules/near.h"
#include "sensor/calls.h"

#include <errno.h>

enum {
	TEXT_MAX = 128 << 10,
};

struct observe {
	const struct observe_options *options;
};

/* ---- kinds of events ---- */

static const struct kind {
	const char *name, *types;
} kinds[] = {
	{ "exec", "execve,execveat" },
	{ "fork", "clone,clone3,fork,vfork" },
	{ "exit", "procexit" },
	{ "open", "open,openat,openat2,open_by_handle_at,creat" },
	{ "file", "chmod,fchmod,fchmodat,chown,lchown,fchown,fchownat,unlink,unlinkat,rmdir,mkdir,mkdirat,mknod,"
		  "mknodat,rename,renameat,renameat2,link,linkat,symlink,symlinkat" },
	{ "net", "socket,socketpair,connect,bind,listen,accept,accept4,shutdown,sendto,sendmsg,sendmmsg,recvfrom,"
		 "recvmsg,recvmmsg" },
	{ "signal", "kill,tkill,tgkill,pidfd_send_signal" },
	{ "privilege", "setuid,setgid,setreuid,setregid,setresuid,setresgid,capset,ptrace,process_vm_readv,"
		       "process_vm_writev,pidfd_getfd,setns,unshare,chroot,pivot_root,mount,move_mount,umount,"
		       "umount2,init_module,finit_module,delete_module,kexec_load,kexec_file_load,bpf,"
		       "userfaultfd,memfd_create,seccomp" },
};

/* What is shown when nobody says what: not what every program does all the time. */
static const char unasked[] =
	"(evt.type in (execve,execveat,procexit,connect,bind,listen,accept,accept4,setuid,setgid,setreuid,"
	"setregid,setresuid,setresgid,capset,ptrace,process_vm_writev,setns,unshare,chroot,pivot_root,mount,"
	"move_mount,umount,umount2,init_module,finit_module,delete_module,kexec_load,kexec_file_load,bpf,"
	"memfd_create) or (evt.type in (open,openat,openat2,open_by_handle_at,creat) and "
	"evt.is_open_write = true))";

/* Every process that the filters are to find must make itself known. */
static const char lives[] = "evt.type in (execve,execveat,clone,clone3,fork,vfork,procexit)";

static bool is_known(struct str word)
{
	return str_eq(word, STR("procexit")) || call_find_name(word) != NULL;
}

static bool add_kind(struct buf *out, struct str word)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (str_eq(word, str_of(kinds[i].name))) {
			buf_add(out, str_of(kinds[i].types));
			return true;
		}
	if (is_known(word))
		buf_add(out, word);
	return is_known(word);
}

static void complain(struct buf *out, struct str word)
{
	struct near near = near_to(word);

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		near_try(&near, str_of(kinds[i].name));
	for (size_t i = 0; i < calls_count; i++)
		near_try(&near, str_of(calls[i].name));
	near_try(&near, STR("procexit"));
	buf_add(out, STR("--event: \""));
	buf_add_printable(out, word);
	buf_add(out, STR("\" is nothing that a sensor observes"));
	if (near.best.len > 0)
		buf_addf(out, ". Did you mean '%.*s'?", STR_ARG(near.best));
	buf_add_char(out, '\n');
}

static int add_events(struct buf *out, const char *events, struct buf *ret_why)
{
	struct str rest = str_of(events);

	buf_add(out, STR("evt.type in ("));
	for (size_t at = 0; at <= rest.len;) {
		const char *comma = at < rest.len ? memchr(rest.at + at, ',', rest.len - at) : NULL;
		size_t end = comma == NULL ? rest.len : (size_t)(comma - rest.at);
		struct str word = str_trim((struct str){ rest.at + at, end - at });

		if (at > 0)
			buf_add_char(out, ',');
		if (!add_kind(out, word)) {
			complain(ret_why, word);
			return -EINVAL;
		}
		at = end + 1;
	}
	buf_add_char(out, ')');
	return 0;
}

/* ---- the condition ---- */

static void begin_part(struct buf *out)
{
	if (out->len > 0)
		buf_add(out, STR(" and "));
}

static void add_pids(struct buf *out, const struct observe_options *options)
{
	if (options->pids_count == 0)
		return;
	begin_part(out);
	buf_add(out, STR("proc.pid in ("));
	for (size_t i = 0; i < options->pids_count; i++)
		buf_addf(out, "%s%u", i > 0 ? "," : "", options->pids[i]);
	buf_add_char(out, ')');
}

static bool is_hex(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (strchr("0123456789abcdef", text.at[i]) == NULL)
			return false;
	return text.len >= CONTAINER_SHORT_MAX;
}

/* Names are asked of the runtime; an id, which the cgroup tells, does not wait for an answer. */
static void add_container(struct buf *out, const char *container)
{
	if (is_hex(str_of(container)))
		buf_addf(out, "container.full_id startswith \"%s\"", container);
	else if (strcmp(container, "host") == 0)
		buf_add(out, STR("container.id = host"));
	else
		buf_addf(out, "container.id = \"%s\" or container.name = \"%s\"", container, container);
}

static void add_containers(struct buf *out, const struct observe_options *options)
{
	if (options->containers_count == 0)
		return;
	begin_part(out);
	buf_add_char(out, '(');
	for (size_t i = 0; i < options->containers_count; i++) {
		if (i > 0)
			buf_add(out, STR(" or "));
		add_container(out, options->containers[i]);
	}
	buf_add_char(out, ')');
}

static int add_filters(struct buf *out, const struct observe_options *options, struct buf *ret_why)
{
	for (size_t i = 0; i < options->filters_count; i++) {
		struct buf why = { 0 };
		int r = rules_filter_check(str_of(options->filters[i]), &why);

		if (r < 0) {
			buf_add(ret_why, STR("--filter: "));
			buf_add(ret_why, buf_str(&why));
		}
		buf_done(&why);
		if (r < 0)
			return r;
		begin_part(out);
		buf_addf(out, "(%s)", options->filters[i]);
	}
	return 0;
}

static int load(struct str text, struct fields *fields, struct buf *ret_why, struct prefilter **ret)
{
	const struct rules_settings settings = { .priority_max = PRIORITY_DEBUG, .sources = rules_hub_sources,
						 .match_all = true };
	const struct rules_text file = { .name = "observe", .text = text };

	return prefilter_new_texts(&settings, &file, 1, fields, ret_why, ret);
}

/* Whether the condition by itself says which types of events it is for. */
static int names_types(struct str condition, bool *ret)
{
	struct fields *fields = fields_new();
	struct prefilter *prefilter = NULL;
	struct buf text = { 0 }, why = { 0 };
	int r = -ENOMEM;

	rules_filter_add(&text, OBSERVE_CHOSEN_RULE, condition);
	if (fields != NULL && buf_ok(&text))
		r = load(buf_str(&text), fields, &why, &prefilter);
	if (r == 0)
		*ret = !prefilter_wants_type(prefilter, STR("execve")) ||
		       !prefilter_wants_type(prefilter, STR("socket"));
	prefilter_free(prefilter);
	fields_free(fields);
	buf_done(&text);
	buf_done(&why);
	return r;
}

/* The rules: `types` and `chosen` are conditions, "" for always. */
static void add_rules(struct buf *out, const char *types, const char *chosen, bool chosen_has_types, bool follow)
{
	struct buf condition = { 0 };

	if (!follow) {
		buf_addf(&condition, "%s%s%s%s%s", types, types[0] != '\0' && chosen[0] != '\0' ? " and " : "",
			 chosen[0] != '\0' ? "(" : "", chosen, chosen[0] != '\0' ? ")" : "");
		rules_filter_add(out, OBSERVE_SHOWN_RULE, buf_str(&condition));
	} else {
		rules_filter_add(out, OBSERVE_SHOWN_RULE, str_of(types));
		if (chosen_has_types)
			buf_add(&condition, str_of(chosen));
		else
			buf_addf(&condition, "(%s or %s) and (%s)", lives, types, chosen);
		rules_filter_add(out, OBSERVE_CHOSEN_RULE, buf_str(&condition));
	}
	out->failed |= condition.failed;
	buf_done(&condition);
}

static int write_rules(const struct observe_options *options, struct buf *out, struct buf *ret_why)
{
	struct buf types = { .max = TEXT_MAX }, chosen = { .max = TEXT_MAX };
	bool has_types = false;
	int r;

	add_pids(&chosen, options);
	add_containers(&chosen, options);
	r = add_filters(&chosen, options, ret_why);
	if (r == 0 && chosen.len > 0)
		r = names_types(buf_str(&chosen), &has_types);
	if (r == 0 && options->events != NULL)
		r = add_events(&types, options->events, ret_why);
	else if (r == 0 && (!has_types || options->follow))
		buf_add(&types, STR(unasked));
	if (r == 0 && options->follow && chosen.len == 0) {
		buf_add(ret_why, STR("--follow: whom? Give --filter, --pid or --container\n"));
		r = -EINVAL;
	}
	if (r == 0 && buf_text(&types) != NULL && buf_text(&chosen) != NULL)
		add_rules(out, types.at, chosen.at, has_types, options->follow);
	if (r == 0 && (!buf_ok(&types) || !buf_ok(&chosen) || !buf_ok(out)))
		r = -ENOMEM;
	buf_done(&types);
	buf_done(&chosen);
	return r;
}

int observe_add_rules(struct str filter, bool follow, struct buf *out)
{
	struct buf chosen = { .max = TEXT_MAX };
	bool has_types = false;
	int r;

	if (!follow) {
		rules_filter_add(out, OBSERVE_SHOWN_RULE, filter);
		return buf_ok(out) ? 0 : -ENOMEM;
	}
	r = names_types(filter, &has_types);
	buf_add(&chosen, filter);
	if (r == 0 && buf_text(&chosen) != NULL)
		add_rules(out, unasked, chosen.at, has_types, true);
	if (r == 0 && (!buf_ok(&chosen) || !buf_ok(out)))
		r = -ENOMEM;
	buf_done(&chosen);
	return r;
}

static bool wants_something(const struct prefilter *prefilter)
{
	if (prefilter_wants_type(prefilter, STR("procexit")))
		return true;
	for (size_t i = 0; i < calls_count; i++)
		if (prefilter_wants_type(prefilter, str_of(calls[i].name)))
			return true;
	return false;
}

int observe_new(const struct observe_options *options, struct fields *fields, struct buf *ret_why,
		struct observe **ret, struct prefilter **ret_prefilter)
{
	struct observe *observe = calloc(1, sizeof(*observe));
	struct prefilter *prefilter = NULL;
	struct buf text = { 0 };
	int r = observe == NULL ? -ENOMEM : write_rules(options, &text, ret_why);

	if (r == 0)
		r = load(buf_str(&text), fields, ret_why, &prefilter);
	buf_done(&text);
	if (r == 0 && !wants_something(prefilter)) {
		buf_add(ret_why, STR("--filter: no system call that a sensor observes can match\n"));
		r = -EINVAL;
	}
	if (r < 0) {
		prefilter_free(prefilter);
		free(observe);
		return r;
	}
	observe->options = options;
	*ret = observe;
	*ret_prefilter = prefilter;
	return 0;
}

void observe_free(struct observe *observe)
{
	free(observe);
}

/* ---- an event ---- */

struct str observe_of_followed(const struct observe *observe)
{
	return observe != NULL && observe->options->follow ? STR(OBSERVE_SHOWN_RULE) : STR("");
}

static bool has_name(const struct rule *rule, struct str name)
{
	return str_eq(rule_name(rule), name);
}

bool observe_wants(const struct rule *const *hits, size_t *count, struct follow *follow, const struct event *event)
{
	const struct value *pid = event_get(event, FIELD_PROC_PID);
	uint64_t tgid = pid->kind == VALUE_INT ? (uint64_t)pid->i : 0;
	bool shown = false, chosen = false;
	size_t own = 0;

	for (; own < *count; own++) {
		if (has_name(hits[own], STR(OBSERVE_SHOWN_RULE)))
			shown = true;
		else if (has_name(hits[own], STR(OBSERVE_CHOSEN_RULE)))
			chosen = true;
		else
			break;
	}
	*count -= own;
	if (chosen && follow != NULL)
		follow_begin(follow, tgid);
	return shown && (follow == NULL || follow_has(follow, tgid));
}

void observe_add(const struct observe *observe, const struct event *event, const struct fields *fields,
		 struct buf *out)
{
	event_line_add(out, event, fields, observe->options->color);
}

bool observe_is_json(const struct observe *observe)
{
	return observe->options->json;
}
