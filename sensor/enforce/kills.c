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

enum { BITS_MAX = 64, TEXTS_MAX = PLAN_KILL_COMMS, ARENA_MAX = 4 << 20 };

/* A check of texts that has a bit. The rules have each distinct check once. */
struct told {
	field_id field;
	enum rules_check_kind kind;
	const char *first;
	size_t count;
};

struct making {
	const struct rules *rules;
	struct rules_interest *interest;
	struct kills *to;
	struct told told[BITS_MAX]; /* by bit */
	unsigned bits;		    /* the next one */
	const struct call *call;    /* that is asked about */
	bool failed_call;	    /* ... and ended so */
	bool failed;		    /* out of memory */
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

/* ---- texts ---- */

static bool add_text(struct making *m, struct str text, bool is_whole, bool is_comm, plan_bits bit)
{
	struct kills *to = m->to;
	char *copy = to->texts_count == TEXTS_MAX ? NULL : arena_alloc(&to->arena, text.len + 1);

	if (copy == NULL)
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	to->texts[to->texts_count++] =
		(struct kill_text){ .text = { copy, text.len + is_whole }, .bits = bit, .is_comm = is_comm };
	return true;
}

/* One that no pattern of a component can be meant by, and that says its path as the kernel does. */
static bool is_plain_path(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (strchr("*?[\\", text.at[i]) != NULL)
			return false;
	return text.len > 1 && text.at[0] == '/' && text.at[text.len - 1] != '/' && str_find(text, STR("//")) < 0;
}

static bool add_below(struct making *m, struct str text, plan_bits bit)
{
	char below[PLAN_PREFIX_MAX];

	if (!is_plain_path(text))
		return false;
	memcpy(below, text.at, text.len);
	below[text.len] = '/';
	return add_text(m, text, true, false, bit) && add_text(m, (struct str){ below, text.len + 1 }, false, false, bit);
}

/* A name that no process can have needs no entry. */
static bool add_one(struct making *m, const struct rules_check *check, struct str text, plan_bits bit)
{
	if (text.len == 0)
		return false;
	if (check->field == FIELD_PROC_NAME)
		return text.len >= PLAN_COMM || add_text(m, text, false, true, bit);
	if (text.len >= PLAN_PREFIX_MAX - 1)
		return false;
	if (check->kind == RULES_CHECK_BELOW)
		return add_below(m, text, bit);
	return add_text(m, text, check->kind == RULES_CHECK_IS, false, bit);
}

static bool is_same_check(const struct told *told, const struct rules_check *check)
{
	return told->field == check->field && told->kind == check->kind && told->count == check->count &&
	       told->first == check->texts[0].at;
}

/* The bit of a check of texts; false: there are too many, or too long ones. */
static bool tell_texts(struct making *m, const struct rules_check *check, plan_bits *of, struct rules_telling *ret)
{
	size_t before = m->to->texts_count;
	plan_bits bit;

	for (unsigned i = PLAN_KILL_TEXTS; i < m->bits; i++)
		if (is_same_check(&m->told[i], check)) {
			*ret = (struct rules_telling){ .bit = 1ULL << i, .holds = true };
			return true;
		}
	if (m->bits == BITS_MAX)
		return false;
	bit = 1ULL << m->bits;
	for (size_t i = 0; i < check->count; i++)
		if (!add_one(m, check, check->texts[i], bit)) {
			m->to->texts_count = before;
			return false;
		}
	m->told[m->bits++] = (struct told){ check->field, check->kind, check->texts[0].at, check->count };
	*of |= bit;
	*ret = (struct rules_telling){ .bit = bit, .holds = true };
	return true;
}

/* ---- facts ---- */

static bool tell_bit(plan_bits bit, bool holds, struct rules_telling *ret)
{
	*ret = (struct rules_telling){ .bit = bit, .holds = holds };
	return true;
}

static bool is_text(const struct rules_check *check, const char *text)
{
	return check->kind == RULES_CHECK_IS && check->count == 1 && str_eq(check->texts[0], str_of(text));
}

static bool tell_type(const struct rules_check *check, const char *file, const char *directory, struct rules_telling *ret)
{
	if (is_text(check, file))
		return tell_bit(PLAN_KILL_FILE, true, ret);
	return is_text(check, directory) && tell_bit(PLAN_KILL_DIRECTORY, true, ret);
}

/* Of calls whose descriptor the kernel has at hand. */
static bool tell_object(struct making *m, const struct rules_check *check, struct rules_telling *ret)
{
	const struct plan *plan = &m->call->plan;

	if (m->failed_call || is_exec(m->call) || plan->class == RECORD_CLASS_NET ||
	    (plan->object_arg == 0 && !(plan->flags & PLAN_RETURNS_FD)))
		return false;
	switch (check->field) {
	case FIELD_FD_TYPE: return tell_type(check, "file", "directory", ret);
	case FIELD_FD_TYPECHAR: return tell_type(check, "f", "d", ret);
	default: break;
	}
	if (check->kind == RULES_CHECK_EXISTS)
		return tell_bit(PLAN_KILL_PATH, true, ret);
	return check->kind != RULES_CHECK_NUMBER && tell_texts(m, check, &m->to->paths, ret);
}

/* A truth value of the program that begins. */
static bool tell_program(struct making *m, const struct rules_check *check, plan_bits bit, struct rules_telling *ret)
{
	return is_exec(m->call) && check->kind == RULES_CHECK_NUMBER && tell_bit(bit, check->number != 0, ret);
}

static bool tell(void *userdata, const struct rules_check *check, struct rules_telling *ret)
{
	struct making *m = userdata;
	bool exists = check->kind == RULES_CHECK_EXISTS;

	switch (check->field) {
	case FIELD_FD_NAME:
	case FIELD_FD_TYPE:
	case FIELD_FD_TYPECHAR: return tell_object(m, check, ret);
	case FIELD_PROC_NAME:
		return exists ? tell_bit(0, true, ret)
			      : check->kind == RULES_CHECK_IS && tell_texts(m, check, &m->to->comms, ret);
	case FIELD_PROC_EXEPATH:
		return is_exec(m->call) && !exists && check->kind != RULES_CHECK_NUMBER &&
		       tell_texts(m, check, &m->to->exes, ret);
	case FIELD_PROC_IS_EXE_UPPER_LAYER: return tell_program(m, check, PLAN_KILL_UPPER, ret);
	case FIELD_PROC_IS_EXE_LOWER_LAYER: return tell_program(m, check, PLAN_KILL_LOWER, ret);
	case FIELD_PROC_IS_EXE_FROM_MEMFD: return tell_program(m, check, PLAN_KILL_MEMFD, ret);
	case FIELD_USER_UID:
		return exists ? tell_bit(0, true, ret)
			      : check->kind == RULES_CHECK_NUMBER && check->number == 0 && tell_bit(PLAN_KILL_ROOT, true, ret);
	case FIELD_CONTAINER_ID:
		return exists ? tell_bit(0, true, ret) : is_text(check, "host") && tell_bit(PLAN_KILL_CONTAINER, false, ret);
	default: return false;
	}
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

/* ---- texts, as the kernel's table wants them ---- */

static int compare_texts(const void *a, const void *b)
{
	const struct kill_text *x = a, *y = b;

	return x->is_comm != y->is_comm ? x->is_comm - y->is_comm : str_cmp(x->text, y->text);
}

static void join_same(struct kills *kills)
{
	size_t kept = 0;

	if (kills->texts_count > 1)
		qsort(kills->texts, kills->texts_count, sizeof(*kills->texts), compare_texts);
	for (size_t i = 0; i < kills->texts_count; i++) {
		struct kill_text *last = kept == 0 ? NULL : &kills->texts[kept - 1];

		if (last != NULL && compare_texts(last, &kills->texts[i]) == 0)
			last->bits |= kills->texts[i].bits;
		else
			kills->texts[kept++] = kills->texts[i];
	}
	kills->texts_count = kept;
}

/* The longest entry answers for the shorter ones, which stand before it. */
static void pass_down(struct kills *kills)
{
	for (size_t i = 0; i < kills->texts_count; i++)
		for (size_t k = 0; k < i && !kills->texts[i].is_comm; k++)
			if (str_starts(kills->texts[i].text, kills->texts[k].text))
				kills->texts[i].bits |= kills->texts[k].bits;
}

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
	struct making m = { .rules = rules, .to = kills, .bits = PLAN_KILL_TEXTS };

	if (kills == NULL)
		return -ENOMEM;
	arena_init(&kills->arena, ARENA_MAX);
	kills->texts = calloc(TEXTS_MAX, sizeof(*kills->texts));
	kills->when = calloc(rules_count(rules) + 1, sizeof(*kills->when));
	m.interest = rules_interest_new(rules);
	if (kills->texts == NULL || kills->when == NULL || m.interest == NULL) {
		rules_interest_free(m.interest);
		kills_free(kills);
		return -ENOMEM;
	}
	for (size_t i = 0; i < calls_count && kills_any(rules); i++)
		ask_call(&m, i);
	rules_interest_free(m.interest);
	join_same(kills);
	pass_down(kills);
	*ret = kills;
	return 0;
}

void kills_free(struct kills *kills)
{
	if (kills == NULL)
		return;
	arena_done(&kills->arena);
	free(kills->texts);
	free(kills->when);
	free(kills);
}
