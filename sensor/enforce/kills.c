/* Every rule is asked about each way in which each call ends. What it needs beyond what a call's kind says becomes bits
 * that the kernel can set. */
#include "sensor/enforce/kills.h"

#include "base/cleanup.h"
#include "rules/clauses.h"
#include "sensor/interest.h"
#include "sensor/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct making {
	const struct rules *rules;
	struct rules_interest *interest;
	struct kills *to;
	const struct call *call; /* that is asked about */
	bool failed_call;	 /* ... and ended so */
};

bool kill_stops(const struct call *call)
{
	static const struct str names[] = { STR("read"),     STR("readv"),   STR("pread"),  STR("preadv"),
					    STR("write"),    STR("writev"),  STR("pwrite"), STR("pwritev"),
					    STR("sendfile"), STR("splice"),  STR("copy_file_range"),
					    STR("clone"),    STR("clone3"),  STR("fork"),   STR("vfork"),
					    STR("process_vm_writev") };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(str_of(call->name), names[i]))
			return true;
	return false;
}

static bool is_exec(const struct call *call)
{
	return (call->plan.flags & PLAN_FAILED_ONLY) != 0;
}

/* ---- facts ---- */

/* Of calls whose descriptor the kernel has at hand. */
static bool has_object(const struct making *m)
{
	const struct plan *plan = &m->call->plan;

	return !m->failed_call && !is_exec(m->call) && plan->class != RECORD_CLASS_NET &&
	       (plan->object_arg != 0 || (plan->flags & PLAN_RETURNS_FD));
}

static bool tell(void *userdata, const struct rules_check *check, struct rules_telling *ret)
{
	struct making *m = userdata;

	return facts_tell_process(&m->to->facts, check, ret) ||
	       (has_object(m) && facts_tell_object(&m->to->facts, check, ret)) ||
	       (is_exec(m->call) && facts_tell_program(&m->to->facts, check, ret));
}

/* ---- clauses ---- */

/* False: there are too many. */
static bool add_clause(struct kills *to, const struct rules_clause *clause, __u64 *of)
{
	const struct plan_clause as = { clause->need, clause->lack };
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

/* What those of the call are about. */
static plan_bits facts_of_call(const struct kills *kills, const struct plan_kill *of)
{
	plan_bits about = 0;
	uint64_t clauses = 0;

	for (size_t kind = 0; kind < ARRAY_LEN(of->end); kind++)
		clauses |= of->end[kind];
	for (size_t i = 0; i < kills->clauses_count; i++)
		if (clauses >> i & 1)
			about |= kills->clauses[i].need | kills->clauses[i].lack;
	return about;
}

/* How much of the rule's calls that end so is the kernel's. */
enum share { SHARE_NONE, SHARE_SOME, SHARE_ALL, SHARE_NO_CALLS };

static enum share ask_rule(struct making *m, size_t rule, const struct interest_known *known, __u64 *of)
{
	struct rules_clauses clauses;
	bool is_partial;

	if (rules_interest_surely(m->interest, rule, known->at, known->count) == RULES_NEVER)
		return SHARE_NO_CALLS;
	rules_clauses(m->interest, rule, known->at, known->count, tell, m, &clauses);
	is_partial = clauses.is_partial;
	for (size_t i = 0; i < clauses.count; i++)
		is_partial |= !add_clause(m->to, &clauses.at[i], of);
	return !is_partial ? SHARE_ALL : clauses.count > 0 ? SHARE_SOME : SHARE_NONE;
}

static enum kill_when best_of(const struct call *call)
{
	return is_exec(call) ? KILL_PROGRAM : kill_stops(call) ? KILL_BEFORE : KILL_AT_END;
}

/* The first rule that matches responds: behind one that does something else, and might match, nobody is killed. */
static void ask_kind(struct making *m, size_t row, unsigned kind)
{
	const struct interest_known known = interest_know(&calls[row], is_exec(&calls[row]) ? 0 : kind);
	struct plan_kill *of = &m->to->calls[calls[row].nr];
	bool is_first = true;

	m->call = &calls[row];
	m->failed_call = (kind & PLAN_KIND_FAILED) != 0;
	for (size_t i = 0; i < rules_count(m->rules); i++) {
		const struct rule *rule = rules_at(m->rules, i);
		enum share share = SHARE_NONE;

		if (!rule_is_enabled(rule) || !str_eq(rule_source(rule), STR("syscall")) ||
		    !rule_wants_type(rule, str_of(calls[row].name)))
			continue;
		if (is_first && rule_respond(rule).action == RESPOND_KILL)
			share = ask_rule(m, i, &known, &of->end[kind]);
		else if (rules_interest_surely(m->interest, i, known.at, known.count) == RULES_NEVER)
			share = SHARE_NO_CALLS;
		else
			is_first = false;
		if (!m->failed_call && share != SHARE_ALL && share != SHARE_NO_CALLS)
			m->to->when[i][row] = KILL_LATER;
	}
}

/* Of a call that only becomes an event when it fails, and of new processes, the good end is elsewhere; here too it is
 * of kind 0. Before a call it is as if it would succeed. */
static void ask_call(struct making *m, size_t row)
{
	const struct call *call = &calls[row];
	struct plan_kill *of = &m->to->calls[call->nr];

	for (size_t i = 0; i < rules_count(m->rules); i++)
		m->to->when[i][row] = (uint8_t)best_of(call);
	for (unsigned kind = 0; kind < 16; kind++)
		if (interest_kind_exists(call, kind) || (kind == 0 && is_exec(call)))
			ask_kind(m, row, kind);
	of->about = facts_of_call(m->to, of);
	if (!kill_stops(call))
		return;
	of->begin = of->end[0];
	m->to->begins |= of->begin != 0;
	if (call_is_traced(call))
		memset(of->end, 0, sizeof(of->end));
}

/* ---- all ---- */

static bool kills_any(const struct rules *rules)
{
	for (size_t i = 0; i < rules_count(rules); i++)
		if (rule_is_enabled(rules_at(rules, i)) && rule_respond(rules_at(rules, i)).action == RESPOND_KILL)
			return true;
	return false;
}

int kills_new(const struct rules *rules, struct kills **ret)
{
	struct kills *kills = calloc(1, sizeof(*kills));
	struct making m = { .rules = rules, .to = kills };
	int r;

	if (kills == NULL)
		return -ENOMEM;
	r = facts_init(&kills->facts);
	kills->when = calloc(rules_count(rules) + 1, sizeof(*kills->when));
	m.interest = rules_interest_new(rules);
	if (r < 0 || kills->when == NULL || m.interest == NULL) {
		rules_interest_free(m.interest);
		kills_free(kills);
		return -ENOMEM;
	}
	for (size_t i = 0; i < calls_count && kills_any(rules); i++)
		ask_call(&m, i);
	rules_interest_free(m.interest);
	facts_finish(&kills->facts);
	*ret = kills;
	return 0;
}

void kills_free(struct kills *kills)
{
	if (kills == NULL)
		return;
	facts_done(&kills->facts);
	free(kills->when);
	free(kills);
}
