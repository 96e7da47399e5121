/* Bits below PLAN_KILL_TEXTS have one meaning each, the others are given out as checks need them. */
#include "sensor/enforce/facts.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX = 4 << 20 };

int facts_init(struct facts *facts)
{
	*facts = (struct facts){ .bits = PLAN_KILL_TEXTS };
	arena_init(&facts->arena, ARENA_MAX);
	facts->texts = calloc(FACTS_TEXTS_MAX, sizeof(*facts->texts));
	return facts->texts == NULL ? -ENOMEM : 0;
}

void facts_done(struct facts *facts)
{
	arena_done(&facts->arena);
	free(facts->texts);
	*facts = (struct facts){ 0 };
}

plan_bits facts_take_bit(struct facts *facts)
{
	return facts->bits == FACTS_BITS ? 0 : 1ULL << facts->bits++;
}

/* ---- texts ---- */

static bool add_text(struct facts *facts, struct str text, bool is_whole, bool is_comm, plan_bits bit)
{
	char *copy = facts->texts_count == FACTS_TEXTS_MAX ? NULL : arena_alloc(&facts->arena, text.len + 1);

	if (copy == NULL)
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	facts->texts[facts->texts_count++] =
		(struct fact_text){ .text = { copy, text.len + is_whole }, .bits = bit, .is_comm = is_comm };
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

static bool add_below(struct facts *facts, struct str text, plan_bits bit)
{
	char below[PLAN_PREFIX_MAX];

	if (!is_plain_path(text))
		return false;
	memcpy(below, text.at, text.len);
	below[text.len] = '/';
	return add_text(facts, text, true, false, bit) &&
	       add_text(facts, (struct str){ below, text.len + 1 }, false, false, bit);
}

/* A name that no process can have needs no entry. */
static bool add_one(struct facts *facts, enum fact_of of, enum rules_check_kind kind, struct str text, plan_bits bit)
{
	if (text.len == 0)
		return false;
	if (of == FACT_COMM)
		return text.len >= PLAN_COMM || add_text(facts, text, false, true, bit);
	if (text.len >= PLAN_PREFIX_MAX - 1)
		return false;
	if (kind == RULES_CHECK_BELOW)
		return add_below(facts, text, bit);
	return add_text(facts, text, kind == RULES_CHECK_IS, false, bit);
}

static bool is_same_check(const struct fact_told *told, enum fact_of of, const struct rules_check *check)
{
	if (told->texts == NULL || told->of != of || told->kind != check->kind || told->count != check->count)
		return false;
	for (size_t i = 0; i < check->count; i++)
		if (!str_eq(told->texts[i], check->texts[i]))
			return false;
	return true;
}

/* What a check asked for lives no longer than the question. */
static const struct str *keep_texts(struct facts *facts, const struct rules_check *check)
{
	struct str *kept = arena_alloc(&facts->arena, check->count * sizeof(*kept));

	for (size_t i = 0; kept != NULL && i < check->count; i++) {
		kept[i] = arena_str(&facts->arena, check->texts[i]);
		if (kept[i].at == NULL)
			return NULL;
	}
	return kept;
}

static bool can_look_up(enum fact_of of, enum rules_check_kind kind)
{
	return kind == RULES_CHECK_IS ||
	       (of != FACT_COMM && (kind == RULES_CHECK_STARTS || kind == RULES_CHECK_BELOW));
}

bool facts_tell_texts(struct facts *facts, enum fact_of of, const struct rules_check *check, struct rules_telling *ret)
{
	size_t before = facts->texts_count;
	const struct str *kept;
	plan_bits bit;

	if (!can_look_up(of, check->kind))
		return false;
	for (unsigned i = PLAN_KILL_TEXTS; i < facts->bits; i++)
		if (is_same_check(&facts->told[i], of, check))
			return facts_tell_bit(1ULL << i, true, ret);
	kept = facts->bits == FACTS_BITS ? NULL : keep_texts(facts, check);
	if (kept == NULL)
		return false;
	bit = 1ULL << facts->bits;
	for (size_t i = 0; i < check->count; i++)
		if (!add_one(facts, of, check->kind, check->texts[i], bit)) {
			facts->texts_count = before;
			return false;
		}
	facts->told[facts->bits++] = (struct fact_told){ of, check->kind, kept, check->count };
	facts->of[of] |= bit;
	return facts_tell_bit(bit, true, ret);
}

/* ---- facts ---- */

bool facts_is_text(const struct rules_check *check, const char *text)
{
	return check->kind == RULES_CHECK_IS && check->count == 1 && str_eq(check->texts[0], str_of(text));
}

static bool tell_type(const struct rules_check *check, const char *file, const char *directory, struct rules_telling *ret)
{
	if (facts_is_text(check, file))
		return facts_tell_bit(PLAN_KILL_FILE, true, ret);
	return facts_is_text(check, directory) && facts_tell_bit(PLAN_KILL_DIRECTORY, true, ret);
}

bool facts_tell_object(struct facts *facts, const struct rules_check *check, struct rules_telling *ret)
{
	switch (check->field) {
	case FIELD_FD_TYPE: return tell_type(check, "file", "directory", ret);
	case FIELD_FD_TYPECHAR: return tell_type(check, "f", "d", ret);
	case FIELD_FD_NAME: break;
	default: return false;
	}
	if (check->kind == RULES_CHECK_EXISTS)
		return facts_tell_bit(PLAN_KILL_PATH, true, ret);
	return facts_tell_texts(facts, FACT_OBJECT, check, ret);
}

/* A truth value. */
static bool tell_truth(const struct rules_check *check, plan_bits bit, struct rules_telling *ret)
{
	return check->kind == RULES_CHECK_NUMBER && facts_tell_bit(bit, check->number != 0, ret);
}

bool facts_tell_program(struct facts *facts, const struct rules_check *check, struct rules_telling *ret)
{
	switch (check->field) {
	case FIELD_PROC_EXEPATH: return facts_tell_texts(facts, FACT_EXE, check, ret);
	case FIELD_PROC_IS_EXE_UPPER_LAYER: return tell_truth(check, PLAN_KILL_UPPER, ret);
	case FIELD_PROC_IS_EXE_LOWER_LAYER: return tell_truth(check, PLAN_KILL_LOWER, ret);
	case FIELD_PROC_IS_EXE_FROM_MEMFD: return tell_truth(check, PLAN_KILL_MEMFD, ret);
	default: return false;
	}
}

bool facts_tell_process(struct facts *facts, const struct rules_check *check, struct rules_telling *ret)
{
	bool exists = check->kind == RULES_CHECK_EXISTS;

	switch (check->field) {
	case FIELD_PROC_NAME:
		return exists ? facts_tell_bit(0, true, ret) : facts_tell_texts(facts, FACT_COMM, check, ret);
	case FIELD_USER_UID:
		return exists ? facts_tell_bit(0, true, ret)
			      : check->kind == RULES_CHECK_NUMBER && check->number == 0 &&
					facts_tell_bit(PLAN_KILL_ROOT, true, ret);
	case FIELD_CONTAINER_ID:
		return exists ? facts_tell_bit(0, true, ret)
			      : facts_is_text(check, "host") && facts_tell_bit(PLAN_KILL_CONTAINER, false, ret);
	default: return false;
	}
}

/* ---- texts, as the kernel's table wants them ---- */

static int compare_texts(const void *a, const void *b)
{
	const struct fact_text *x = a, *y = b;

	return x->is_comm != y->is_comm ? x->is_comm - y->is_comm : str_cmp(x->text, y->text);
}

static void join_same(struct facts *facts)
{
	size_t kept = 0;

	if (facts->texts_count > 1)
		qsort(facts->texts, facts->texts_count, sizeof(*facts->texts), compare_texts);
	for (size_t i = 0; i < facts->texts_count; i++) {
		struct fact_text *last = kept == 0 ? NULL : &facts->texts[kept - 1];

		if (last != NULL && compare_texts(last, &facts->texts[i]) == 0)
			last->bits |= facts->texts[i].bits;
		else
			facts->texts[kept++] = facts->texts[i];
	}
	facts->texts_count = kept;
}

/* The longest entry answers for the shorter ones, which stand before it. */
static void pass_down(struct facts *facts)
{
	for (size_t i = 0; i < facts->texts_count; i++)
		for (size_t k = 0; k < i && !facts->texts[i].is_comm; k++)
			if (str_starts(facts->texts[i].text, facts->texts[k].text))
				facts->texts[i].bits |= facts->texts[k].bits;
}

void facts_finish(struct facts *facts)
{
	join_same(facts);
	pass_down(facts);
}
