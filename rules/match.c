/* One predicate on one event. A term without a value fails every operator, != too. */
#include "rules/affixes.h"
#include "rules/text.h"

enum { REGEX_WORKSPACE = 4096 };

/* The text with what is not UTF-8 as U+FFFD, as the regular expressions' author thinks of it. */
static bool to_utf8(struct rules_scratch *scratch, struct str text, struct str *ret)
{
	char *out;
	size_t used = 0;

	*ret = text;
	if (str_is_utf8(text))
		return true;
	out = scratch_take(scratch, text.len * 3);
	if (out == NULL)
		return false;
	while (text.len > 0) {
		size_t len = utf8_len(text);

		memcpy(out + used, len == 0 ? "\xef\xbf\xbd" : text.at, len == 0 ? 3 : len);
		used += len == 0 ? 3 : len;
		text = str_from(text, len == 0 ? 1 : len);
	}
	*ret = (struct str){ .at = out, .len = used };
	return true;
}

/* The DFA matcher never backtracks, so an event's bytes cannot make it run away. */
static bool regex_holds(struct rules_scratch *scratch, const pcre2_code *regex, struct str text)
{
	int r;

	if (!to_utf8(scratch, text, &text))
		return false;
	r = pcre2_dfa_match(regex, (PCRE2_SPTR)(text.len == 0 ? "" : text.at), text.len, 0,
			    PCRE2_NO_UTF_CHECK, scratch->match, scratch->limits, scratch->workspace,
			    REGEX_WORKSPACE);
	if (r < 0 && r != PCRE2_ERROR_NOMATCH)
		scratch->overflows++;
	/* The longest match comes first. That it must end with the text is not enough to say at
	 * compile time: this matcher does not always heed it. */
	return r >= 0 && pcre2_get_ovector_pointer(scratch->match)[1] == text.len;
}

static bool number_holds(enum op op, __int128 a, __int128 b)
{
	switch (op) {
	case OP_NE: return a != b;
	case OP_LT: return a < b;
	case OP_LE: return a <= b;
	case OP_GT: return a > b;
	case OP_GE: return a >= b;
	default: return a == b;
	}
}

static bool real_holds(enum op op, double a, double b)
{
	switch (op) {
	case OP_NE: return a < b || a > b;
	case OP_LT: return a < b;
	case OP_LE: return a <= b;
	case OP_GT: return a > b;
	case OP_GE: return a >= b;
	default: return a >= b && a <= b;
	}
}

static bool text_op(struct rules_scratch *scratch, const struct predicate *predicate,
		    const struct literal *literal, struct str text)
{
	if (predicate->op == OP_REGEX)
		return regex_holds(scratch, literal->regex, text);
	if (predicate->op == OP_PMATCH)
		return text_path_prefix(literal->text, text);
	return text_holds(predicate->op, text, literal->text);
}

/* Compares as numbers when both are, which is how a parameter of unknown type is meant. */
static bool any_holds(struct rules_scratch *scratch, const struct predicate *predicate,
		      const struct literal *literal, const struct value *value)
{
	struct value other = value_str(literal->text);
	__int128 a, b;
	struct str text;

	if ((predicate->op <= OP_GE || predicate->op == OP_IN || predicate->op == OP_INTERSECTS) &&
	    value->kind != VALUE_BOOL && value_to_number(value, &a) && value_to_number(&other, &b))
		return number_holds(predicate->op, a, b);
	return value_to_text(scratch, value, &text) && text_op(scratch, predicate, literal, text);
}

static bool literal_holds(struct rules_scratch *scratch, const struct predicate *predicate,
			  const struct literal *literal, const struct value *value)
{
	bool wanted = predicate->op != OP_NE, truth;
	struct net_addr addr;
	__int128 number;
	double real;

	switch (predicate->class) {
	case CLASS_NUMBER:
		return value_to_number(value, &number) &&
		       number_holds(predicate->op, number, literal->number);
	case CLASS_REAL:
		return value_to_real(value, &real) &&
		       real_holds(predicate->op, real, literal->real);
	case CLASS_BOOL: return value_to_bool(value, &truth) && (truth == literal->truth) == wanted;
	case CLASS_ADDRESS:
		return value->kind == VALUE_STR && net_addr_parse(value_as_str(value), &addr) &&
		       net_addr_eq(&addr, &literal->addr) == wanted;
	case CLASS_NETWORK:
		return value->kind == VALUE_STR && net_addr_parse(value_as_str(value), &addr) &&
		       net_prefix_has(&literal->net, &addr) == wanted;
	case CLASS_ANY: return any_holds(scratch, predicate, literal, value);
	case CLASS_TEXT:
	case CLASS_BYTES:
		return value->kind == VALUE_STR &&
		       text_op(scratch, predicate, literal, value_as_str(value));
	}
	return false;
}

static bool literals_hold(struct rules_scratch *scratch, const struct predicate *predicate,
			  const struct value *value)
{
	uint32_t hits = 0;

	for (uint32_t i = 0; i < predicate->count; i++) {
		hits += literal_holds(scratch, predicate, &predicate->literals[i], value);
		if (hits > 0 && predicate->modifier != MODIFIER_ONEOF &&
		    predicate->modifier != MODIFIER_ALLOF)
			return true;
		if (hits <= i && predicate->modifier == MODIFIER_ALLOF)
			return false;
	}
	return predicate->modifier == MODIFIER_ONEOF
		       ? hits == 1
		       : predicate->modifier == MODIFIER_ALLOF && hits > 0;
}

static bool is_among(const struct predicate *predicate, uint32_t word)
{
	uint32_t low = 0, high = predicate->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (predicate->words[middle] == word)
			return true;
		if (predicate->words[middle] < word)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* Whether the value is one of the predicate's literals, by its number among the term's words. */
static bool word_is_in(const struct predicate *predicate, uint32_t word)
{
	if (predicate->word != WORD_NONE)
		return word == predicate->word;
	if (word == WORD_NONE)
		return false;
	return predicate->word_bits == NULL ? is_among(predicate, word)
					    : (predicate->word_bits[word / 64] >> (word % 64) & 1) != 0;
}

uint32_t word_of(const struct term *term, const struct value *value)
{
	uint32_t word;

	if (value->kind != VALUE_STR || value->len > term->words_len_max ||
	    !table_get(&term->words, value_as_str(value), &word))
		return WORD_NONE;
	return word;
}

/* One value against literals. The slot is that of the value when it is the term's only one. */
static bool value_holds(struct rules_scratch *scratch, const struct predicate *predicate,
			struct slot *slot, const struct value *value)
{
	const struct term *term = &scratch->rules->terms[predicate->term];
	uint32_t word;

	if (!predicate->has_words || scratch->plain)
		return literals_hold(scratch, predicate, value);
	if (value != &slot->value) {
		word = word_of(term, value);
	} else {
		if (slot->word == WORD_UNKNOWN)
			slot->word = word_of(term, value);
		word = slot->word;
	}
	return word_is_in(predicate, word) != (predicate->op == OP_NE);
}

static bool values_equal(const struct value *a, const struct value *b, enum class class)
{
	struct net_addr left, right;
	__int128 x, y;

	if (class == CLASS_ADDRESS)
		return a->kind == VALUE_STR && b->kind == VALUE_STR &&
		       net_addr_parse(value_as_str(a), &left) &&
		       net_addr_parse(value_as_str(b), &right) && net_addr_eq(&left, &right);
	if (a->kind == VALUE_STR && b->kind == VALUE_STR)
		return str_eq(value_as_str(a), value_as_str(b));
	return value_to_number(a, &x) && value_to_number(b, &y) && x == y;
}

static bool list_has(const struct value *list, uint32_t count, const struct value *value,
		     enum class class)
{
	for (uint32_t i = 0; i < count; i++)
		if (values_equal(&list[i], value, class))
			return true;
	return false;
}

/* Lists: `in` wants every value of the left, `intersects` some. */
static bool lists_hold(struct rules_scratch *scratch, const struct predicate *predicate,
		       const struct value *left, const struct value *right)
{
	bool all = predicate->op == OP_IN;

	for (uint32_t i = 0; i < left->len; i++) {
		bool hit = right == NULL
				   ? literals_hold(scratch, predicate, &left->list[i])
				   : list_has(right->list, right->len, &left->list[i], CLASS_TEXT);

		if (hit != all)
			return hit;
	}
	return all && left->len > 0;
}

/* A value against another term's. */
static bool right_holds(struct rules_scratch *scratch, const struct predicate *predicate,
			const struct value *left, const struct value *right)
{
	struct str a, b;
	__int128 x, y;
	double d, e;

	if (left->kind == VALUE_LIST && right->kind == VALUE_LIST)
		return lists_hold(scratch, predicate, left, right);
	if (predicate->op == OP_EQ || predicate->op == OP_IN || predicate->op == OP_INTERSECTS)
		return values_equal(left, right, predicate->class);
	if (predicate->op == OP_NE)
		return !values_equal(left, right, predicate->class);
	if (predicate->class == CLASS_NUMBER)
		return value_to_number(left, &x) && value_to_number(right, &y) &&
		       number_holds(predicate->op, x, y);
	if (predicate->class == CLASS_REAL)
		return value_to_real(left, &d) && value_to_real(right, &e) &&
		       real_holds(predicate->op, d, e);
	return value_to_text(scratch, left, &a) && value_to_text(scratch, right, &b) &&
	       text_holds(predicate->op, a, b);
}

static bool one_holds(struct rules_scratch *scratch, const struct predicate *predicate,
		      struct slot *slot, const struct value *value, const struct slot *right)
{
	if (right != NULL)
		return right_holds(scratch, predicate, value, &right->values[0]);
	if (value->kind == VALUE_LIST)
		return lists_hold(scratch, predicate, value, NULL);
	return value_holds(scratch, predicate, slot, value);
}

bool predicate_holds(struct rules_scratch *scratch, const struct predicate *predicate)
{
	const struct term *term = &scratch->rules->terms[predicate->term];
	const struct slot *right = NULL;
	struct slot *slot = &scratch->slots[predicate->term];
	/* The far end may be either side; only != must be true of both. */
	bool both = term->two_sided && predicate->op == OP_NE;

	if (term_values(scratch, predicate->term)->count == 0)
		return false;
	if (predicate->affix_plus_1 > 0 && !scratch->plain &&
	    affixes_look(scratch, predicate->term, predicate->affix_plus_1 - 1)) {
		size_t number = (size_t)(predicate - scratch->rules->predicates);

		return (scratch->hit[number / 64] >> (number % 64) & 1) != 0;
	}
	if (predicate->op == OP_EXISTS)
		return true;
	if (predicate->right != NONE) {
		right = term_values(scratch, predicate->right);
		if (right->count == 0)
			return false;
	}
	for (uint32_t i = 0; i < slot->count; i++)
		if (one_holds(scratch, predicate, slot, &slot->values[i], right) != both)
			return !both;
	return both;
}
