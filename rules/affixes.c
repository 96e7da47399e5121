/* Making the tries of affixes, and walking down them. */
#include "rules/affixes.h"

#include "rules/fragments.h"
#include "rules/postings.h"

#include <stdlib.h>

/* As the trie has it: at most so many bytes. */
enum { AFFIX_MAX = RULES_LITERAL_MAX };

static size_t turn_back(struct str text, char *out, size_t max)
{
	size_t len = text.len < max ? text.len : max;

	for (size_t i = 0; i < len; i++)
		out[i] = text.at[text.len - 1 - i];
	return len;
}

/* "/a//b" becomes "/a/b/": a pattern is then a prefix that ends with a component. */
static size_t write_path(struct str text, char *out, size_t max)
{
	size_t len = 0;
	bool inside = false;

	for (size_t i = 0; i <= text.len && len < max; i++) {
		bool slash = i == text.len || text.at[i] == '/';

		if (!slash && !inside) {
			if (len == 0)
				out[len++] = '/';
			inside = true;
		}
		if (slash && !inside)
			continue;
		if (len < max)
			out[len++] = slash ? '/' : text.at[i];
		inside = !slash;
	}
	return len;
}

static struct str bring(enum affix kind, struct str text, char space[AFFIX_MAX])
{
	switch (kind) {
	case AFFIX_SUFFIX: return (struct str){ space, turn_back(text, space, AFFIX_MAX) };
	case AFFIX_PATH: return (struct str){ space, write_path(text, space, AFFIX_MAX) };
	default: return str_cut(text, AFFIX_MAX);
	}
}

/* ---- making ---- */

static bool is_plain_path(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (strchr("*?[\\", text.at[i]) != NULL)
			return false;
	return text.len > 0 && text.len < AFFIX_MAX - 2;
}

static enum affix kind_of(enum op op)
{
	switch (op) {
	case OP_STARTSWITH: return AFFIX_PREFIX;
	case OP_ENDSWITH: return AFFIX_SUFFIX;
	case OP_PMATCH: return AFFIX_PATH;
	case OP_CONTAINS:
	case OP_ICONTAINS:
	case OP_GLOB:
	case OP_IGLOB: return AFFIX_INSIDE;
	default: return AFFIX_KINDS;
	}
}

enum affix affix_of(const struct rules *rules, const struct predicate *predicate)
{
	enum affix kind = kind_of(predicate->op);
	char space[AFFIX_MAX];

	if (predicate->class != CLASS_TEXT || predicate->right != NONE || predicate->count == 0 ||
	    rules->terms[predicate->term].is_list ||
	    (predicate->modifier != MODIFIER_NONE && predicate->modifier != MODIFIER_ANYOF))
		return AFFIX_KINDS;
	for (uint32_t i = 0; i < predicate->count && kind != AFFIX_KINDS; i++) {
		struct str text = predicate->literals[i].text;

		if (text.len == 0 || text.len > AFFIX_MAX ||
		    (kind == AFFIX_PATH &&
		     (!is_plain_path(text) || bring(kind, text, space).len == 0)) ||
		    (kind == AFFIX_INSIDE && !fragments_can(predicate->op, text)))
			return AFFIX_KINDS;
	}
	return kind;
}

/* A predicate's literal, as its trie has it. */
struct entry {
	struct str text;
	uint32_t predicate;
};

/* The entries of one trie. */
struct planting {
	struct compiler *c;
	struct affixes *affixes;
	struct entry *entries; /* sorted */
	size_t cap;
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = str_cmp(x->text, y->text);

	return order != 0 ? order : x->predicate < y->predicate ? -1 : x->predicate > y->predicate;
}

/* Where the entries end that have the same byte at `depth` as the one at `from`. */
static size_t same_byte(const struct entry *entries, size_t from, size_t to, size_t depth)
{
	size_t i = from;

	while (i < to && entries[i].text.at[depth] == entries[from].text.at[depth])
		i++;
	return i;
}

/* Fills the node for entries[from…to), which agree in their first `depth` bytes, and all below it. As
 * deep as literals are long. */
static bool plant(struct planting *p, uint32_t node, size_t from, size_t to, size_t depth,
		  struct filling *filling)
{
	struct affixes *affixes = p->affixes;
	uint32_t children = 0, first;

	for (; from < to && p->entries[from].text.len == depth; from++) {
		if (affixes->trie[node].number_plus_1 == 0)
			affixes->trie[node].number_plus_1 = ++affixes->count;
		postings_add(filling, affixes->trie[node].number_plus_1 - 1, p->entries[from].predicate);
	}
	for (size_t i = from; i < to; i = same_byte(p->entries, i, to, depth))
		children++;
	first = (uint32_t)p->cap;
	p->cap += children;
	affixes->trie[node].first = first;
	affixes->trie[node].count = (uint16_t)children;
	for (size_t i = from, end; i < to; i = end, first++) {
		end = same_byte(p->entries, i, to, depth);
		affixes->trie[first].byte = (uint8_t)p->entries[i].text.at[depth];
		if (!plant(p, first, i, end, depth + 1, filling))
			return false;
	}
	return true;
}

/* Twice: to count what each literal's list will hold, and to fill it. The trie is the same both times. */
static bool plant_all(struct planting *p, size_t count)
{
	struct filling filling = { .postings = &p->affixes->predicates };
	size_t bytes = 1;

	qsort(p->entries, count, sizeof(*p->entries), compare_entries);
	for (size_t i = 0; i < count; i++)
		bytes += p->entries[i].text.len;
	p->affixes->trie = compile_take(p->c, bytes * sizeof(*p->affixes->trie));
	if (p->affixes->trie == NULL || !postings_begin(p->c, filling.postings, (uint32_t)count))
		return false;
	for (int pass = 0; pass < 2; pass++) {
		p->cap = 1;
		p->affixes->count = 0;
		memset(p->affixes->trie, 0, bytes * sizeof(*p->affixes->trie));
		if (!plant(p, 0, 0, count, 0, &filling) ||
		    (pass == 0 && !postings_fill(p->c, &filling, p->affixes->count)))
			return false;
	}
	return true;
}

static bool index_root(struct planting *p)
{
	const struct branch *root = p->affixes->trie;

	p->affixes->begins = compile_take(p->c, 256 * sizeof(*p->affixes->begins));
	for (uint32_t i = 0; p->affixes->begins != NULL && i < root->count; i++)
		p->affixes->begins[p->affixes->trie[root->first + i].byte] = (uint16_t)(i + 1);
	return p->affixes->begins != NULL;
}

/* One term's literals of one kind. */
static bool make_one(struct compiler *c, uint32_t term, enum affix kind, struct entry *entries, size_t count)
{
	struct planting p = { .c = c, .affixes = &c->rules->terms[term].affixes[kind], .entries = entries };

	return count == 0 || (plant_all(&p, count) && index_root(&p));
}

/* A predicate that has an affix, to be sorted by where it belongs. */
struct place_of {
	uint32_t term, predicate;
	enum affix kind;
};

static int compare_places(const void *a, const void *b)
{
	const struct place_of *x = a, *y = b;

	if (x->term != y->term)
		return x->term < y->term ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->predicate < y->predicate ? -1 : x->predicate > y->predicate;
}

static size_t list_places(struct rules *rules, struct place_of *places, size_t *ret_literals)
{
	size_t count = 0;

	*ret_literals = 0;
	for (uint32_t i = 0; i < rules->predicates_count; i++) {
		struct predicate *predicate = &rules->predicates[i];
		enum affix kind = affix_of(rules, predicate);

		if (kind == AFFIX_KINDS)
			continue;
		predicate->affix_plus_1 = (uint8_t)(kind + 1);
		places[count++] = (struct place_of){ predicate->term, i, kind };
		*ret_literals += predicate->count;
	}
	if (count > 0)
		qsort(places, count, sizeof(*places), compare_places);
	return count;
}

static size_t list_entries(struct compiler *c, const struct place_of *place, struct entry *entries)
{
	const struct predicate *predicate = &c->rules->predicates[place->predicate];
	char space[AFFIX_MAX];

	for (uint32_t i = 0; i < predicate->count; i++)
		entries[i] = (struct entry){
			.text = arena_str(c->loader->arena, bring(place->kind, predicate->literals[i].text, space)),
			.predicate = place->predicate,
		};
	return predicate->count;
}

static bool make_inside(struct compiler *c, const struct place_of *places, size_t count)
{
	uint32_t *predicates = arena_alloc(c->loader->arena, count * sizeof(*predicates));

	for (size_t i = 0; predicates != NULL && i < count; i++)
		predicates[i] = places[i].predicate;
	return predicates != NULL && fragments_make(c, places->term, predicates, count);
}

/* The tries, or what stands inside, of the places that have one term and one kind. */
static bool make_places(struct compiler *c, const struct place_of *places, size_t count, struct entry *entries)
{
	size_t filled = 0;

	if (places->kind == AFFIX_INSIDE)
		return make_inside(c, places, count);
	for (size_t i = 0; i < count; i++)
		filled += list_entries(c, &places[i], entries + filled);
	for (size_t i = 0; i < filled; i++)
		if (entries[i].text.at == NULL)
			return false;
	return make_one(c, places->term, places->kind, entries, filled);
}

bool affixes_make(struct compiler *c)
{
	struct rules *rules = c->rules;
	struct place_of *places =
		arena_alloc(c->loader->arena, (rules->predicates_count + 1) * sizeof(*places));
	size_t literals, count = places == NULL ? 0 : list_places(rules, places, &literals);
	struct entry *entries = places == NULL ? NULL :
		arena_alloc(c->loader->arena, (literals + 1) * sizeof(*entries));

	if (entries == NULL)
		return false;
	for (size_t i = 0, end; i < count; i = end) {
		for (end = i; end < count && places[end].term == places[i].term &&
			      places[end].kind == places[i].kind; end++)
			;
		if (!make_places(c, &places[i], end - i, entries))
			return false;
	}
	return !c->loader->out_of_memory;
}

/* ---- looking ---- */

void affix_hit(struct rules_scratch *scratch, uint32_t predicate)
{
	uint64_t bit = (uint64_t)1 << (predicate % 64);

	if ((scratch->hit[predicate / 64] & bit) != 0)
		return;
	scratch->hit[predicate / 64] |= bit;
	scratch->hits[scratch->hits_count++] = predicate;
}

static const struct branch *child_of(const struct affixes *affixes, const struct branch *branch, uint8_t byte)
{
	const struct branch *children = affixes->trie + branch->first;

	if (branch == affixes->trie)
		return affixes->begins[byte] == 0 ? NULL : &children[affixes->begins[byte] - 1];
	for (uint32_t i = 0; i < branch->count; i++)
		if (children[i].byte == byte)
			return &children[i];
	return NULL;
}

/* One byte down the trie. False: nothing goes on like that. */
static bool step(struct rules_scratch *scratch, const struct affixes *affixes, const struct branch **at, char byte)
{
	*at = child_of(affixes, *at, (uint8_t)byte);
	if (*at == NULL)
		return false;
	if ((*at)->number_plus_1 == 0)
		return true;
	for (uint32_t i = affixes->predicates.first[(*at)->number_plus_1 - 1];
	     i < affixes->predicates.first[(*at)->number_plus_1]; i++)
		affix_hit(scratch, affixes->predicates.at[i]);
	return true;
}

static void walk(struct rules_scratch *scratch, const struct affixes *affixes, struct str value)
{
	const struct branch *at = affixes->trie;

	for (size_t i = 0; i < value.len && step(scratch, affixes, &at, value.at[i]); i++)
		;
}

static void walk_back(struct rules_scratch *scratch, const struct affixes *affixes, struct str value)
{
	const struct branch *at = affixes->trie;

	for (size_t i = value.len; i > 0 && step(scratch, affixes, &at, value.at[i - 1]); i--)
		;
}

/* The value as write_path() would have it, which need not be written: most differ from all patterns soon. */
static void walk_path(struct rules_scratch *scratch, const struct affixes *affixes, struct str value)
{
	const struct branch *at = affixes->trie;
	bool inside = false;

	for (size_t i = 0; i <= value.len; i++) {
		bool slash = i == value.len || value.at[i] == '/';

		if (slash && !inside)
			continue;
		if (at == affixes->trie && !step(scratch, affixes, &at, '/'))
			return;
		if (!step(scratch, affixes, &at, slash ? '/' : value.at[i]))
			return;
		inside = !slash;
	}
}

static void look_at(struct rules_scratch *scratch, const struct term *term, enum affix kind, struct str value)
{
	switch (kind) {
	case AFFIX_PREFIX: walk(scratch, &term->affixes[kind], value); break;
	case AFFIX_SUFFIX: walk_back(scratch, &term->affixes[kind], value); break;
	case AFFIX_PATH: walk_path(scratch, &term->affixes[kind], value); break;
	case AFFIX_INSIDE: fragments_look(scratch, &term->inside, value); break;
	case AFFIX_KINDS: break;
	}
}

bool affixes_look(struct rules_scratch *scratch, uint32_t number, enum affix kind)
{
	const struct term *term = &scratch->rules->terms[number];
	const struct slot *slot = term_values(scratch, number);
	uint32_t look = number * AFFIX_KINDS + kind;
	uint64_t bit = (uint64_t)1 << (look % 64);

	if ((scratch->looked[look / 64] & bit) != 0)
		return true;
	for (uint32_t i = 0; i < slot->count; i++)
		if (slot->values[i].kind != VALUE_STR)
			return false;
	scratch->looked[look / 64] |= bit;
	for (uint32_t i = 0; i < slot->count; i++)
		look_at(scratch, term, kind, value_as_str(&slot->values[i]));
	return true;
}
