/* The transformers. */
#include "rules/compiled.h"
#include "rules/text.h"

static const struct value *argument(struct rules_scratch *scratch, const struct term *term,
				    uint32_t i)
{
	const struct slot *slot = term_values(scratch, term->items[i]);

	return slot->count == 0 ? NULL : &slot->values[0];
}

static bool argument_text(struct rules_scratch *scratch, const struct term *term, uint32_t i,
			  struct str *ret)
{
	const struct value *value = argument(scratch, term, i);

	return value != NULL && value_to_text(scratch, value, ret);
}

static bool recase_text(struct rules_scratch *scratch, struct str text, char (*change)(char),
			struct value *ret)
{
	char *out = scratch_take(scratch, text.len + 1);

	if (out == NULL)
		return false;
	for (size_t i = 0; i < text.len; i++)
		out[i] = change(text.at[i]);
	*ret = value_str((struct str){ .at = out, .len = text.len });
	return true;
}

static bool recase(struct rules_scratch *scratch, const struct term *term, char (*change)(char),
		   struct value *ret)
{
	const struct value *value = argument(scratch, term, 0);
	struct value *list;
	struct str text;

	if (value == NULL)
		return false;
	if (value->kind != VALUE_LIST)
		return value_to_text(scratch, value, &text) &&
		       recase_text(scratch, text, change, ret);
	list = scratch_take(scratch, (value->len + 1) * sizeof(*list));
	if (list == NULL)
		return false;
	for (uint32_t i = 0; i < value->len; i++)
		if (!value_to_text(scratch, &value->list[i], &text) ||
		    !recase_text(scratch, text, change, &list[i]))
			return false;
	*ret = (struct value){ .kind = VALUE_LIST, .len = value->len, .list = list };
	return true;
}

static int digit64(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool decode64(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	uint32_t bits = 0, have = 0;
	struct str text;
	size_t used = 0;
	char *out;

	if (!argument_text(scratch, term, 0, &text))
		return false;
	while (text.len > 0 && text.at[text.len - 1] == '=')
		text.len--;
	out = scratch_take(scratch, text.len + 1);
	if (out == NULL || text.len % 4 == 1)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		int digit = digit64(text.at[i]);

		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[used++] = (char)(bits >> have & 0xff);
		}
	}
	*ret = value_str((struct str){ .at = out, .len = used });
	return true;
}

static bool basename_of(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	struct str text;
	size_t at;

	if (!argument_text(scratch, term, 0, &text))
		return false;
	for (at = text.len; at > 0 && text.at[at - 1] != '/';)
		at--;
	*ret = value_str(str_from(text, at));
	return true;
}

static bool length_of(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	const struct value *value = argument(scratch, term, 0);
	struct str text;

	if (value == NULL)
		return false;
	if (value->kind == VALUE_LIST) {
		*ret = value_i64(value->len);
		return true;
	}
	if (!value_to_text(scratch, value, &text))
		return false;
	*ret = value_i64((int64_t)text.len);
	return true;
}

/* Texts with a separator between them, in one piece. */
static bool join_texts(struct rules_scratch *scratch, struct str separator,
		       const struct value *const *values, uint32_t count, struct value *ret)
{
	size_t len = 0, used = 0;
	struct str text;
	char *out;

	for (uint32_t i = 0; i < count; i++) {
		if (values[i] == NULL || !value_to_text(scratch, values[i], &text))
			return false;
		len += text.len + separator.len;
	}
	out = scratch_take(scratch, len + 1);
	if (out == NULL)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0) {
			memcpy(out + used, separator.at, separator.len);
			used += separator.len;
		}
		if (!value_to_text(scratch, values[i], &text))
			return false;
		memcpy(out + used, text.at, text.len);
		used += text.len;
	}
	*ret = value_str((struct str){ .at = out, .len = used });
	return true;
}

static bool join(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	const struct value *list = argument(scratch, term, 1), **values;
	struct str separator;

	if (list == NULL || list->kind != VALUE_LIST ||
	    !argument_text(scratch, term, 0, &separator))
		return false;
	values = scratch_take(scratch, (list->len + 1) * sizeof(*values));
	if (values == NULL)
		return false;
	for (uint32_t i = 0; i < list->len; i++)
		values[i] = &list->list[i];
	return join_texts(scratch, separator, values, list->len, ret);
}

static bool concat(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	const struct value **values = scratch_take(scratch, (term->count + 1) * sizeof(*values));

	if (values == NULL)
		return false;
	for (uint32_t i = 0; i < term->count; i++)
		values[i] = argument(scratch, term, i);
	return join_texts(scratch, STR(""), values, term->count, ret);
}

/* The arguments of a command line: a list as it is, a text cut at blanks. */
static bool words_of(struct rules_scratch *scratch, const struct value *value,
		     const struct value **ret, uint32_t *ret_count)
{
	struct value *words;
	struct str text;
	uint32_t count = 0;

	if (value->kind == VALUE_LIST) {
		*ret = value->list;
		*ret_count = value->len;
		return true;
	}
	if (!value_to_text(scratch, value, &text))
		return false;
	words = scratch_take(scratch, (text.len / 2 + 2) * sizeof(*words));
	if (words == NULL)
		return false;
	while (text.len > 0) {
		size_t len = 0;

		while (len < text.len && text.at[len] != ' ')
			len++;
		if (len > 0)
			words[count++] = value_str(str_cut(text, len));
		text = str_from(text, len + 1);
	}
	*ret = words;
	*ret_count = count;
	return true;
}

/* What a scan of options has found. */
struct options {
	struct str known; /* letters, each with a colon when it takes an argument */
	struct value *found;
	uint32_t count;
	char wanted;	    /* one option alone; 0: all of them */
	struct value value; /* its argument, or its letter */
};

/* An option and its argument, which is none for a plain letter. */
static void found(struct options *options, const char *letter, const struct value *argument_value)
{
	struct str name = { .at = letter, .len = 1 };

	if (options->wanted == *letter)
		options->value = argument_value == NULL ? value_str(name) : *argument_value;
	options->found[options->count++] = value_str(name);
	if (argument_value != NULL)
		options->found[options->count++] = *argument_value;
}

/* An option that asks for an argument, at the end of the line: nothing, instead of both. */
static void found_alone(struct options *options, const char *letter)
{
	if (options->wanted == *letter)
		options->value = value_str(STR(""));
	options->found[options->count++] = value_str(STR(""));
}

/* The letter's place among the known ones, -1 without one. A colon is never an option's letter
 * unless it stands first, where it is no letter at all. */
static ptrdiff_t known_at(const struct options *options, char letter)
{
	for (size_t i = 0; i < options->known.len; i++)
		if (options->known.at[i] == letter && letter != ':')
			return (ptrdiff_t)i;
	return -1;
}

/* One word of letters; true when the next word was its argument. */
static bool scan_word(struct options *options, struct str word, const struct value *next)
{
	for (size_t i = 1; i < word.len; i++) {
		ptrdiff_t at = known_at(options, word.at[i]);
		struct value rest;

		if (at < 0) {
			options->found[options->count++] = value_str(STR("?"));
			continue;
		}
		if ((size_t)at + 1 >= options->known.len || options->known.at[at + 1] != ':') {
			found(options, &word.at[i], NULL);
			continue;
		}
		if (i + 1 < word.len) {
			rest = value_str(str_from(word, i + 1));
			found(options, &word.at[i], &rest);
			return false;
		}
		if (next == NULL || next->kind != VALUE_STR) {
			found_alone(options, &word.at[i]);
			return false;
		}
		found(options, &word.at[i], next);
		return true;
	}
	return false;
}

static bool getopt_of(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	const struct value *first = argument(scratch, term, 0), *words;
	struct options options = { .wanted = term->arg.len == 1 ? term->arg.at[0] : '\0' };
	size_t room = 2;
	uint32_t count;

	if (first == NULL || !argument_text(scratch, term, 1, &options.known) ||
	    !words_of(scratch, first, &words, &count))
		return false;
	for (uint32_t i = 0; i < count; i++)
		room += (size_t)words[i].len * 2 + 2;
	options.found = scratch_take(scratch, room * sizeof(*options.found));
	if (options.found == NULL)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		struct str word = words[i].kind == VALUE_STR ? value_as_str(&words[i]) : STR("");

		if (word.len < 2 || word.at[0] != '-' || str_eq(word, STR("--")))
			break;
		if (word.at[1] != '-' &&
		    scan_word(&options, word, i + 1 < count ? &words[i + 1] : NULL))
			i++;
	}
	*ret = options.wanted != '\0' ? options.value
				      : (struct value){ .kind = VALUE_LIST,
							.len = options.count,
							.list = options.found };
	return ret->kind != VALUE_ABSENT;
}

bool transform(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	switch (term->call) {
	case TRANSFORMER_TOLOWER: return recase(scratch, term, text_lower, ret);
	case TRANSFORMER_TOUPPER: return recase(scratch, term, text_upper, ret);
	case TRANSFORMER_B64: return decode64(scratch, term, ret);
	case TRANSFORMER_BASENAME: return basename_of(scratch, term, ret);
	case TRANSFORMER_LEN: return length_of(scratch, term, ret);
	case TRANSFORMER_JOIN: return join(scratch, term, ret);
	case TRANSFORMER_CONCAT: return concat(scratch, term, ret);
	case TRANSFORMER_GETOPT: return getopt_of(scratch, term, ret);
	case TRANSFORMER_COUNT: break;
	}
	return false;
}
