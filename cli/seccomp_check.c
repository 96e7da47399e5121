/* tocsin seccomp check, tocsin seccomp diff: what a profile of system calls says, and what two say differently. */
#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/seccomp_load.h"
#include "sensor/seccomp/compare.h"
#include "sensor/seccomp/compile.h"

static const char *caps;

static const struct cli_option options[] = {
	{ "caps", 0, "LIST", "this process's bounding set",
	  "capabilities that includes and excludes see: all, none, or names with commas", &caps, NULL },
	{ 0 },
};

/* What a workload should have a reason for. */
static const struct danger {
	const char *call, *why;
} dangers[] = {
	{ "acct", "writes to a file of its choice as the kernel" },
	{ "add_key", "keys of other users are in the same kernel" },
	{ "bpf", "loads programs into the kernel" },
	{ "clock_settime", "sets the machine's clock" },
	{ "delete_module", "unloads kernel modules" },
	{ "finit_module", "loads kernel modules" },
	{ "fsmount", "mounts file systems" },
	{ "init_module", "loads kernel modules" },
	{ "io_uring_setup", "its operations are seen by no filter" },
	{ "ioperm", "reaches hardware" },
	{ "iopl", "reaches hardware" },
	{ "kexec_file_load", "replaces the kernel" },
	{ "kexec_load", "replaces the kernel" },
	{ "keyctl", "keys of other users are in the same kernel" },
	{ "lookup_dcookie", "tells what others have open" },
	{ "mount", "mounts file systems" },
	{ "mount_setattr", "makes mounts writable" },
	{ "move_mount", "mounts file systems" },
	{ "nfsservctl", "an old and large surface" },
	{ "open_by_handle_at", "opens files beyond the root of a container" },
	{ "open_tree", "mounts file systems" },
	{ "perf_event_open", "a large surface; shows what the kernel does" },
	{ "pidfd_getfd", "takes descriptors of other processes" },
	{ "pivot_root", "changes the root" },
	{ "process_vm_writev", "writes to other processes" },
	{ "ptrace", "drives other processes" },
	{ "quotactl", "changes disk quotas" },
	{ "reboot", "stops the machine" },
	{ "request_key", "keys of other users are in the same kernel" },
	{ "setns", "enters other namespaces" },
	{ "settimeofday", "sets the machine's clock" },
	{ "swapoff", "changes the machine's memory" },
	{ "swapon", "changes the machine's memory" },
	{ "umount2", "takes mounts away, and what they hide shows" },
	{ "unshare", "user namespaces open the rest of the kernel" },
	{ "uselib", "an old and large surface" },
	{ "userfaultfd", "makes races in the kernel easy to win" },
};

/* ---- one profile ---- */

struct view {
	const struct seccomp_loaded *loaded;
	struct buf allowed, refused, other, conditions, dangerous;
	size_t allowed_count, refused_count, other_count, conditions_count, dangerous_count;
	bool json;
};

static bool is_allowed(uint32_t action)
{
	return (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW;
}

/* What lets a call go on, if more quietly or less. */
static bool is_refused(uint32_t action)
{
	const uint32_t kind = action & SECCOMP_RET_ACTION_FULL;

	return kind != SECCOMP_RET_ALLOW && kind != SECCOMP_RET_LOG && kind != SECCOMP_RET_USER_NOTIF;
}

static void add_word(struct view *view, struct buf *out, size_t *count, const char *word)
{
	if ((*count)++ > 0)
		buf_add(out, view->json ? STR(",") : STR(", "));
	if (view->json)
		buf_add_json(out, str_of(word));
	else
		buf_add(out, str_of(word));
}

static bool names_call(const struct profile_rule *rule, struct str call)
{
	for (size_t i = 0; rule->left_out == NULL && i < rule->names_count; i++)
		if (str_eq(rule->names[i], call))
			return true;
	return false;
}

static void add_rule(const struct profile_rule *rule, struct buf *out)
{
	profile_add_action(rule->action, out);
	for (size_t i = 0; i < rule->conditions_count; i++) {
		buf_add(out, i == 0 ? STR(" if ") : rule->any ? STR(" or ") : STR(" and "));
		profile_add_condition(&rule->conditions[i], out);
	}
}

/* The rules with conditions that are for a call. How many. */
static size_t add_rules_of(const struct profile *profile, struct str call, struct buf *out)
{
	size_t count = 0;

	for (size_t i = 0; i < profile->rules_count; i++) {
		const struct profile_rule *rule = &profile->rules[i];

		if (rule->conditions_count == 0 || rule->action == profile->action || !names_call(rule, call))
			continue;
		buf_add(out, count++ > 0 ? STR("; ") : STR(""));
		add_rule(rule, out);
	}
	return count;
}

/* A rule without conditions stands above those with them. */
static bool is_plain(const struct profile *profile, struct str call)
{
	for (size_t i = 0; i < profile->rules_count; i++)
		if (profile->rules[i].conditions_count == 0 && profile->rules[i].action != profile->action &&
		    names_call(&profile->rules[i], call))
			return true;
	return false;
}

static void add_conditions(struct view *view, const char *call, struct str text)
{
	struct buf *out = &view->conditions;

	if (view->json) {
		buf_add(out, view->conditions_count > 0 ? STR(",{\"call\":") : STR("{\"call\":"));
		buf_add_json(out, str_of(call));
		buf_add(out, STR(",\"rules\":"));
		buf_add_json(out, text);
		buf_add_char(out, '}');
	} else {
		buf_addf(out, "  %-18s %.*s\n", call, STR_ARG(text));
	}
	view->conditions_count++;
}

static void add_danger(struct view *view, const char *call, bool conditional)
{
	for (size_t i = 0; i < ARRAY_LEN(dangers); i++) {
		struct buf *out = &view->dangerous;

		if (strcmp(dangers[i].call, call) != 0)
			continue;
		if (view->json)
			buf_addf(out, "%s{\"call\":\"%s\",\"why\":\"%s\",\"conditional\":%s}",
				 view->dangerous_count > 0 ? "," : "", call, dangers[i].why, conditional ? "true" : "false");
		else
			buf_addf(out, "  %-18s %s%s\n", call, dangers[i].why, conditional ? " (with conditions)" : "");
		view->dangerous_count++;
	}
}

static void view_call(struct view *view, int nr, const char *name)
{
	const struct profile *profile = &view->loaded->profile;
	uint32_t base;
	const struct seccomp_data call = { .nr = nr, .arch = profile_audit_arch(profile->arches[0], &base) };
	uint32_t action = seccomp_program_run(&view->loaded->program, &call);
	struct buf text = { 0 };

	if (!is_plain(profile, str_of(name)) && add_rules_of(profile, str_of(name), &text) > 0) {
		add_conditions(view, name, buf_str(&text));
		add_danger(view, name, true);
	} else if (is_allowed(action)) {
		add_word(view, &view->allowed, &view->allowed_count, name);
		add_danger(view, name, false);
	} else if (is_refused(action)) {
		add_word(view, &view->refused, &view->refused_count, name);
	} else {
		add_word(view, &view->other, &view->other_count, name);
		add_danger(view, name, false);
	}
	buf_done(&text);
}

static void view_all(struct view *view)
{
	char name[COMPARE_NAME_MAX];

	for (int nr = 0; nr < COMPARE_CALLS_MAX; nr++)
		if (profile_call_name(view->loaded->profile.arches[0], nr, name, sizeof(name)))
			view_call(view, nr, name);
}

static void add_names(struct buf *out, const struct str *names, size_t count, bool json)
{
	for (size_t i = 0; i < count; i++) {
		buf_add(out, i == 0 ? STR("") : json ? STR(",") : STR(", "));
		if (json)
			buf_add_json(out, names[i]);
		else
			buf_add_printable(out, names[i]);
	}
}

static void print_left_out(const struct profile *profile, struct buf *out)
{
	for (size_t i = 0; i < profile->rules_count; i++) {
		const struct profile_rule *rule = &profile->rules[i];

		if (rule->left_out == NULL && rule->because == NULL)
			continue;
		buf_addf(out, "  line %-4u %s ", rule->line, rule->left_out == NULL ? "taken in:" : "left out:");
		add_names(out, rule->names, rule->names_count, false);
		buf_addf(out, " (%s)\n", rule->left_out == NULL ? rule->because : rule->left_out);
	}
}

static void print_arches(const struct profile *profile, struct buf *out)
{
	buf_add(out, STR("architectures:"));
	for (size_t i = 0; i < profile->arches_count; i++)
		buf_addf(out, " %s", profile_arch_name(profile->arches[i]));
	if (profile->foreign_count > 0) {
		buf_add(out, STR(" (left out: "));
		add_names(out, profile->foreign, profile->foreign_count, false);
		buf_add_char(out, ')');
	}
	buf_add_char(out, '\n');
}

static void print_list(const char *head, size_t count, const struct buf *words, struct buf *out)
{
	if (count > 0)
		buf_addf(out, "%s %zu: %.*s\n", head, count, STR_ARG(buf_str(words)));
}

static void print_view(const struct view *view, struct buf *out)
{
	const struct profile *profile = &view->loaded->profile;
	struct buf left_out = { 0 };

	buf_add(out, STR("all else: "));
	profile_add_action(profile->action, out);
	buf_add_char(out, '\n');
	print_arches(profile, out);
	print_list("allowed", view->allowed_count, &view->allowed, out);
	if (view->conditions_count > 0)
		buf_addf(out, "with conditions, %zu:\n%.*s", view->conditions_count, STR_ARG(buf_str(&view->conditions)));
	print_list("logged or notified", view->other_count, &view->other, out);
	print_list("refused", view->refused_count, &view->refused, out);
	if (view->dangerous_count > 0)
		buf_addf(out, "dangerous and allowed, %zu:\n%.*s", view->dangerous_count, STR_ARG(buf_str(&view->dangerous)));
	print_left_out(profile, &left_out);
	if (left_out.len > 0)
		buf_addf(out, "includes and excludes, on this machine:\n%.*s", STR_ARG(buf_str(&left_out)));
	buf_addf(out, "filter: %u instructions\n", view->loaded->program.len);
	buf_done(&left_out);
}

static void add_json_rules(const struct profile *profile, struct buf *out)
{
	bool first = true;

	buf_add(out, STR(",\"machine\":["));
	for (size_t i = 0; i < profile->rules_count; i++) {
		const struct profile_rule *rule = &profile->rules[i];

		if (rule->left_out == NULL && rule->because == NULL)
			continue;
		buf_addf(out, "%s{\"line\":%u,\"taken\":%s,\"why\":\"%s\",\"names\":[", first ? "" : ",", rule->line,
			 rule->left_out == NULL ? "true" : "false",
			 rule->left_out == NULL ? rule->because : rule->left_out);
		add_names(out, rule->names, rule->names_count, true);
		buf_add(out, STR("]}"));
		first = false;
	}
	buf_add(out, STR("],\"unknown\":["));
	for (size_t i = 0, count = 0; i < profile->rules_count; i++) {
		buf_add(out, count > 0 && profile->rules[i].unknown_count > 0 ? STR(",") : STR(""));
		add_names(out, profile->rules[i].unknown, profile->rules[i].unknown_count, true);
		count += profile->rules[i].unknown_count;
	}
	buf_add_char(out, ']');
}

static void print_json(const struct view *view, struct buf *out)
{
	const struct profile *profile = &view->loaded->profile;

	buf_add(out, STR(",\"default\":\""));
	profile_add_action(profile->action, out);
	buf_add(out, STR("\",\"architectures\":["));
	for (size_t i = 0; i < profile->arches_count; i++)
		buf_addf(out, "%s\"%s\"", i > 0 ? "," : "", profile_arch_name(profile->arches[i]));
	buf_addf(out, "],\"allowed\":[%.*s],\"conditions\":[%.*s],\"logged\":[%.*s],\"refused\":[%.*s],\"dangerous\":[%.*s]",
		 STR_ARG(buf_str(&view->allowed)), STR_ARG(buf_str(&view->conditions)), STR_ARG(buf_str(&view->other)),
		 STR_ARG(buf_str(&view->refused)), STR_ARG(buf_str(&view->dangerous)));
	add_json_rules(profile, out);
	buf_addf(out, ",\"instructions\":%u", view->loaded->program.len);
}

static void view_done(struct view *view)
{
	buf_done(&view->allowed);
	buf_done(&view->refused);
	buf_done(&view->other);
	buf_done(&view->conditions);
	buf_done(&view->dangerous);
}

static int explain(const struct seccomp_loaded *loaded)
{
	struct view view = { .loaded = loaded, .json = cli.json };
	struct buf out = { 0 };
	int status = loaded->ok ? CLI_YES : CLI_NO;

	if (loaded->ok)
		view_all(&view);
	if (cli.json) {
		conf_errors_json(&loaded->errors, &out);
		buf_cut(&out, out.len - 1);
		if (loaded->ok)
			print_json(&view, &out);
		buf_add(&out, STR("}\n"));
	} else if (loaded->ok) {
		print_view(&view, &out);
	}
	if (cli_print(&out) != CLI_YES)
		status = CLI_NO;
	buf_done(&out);
	view_done(&view);
	return status;
}

/* ---- two of them ---- */

struct telling {
	struct buf out;
	size_t count;
};

static void add_call(const struct compare_difference *difference, struct buf *out)
{
	bool first = true;

	buf_add(out, difference->name == NULL ? STR("calls without a name here") : str_of(difference->name));
	if (difference->args == 0)
		return;
	buf_add_char(out, '(');
	for (unsigned i = 0; i < 6; i++) {
		if (!(difference->args >> i & 1))
			continue;
		buf_addf(out, "%sarg%u=%#llx", first ? "" : ", ", i, (unsigned long long)difference->call.args[i]);
		first = false;
	}
	buf_add_char(out, ')');
}

static void tell(const struct compare_difference *difference, void *userdata)
{
	struct telling *telling = userdata;
	struct buf *out = &telling->out, call = { 0 };

	add_call(difference, &call);
	if (cli.json) {
		buf_add(out, telling->count > 0 ? STR(",{\"call\":") : STR("{\"call\":"));
		buf_add_json(out, buf_str(&call));
		buf_addf(out, ",\"architecture\":\"%s\",\"a\":\"", profile_arch_name(difference->arch));
		profile_add_action(difference->a, out);
		buf_add(out, STR("\",\"b\":\""));
		profile_add_action(difference->b, out);
		buf_add(out, STR("\"}"));
	} else {
		buf_addf(out, "%-18s %-32.*s ", profile_arch_name(difference->arch), STR_ARG(buf_str(&call)));
		profile_add_action(difference->a, out);
		buf_add(out, STR(" -> "));
		profile_add_action(difference->b, out);
		buf_add_char(out, '\n');
	}
	telling->count++;
	buf_done(&call);
}

static int compare(const struct seccomp_loaded *a, const struct seccomp_loaded *b)
{
	struct telling telling = { 0 };
	struct buf out = { 0 };
	size_t untried = 0;
	int status;

	if (!a->ok || !b->ok)
		return CLI_NO;
	profile_compare(&(struct compared){ &a->profile, &a->program }, &(struct compared){ &b->profile, &b->program }, tell,
			&telling, &untried);
	if (cli.json)
		buf_addf(&out, "{\"same\":%s,\"untried\":%zu,\"differences\":[%.*s]}\n", telling.count == 0 ? "true" : "false",
			 untried, STR_ARG(buf_str(&telling.out)));
	else
		buf_add(&out, telling.count == 0 ? STR("they say the same\n") : buf_str(&telling.out));
	if (!cli.json && untried > 0)
		buf_addf(&out, "of %zu calls not all combinations of arguments were tried\n", untried);
	status = cli_print(&out);
	buf_done(&out);
	buf_done(&telling.out);
	return status == CLI_YES && telling.count > 0 ? CLI_NO : status;
}

/* ---- the verbs ---- */

static void complain(const struct seccomp_loaded *loaded)
{
	struct buf text = { 0 };

	conf_errors_print(&loaded->errors, &text);
	cli_tell(&text);
}

static int run_two(char **argv)
{
	struct seccomp_loaded *a = NULL, *b = NULL;
	int status = CLI_USAGE;

	if (seccomp_load(argv[0], caps, &a) && seccomp_load(argv[1], caps, &b)) {
		if (!a->ok)
			complain(a);
		if (!b->ok)
			complain(b);
		status = compare(a, b);
	}
	seccomp_loaded_free(a);
	seccomp_loaded_free(b);
	return status;
}

static int run_check(int argc, char **argv)
{
	struct seccomp_loaded *loaded = NULL;
	int status;

	if (argc == 2)
		return run_two(argv);
	if (argc != 1)
		return cli_usage("seccomp check wants one profile, or two to compare");
	if (!seccomp_load(argv[0], caps, &loaded))
		return CLI_USAGE;
	if (!cli.json)
		complain(loaded);
	status = explain(loaded);
	seccomp_loaded_free(loaded);
	return status;
}

static int run_diff(int argc, char **argv)
{
	return argc == 2 ? run_two(argv) : cli_usage("seccomp diff wants two profiles");
}

const struct cli_verb verb_seccomp_check = {
	.name = "seccomp check",
	.arguments = "PROFILE [PROFILE]",
	.summary = "check and explain a profile of system calls, or compare two",
	.examples = "  tocsin seccomp check profile.json               what it allows, refuses, and leaves out here\n"
		    "  tocsin seccomp check --caps none profile.json   as a container without capabilities has it\n"
		    "  tocsin seccomp check -o json profile.json | jq '.dangerous[].call'",
	.needs = CLI_FORMAT,
	.options = options,
	.run = run_check,
};

const struct cli_verb verb_seccomp_diff = {
	.name = "seccomp diff",
	.arguments = "PROFILE PROFILE",
	.summary = "show which system calls two profiles treat differently; status 1 if there are any",
	.examples = "  tocsin seccomp diff docker.json mine.json",
	.needs = CLI_FORMAT,
	.options = options,
	.run = run_diff,
};
