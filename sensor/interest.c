/* Asking the rules about every kind of every call, and putting the answers in order. */
#include "sensor/interest.h"

#include "sensor/record.h"

#include <errno.h>

struct making {
	struct interest *interest;
	const struct rules *all; /* NULL: there are none */
	struct rules_interest *rules;
	size_t cap;
	bool data;   /* some rule wants what is read or written */
	bool roles;  /* ... or calls of connections: it matters who began them */
	struct str of_followed; /* a rule's name; empty: nobody is followed */
	bool by_place; /* some rule reads what says where a process is */
	bool failed; /* out of memory */
};

/* ---- what is known of a kind ---- */

enum { KINDS_SAME_PEER = 0xf0f0 };

static void know_number(struct interest_known *known, field_id field, int64_t min, int64_t max)
{
	known->at[known->count++] = (struct rules_known){ .field = field, .min = min, .max = max };
}

static void know_text(struct interest_known *known, field_id field, const char *text, const char *other)
{
	known->at[known->count++] = (struct rules_known){ .field = field, .texts = { text, other } };
}

static void know_open(struct interest_known *known, unsigned kind)
{
	unsigned access = kind & PLAN_KIND_ACCESS;
	bool reads = access == PLAN_KIND_READ || access == PLAN_KIND_BOTH;
	bool writes = access == PLAN_KIND_WRITE || access == PLAN_KIND_BOTH;
	bool makes = (kind & PLAN_KIND_MAKES_EXEC) != 0;

	know_number(known, FIELD_EVT_IS_OPEN_READ, reads, reads);
	know_number(known, FIELD_EVT_IS_OPEN_WRITE, writes, writes);
	know_number(known, FIELD_EVT_IS_OPEN_EXEC, makes, makes);
	if (kind & PLAN_KIND_FAILED) {
		know_number(known, FIELD_FD_NUM, -1, -1);
		know_text(known, FIELD_FD_TYPECHAR, "f", NULL);
		know_text(known, FIELD_FD_TYPE, "file", NULL);
	} else {
		know_number(known, FIELD_FD_NUM, 0, INT32_MAX);
	}
}

static void know_socket(struct interest_known *known, const struct call *call, unsigned kind)
{
	switch (kind & PLAN_KIND_FAMILY) {
	case PLAN_KIND_IP:
		know_text(known, FIELD_FD_TYPE, "ipv4", "ipv6");
		know_text(known, FIELD_FD_TYPECHAR, "4", "6");
		know_text(known, FIELD_FD_SOCKFAMILY, "ip", NULL);
		break;
	case PLAN_KIND_UNIX:
		know_text(known, FIELD_FD_TYPE, "unix", NULL);
		know_text(known, FIELD_FD_TYPECHAR, "u", NULL);
		know_text(known, FIELD_FD_SOCKFAMILY, "unix", NULL);
		break;
	default: break;
	}
	if ((kind & PLAN_KIND_FAMILY) != PLAN_KIND_IP)
		known->at[known->count++] = (struct rules_known){ .field = FIELD_FD_NAME_CHANGED, .absent = true };
	else if ((call->plan.flags & PLAN_NEEDS_ADDRESS) && (kind & (PLAN_KIND_SAME_PEER | PLAN_KIND_FAILED)) != PLAN_KIND_FAILED)
		know_number(known, FIELD_FD_NAME_CHANGED, !(kind & PLAN_KIND_SAME_PEER),
			    !(kind & PLAN_KIND_SAME_PEER));
}

struct interest_known interest_know(const struct call *call, unsigned kind)
{
	bool failed = (kind & PLAN_KIND_FAILED) != 0;
	struct interest_known known = { .count = 0 };

	know_text(&known, FIELD_EVT_TYPE, call->name, NULL);
	/* What a profile says is told without being asked for. */
	for (field_id id = FIELD_SECCOMP_ACTION; id <= FIELD_SECCOMP_ARGS; id++)
		known.at[known.count++] = (struct rules_known){ .field = id, .absent = true };
	know_number(&known, FIELD_EVT_FAILED, failed, failed);
	if (failed) {
		know_number(&known, FIELD_EVT_RAWRES, INT64_MIN, -1);
		known.at[known.count++] =
			(struct rules_known){ .field = FIELD_EVT_RES, .isnt = "SUCCESS" };
	} else {
		bool other = (call->plan.flags & PLAN_STANDARD_FD) && kind == PLAN_KIND_OTHER_FD;

		know_number(&known, FIELD_EVT_RAWRES, other ? 3 : 0,
			    (call->plan.flags & PLAN_STANDARD_FD) && !other ? 2 : INT64_MAX);
		know_text(&known, FIELD_EVT_RES, "SUCCESS", NULL);
	}
	if (call->plan.flags & PLAN_OPEN)
		know_open(&known, kind);
	else if (call->plan.class == RECORD_CLASS_NET)
		know_socket(&known, call, kind);
	return known;
}

static bool is_of_container(field_id id)
{
	struct str name = field_info_at(id)->name;

	return str_starts(name, STR("container.")) || str_starts(name, STR("k8s."));
}

/* What processes on the host have of a container. */
static void know_host(struct interest_known *known)
{
	for (field_id id = 1; id < FIELD_CATALOGUE_END && known->count < INTEREST_KNOWN_MAX; id++) {
		if (id == FIELD_CONTAINER_ID || id == FIELD_CONTAINER_NAME)
			know_text(known, id, "host", NULL);
		else if (is_of_container(id))
			known->at[known->count++] = (struct rules_known){ .field = id, .absent = true };
	}
}

bool interest_kind_exists(const struct call *call, unsigned kind)
{
	if ((call->plan.flags & PLAN_FAILED_ONLY) && !(kind & PLAN_KIND_FAILED))
		return false;
	/* Facts are joined over all opens: what one kind is asked for in vain would let others pass. */
	if (call->plan.flags & PLAN_OPEN)
		return (call->plan.open_arg == 0) == ((kind & PLAN_KIND_ACCESS) == PLAN_KIND_CREAT);
	if (call->plan.class == RECORD_CLASS_NET)
		return (call->plan.flags & PLAN_NEEDS_ADDRESS) || !(kind & PLAN_KIND_SAME_PEER);
	return kind == 0 || kind == PLAN_KIND_FAILED ||
	       ((call->plan.flags & PLAN_STANDARD_FD) && kind == PLAN_KIND_OTHER_FD);
}

/* ---- asking ---- */

/* As the probe compares it: paths from the root, cut where it does not look further, endings backwards; behind
 * one that is whole a NUL. */
static struct str compared(struct arena *arena, const struct rules_fact *fact)
{
	struct str text = fact->text;
	bool is_whole = fact->kind == RULES_FACT_WHOLE;
	bool needs_slash = (is_whole || fact->kind == RULES_FACT_PREFIX) && text.at[0] != '/';
	char *out;

	if (fact->kind == RULES_FACT_ENDING && text.len > PLAN_NAME_MAX)
		text = str_from(text, text.len - PLAN_NAME_MAX);
	if (fact->kind == RULES_FACT_LEAD || fact->kind == RULES_FACT_ANY_LEAD)
		text = str_cut(text, PLAN_NAME_MAX);
	is_whole = is_whole && text.len + needs_slash < PLAN_PREFIX_MAX;
	text = str_cut(text, (RULES_FACTS_OF_PROCESSES & 1U << fact->kind) ? PLAN_COMM - 1 : PLAN_PREFIX_MAX - needs_slash);
	out = arena_alloc(arena, text.len + 2);
	if (out == NULL)
		return (struct str){ 0 };
	out[0] = '/';
	memcpy(out + needs_slash, text.at, text.len);
	for (size_t i = 0; fact->kind == RULES_FACT_ENDING && i < text.len; i++)
		out[i] = text.at[text.len - 1 - i];
	out[text.len + needs_slash] = '\0';
	return (struct str){ out, text.len + needs_slash + is_whole };
}

/* A name that is too long for the kernel's table is told by how it begins. */
static struct rules_fact shortened(const struct rules_fact *fact)
{
	struct rules_fact to = *fact;

	if (fact->text.len >= PLAN_NAME_MAX && fact->kind == RULES_FACT_LAST)
		to.kind = RULES_FACT_LEAD;
	if (fact->text.len >= PLAN_NAME_MAX && fact->kind == RULES_FACT_COMPONENT)
		to.kind = RULES_FACT_ANY_LEAD;
	return to;
}

static void add_entry(struct making *m, const struct rules_fact *fact, plan_bits bit)
{
	const struct rules_fact short_fact = shortened(fact);
	struct interest *interest = m->interest;
	struct str text = compared(&interest->arena, &short_fact);

	if (interest->count == m->cap) {
		size_t cap = m->cap == 0 ? 256 : m->cap * 2;
		struct interest_entry *bigger = realloc(interest->entries, cap * sizeof(*bigger));

		m->failed |= bigger == NULL;
		if (bigger == NULL)
			return;
		interest->entries = bigger;
		m->cap = cap;
	}
	m->failed |= text.len == 0;
	interest->entries[interest->count++] = (struct interest_entry){
		.kind = short_fact.kind == RULES_FACT_WHOLE ? RULES_FACT_PREFIX : short_fact.kind,
		.kinds = bit,
		.text = text,
	};
}

static plan_bits bit_of(const struct call *call, unsigned kind)
{
	return (call->plan.flags & PLAN_OPEN) ? 1ULL << kind : PLAN_BIT_OF_GROUP(call->plan.group);
}

/* The facts that the probe can tell of such a call. */
static unsigned facts_of_call(const struct call *call)
{
	if (call->plan.flags & PLAN_OPEN)
		return RULES_FACTS_OF_PATHS | RULES_FACTS_OF_PROCESSES | 1U << RULES_FACT_DOTS;
	if (call->plan.class == RECORD_CLASS_NET)
		return RULES_FACTS_OF_PROCESSES | 1U << RULES_FACT_PORT | 1U << RULES_FACT_ADDRESS;
	return RULES_FACTS_OF_PATHS | RULES_FACTS_OF_PROCESSES;
}

/* Those that are names are looked at, made absolute or as they were given. */
static size_t params_of_call(const struct call *call, struct rules_param ret[CALL_PARAMS_MAX])
{
	size_t count = 0;

	for (; count < CALL_PARAMS_MAX && call->params[count].name != NULL; count++) {
		enum param_kind kind = call->params[count].kind;

		ret[count] = (struct rules_param){ call->params[count].name,
						   kind == PARAM_PATH || kind == PARAM_PATH2 ||
							   kind == PARAM_RAW_NAME || kind == PARAM_OBJECT_PATH };
	}
	return count;
}

struct answer {
	enum rules_verdict verdict;
	const struct rules_fact *facts;
	size_t count;
	const struct rule *because;
};

static void take_answer(struct making *m, const struct call *call, unsigned kind, bool on_host, const struct answer *answer)
{
	struct plan_interest *of = &m->interest->calls[call->nr];
	const plan_bits bit = bit_of(call, kind) << (on_host ? PLAN_HOST_SHIFT : 0);

	if (answer->verdict == RULES_NEVER)
		return;
	*(on_host ? &of->host_can : &of->can) |= (uint16_t)(1U << kind);
	for (size_t i = 0; i < answer->count && answer->verdict == RULES_IF; i++)
		add_entry(m, &answer->facts[i], m->by_place ? bit : bit | bit << PLAN_HOST_SHIFT);
	if (!on_host && (answer->verdict == RULES_ALWAYS || m->interest->because[call->nr][kind] == NULL))
		m->interest->because[call->nr][kind] = answer->because;
	if (answer->verdict == RULES_ALWAYS)
		*(on_host ? &of->host_pass : &of->pass) |= (uint16_t)(1U << kind);
}

/* Rule by rule: what is wanted of those who are followed only passes by that. */
static void ask_each(struct making *m, const struct call *call, unsigned kind, bool on_host, const struct rules_asked *asked)
{
	static const struct rules_fact is_followed = { RULES_FACT_FOLLOWED, STR("followed") };

	for (size_t i = 0; i < rules_count(m->all); i++) {
		struct answer answer = { .because = rules_at(m->all, i) };

		answer.verdict = rules_interest_ask_one(m->rules, i, asked, &answer.facts, &answer.count);
		if (answer.verdict != RULES_NEVER && str_eq(rule_name(answer.because), m->of_followed))
			answer = (struct answer){ RULES_IF, &is_followed, 1, answer.because };
		take_answer(m, call, kind, on_host, &answer);
	}
}

static void ask_kind(struct making *m, const struct call *call, unsigned kind, bool on_host)
{
	struct interest_known known = interest_know(call, kind);
	struct rules_param params[CALL_PARAMS_MAX];
	struct rules_asked asked = {
		.evt_type = str_of(call->name),
		.known = known.at,
		.facts = facts_of_call(call),
		.params = params,
		.params_count = params_of_call(call, params),
	};
	struct answer answer = { .verdict = RULES_NEVER };

	if (on_host)
		know_host(&known);
	asked.known_count = known.count;
	if (m->of_followed.len > 0) {
		ask_each(m, call, kind, on_host, &asked);
		return;
	}
	answer.verdict = rules_interest_ask(m->rules, &asked, &answer.facts, &answer.count, &answer.because);
	take_answer(m, call, kind, on_host, &answer);
}

/* Of all processes, and what remains of that on the host. */
static void ask_places(struct making *m, const struct call *call, unsigned kind)
{
	struct plan_interest *of = &m->interest->calls[call->nr];
	const uint16_t bit = (uint16_t)(1U << kind);

	ask_kind(m, call, kind, false);
	if (m->by_place && (of->can & bit)) {
		ask_kind(m, call, kind, true);
	} else {
		of->host_can |= of->can & bit;
		of->host_pass |= of->pass & bit;
	}
}

static bool reads_places(const struct rules *rules)
{
	size_t cursor = 0;
	field_id id;

	while (rules_next_field(rules, &cursor, &id))
		if (id >= FIELD_CATALOGUE_END || is_of_container(id))
			return true;
	return false;
}

static void forget(struct interest_known *known, field_id field)
{
	size_t kept = 0;

	for (size_t i = 0; i < known->count; i++)
		if (known->at[i].field != field)
			known->at[kept++] = known->at[i];
	known->count = kept;
}

/* Whether a rule can match it when its descriptor is of this type, and no socket; NULL: it has none. */
static enum rules_verdict asked_of(struct making *m, const struct call *call, unsigned kind, const char *type, const char *typechar)
{
	static const field_id absent[] = { FIELD_FD_SOCKFAMILY, FIELD_FD_SIP, FIELD_FD_CIP, FIELD_FD_SPORT,
					   FIELD_FD_TYPE, FIELD_FD_TYPECHAR };
	struct interest_known known = interest_know(call, kind);
	struct rules_asked asked = { .evt_type = str_of(call->name), .known = known.at, .facts = facts_of_call(call) };
	const struct rules_fact *facts;
	const struct rule *because;
	size_t count;

	forget(&known, FIELD_FD_TYPE);
	forget(&known, FIELD_FD_TYPECHAR);
	if (type != NULL) {
		know_text(&known, FIELD_FD_TYPE, type, NULL);
		know_text(&known, FIELD_FD_TYPECHAR, typechar, NULL);
	}
	for (size_t i = 0; i < ARRAY_LEN(absent) - (type == NULL ? 0 : 2); i++)
		known.at[known.count++] = (struct rules_known){ .field = absent[i], .absent = true };
	asked.known_count = known.count;
	return rules_interest_ask(m->rules, &asked, &facts, &count, &because);
}

static bool can_be(struct making *m, const struct call *call, unsigned kind, const char *type, const char *typechar)
{
	return asked_of(m, call, kind, type, typechar) != RULES_NEVER;
}

/* A directory that could not be opened is a file to rules. To look at the name of each that is opened, for those that
 * want some that fail, would stop whoever walks a tree at each step: only who wants them all gets them. */
static bool wants_folders(struct making *m, const struct call *call)
{
	return m->rules == NULL || can_be(m, call, PLAN_KIND_READ, "directory", "d") ||
	       asked_of(m, call, PLAN_KIND_READ | PLAN_KIND_FAILED, "file", "f") == RULES_ALWAYS;
}

/* What a probe can tell by arguments, or by a look at a descriptor, before the call. */
static void ask_types(struct making *m, const struct call *call)
{
	const uint16_t can = m->interest->calls[call->nr].can;

	if ((call->plan.flags & PLAN_OPEN) && (can & (1U << PLAN_KIND_READ | 1U << (PLAN_KIND_READ | PLAN_KIND_FAILED))))
		m->interest->folders |= wants_folders(m, call);
	for (unsigned kind = 0; kind < PLAN_KIND_FAILED && (call->plan.flags & PLAN_STANDARD_FD); kind++)
		if (can & 1U << kind)
			m->interest->plain_dups |= m->rules == NULL || can_be(m, call, kind, "file", "f") ||
						   can_be(m, call, kind, "pipe", "p") ||
						   can_be(m, call, kind, "directory", "d");
	if ((call->plan.flags & PLAN_STANDARD_FD) && (can & 1U << PLAN_KIND_FAILED))
		m->interest->plain_dups |= m->rules == NULL || can_be(m, call, PLAN_KIND_FAILED, NULL, NULL);
}

/* Whether a rule asks for this call; a rule that takes any type does not. */
static bool is_named(const struct making *m, const struct call *call)
{
	size_t count = m->all == NULL ? 0 : rules_count(m->all);

	for (size_t i = 0; i < count; i++) {
		const struct rule *rule = rules_at(m->all, i);

		if (rule_is_enabled(rule) && rule_wants_type(rule, str_of(call->name)) &&
		    !rule_wants_type(rule, STR("")))
			return true;
	}
	return false;
}

/* What programs do all the time is only for rules that name the call: messages of connections, descriptors that
 * become others. */
static void keep_named(struct plan_interest *of, const struct call *call, bool named)
{
	const uint16_t common = (call->plan.flags & PLAN_STANDARD_FD) ? 1U << PLAN_KIND_OTHER_FD : 0;

	if (call->plan.flags & PLAN_NEEDS_ADDRESS)
		of->bare = named ? of->can & KINDS_SAME_PEER : 0;
	if (named)
		return;
	of->can &= (uint16_t)~common;
	of->pass &= (uint16_t)~common;
	of->host_can &= (uint16_t)~common;
	of->host_pass &= (uint16_t)~common;
}

static void ask_call(struct making *m, const struct call *call)
{
	struct plan_interest *of = &m->interest->calls[call->nr];
	bool named = is_named(m, call);

	if (call->watch == CALL_NAMED && !named)
		return;
	if (m->rules == NULL || (call->watch == CALL_STATE && !(call->plan.flags & PLAN_FAILED_ONLY))) {
		*of = (struct plan_interest){
			.can = UINT16_MAX, .pass = UINT16_MAX, .host_can = UINT16_MAX, .host_pass = UINT16_MAX
		};
	} else {
		for (unsigned kind = 0; kind < 16; kind++)
			if (interest_kind_exists(call, kind))
				ask_places(m, call, kind);
	}
	keep_named(of, call, named);
	of->data = m->data;
	m->roles |= of->bare != 0 || (call->plan.class == RECORD_CLASS_OTHER && of->can != 0 &&
				      (call->plan.flags & (PLAN_DATA_BUFFER | PLAN_DATA_VECTOR)) != 0);
}

/* Who began a connection is seen when it is accepted, and told with what is sent through it later. */
static void keep_roles(struct interest *interest)
{
	static const char *const names[] = { "accept", "accept4" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct plan_interest *of = &interest->calls[call_find_name(str_of(names[i]))->nr];

		of->can |= 1U << PLAN_KIND_IP;
		of->pass |= 1U << PLAN_KIND_IP;
	}
}

/* Whether it is about a socket of before: who began the connection is told with it. */
static bool tells_roles(const struct call *call)
{
	if (call->plan.class == RECORD_CLASS_NET)
		return call->plan.object_arg != 0 && call->plan.group == PLAN_GROUP_OTHER;
	return call->watch != CALL_STATE && (call->plan.object_arg != 0 || (call->plan.flags & PLAN_STANDARD_FD) != 0);
}

static bool receives(const struct call *call)
{
	return str_starts(str_of(call->name), STR("recv"));
}

/* What shows who began a connection is shown wherever the process is, when other calls tell of it. */
static void keep_wide(struct interest *interest)
{
	bool received = false, told = false;

	for (size_t i = 0; i < calls_count; i++) {
		if (interest->calls[calls[i].nr].can == 0)
			continue;
		received |= receives(&calls[i]);
		told |= receives(&calls[i]) || tells_roles(&calls[i]);
	}
	for (size_t i = 0; i < calls_count; i++) {
		struct plan_interest *of = &interest->calls[calls[i].nr];
		bool begins = calls[i].plan.group == PLAN_GROUP_CONNECT || calls[i].plan.group == PLAN_GROUP_MESSAGE;

		if (!(begins && received) && !(calls[i].plan.group == PLAN_GROUP_SERVE && told))
			continue;
		of->pass |= of->can;
		of->host_can |= of->can;
		of->host_pass |= of->can;
	}
}

/* ---- in order ---- */

static int compare_entries(const void *a, const void *b)
{
	const struct interest_entry *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return str_cmp(x->text, y->text);
}

static bool is_same(const struct interest_entry *a, const struct interest_entry *b)
{
	return a->kind == b->kind && str_eq(a->text, b->text);
}

static void join_same(struct interest *interest)
{
	size_t kept = 0;

	if (interest->count > 1)
		qsort(interest->entries, interest->count, sizeof(*interest->entries), compare_entries);
	for (size_t i = 0; i < interest->count; i++) {
		struct interest_entry *entry = &interest->entries[i];

		if (kept > 0 && is_same(&interest->entries[kept - 1], entry))
			interest->entries[kept - 1].kinds |= entry->kinds;
		else
			interest->entries[kept++] = *entry;
	}
	interest->count = kept;
}

static bool is_trie(enum rules_fact_kind kind)
{
	return kind == RULES_FACT_PREFIX || kind == RULES_FACT_ENDING || kind == RULES_FACT_LEAD ||
	       kind == RULES_FACT_ANY_LEAD;
}

/* The kernel's trie tells of the longest entry only: so that one answers for its shorter ones too. Sorted,
 * what an entry begins with stands before it; `within` leads from one to the next shorter. */
static void pass_down(struct interest *interest)
{
	for (size_t i = 1; i < interest->count; i++) {
		struct interest_entry *entry = &interest->entries[i];
		size_t j = i;

		while (j > 0) {
			const struct interest_entry *before = &interest->entries[j - 1];

			if (before->kind != entry->kind || !is_trie(entry->kind))
				break;
			if (str_starts(entry->text, before->text)) {
				entry->kinds |= before->kinds;
				entry->within = (uint32_t)j;
				break;
			}
			j = before->within;
		}
	}
}

static bool is_in_network(const struct interest_entry *inner, const struct interest_entry *outer)
{
	unsigned bits = (unsigned char)outer->text.at[16], whole = bits / 8;

	if ((unsigned char)inner->text.at[16] < bits || memcmp(inner->text.at, outer->text.at, whole) != 0)
		return false;
	return bits % 8 == 0 ||
	       (((unsigned char)inner->text.at[whole] ^ (unsigned char)outer->text.at[whole]) >> (8 - bits % 8)) == 0;
}

/* The same of networks. */
static void pass_down_networks(struct interest *interest)
{
	for (size_t i = 0; i < interest->count; i++)
		for (size_t j = 0; interest->entries[i].kind == RULES_FACT_ADDRESS && j < interest->count; j++)
			if (interest->entries[j].kind == RULES_FACT_ADDRESS &&
			    is_in_network(&interest->entries[i], &interest->entries[j]))
				interest->entries[i].kinds |= interest->entries[j].kinds;
}

static void give_up(const struct call *call, plan_bits bits, uint16_t can, uint16_t *pass)
{
	if (call->plan.flags & PLAN_OPEN)
		*pass |= (uint16_t)(can & bits);
	else if (bits & bit_of(call, 0))
		*pass |= can;
}

/* The letter that it begins with, of a path the one behind the slash, as a bit; of one that is too short all. */
static uint64_t letter_of(enum rules_fact_kind fact, struct str text)
{
	const size_t at = fact == RULES_FACT_PREFIX;

	return text.len > at ? 1ULL << ((unsigned char)text.at[at] & 63) : ~0ULL;
}

/* A kind of fact with more entries than the probe's table holds is given up: what it stood for passes. */
static void keep_bounds(struct interest *interest)
{
	size_t counts[RULES_FACT_KINDS] = { 0 }, kept = 0;
	plan_bits given_up = 0;

	for (size_t i = 0; i < interest->count; i++)
		counts[interest->entries[i].kind]++;
	for (size_t i = 0; i < interest->count; i++) {
		enum rules_fact_kind kind = interest->entries[i].kind;

		if (counts[kind] > (kind == RULES_FACT_PREFIX ? INTEREST_PREFIXES_MAX : INTEREST_TEXTS_MAX))
			given_up |= interest->entries[i].kinds;
		else
			interest->entries[kept++] = interest->entries[i];
	}
	interest->count = kept;
	for (size_t i = 0; i < calls_count; i++) {
		struct plan_interest *of = &interest->calls[calls[i].nr];

		give_up(&calls[i], given_up, of->can, &of->pass);
		give_up(&calls[i], given_up >> PLAN_HOST_SHIFT, of->host_can, &of->host_pass);
	}
	for (size_t i = 0; i < interest->count; i++) {
		interest->kinds[interest->entries[i].kind] |= interest->entries[i].kinds;
		for (size_t fact = interest->entries[i].kind; fact < RULES_FACT_KINDS; fact++)
			interest->first[fact + 1] = i + 1;
		interest->letters[interest->entries[i].kind] |= letter_of(interest->entries[i].kind, interest->entries[i].text);
	}
}

/* Of an exec that succeeds no kind is kept above: its record always comes. */
static bool ask_execs(struct making *m)
{
	bool wanted = m->rules == NULL;

	for (size_t i = 0; i < calls_count && !wanted; i++) {
		const struct interest_known known = interest_know(&calls[i], 0);
		const struct rules_asked asked = {
			.evt_type = str_of(calls[i].name), .known = known.at, .known_count = known.count
		};
		const struct rule *because;
		const struct rules_fact *facts;
		size_t count;

		wanted = (calls[i].plan.flags & PLAN_FAILED_ONLY) &&
			 rules_interest_ask(m->rules, &asked, &facts, &count, &because) != RULES_NEVER;
	}
	return wanted;
}

int interest_new(const struct rules *rules, struct interest **ret)
{
	return interest_new_following(rules, STR(""), ret);
}

int interest_new_following(const struct rules *rules, struct str of_followed, struct interest **ret)
{
	struct interest *interest = calloc(1, sizeof(*interest));
	struct making m = { .interest = interest, .of_followed = of_followed };

	if (interest == NULL)
		return -ENOMEM;
	arena_init(&interest->arena, 64 << 20);
	m.all = rules;
	m.rules = rules == NULL ? NULL : rules_interest_new(rules);
	m.data = rules != NULL && rules_wants_data(rules);
	m.failed = rules != NULL && m.rules == NULL;
	m.by_place = rules != NULL && reads_places(rules);
	for (size_t i = 0; i < calls_count && !m.failed; i++)
		ask_call(&m, &calls[i]);
	for (size_t i = 0; i < calls_count && !m.failed; i++)
		ask_types(&m, &calls[i]);
	interest->execs = !m.failed && ask_execs(&m);
	if (m.roles)
		keep_roles(interest);
	keep_wide(interest);
	rules_interest_free(m.rules);
	if (m.failed) {
		interest_free(interest);
		return -ENOMEM;
	}
	join_same(interest);
	pass_down(interest);
	keep_bounds(interest);
	pass_down_networks(interest);
	*ret = interest;
	return 0;
}

void interest_free(struct interest *interest)
{
	if (interest == NULL)
		return;
	arena_done(&interest->arena);
	free(interest->entries);
	free(interest);
}

/* ---- the same question as in the eBPF program, for probes in user space ---- */

/* Of the entries of this kind of fact, the last that is not behind `text`, before `end`; `end`: none. */
static size_t last_not_behind(const struct interest *interest, enum rules_fact_kind fact, struct str text, size_t end)
{
	size_t low = interest->first[fact], high = end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (str_cmp(interest->entries[middle].text, text) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > interest->first[fact] ? low - 1 : end;
}

static size_t common_start(struct str a, struct str b)
{
	size_t len = 0;

	while (len < a.len && len < b.len && a.at[len] == b.at[len])
		len++;
	return len;
}

/* Of the longest entry that the text begins with: it has the kinds of those within it. */
static plan_bits kinds_of_start(const struct interest *interest, enum rules_fact_kind fact, struct str text)
{
	size_t end = interest->first[fact + 1], at;

	if (!(interest->letters[fact] & letter_of(fact, text)))
		return 0;
	while ((at = last_not_behind(interest, fact, text, end)) < end) {
		const struct interest_entry *entry = &interest->entries[at];
		size_t len = common_start(entry->text, text);

		if (len == entry->text.len)
			return entry->kinds;
		text = str_cut(text, len); /* no longer one can be its start */
		end = at;
	}
	return 0;
}

/* One that is whole ends with a NUL. */
static plan_bits kinds_of_prefix(const struct interest *interest, struct str path)
{
	char with_nul[PLAN_PREFIX_MAX];

	if (path.len >= sizeof(with_nul))
		return kinds_of_start(interest, RULES_FACT_PREFIX, path);
	memcpy(with_nul, path.at, path.len);
	with_nul[path.len] = '\0';
	return kinds_of_start(interest, RULES_FACT_PREFIX, (struct str){ with_nul, path.len + 1 });
}

static plan_bits kinds_of_whole(const struct interest *interest, enum rules_fact_kind fact, struct str text)
{
	size_t end = interest->first[fact + 1], at;

	if (!(interest->letters[fact] & letter_of(fact, text)))
		return 0;
	at = last_not_behind(interest, fact, text, end);
	return at < end && str_eq(interest->entries[at].text, text) ? interest->entries[at].kinds : 0;
}

static plan_bits kinds_of_components(const struct interest *interest, plan_bits kind, struct str path)
{
	plan_bits kinds = 0;

	if (!((interest->kinds[RULES_FACT_COMPONENT] | interest->kinds[RULES_FACT_ANY_LEAD]) & kind))
		return 0;
	while (path.len > 0) {
		const char *slash = memchr(path.at, '/', path.len);
		struct str part = str_cut(path, slash == NULL ? path.len : (size_t)(slash - path.at));

		kinds |= kinds_of_whole(interest, RULES_FACT_COMPONENT, part);
		kinds |= kinds_of_start(interest, RULES_FACT_ANY_LEAD, part);
		path = str_from(path, part.len + (slash != NULL));
	}
	return kinds;
}

static plan_bits kinds_of_ending(const struct interest *interest, plan_bits kind, struct str name)
{
	char backwards[PLAN_NAME_MAX];
	size_t len = name.len < sizeof(backwards) ? name.len : sizeof(backwards);

	if (!(interest->kinds[RULES_FACT_ENDING] & kind))
		return 0;
	for (size_t i = 0; i < len; i++)
		backwards[i] = name.at[name.len - 1 - i];
	return kinds_of_start(interest, RULES_FACT_ENDING, (struct str){ backwards, len });
}

static plan_bits kinds_of_name(const struct interest *interest, plan_bits kind, struct str path)
{
	const char *slash = memrchr(path.at, '/', path.len);
	struct str last = slash == NULL ? path : str_from(path, (size_t)(slash - path.at) + 1);

	return kinds_of_whole(interest, RULES_FACT_LAST, last) | kinds_of_start(interest, RULES_FACT_LEAD, last) |
	       kinds_of_ending(interest, kind, last);
}

static plan_bits kinds_of_dots(const struct interest *interest, plan_bits kind, struct str given)
{
	return (interest->kinds[RULES_FACT_DOTS] & kind) && str_find(given, STR("..")) >= 0
		       ? interest->kinds[RULES_FACT_DOTS] : 0;
}

static bool has_component(struct str path, struct str name)
{
	while (path.len > 0) {
		const char *slash = memchr(path.at, '/', path.len);
		struct str part = str_cut(path, slash == NULL ? path.len : (size_t)(slash - path.at));

		if (str_eq(part, name))
			return true;
		path = str_from(path, part.len + (slash != NULL));
	}
	return false;
}

/* A name that says its path in more words than it needs: nobody looks it up. */
static bool is_roundabout(struct str name)
{
	return has_component(str_from(name, 1), STR(".")) || has_component(name, STR("..")) ||
	       str_find(name, STR("//")) >= 0 || name.at[name.len - 1] == '/';
}

/* These probes look no further than at the process itself: whom it descends from, or talks to, may be anybody. */
static bool others_may_hold(const struct interest *interest, plan_bits kind)
{
	return ((interest->kinds[RULES_FACT_PARENT] | interest->kinds[RULES_FACT_ANCESTOR] |
		 interest->kinds[RULES_FACT_FOLLOWED] | interest->kinds[RULES_FACT_ADDRESS]) & kind) != 0;
}

static bool path_holds(const struct interest *interest, plan_bits kind, struct str path)
{
	return ((kinds_of_prefix(interest, path) | kinds_of_name(interest, kind, path) |
		 kinds_of_components(interest, kind, path)) & kind) != 0;
}

static bool one_holds(const struct interest *interest, plan_bits kind, struct str path, struct str given,
		      struct str comm)
{
	return path_holds(interest, kind, path) || others_may_hold(interest, kind) ||
	       ((kinds_of_dots(interest, kind, given) | kinds_of_whole(interest, RULES_FACT_COMM, comm)) & kind) != 0;
}

bool interest_wants_open(const struct interest *interest, uint16_t nr, uint16_t kind, struct str path,
			 struct str given, struct str comm)
{
	const struct plan_interest *of = &interest->calls[nr];

	if (!(of->can & kind))
		return false;
	if ((of->pass & kind) || path.len == 0 || path.at[0] != '/' || one_holds(interest, kind, path, given, comm))
		return true;
	/* A link leads elsewhere: rules may know it by the name that was given. */
	if (given.len == 0 || given.at[0] != '/')
		return false;
	return is_roundabout(given) || (!str_eq(given, path) && one_holds(interest, kind, given, given, comm));
}

bool interest_wants_port(const struct interest *interest, const struct call *call, bool on_host, uint16_t port)
{
	const char text[2] = { (char)(port >> 8), (char)(port & 0xff) };

	const plan_bits bit = bit_of(call, 0) << (on_host ? PLAN_HOST_SHIFT : 0);

	return (interest_kinds(interest, RULES_FACT_PORT, (struct str){ text, 2 }) & bit) != 0 ||
	       others_may_hold(interest, bit);
}

bool interest_wants_call(const struct interest *interest, const struct call *call, uint16_t kind, bool on_host,
			 const struct str *paths, size_t count, struct str comm)
{
	const struct plan_interest *of = &interest->calls[call->nr];
	const plan_bits bit = bit_of(call, 0) << (on_host ? PLAN_HOST_SHIFT : 0);

	if (!((on_host ? of->host_can : of->can) & kind))
		return false;
	if (((on_host ? of->host_pass : of->pass) & kind) || others_may_hold(interest, bit) ||
	    (kinds_of_whole(interest, RULES_FACT_COMM, comm) & bit))
		return true;
	for (size_t i = 0; i < count; i++)
		if (path_holds(interest, bit, paths[i]))
			return true;
	return false;
}

bool interest_reads(const struct interest *interest, const struct rule **ret_because)
{
	static const unsigned kinds[] = { PLAN_KIND_READ, PLAN_KIND_READ | PLAN_KIND_FAILED };

	for (size_t i = 0; i < calls_count; i++)
		for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
			if (!(calls[i].plan.flags & PLAN_OPEN) ||
			    !(interest->calls[calls[i].nr].can & 1U << kinds[k]))
				continue;
			*ret_because = interest->because[calls[i].nr][kinds[k]];
			return true;
		}
	return false;
}

plan_bits interest_kinds(const struct interest *interest, enum rules_fact_kind kind, struct str text)
{
	const struct interest_entry key = { .kind = kind, .text = text };
	const struct interest_entry *hit =
		interest->count == 0 ? NULL
				     : bsearch(&key, interest->entries, interest->count,
					       sizeof(*interest->entries), compare_entries);

	return hit == NULL ? 0 : hit->kinds;
}
