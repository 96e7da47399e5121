/* As with those who are killed every rule is asked about each call, as if it worked: at the hook the kernel has found what
 * the call's names mean, and the event is told with these. */
#include "sensor/enforce/denials.h"

#include "base/cleanup.h"
#include "sensor/flags.h"
#include "sensor/interest.h"
#include "sensor/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AT(hook) (1U << PLAN_HOOK_##hook)

/* Where the kernel asks about a call: at all of these, else it could be had otherwise. */
static const struct {
	const char *name;
	uint32_t hooks;
	bool by_uring; /* what an io_uring asks for there is this call */
} asked[] = {
	{ "open", AT(OPEN) | AT(CREATE), false },
	{ "openat", AT(OPEN) | AT(CREATE), true },
	{ "openat2", AT(OPEN) | AT(CREATE), false },
	{ "creat", AT(OPEN) | AT(CREATE), false },
	{ "open_by_handle_at", AT(OPEN), false },
	{ "execve", AT(EXEC), false },
	{ "execveat", AT(EXEC), false },
	{ "unlink", AT(UNLINK), false },
	{ "unlinkat", AT(UNLINK) | AT(RMDIR), true },
	{ "rmdir", AT(RMDIR), false },
	{ "mkdir", AT(MKDIR), false },
	{ "mkdirat", AT(MKDIR), true },
	{ "mknod", AT(MKNOD), false },
	{ "mknodat", AT(MKNOD), false },
	{ "rename", AT(RENAME), false },
	{ "renameat", AT(RENAME), false },
	{ "renameat2", AT(RENAME), true },
	{ "link", AT(LINK), false },
	{ "linkat", AT(LINK), true },
	{ "symlink", AT(SYMLINK), false },
	{ "symlinkat", AT(SYMLINK), true },
	{ "chmod", AT(CHMOD), false },
	{ "fchmod", AT(CHMOD), false },
	{ "fchmodat", AT(CHMOD), false },
	{ "chown", AT(CHOWN), false },
	{ "lchown", AT(CHOWN), false },
	{ "fchown", AT(CHOWN), false },
	{ "fchownat", AT(CHOWN), false },
	{ "truncate", AT(TRUNCATE), false },
	{ "ftruncate", AT(FTRUNCATE), false },
	{ "chroot", AT(CHROOT), false },
	{ "mount", AT(MOUNT), false },
	{ "move_mount", AT(MOVE_MOUNT), false },
	{ "umount", AT(UMOUNT), false },
	{ "umount2", AT(UMOUNT), false },
	{ "pivot_root", AT(PIVOT), false },
	{ "ptrace", AT(PTRACE) | AT(TRACEME), false },
	{ "process_vm_readv", AT(PTRACE), false },
	{ "process_vm_writev", AT(PTRACE), false },
	{ "pidfd_getfd", AT(PTRACE), false },
	{ "init_module", AT(LOAD_DATA), false },
	{ "kexec_load", AT(LOAD_DATA), false },
	{ "finit_module", AT(READ_FILE), false },
	{ "kexec_file_load", AT(READ_FILE), false },
	{ "bpf", AT(BPF), false },
	{ "kill", AT(SIGNAL), false },
	{ "tkill", AT(SIGNAL), false },
	{ "tgkill", AT(SIGNAL), false },
	{ "pidfd_send_signal", AT(SIGNAL), false },
	{ "socket", AT(SOCKET), true },
	{ "connect", AT(CONNECT), true },
	{ "bind", AT(BIND), true },
	{ "listen", AT(LISTEN), true },
};

struct making {
	const struct rules *rules;
	struct rules_interest *interest;
	struct denials *to;
	const struct call *call; /* that is asked about */
	unsigned kind;		 /* ... and how it ends */
};

static uint32_t hooks_of(const struct call *call)
{
	for (size_t i = 0; i < ARRAY_LEN(asked); i++)
		if (strcmp(asked[i].name, call->name) == 0)
			return asked[i].hooks;
	return 0;
}

static bool is_exec(const struct call *call)
{
	return (call->plan.flags & PLAN_FAILED_ONLY) != 0;
}

/* ---- arguments ---- */

static bool has_one_value(const struct flag *table, struct str name, __u64 *ret)
{
	for (; table->name != NULL; table++)
		if (str_eq(name, str_of(table->name))) {
			*ret = table->bits;
			return true;
		}
	return false;
}

/* A name that is within another one could be seen in that, and a bit of several that make one name need not show. */
static bool is_told_apart(const struct flag *table, struct str name, uint64_t bits)
{
	for (; table->name != NULL; table++)
		if (!str_eq(name, str_of(table->name)) &&
		    (str_find(str_of(table->name), name) >= 0 || (table->bits & bits) != 0))
			return false;
	return true;
}

static bool is_signed(enum param_kind kind)
{
	return kind == PARAM_INT32 || kind == PARAM_PLAIN_FD;
}

/* As it is printed: of names those that have one, else plain decimals. */
static bool number_of(const struct param *param, struct str text, struct plan_deny_arg *ret)
{
	char again[24];
	int64_t number;

	*ret = (struct plan_deny_arg){ .mask = UINT64_MAX, .place = param->place };
	if (param->kind == PARAM_NAME && has_one_value(param->table, text, &ret->value))
		return true;
	if (param->kind != PARAM_INT && param->kind != PARAM_UINT32 && !is_signed(param->kind))
		return false;
	if (!str_to_i64(text, &number))
		return false;
	snprintf(again, sizeof(again), "%lld", (long long)number);
	if (param->kind != PARAM_INT)
		ret->mask = UINT32_MAX;
	ret->value = (uint64_t)number & ret->mask;
	return str_eq(text, str_of(again)) && (param->kind != PARAM_UINT32 || (number >= 0 && number <= UINT32_MAX)) &&
	       (!is_signed(param->kind) || (number >= INT32_MIN && number <= INT32_MAX));
}

static bool flag_of(const struct param *param, struct str text, struct plan_deny_arg *ret)
{
	const struct flag *table = param->kind == PARAM_MODE ? flags_chmod : param->table;
	__u64 bits;

	if ((param->kind != PARAM_MODE && param->kind != PARAM_FLAGS) || !has_one_value(table, text, &bits) ||
	    bits == 0 || !is_told_apart(table, text, bits))
		return false;
	*ret = (struct plan_deny_arg){ .mask = bits, .value = bits, .place = param->place };
	return true;
}

static bool add_args(struct making *m, const struct rules_check *check, const struct param *param, plan_bits bit)
{
	struct denials *to = m->to;
	size_t before = to->args_count;

	for (size_t i = 0; i < check->count; i++) {
		struct plan_deny_arg *arg = &to->args[to->args_count];

		if (to->args_count == PLAN_DENY_ARGS ||
		    !(check->kind == RULES_CHECK_IS ? number_of : flag_of)(param, check->texts[i], arg)) {
			to->args_count = before;
			return false;
		}
		arg->bit = bit;
		arg->nr = m->call->nr;
		to->args_count++;
	}
	return true;
}

/* Each check of each call has a bit of its own: few rules look at numbers. */
static bool tell_number(struct making *m, const struct rules_check *check, const struct param *param,
			struct rules_telling *ret)
{
	plan_bits bit;

	if (check->kind == RULES_CHECK_EXISTS)
		return facts_tell_bit(0, true, ret);
	if ((check->kind != RULES_CHECK_IS && check->kind != RULES_CHECK_CONTAINS) || param->place == 0)
		return false;
	bit = facts_take_bit(&m->to->facts);
	if (bit == 0 || !add_args(m, check, param, bit)) {
		m->to->facts.bits -= bit != 0;
		return false;
	}
	return facts_tell_bit(bit, true, ret);
}

/* ---- names ---- */

/* Opens have what they are about as an object, whatever they were given. */
static bool tell_param(struct making *m, const struct rules_check *check, const struct param *param,
		       struct rules_telling *ret)
{
	const struct plan *plan = &m->call->plan;

	if ((plan->flags & PLAN_OPEN) || is_exec(m->call))
		return false;
	if ((param->kind == PARAM_PATH || param->kind == PARAM_PATH2) && check->kind == RULES_CHECK_EXISTS)
		return facts_tell_bit(0, true, ret);
	switch (param->kind) {
	case PARAM_PATH: return facts_tell_texts(&m->to->facts, FACT_NAME, check, ret);
	case PARAM_RAW_NAME:
		return strcmp(m->call->name, "mount") == 0 && facts_tell_texts(&m->to->facts, FACT_NAME, check, ret);
	case PARAM_PATH2: return facts_tell_texts(&m->to->facts, FACT_NAME2, check, ret);
	case PARAM_TEXT: return facts_tell_texts(&m->to->facts, FACT_TEXT, check, ret);
	default: return tell_number(m, check, param, ret);
	}
}

/* One that the call does not have has no value. */
static bool tell_arg(struct making *m, const struct rules_check *check, struct rules_telling *ret)
{
	const struct param *params = m->call->params;

	for (size_t i = 0; i < CALL_PARAMS_MAX && params[i].name != NULL; i++)
		if (str_eq(check->arg, str_of(params[i].name)))
			return tell_param(m, check, &params[i], ret);
	return facts_tell_bit(0, false, ret);
}

static bool has_object(const struct call *call)
{
	return !is_exec(call) && call->plan.class != RECORD_CLASS_NET && call->plan.class != RECORD_CLASS_PRIVILEGE &&
	       (call->plan.object_arg != 0 || (call->plan.flags & PLAN_RETURNS_FD));
}

/* One of another family is none of these. */
static bool tell_family(const struct making *m, const struct rules_check *check, struct rules_telling *ret)
{
	static const struct str names[] = { STR("4"), STR("6"), STR("u"), STR("ipv4"), STR("ipv6"), STR("unix"), STR("ip") };
	size_t known = 0;

	if (m->call->plan.class != RECORD_CLASS_NET || m->kind != PLAN_KIND_OTHER_FAMILY || check->kind != RULES_CHECK_IS ||
	    (check->field != FIELD_FD_TYPE && check->field != FIELD_FD_TYPECHAR && check->field != FIELD_FD_SOCKFAMILY))
		return false;
	for (size_t i = 0; i < check->count; i++)
		for (size_t k = 0; k < ARRAY_LEN(names); k++)
			known += str_eq(check->texts[i], names[k]);
	return known == check->count && facts_tell_bit(0, false, ret);
}

static bool tell(void *userdata, const struct rules_check *check, struct rules_telling *ret)
{
	struct making *m = userdata;

	if (check->field == FIELD_EVT_ARG)
		return tell_arg(m, check, ret);
	return facts_tell_process(&m->to->facts, check, ret) || tell_family(m, check, ret) ||
	       (has_object(m->call) && facts_tell_object(&m->to->facts, check, ret)) ||
	       (is_exec(m->call) && facts_tell_program(&m->to->facts, check, ret));
}

/* ---- clauses ---- */

/* False: there are too many. */
static bool add_clause(struct denials *to, const struct rules_clause *clause, int error, __u64 *of)
{
	const struct plan_denial as = { { clause->need, clause->lack }, (uint32_t)error, 0 };
	size_t at = 0;

	while (at < to->clauses_count && memcmp(&to->clauses[at], &as, sizeof(as)) != 0)
		at++;
	if (at == PLAN_CLAUSES)
		return false;
	to->clauses[at] = as;
	to->clauses_count += at == to->clauses_count;
	*of |= 1ULL << at;
	return true;
}

static enum denial ask_rule(struct making *m, size_t rule, const struct interest_known *known, __u64 *of)
{
	const int error = rule_respond(rules_at(m->rules, rule)).error;
	struct rules_clauses clauses;
	bool is_partial;

	rules_clauses(m->interest, rule, known->at, known->count, tell, m, &clauses);
	is_partial = clauses.is_partial;
	for (size_t i = 0; i < clauses.count; i++)
		is_partial |= !add_clause(m->to, &clauses.at[i], error, of);
	return !is_partial ? DENIAL_ALL : clauses.count > 0 ? DENIAL_SOME : DENIAL_NO;
}

/* What was denied of the rule's calls of the name so far, and of these. */
static void note_share(uint8_t *what, enum denial share, bool is_first)
{
	if (is_first)
		*what = (uint8_t)share;
	else if (*what != share)
		*what = DENIAL_SOME;
}

/* The first rule that matches responds: behind one that does something else, and might match, nothing is denied. */
static void ask_kind(struct making *m, size_t row, unsigned kind, bool *of_first)
{
	const struct interest_known known = interest_know(&calls[row], kind);
	bool is_first = true;

	m->kind = kind;
	for (size_t i = 0; i < rules_count(m->rules); i++) {
		const struct rule *rule = rules_at(m->rules, i);
		enum denial share = DENIAL_NO;

		if (!rule_is_enabled(rule) || !str_eq(rule_source(rule), STR("syscall")) ||
		    !rule_wants_type(rule, str_of(calls[row].name)) ||
		    rules_interest_surely(m->interest, i, known.at, known.count) == RULES_NEVER)
			continue;
		if (is_first && rule_respond(rule).action == RESPOND_DENY)
			share = ask_rule(m, i, &known, &m->to->calls[calls[row].nr].of[kind]);
		else if (rule_respond(rule).action != RESPOND_DENY)
			is_first = false;
		note_share(&m->to->what[i][row], share, of_first[i]);
		of_first[i] = false;
	}
}

static void note_about(struct denials *to, struct plan_deny *of, uint32_t hooks)
{
	uint64_t clauses = 0;

	for (size_t kind = 0; kind < ARRAY_LEN(of->of); kind++)
		clauses |= of->of[kind];
	for (size_t i = 0; i < to->clauses_count; i++)
		if (clauses >> i & 1)
			of->about |= to->clauses[i].when.need | to->clauses[i].when.lack;
	of->hooks = clauses != 0 ? hooks : 0;
	to->hooks |= of->hooks;
}

/* What is no socket gets no further. */
static bool is_asked(const struct call *call, unsigned kind)
{
	if (is_exec(call))
		return kind == 0;
	return interest_kind_exists(call, kind) && (call->plan.class != RECORD_CLASS_NET || kind != PLAN_KIND_NO_SOCKET);
}

static int ask_call(struct making *m, size_t row, uint32_t hooks)
{
	const struct call *call = &calls[row];
	autofree bool *of_first = malloc(rules_count(m->rules) + 1);

	if (of_first == NULL)
		return -ENOMEM;
	memset(of_first, true, rules_count(m->rules) + 1);
	for (size_t i = 0; i < rules_count(m->rules); i++)
		m->to->what[i][row] = DENIAL_ALL; /* of none */
	m->call = call;
	for (unsigned kind = 0; kind < PLAN_KIND_FAILED; kind++)
		if (is_asked(call, kind))
			ask_kind(m, row, kind, of_first);
	note_about(m->to, &m->to->calls[call->nr], hooks);
	return 0;
}

static void know_urings(struct denials *to)
{
	for (size_t hook = 0; hook < PLAN_HOOKS; hook++) {
		to->by_uring[hook] = PLAN_CALLS;
		for (size_t i = 0; i < ARRAY_LEN(asked); i++)
			if (asked[i].by_uring && (asked[i].hooks & 1U << hook))
				to->by_uring[hook] = call_find_name(str_of(asked[i].name))->nr;
	}
}

static int make(struct making *m, uint32_t hooks)
{
	int r = 0;

	know_urings(m->to);
	for (size_t i = 0; i < calls_count && r == 0; i++) {
		uint32_t needed = hooks_of(&calls[i]);

		if (needed != 0 && (needed & ~hooks) == 0)
			r = ask_call(m, i, needed);
	}
	facts_finish(&m->to->facts);
	return r;
}

int denials_new(const struct rules *rules, uint32_t hooks, struct denials **ret)
{
	struct denials *denials = calloc(1, sizeof(*denials));
	struct making m = { .rules = rules, .to = denials };
	int r;

	if (denials == NULL)
		return -ENOMEM;
	r = facts_init(&denials->facts);
	denials->what = calloc(rules_count(rules) + 1, sizeof(*denials->what));
	m.interest = rules_interest_new(rules);
	if (r == 0 && (denials->what == NULL || m.interest == NULL))
		r = -ENOMEM;
	if (r == 0)
		r = make(&m, hooks);
	rules_interest_free(m.interest);
	if (r < 0)
		denials_free(denials);
	else
		*ret = denials;
	return r;
}

void denials_free(struct denials *denials)
{
	if (denials == NULL)
		return;
	facts_done(&denials->facts);
	free(denials->what);
	free(denials);
}

static bool has_all(const struct denials *denials, const struct rules *rules, size_t rule, unsigned flag)
{
	bool any = false;

	for (size_t i = 0; i < calls_count; i++) {
		if (!(calls[i].plan.flags & flag) || !rule_wants_type(rules_at(rules, rule), str_of(calls[i].name)))
			continue;
		if (denials->what[rule][i] != DENIAL_ALL)
			return false;
		any = true;
	}
	return any;
}

bool denials_has_opens(const struct denials *denials, const struct rules *rules, size_t rule)
{
	return denials != NULL && has_all(denials, rules, rule, PLAN_OPEN);
}

bool denials_has_execs(const struct denials *denials, const struct rules *rules, size_t rule)
{
	return denials != NULL && has_all(denials, rules, rule, PLAN_FAILED_ONLY);
}
