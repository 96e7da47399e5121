/* What an operator and its literal say of a path: how it begins, what it ends with, which components it
 * has. Of what a pattern says, the one thing that is so least often. */
#include "rules/facts.h"

#include <ctype.h>

/* What the literal is compared to. */
enum part { PART_PATH, PART_DIRECTORY, PART_LAST, PART_GIVEN, PART_COMM, PART_PARENT, PART_ANCESTOR, PART_PORT, PART_ADDRESS, PART_NONE };

struct finding {
	struct arena *arena;
	enum part part;
	unsigned facts; /* that were asked for */
	struct rules_fact best;
	float chance; /* of best; 2: nothing was found */
};

static float chance_of(const struct rules_fact *fact)
{
	size_t depth = 0;

	switch (fact->kind) {
	case RULES_FACT_PREFIX: break;
	case RULES_FACT_WHOLE: return 0.001f;
	case RULES_FACT_ENDING: return fact->text.len > 3 ? 0.02f : 0.2f;
	case RULES_FACT_COMM: return 0.05f;
	case RULES_FACT_PARENT: return 0.31f; /* not every probe can tell: only where a path says next to nothing */
	case RULES_FACT_ANCESTOR: return 0.35f;
	case RULES_FACT_PORT: return 0.01f;
	case RULES_FACT_ADDRESS: return (unsigned char)fact->text.at[16] < 96 + 24 ? 0.2f : 0.01f;
	case RULES_FACT_ANY_LEAD:
	case RULES_FACT_LEAD: return fact->text.len > 1 ? 0.02f : 0.04f;
	case RULES_FACT_COMPONENT: return 0.02f;
	case RULES_FACT_LAST: return str_eq(fact->text, STR("config")) ? 0.03f : 0.005f; /* git reads its own at each start */
	case RULES_FACT_DOTS: return 0.1f; /* it is dear to ask: only rather than pass much more */
	default: return 0.005f;
	}
	for (size_t i = 1; i < fact->text.len; i++)
		depth += fact->text.at[i] == '/' && i + 1 < fact->text.len;
	return fact->text.len < 2 ? 1.0f : depth == 0 ? 0.3f : depth == 1 ? 0.03f : 0.004f;
}

static void offer(struct finding *finding, enum rules_fact_kind kind, struct str text)
{
	struct rules_fact fact = { .kind = kind, .text = text };
	float chance;

	if (text.len == 0 || !(finding->facts & 1U << kind))
		return;
	chance = chance_of(&fact);
	if (chance >= finding->chance)
		return;
	finding->best = fact;
	finding->chance = chance;
}

/* The part of the text behind its last slash; all of it without one. */
static struct str behind_slash(struct str text, bool *ret_has_slash)
{
	const char *slash = text.len == 0 ? NULL : memrchr(text.at, '/', text.len);

	*ret_has_slash = slash != NULL;
	return slash == NULL ? text : str_from(text, (size_t)(slash - text.at) + 1);
}

/* Whole components: what stands between two slashes. */
static void offer_components(struct finding *finding, struct str text)
{
	size_t from = SIZE_MAX;

	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] != '/')
			continue;
		if (from != SIZE_MAX)
			offer(finding, RULES_FACT_COMPONENT, str_cut(str_from(text, from), i - from));
		from = i + 1;
	}
}

static void offer_start(struct finding *finding, struct str text)
{
	if (finding->part == PART_LAST && str_find(text, STR("/")) < 0)
		offer(finding, RULES_FACT_LEAD, text);
	if (finding->part != PART_PATH && finding->part != PART_DIRECTORY)
		return;
	offer(finding, RULES_FACT_PREFIX, text);
}

static void offer_end(struct finding *finding, struct str text)
{
	bool has_slash;
	struct str last = behind_slash(text, &has_slash);

	if (finding->part == PART_LAST && !has_slash)
		offer(finding, RULES_FACT_ENDING, last);
	if (finding->part == PART_PATH)
		offer(finding, has_slash ? RULES_FACT_LAST : RULES_FACT_ENDING, last);
	if (finding->part == PART_DIRECTORY && has_slash)
		offer(finding, RULES_FACT_COMPONENT, last);
	if (finding->part == PART_PATH || finding->part == PART_DIRECTORY)
		offer_components(finding, text);
}

/* What stands somewhere in the middle: behind a slash a component begins. */
static void offer_middle(struct finding *finding, struct str text)
{
	bool has_slash;
	struct str last = behind_slash(text, &has_slash);

	if (finding->part != PART_PATH && finding->part != PART_DIRECTORY)
		return;
	offer_components(finding, text);
	if (has_slash)
		offer(finding, RULES_FACT_ANY_LEAD, last);
}

/* The path of a file below the directory begins with it, and the directory itself is it. */
static void offer_directory(struct finding *finding, struct str text)
{
	if (text.len > 1)
		offer(finding, RULES_FACT_PREFIX, text);
}

static void offer_whole(struct finding *finding, struct str text)
{
	switch (finding->part) {
	case PART_PATH: offer(finding, RULES_FACT_WHOLE, text); break;
	case PART_DIRECTORY: offer_directory(finding, text); break;
	case PART_LAST: offer(finding, RULES_FACT_LAST, text); break;
	case PART_COMM: offer(finding, RULES_FACT_COMM, text); break;
	case PART_PARENT: offer(finding, RULES_FACT_PARENT, text); break;
	case PART_ANCESTOR: offer(finding, RULES_FACT_ANCESTOR, text); break;
	case PART_GIVEN:
	case PART_PORT:
	case PART_ADDRESS:
	case PART_NONE: break;
	}
}

/* Bytes up to the first that is special to a pattern. */
static size_t plain_length(struct str text, const char *special)
{
	size_t i = 0;

	while (i < text.len && strchr(special, text.at[i]) == NULL)
		i++;
	return i;
}

/* `*` takes slashes too. A set or an escape ends what is plain, and so does a bracket within it: hence
 * what stands behind one is only taken when no set can begin before it. */
static void offer_glob(struct finding *finding, struct str text)
{
	size_t plain = plain_length(text, "*?[\\"), from = plain;

	if (plain == text.len) {
		offer_whole(finding, text);
		return;
	}
	offer_start(finding, str_cut(text, plain));
	if (plain_length(text, "[\\") < text.len)
		return;
	while (from < text.len) {
		struct str run = str_from(text, from + 1);

		plain = plain_length(run, "*?");
		offer_middle(finding, str_cut(run, plain));
		from += plain + 1;
		if (from >= text.len)
			offer_end(finding, run);
	}
}

#define REGEX_SPECIAL "\\.[]()*+?{}^$|"

/* Whether what is plain in the pattern must stand in the value as it is: no alternatives but within a
 * group, no options, no escapes that are longer than one letter. */
static bool regex_is_simple(struct str text)
{
	int depth = 0;
	bool has_set = memchr(text.at, '[', text.len) != NULL;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i], next = i + 1 < text.len ? text.at[i + 1] : '\0';

		if (c == '\\' && (next == '\0' || (isalnum((unsigned char)next) && strchr("dDsSwWbB", next) == NULL)))
			return false;
		if (c == '(' && next == '?' && (i + 2 >= text.len || text.at[i + 2] != ':'))
			return false;
		if (c == '|' && (depth == 0 || has_set))
			return false;
		depth += c == '(' ? 1 : c == ')' ? -1 : 0;
		i += c == '\\';
	}
	return true;
}

/* The whole value is matched, so what is plain at the begin and at the end stands there. */
static void offer_regex(struct finding *finding, struct str text)
{
	size_t plain = plain_length(text, REGEX_SPECIAL), from = text.len;

	if (text.len == 0 || !regex_is_simple(text))
		return;
	if (plain == text.len) {
		offer_whole(finding, text);
		return;
	}
	/* What a quantifier follows may be absent. */
	if (plain > 0 && strchr("*?{", text.at[plain]) != NULL)
		offer_start(finding, str_cut(text, plain - 1));
	else
		offer_start(finding, str_cut(text, plain));
	while (from > 0 && strchr(REGEX_SPECIAL, text.at[from - 1]) == NULL)
		from--;
	if (from > 0 && text.at[from - 1] == '\\')
		from++;
	offer_end(finding, str_from(text, from));
}

/* Components from the begin; of the path and of everything below it. */
static void offer_pmatch(struct finding *finding, struct str text)
{
	size_t plain = plain_length(text, "*?[\\");
	struct str start = str_cut(text, plain);

	while (start.len > 1 && start.at[start.len - 1] == '/')
		start.len--;
	if (start.len > 1 && start.at[0] == '/' && str_find(start, STR("//")) < 0)
		offer_start(finding, start);
}

/* Two dots that the literal has, the name must have. */
static void offer_dots(struct finding *finding, enum op op, struct str text)
{
	bool is_plain = op == OP_EQ || op == OP_IN || op == OP_STARTSWITH || op == OP_ENDSWITH ||
			op == OP_CONTAINS ||
			(op == OP_GLOB && plain_length(text, "[\\") == text.len);

	if (is_plain && str_find(text, STR("..")) >= 0)
		offer(finding, RULES_FACT_DOTS, STR(".."));
}

static void offer_literal(struct finding *finding, enum op op, struct str text)
{
	if (finding->part == PART_GIVEN) {
		offer_dots(finding, op, text);
		return;
	}
	switch (op) {
	case OP_EQ:
	case OP_IN: offer_whole(finding, text); break;
	case OP_STARTSWITH: offer_start(finding, text); break;
	case OP_ENDSWITH: offer_end(finding, text); break;
	case OP_CONTAINS: offer_middle(finding, text); break;
	case OP_GLOB: offer_glob(finding, text); break;
	case OP_PMATCH: offer_pmatch(finding, text); break;
	case OP_REGEX: offer_regex(finding, text); break;
	default: break;
	}
}

static void offer_port(struct finding *finding, enum op op, __int128 number)
{
	char *text;

	if ((op != OP_EQ && op != OP_IN) || number < 0 || number > UINT16_MAX)
		return;
	text = arena_alloc(finding->arena, 2);
	if (text == NULL)
		return;
	text[0] = (char)(number >> 8);
	text[1] = (char)(number & 0xff);
	offer(finding, RULES_FACT_PORT, (struct str){ text, 2 });
}

/* A network of IPv6 that has the mapped addresses in it is taken to have those of IPv4: too often is good enough. */
static void offer_address(struct finding *finding, const struct predicate *predicate, const struct literal *literal)
{
	const struct net_addr *addr = predicate->class == CLASS_NETWORK ? &literal->net.addr : &literal->addr;
	unsigned bits = predicate->class == CLASS_NETWORK ? literal->net.bits : addr->len * 8U;
	unsigned front = 16U - addr->len;
	char *text;

	if ((predicate->op != OP_EQ && predicate->op != OP_IN) ||
	    (predicate->class != CLASS_NETWORK && predicate->class != CLASS_ADDRESS) || (addr->len != 4 && addr->len != 16))
		return;
	text = arena_alloc(finding->arena, 17);
	if (text == NULL)
		return;
	memset(text, 0, front);
	if (addr->len == 4)
		memset(text + 10, 0xff, 2);
	memcpy(text + front, addr->bytes, addr->len);
	text[16] = (char)(bits + front * 8);
	offer(finding, RULES_FACT_ADDRESS, (struct str){ text, 17 });
}

static enum part part_of_param(const struct rules_asked *asked, const struct term *term)
{
	for (size_t i = 0; i < asked->params_count; i++)
		if (asked->params[i].is_path && str_eq(term->arg, str_of(asked->params[i].name)))
			return PART_PATH;
	return PART_NONE;
}

const struct term *facts_field(const struct rules *rules, const struct predicate *predicate, bool *ret_last)
{
	const struct term *term = &rules->terms[predicate->term];

	*ret_last = term->kind == AST_CALL && term->call == TRANSFORMER_BASENAME && term->count == 1;
	return *ret_last ? &rules->terms[term->items[0]] : term;
}

/* The process itself is its own generation 0. */
static enum part part_of_ancestor(const struct term *term)
{
	return term->index == 0 ? PART_COMM : term->index == 1 ? PART_PARENT : PART_ANCESTOR;
}

static enum part part_of_field(const struct rules_asked *asked, const struct term *term)
{
	if (term->kind != AST_FIELD || term->is_list)
		return PART_NONE;
	switch (term->base) {
	case FIELD_FD_PORT:
	case FIELD_FD_CPORT:
	case FIELD_FD_SPORT:
	case FIELD_FD_LPORT:
	case FIELD_FD_RPORT: return term->class == CLASS_NUMBER ? PART_PORT : PART_NONE;
	case FIELD_FD_IP:
	case FIELD_FD_CIP:
	case FIELD_FD_SIP:
	case FIELD_FD_LIP:
	case FIELD_FD_RIP:
	case FIELD_FD_NET:
	case FIELD_FD_CNET:
	case FIELD_FD_SNET:
	case FIELD_FD_LNET:
	case FIELD_FD_RNET: return PART_ADDRESS;
	default: break;
	}
	if (term->class != CLASS_TEXT)
		return PART_NONE;
	if (asked->path != FIELD_NONE)
		return term->base == asked->path ? PART_PATH : PART_NONE;
	switch (term->base) {
	case FIELD_FD_NAME: return PART_PATH;
	case FIELD_FD_DIRECTORY: return PART_DIRECTORY;
	case FIELD_FD_FILENAME: return PART_LAST;
	case FIELD_FD_NAMERAW: return PART_GIVEN;
	case FIELD_PROC_NAME: return PART_COMM;
	case FIELD_PROC_PNAME: return PART_PARENT;
	case FIELD_PROC_ANAME: return part_of_ancestor(term);
	case FIELD_EVT_ARG: return part_of_param(asked, term);
	default: return PART_NONE;
	}
}

static enum part part_of(const struct rules_asked *asked, const struct rules *rules, const struct predicate *predicate)
{
	bool last;
	enum part part = part_of_field(asked, facts_field(rules, predicate, &last));

	if (!last)
		return part;
	return part == PART_PATH || part == PART_LAST ? PART_LAST : PART_NONE;
}

const struct rules_fact *facts_of(const struct rules_asked *asked, const struct rules *rules,
				  const struct predicate *predicate, struct arena *arena,
				  uint32_t *ret_count, float *ret_chance)
{
	struct finding finding = {
		.arena = arena, .part = part_of(asked, rules, predicate), .facts = asked->facts
	};
	struct rules_fact *facts;

	if (finding.part == PART_NONE || predicate->right != NONE || predicate->count == 0 ||
	    predicate->count > RULES_FACTS_MAX)
		return NULL;
	facts = arena_alloc(arena, predicate->count * sizeof(*facts));
	*ret_chance = 0;
	for (uint32_t i = 0; facts != NULL && i < predicate->count; i++) {
		finding.chance = 2;
		if (finding.part == PART_PORT)
			offer_port(&finding, predicate->op, predicate->literals[i].number);
		else if (finding.part == PART_ADDRESS)
			offer_address(&finding, predicate, &predicate->literals[i]);
		else
			offer_literal(&finding, predicate->op, predicate->literals[i].text);
		if (finding.chance > 1)
			return NULL;
		facts[i] = finding.best;
		*ret_chance += finding.chance;
	}
	*ret_count = predicate->count;
	return facts;
}
