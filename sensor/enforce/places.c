/* Of each rule and each way to open or to run a file it is asked where the file must be. */
#include "sensor/enforce/places.h"

#include "base/cleanup.h"
#include "rules/interest.h"
#include "sensor/calls.h"
#include "sensor/enforce/denials.h"
#include "sensor/interest.h"

#include <errno.h>
#include <stdlib.h>

enum { FACTS_MAX = 16 * PLACES_MAX, ARENA_MAX = 4 << 20 };

struct making {
	const struct rules *rules;
	const struct denials *denials;
	struct rules_interest *interest;
	struct places *to;
	size_t cap;
	bool failed; /* out of memory */
};

/* ---- places ---- */

/* Files there are none: what such a path leads to has no marks. */
static bool is_of_kernel(struct str path)
{
	return str_starts(path, STR("/proc")) || str_starts(path, STR("/sys")) || path.len < 2 || path.at[0] != '/';
}

static void add(struct making *m, struct str path, bool is_exec)
{
	struct places *to = m->to;

	if (to->count == FACTS_MAX) {
		to->too_many = true;
		return;
	}
	if (to->count == m->cap) {
		size_t cap = m->cap == 0 ? 64 : m->cap * 2;
		struct place *bigger = realloc(to->at, cap * sizeof(*bigger));

		m->failed |= bigger == NULL;
		if (bigger == NULL)
			return;
		to->at = bigger;
		m->cap = cap;
	}
	path = arena_str(&to->arena, path);
	m->failed |= path.at == NULL;
	to->at[to->count++] = (struct place){ .path = path, .opens = !is_exec, .execs = is_exec };
}

static bool add_all(struct making *m, const struct rules_fact *facts, size_t count, bool is_exec)
{
	for (size_t i = 0; i < count; i++)
		if (is_of_kernel(facts[i].text))
			return false;
	for (size_t i = 0; i < count; i++)
		add(m, facts[i].text, is_exec);
	return true;
}

static int compare(const void *a, const void *b)
{
	return str_cmp(((const struct place *)a)->path, ((const struct place *)b)->path);
}

static void join_same(struct places *places)
{
	size_t kept = 0;

	if (places->count > 1)
		qsort(places->at, places->count, sizeof(*places->at), compare);
	for (size_t i = 0; i < places->count; i++) {
		struct place *last = kept == 0 ? NULL : &places->at[kept - 1];

		if (last != NULL && str_eq(last->path, places->at[i].path)) {
			last->opens |= places->at[i].opens;
			last->execs |= places->at[i].execs;
		} else {
			places->at[kept++] = places->at[i];
		}
	}
	places->count = kept;
}

/* ---- asking ---- */

/* Where in this field a path must begin for the rule to match. */
static enum rules_verdict ask_where(struct making *m, size_t rule, const struct interest_known *known, field_id path,
				    const struct rules_fact **ret_facts, size_t *ret_count)
{
	const struct rules_asked asked = { .known = known->at, .known_count = known->count, .path = path,
					   .facts = 1U << RULES_FACT_PREFIX | 1U << RULES_FACT_WHOLE };

	return rules_interest_ask_one(m->interest, rule, &asked, ret_facts, ret_count);
}

/* True: no such open, or only where the added places are. */
static bool open_is_pinned(struct making *m, size_t rule, const struct call *call, unsigned kind, bool *ret_any)
{
	const struct interest_known known = interest_know(call, kind);
	const struct rules_fact *facts;
	size_t count;

	switch (ask_where(m, rule, &known, FIELD_NONE, &facts, &count)) {
	case RULES_NEVER: return true;
	case RULES_IF: *ret_any = true; return add_all(m, facts, count, false);
	default: return false;
	}
}

static void ask_opens(struct making *m, size_t rule)
{
	struct places_rule *of = &m->to->rules[rule];
	bool any = false, all = true;

	for (size_t i = 0; i < calls_count; i++)
		for (unsigned kind = 0; kind < PLAN_KIND_FAILED; kind++)
			if ((calls[i].plan.flags & PLAN_OPEN) && calls[i].plan.name_arg[0] != 0 &&
			    rule_wants_type(rules_at(m->rules, rule), str_of(calls[i].name)) &&
			    interest_kind_exists(&calls[i], kind))
				all &= open_is_pinned(m, rule, &calls[i], kind, &any);
	of->opens = any && all;
	of->unpinned |= !all;
}

static struct interest_known and_text(struct interest_known known, field_id field, const char *text)
{
	known.at[known.count++] = (struct rules_known){ .field = field, .texts = { text } };
	return known;
}

static struct interest_known and_not(struct interest_known known, field_id field)
{
	known.at[known.count++] = (struct rules_known){ .field = field };
	return known;
}

static bool exec_is_pinned(struct making *m, size_t rule, const struct call *call)
{
	const struct interest_known known = interest_know(call, 0);
	const struct interest_known lower = and_not(known, FIELD_PROC_IS_EXE_UPPER_LAYER);
	const struct interest_known host = and_text(known, FIELD_CONTAINER_ID, "host");
	struct places_rule *of = &m->to->rules[rule];
	const struct rules_fact *facts;
	size_t count;

	if (rules_interest_surely(m->interest, rule, lower.at, lower.count) == RULES_NEVER) {
		m->to->programs = of->only_containers = of->execs = true;
		return true;
	}
	if (ask_where(m, rule, &known, FIELD_PROC_EXEPATH, &facts, &count) == RULES_IF &&
	    add_all(m, facts, count, true)) {
		of->execs = true;
		return true;
	}
	if (rules_interest_surely(m->interest, rule, host.at, host.count) != RULES_NEVER)
		return false;
	m->to->programs = of->only_containers = of->execs = true;
	m->to->only_upper = false;
	return true;
}

static void ask_execs(struct making *m, size_t rule)
{
	struct places_rule *of = &m->to->rules[rule];
	bool all = true;

	for (size_t i = 0; i < calls_count; i++) {
		const struct interest_known known = interest_know(&calls[i], 0);

		if ((calls[i].plan.flags & PLAN_FAILED_ONLY) &&
		    rule_wants_type(rules_at(m->rules, rule), str_of(calls[i].name)) &&
		    rules_interest_surely(m->interest, rule, known.at, known.count) != RULES_NEVER)
			all &= exec_is_pinned(m, rule, &calls[i]);
	}
	of->execs &= all;
	of->unpinned |= !all;
}

static void drop_all(struct places *places, size_t rules)
{
	places->too_many = true;
	places->count = 0;
	places->programs = false;
	memset(places->rules, 0, rules * sizeof(*places->rules));
}

static void make(struct making *m)
{
	size_t count = rules_count(m->rules);

	m->to->only_upper = true;
	for (size_t i = 0; i < count; i++) {
		const struct rule *rule = rules_at(m->rules, i);

		if (!rule_is_enabled(rule) || rule_respond(rule).action == RESPOND_NONE)
			continue;
		if (!denials_has_opens(m->denials, m->rules, i))
			ask_opens(m, i);
		if (!denials_has_execs(m->denials, m->rules, i))
			ask_execs(m, i);
	}
	join_same(m->to);
	if (m->to->too_many || m->to->count > PLACES_MAX)
		drop_all(m->to, count);
}

int places_new(const struct rules *rules, const struct denials *denials, struct places *ret)
{
	struct making m = { .rules = rules, .denials = denials, .to = ret };

	*ret = (struct places){ 0 };
	arena_init(&ret->arena, ARENA_MAX);
	ret->rules = calloc(rules_count(rules) + 1, sizeof(*ret->rules));
	m.interest = rules_interest_new(rules);
	m.failed = ret->rules == NULL || m.interest == NULL;
	if (!m.failed)
		make(&m);
	rules_interest_free(m.interest);
	if (!m.failed)
		return 0;
	places_done(ret);
	return -ENOMEM;
}

void places_done(struct places *places)
{
	arena_done(&places->arena);
	free(places->at);
	free(places->rules);
	*places = (struct places){ 0 };
}
