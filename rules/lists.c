/* Lists are filled in textually, before a condition is parsed: that is the language, inside quotes
 * too. The text keeps, byte for byte, where it came from. */
#include "rules/load.h"

bool pieces_add(struct loader *loader, struct pieces *pieces, struct str text,
		const struct yaml *node, bool exact)
{
	void *bigger =
		load_grow(loader, pieces->at, pieces->count, &pieces->cap, sizeof(*pieces->at));

	if (bigger == NULL)
		return false;
	pieces->at = bigger;
	pieces->at[pieces->count] =
		(struct piece){ .text = text,
				.node = node,
				.exact = exact,
				.from = exact ? (size_t)(text.at - node->text.at) : 0 };
	pieces->count++;
	return true;
}

static void too_long(struct loader *loader, const struct pieces *pieces)
{
	struct place place = { .node = pieces->at[0].node };

	report_add(loader->report, RULES_ERR_VALIDATE, &place,
		   "longer than %d bytes, what is appended and its lists included", RULES_TEXT_MAX);
}

struct str pieces_join(struct loader *loader, const struct pieces *pieces)
{
	struct buf out = { .max = RULES_TEXT_MAX };
	struct str copy = STR("");

	if (pieces->count == 1 && pieces->at[0].text.len < RULES_TEXT_MAX)
		return pieces->at[0].text;
	for (size_t i = 0; i < pieces->count; i++) {
		if (i > 0)
			buf_add_char(&out, ' ');
		buf_add(&out, pieces->at[i].text);
	}
	if (buf_ok(&out))
		copy = arena_str(loader->arena, buf_str(&out));
	else
		too_long(loader, pieces);
	buf_done(&out);
	if (copy.at != NULL)
		return copy;
	loader->out_of_memory = true;
	return STR("");
}

uint32_t text_origin(const struct text *text, size_t offset)
{
	return text->origin == NULL ? (uint32_t)offset : text->origin[offset];
}

struct place text_place(const struct text *text, size_t offset)
{
	size_t at = text_origin(text, offset < text->text.len ? offset : text->text.len);

	for (size_t i = 0; i < text->pieces.count; i++) {
		const struct piece *piece = &text->pieces.at[i];

		if (at <= piece->text.len || i + 1 == text->pieces.count)
			return (struct place){ .node = piece->node,
					       .is_inside = true,
					       .offset = piece->exact ? at + piece->from : 0 };
		at -= piece->text.len + 1;
	}
	return (struct place){ 0 };
}

/* A text being edited, with its origins. */
struct draft {
	struct buf text;
	struct buf origin; /* uint32_t each */
};

static void draft_add(struct draft *draft, struct str text, const uint32_t *origin)
{
	buf_add(&draft->text, text);
	buf_add(&draft->origin,
		(struct str){ .at = (const char *)origin, .len = text.len * sizeof(*origin) });
}

/* Text that stands for the bytes at `origin`: all of it comes from there. */
static void draft_add_for(struct draft *draft, struct str text, uint32_t origin)
{
	for (size_t i = 0; i < text.len; i++)
		buf_add(&draft->origin,
			(struct str){ .at = (const char *)&origin, .len = sizeof(origin) });
	buf_add(&draft->text, text);
}

static bool separates(struct str text, size_t at)
{
	if (at >= text.len)
		return true;
	switch (text.at[at]) {
	case '\0':
	case ' ':
	case '\t':
	case '\r':
	case '\n':
	case '(':
	case ')':
	case ',':
	case '=': return true;
	default: return false;
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Where the next use of the list's name begins, or the text's length. */
static size_t find_use(struct str text, struct str name, size_t from)
{
	while (from < text.len) {
		ptrdiff_t hit = str_find(str_from(text, from), name);

		if (hit < 0)
			break;
		from += (size_t)hit;
		if ((from == 0 || separates(text, from - 1)) && separates(text, from + name.len))
			return from;
		from++;
	}
	return text.len;
}

/* An empty list takes the comma on its left with it, or else the one on its right. */
static size_t drop_comma(struct draft *out, struct str text, size_t end)
{
	size_t left = out->text.len, right = end;

	while (left > 0 && is_blank(out->text.at[left - 1]))
		left--;
	if (left > 0 && out->text.at[left - 1] == ',') {
		buf_cut(&out->text, left - 1);
		buf_cut(&out->origin, (left - 1) * sizeof(uint32_t));
		return end;
	}
	while (right < text.len && is_blank(text.at[right]))
		right++;
	return right < text.len && text.at[right] == ',' ? right + 1 : end;
}

void item_print(struct buf *out, struct str text)
{
	bool blank = false;
	char quote;

	for (size_t i = 0; i < text.len; i++)
		blank |= is_blank(text.at[i]);
	if (text.len > 0 && (!blank || strchr("\"'(", text.at[0]) != NULL)) {
		buf_add(out, text);
		return;
	}
	quote = str_find(text, STR("\"")) >= 0 ? '\'' : '"';
	buf_add_char(out, quote);
	buf_add(out, text);
	buf_add_char(out, quote);
}

static void add_items(struct draft *out, const struct list *list, uint32_t origin)
{
	struct buf item = { .max = RULES_TEXT_MAX };

	for (size_t i = 0; i < list->resolved_count; i++) {
		if (i > 0)
			draft_add_for(out, STR(", "), origin);
		buf_clear(&item);
		item_print(&item, list->resolved[i]);
		draft_add_for(out, buf_str(&item), origin);
	}
	buf_done(&item);
}

/* Fills one list in everywhere; the result is in `to` when there was anything to do. */
static bool fill_in(struct draft *from, struct draft *to, struct list *list)
{
	struct str text = buf_str(&from->text);
	const uint32_t *origin = (const uint32_t *)(const void *)from->origin.at;
	size_t at = 0, use = find_use(text, list->name, 0);

	if (use == text.len)
		return false;
	buf_clear(&to->text);
	buf_clear(&to->origin);
	list->used = true;
	while (use < text.len && buf_ok(&to->text)) {
		draft_add(to, str_cut(str_from(text, at), use - at), origin + at);
		at = use + list->name.len;
		if (list->resolved_count == 0)
			at = drop_comma(to, text, at);
		else
			add_items(to, list, origin[use]);
		use = find_use(text, list->name, at);
	}
	draft_add(to, str_from(text, at), origin + at);
	return true;
}

static void draft_begin(struct draft *draft, struct str text)
{
	buf_clear(&draft->text);
	buf_clear(&draft->origin);
	buf_add(&draft->text, text);
	for (uint32_t i = 0; i < text.len; i++)
		buf_add(&draft->origin, (struct str){ .at = (const char *)&i, .len = sizeof(i) });
}

static bool draft_keep(struct loader *loader, struct draft *draft, uint32_t end, struct text *ret)
{
	uint32_t *origin;

	origin = arena_alloc(loader->arena, (draft->text.len + 1) * sizeof(*origin));
	ret->text = arena_str(loader->arena, buf_str(&draft->text));
	if (origin == NULL || ret->text.at == NULL) {
		loader->out_of_memory = true;
		return false;
	}
	if (draft->text.len > 0)
		memcpy(origin, draft->origin.at, draft->text.len * sizeof(*origin));
	origin[draft->text.len] = end;
	ret->origin = origin;
	return true;
}

static bool is_marked(const struct loader *loader, size_t list)
{
	return (loader->marks[list / 64] >> (list % 64) & 1) != 0;
}

/* Marks the lists whose names stand in a text. */
static void mark(struct loader *loader, struct str text)
{
	size_t end;
	uint32_t at;

	for (size_t from = 0; from < text.len; from = end + 1) {
		end = from;
		while (!separates(text, end))
			end++;
		if (end > from &&
		    table_get(&loader->list_names, str_cut(str_from(text, from), end - from), &at))
			loader->marks[at / 64] |= (uint64_t)1 << (at % 64);
	}
}

/* The lists that a text may use, so that the others need not be looked for. A name that holds what
 * separates names is looked for in any case. */
static bool marks_begin(struct loader *loader, struct str text)
{
	const size_t words = loader->lists_count / 64 + 1;

	if (loader->marks == NULL) {
		loader->marks = arena_alloc(loader->arena, 2 * words * sizeof(*loader->marks));
		if (loader->marks == NULL) {
			loader->out_of_memory = true;
			return false;
		}
		memset(loader->marks, 0, 2 * words * sizeof(*loader->marks));
		for (size_t i = 0; i < loader->lists_count; i++)
			for (size_t j = 0; j < loader->lists[i].name.len; j++)
				if (separates(loader->lists[i].name, j))
					loader->marks[words + i / 64] |= (uint64_t)1 << (i % 64);
	}
	memcpy(loader->marks, loader->marks + words, words * sizeof(*loader->marks));
	mark(loader, text);
	return true;
}

/* Each list that is filled in is one walk over the text. */
static bool may_fill(struct loader *loader, const struct pieces *pieces, size_t len)
{
	struct place place = { .node = pieces->at[0].node };

	loader->filled += len;
	if (loader->filled <= RULES_FILLED_MAX)
		return true;
	if (loader->filled - len <= RULES_FILLED_MAX)
		report_add(loader->report, RULES_ERR_VALIDATE, &place,
			   "here lists began to be filled in too often, which would take too long");
	return false;
}

bool text_expand(struct loader *loader, const struct pieces *pieces, struct text *ret)
{
	struct draft drafts[2] = { { .text.max = RULES_TEXT_MAX, .origin.max = RULES_TEXT_MAX * 4 },
				   { .text.max = RULES_TEXT_MAX,
				     .origin.max = RULES_TEXT_MAX * 4 } };
	struct str joined = pieces_join(loader, pieces);
	struct draft *from = &drafts[0], *to = &drafts[1], *swap;
	bool ok, begun = false; /* most texts use no list and stay as they are */

	*ret = (struct text){ .pieces = *pieces, .text = joined };
	if (loader->lists_count == 0)
		return !loader->out_of_memory;
	ok = marks_begin(loader, joined);
	for (size_t i = 0; ok && i < loader->lists_count && buf_ok(&from->text); i++) {
		struct list *list = &loader->lists[i];

		if (!is_marked(loader, i))
			continue;
		if (!begun)
			draft_begin(from, joined);
		begun = true;
		ok = may_fill(loader, pieces, from->text.len);
		if (!ok || !fill_in(from, to, list))
			continue;
		for (size_t j = 0; j < list->resolved_count; j++)
			mark(loader, list->resolved[j]);
		swap = from;
		from = to;
		to = swap;
	}
	if (ok && !(buf_ok(&from->text) && buf_ok(&from->origin))) {
		too_long(loader, pieces);
		ok = false;
	}
	ok = ok && (!begun || draft_keep(loader, from, (uint32_t)joined.len, ret));
	for (size_t i = 0; i < 2; i++) {
		buf_done(&drafts[i].text);
		buf_done(&drafts[i].origin);
	}
	return ok;
}

bool text_join(struct loader *loader, const struct pieces *pieces, struct text *ret)
{
	*ret = (struct text){ .pieces = *pieces, .text = pieces_join(loader, pieces) };
	return !loader->out_of_memory;
}

static bool list_add(struct loader *loader, struct list *list, size_t *cap, struct str item)
{
	void *bigger = load_grow(loader, list->resolved, list->resolved_count, cap, sizeof(item));

	if (bigger == NULL)
		return false;
	list->resolved = bigger;
	list->resolved[list->resolved_count++] = item;
	return true;
}

/* False: too many, which has been told, or out of memory. */
static bool list_take(struct loader *loader, struct list *list, size_t *cap, const struct str *items,
		      size_t count)
{
	struct place place = { .node = list->node, .item_kind = "list", .item_name = list->name };

	if (list->resolved_count + count > RULES_LIST_MAX ||
	    loader->resolved_total + count > RULES_LISTS_TOTAL_MAX) {
		report_add(loader->report, RULES_ERR_VALIDATE, &place,
			   "more than %d items with those of the lists in it, or %d in all lists",
			   RULES_LIST_MAX, RULES_LISTS_TOTAL_MAX);
		return false;
	}
	loader->resolved_total += count;
	for (size_t i = 0; i < count; i++)
		if (!list_add(loader, list, cap, items[i]))
			return false;
	return true;
}

static bool list_resolve(struct loader *loader, struct list *list)
{
	size_t cap = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct list *other = NULL;
		uint32_t at;

		if (table_get(&loader->list_names, list->items[i], &at) &&
		    loader->lists[at].index < list->visibility && &loader->lists[at] != list)
			other = &loader->lists[at];
		if (other != NULL)
			other->used = true;
		if (!list_take(loader, list, &cap, other != NULL ? other->items : &list->items[i],
			       other != NULL ? other->count : 1))
			break;
	}
	return !loader->out_of_memory;
}

bool lists_resolve(struct loader *loader)
{
	for (size_t i = 0; i < loader->lists_count; i++)
		if (!list_resolve(loader, &loader->lists[i])) {
			loader->out_of_memory = true;
			return false;
		}
	return true;
}
