/* The layout of a rules file. Works on lines: YAML's nodes say where items and keys begin. */
#include "cli/rules_layout.h"

#include "base/cleanup.h"
#include "rules/ast.h"
#include "rules/rules.h"

#include <errno.h>

enum { KEYS_MAX = 32 };

struct layout {
	const struct yaml_file *file;
	unsigned width;
	struct arena *arena;
	struct buf *out;
	struct str *lines; /* without their ends and the blanks before those */
	size_t count;
	bool failed; /* out of memory */
};

/* Lines from and to, both from 1 and within the key's region. */
struct part {
	const struct yaml *key, *value;
	size_t comments; /* the first of the comment lines before it */
	size_t from, end; /* of key and value; end: behind the last */
	unsigned rank;
};

/* Keys that are not here come behind, as they stood. */
static const char *const key_order[] = { "rule", "macro", "list", "threshold", "sequence", "distinct", "first_seen", "absent",
	                                 "desc", "condition", "steps", "items", "exceptions", "count", "of", "within",
	                                 "by", "learn", "output", "priority", "source", "tags" };

static struct str line_at(const struct layout *l, size_t number)
{
	return number >= 1 && number <= l->count ? l->lines[number - 1] : (struct str){ 0 };
}

static size_t indent_of(struct str line)
{
	size_t indent = 0;

	while (indent < line.len && line.at[indent] == ' ')
		indent++;
	return indent;
}

static bool is_blank(struct str line)
{
	return str_trim(line).len == 0;
}

static bool is_comment(struct str line)
{
	struct str text = str_trim(line);

	return text.len > 0 && text.at[0] == '#';
}

/* Lines that belong to no item: blank ones, comments that stand no deeper than `indent`, and what is
 * between documents. */
static bool is_between(struct str line, size_t indent)
{
	return is_blank(line) || (is_comment(line) && indent_of(line) <= indent) || str_starts(line, STR("---")) ||
	       str_starts(line, STR("..."));
}

static bool split_lines(struct layout *l)
{
	struct str left = l->file->text;
	size_t count = 1;

	for (size_t i = 0; i < left.len; i++)
		count += left.at[i] == '\n';
	l->lines = arena_alloc(l->arena, (count + 1) * sizeof(*l->lines));
	if (l->lines == NULL)
		return false;
	while (left.len > 0) {
		const char *newline = memchr(left.at, '\n', left.len);
		size_t len = newline == NULL ? left.len : (size_t)(newline - left.at);
		struct str line = str_cut(left, len);

		while (line.len > 0 && strchr(" \t\r", line.at[line.len - 1]) != NULL && line.at[line.len - 1] != '\0')
			line.len--;
		l->lines[l->count++] = line;
		left = str_from(left, len + 1);
	}
	return true;
}

/* Where a node begins in its line, in bytes. */
static size_t offset_of(const struct yaml *node)
{
	return yaml_start(node).column - 1;
}

/* --- one value --- */

/* A '#' outside quotes that may begin a comment. */
static bool has_comment(const struct layout *l, size_t from, size_t end)
{
	char quote = '\0';

	for (size_t number = from; number < end; number++) {
		struct str line = line_at(l, number);

		for (size_t i = 0; i < line.len; i++) {
			char c = line.at[i];

			if (quote != '\0')
				quote = c == quote ? '\0' : quote;
			else if (c == '"' || c == '\'')
				quote = c;
			else if (c == '#' && (i == 0 || line.at[i - 1] == ' ' || line.at[i - 1] == '\t'))
				return true;
		}
	}
	return false;
}

/* What stands behind "key:" in its line. */
static struct str behind_key(const struct layout *l, const struct part *part)
{
	struct str line = line_at(l, part->from), rest;
	size_t at = offset_of(part->key);
	ptrdiff_t colon = str_find(str_from(line, at), STR(":"));

	rest = str_from(line, at + (size_t)(colon < 0 ? 0 : colon) + 1);
	return str_trim(rest);
}

/* Blanks outside quotes become one. False for a text that cannot be folded: a newline within quotes. */
static bool squeeze(struct str text, struct buf *out)
{
	char quote = '\0';

	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';

		if (c == '\\' && quote != '\0' && i + 1 < text.len) {
			buf_add_char(out, c);
			buf_add_char(out, text.at[++i]);
			continue;
		}
		if (quote != '\0' ? c == quote : c == '"' || c == '\'')
			quote = quote != '\0' ? '\0' : c;
		if (quote != '\0' && (c == '\n' || c == '\r' || c == '\t'))
			return false;
		if (quote == '\0' && blank) {
			if (out->len > 0 && out->at[out->len - 1] != ' ')
				buf_add_char(out, ' ');
			continue;
		}
		buf_add_char(out, c);
	}
	while (out->len > 0 && out->at[out->len - 1] == ' ')
		buf_cut(out, out->len - 1);
	return quote == '\0' && out->len > 0;
}

/* The length of the next word: blanks within quotes do not end it, and a quote's blanks at a line's
 * end would be lost. Tells how deep in parentheses what comes behind is. */
static size_t word_len(struct str text, int *depth)
{
	char quote = '\0';
	size_t len = 0;

	for (; len < text.len && (quote != '\0' || text.at[len] != ' '); len++) {
		char c = text.at[len];

		if (c == '\\' && quote != '\0' && len + 1 < text.len)
			len++;
		else if (quote != '\0')
			quote = c == quote ? '\0' : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else
			*depth += c == '(' ? 1 : c == ')' ? -1 : 0;
	}
	return len;
}

struct word {
	struct str text;
	int depth;  /* of parentheses, before it */
	bool joins; /* it is "and" or "or" */
};

static size_t split_words(struct str text, struct word *words)
{
	size_t count = 0;
	int depth = 0;

	while (text.len > 0) {
		struct word *word = &words[count++];

		word->depth = depth;
		word->text = str_cut(text, word_len(text, &depth));
		word->joins = str_eq(word->text, STR("and")) || str_eq(word->text, STR("or"));
		text = str_from(text, word->text.len + 1);
	}
	return count;
}

/* Where the line that begins with words[from] ends: before an "and" or "or" of the outermost level,
 * or, when it gets too long, before the last one of the least depth in it. */
static size_t line_end(const struct word *words, size_t count, size_t from, size_t width)
{
	size_t end = from + 1, length = words[from].text.len, best = 0;

	while (end < count && !(words[end].joins && words[end].depth == 0)) {
		length += 1 + words[end].text.len;
		if (length > width)
			return best > 0 ? best : end;
		if (words[end].joins && (best == 0 || words[end].depth <= words[best].depth))
			best = end;
		end++;
	}
	return end;
}

static bool add_folded(struct layout *l, struct str text)
{
	const size_t indent = 4;
	struct word *words = arena_alloc(l->arena, (text.len / 2 + 1) * sizeof(*words));
	size_t count;

	if (words == NULL)
		return false;
	count = split_words(text, words);
	for (size_t from = 0, end; from < count; from = end) {
		end = line_end(words, count, from, l->width - indent);
		buf_addf(l->out, "\n%*s", (int)indent, "");
		for (size_t i = from; i < end; i++)
			buf_addf(l->out, "%s%.*s", i > from ? " " : "", STR_ARG(words[i].text));
	}
	return true;
}

/* Whether YAML reads the text as itself, without quotes, behind a key. */
static bool is_plain_yaml(struct str text)
{
	if (text.len == 0 || strchr("-?:,[]{}#&*!|>'\"%@` ", text.at[0]) != NULL || text.at[text.len - 1] == ':')
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < ' ' || text.at[i] > '~' || (text.at[i] == '#' && text.at[i - 1] == ' ') ||
		    (text.at[i] == ':' && text.at[i + 1] == ' '))
			return false;
	return true;
}

static bool add_condition(struct layout *l, const struct part *part)
{
	struct buf text = { 0 };
	struct str rest = behind_key(l, part);
	bool block = rest.len > 0 && (rest.at[0] == '|' || rest.at[0] == '>');
	bool good = part->value->kind == YAML_SCALAR && !has_comment(l, part->from, block ? part->from + 1 : part->end) &&
	            (rest.len == 0 || strchr("&*!", rest.at[0]) == NULL) && squeeze(part->value->text, &text) && buf_ok(&text);

	if (good) {
		if (is_plain_yaml(buf_str(&text)) && text.len + sizeof("  condition: ") - 1 <= l->width) {
			buf_addf(l->out, "condition: %.*s", STR_ARG(text));
		} else {
			buf_add(l->out, STR("condition: >"));
			l->failed |= !add_folded(l, buf_str(&text));
		}
		buf_add_char(l->out, '\n');
	}
	buf_done(&text);
	return good;
}

/* A scalar as it stands in the file, when it stands in one line. */
static bool spelling(const struct layout *l, const struct yaml *node, struct str *ret)
{
	struct str line = line_at(l, node->line), rest = str_from(line, offset_of(node));
	char quote = rest.len > 0 ? rest.at[0] : '\0';

	if (node->kind != YAML_SCALAR || node->is_null)
		return false;
	*ret = node->text;
	if (node->is_plain)
		return str_starts(rest, node->text);
	if (quote != '"' && quote != '\'')
		return false;
	for (size_t i = 1; i < rest.len; i++) {
		if (quote == '"' && rest.at[i] == '\\') {
			i++;
		} else if (rest.at[i] == quote && i + 1 < rest.len && quote == '\'' && rest.at[i + 1] == quote) {
			i++;
		} else if (rest.at[i] == quote) {
			*ret = str_cut(rest, i + 1);
			return true;
		}
	}
	return false;
}

static bool add_list(struct layout *l, const struct part *part)
{
	const struct yaml *list = part->value;
	struct str rest = behind_key(l, part), word;
	const size_t indent = 2 + part->key->text.len + 3; /* behind the bracket */
	size_t column;

	if (list->kind != YAML_SEQUENCE || rest.len == 0 || rest.at[0] != '[' || has_comment(l, part->from, part->end))
		return false;
	for (size_t i = 0; i < list->count; i++)
		if (!spelling(l, list->items[i], &word))
			return false;
	buf_addf(l->out, "%.*s: [", STR_ARG(part->key->text));
	column = indent;
	for (size_t i = 0; i < list->count; i++) {
		spelling(l, list->items[i], &word);
		if (i > 0 && column + 1 + word.len + 1 > l->width) {
			buf_addf(l->out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (i > 0) {
			buf_add_char(l->out, ' ');
			column++;
		}
		buf_add(l->out, word);
		buf_add(l->out, i + 1 < list->count ? STR(",") : STR(""));
		column += word.len + 1;
	}
	buf_add(l->out, STR("]\n"));
	return true;
}

/* Where the dashes of a sequence stand that begins on the line below its key; 0: it is none. */
static size_t dash_of(const struct layout *l, const struct part *part)
{
	if (part->value->kind != YAML_SEQUENCE || behind_key(l, part).len > 0)
		return 0;
	for (size_t number = part->from + 1; number < part->end; number++) {
		struct str line = line_at(l, number);
		size_t indent = indent_of(line);

		if (indent < line.len && line.at[indent] == '-')
			return indent;
	}
	return 0;
}

/* As it was written, moved to where the keys stand now; the dashes of a sequence stand two behind its key. */
static void add_verbatim(struct layout *l, const struct part *part)
{
	struct str first = line_at(l, part->from);
	size_t key = offset_of(part->key), dash = dash_of(l, part), from = dash > 0 ? dash : key, to = dash > 0 ? 4 : 2;

	buf_add(l->out, str_from(first, key));
	buf_add_char(l->out, '\n');
	for (size_t number = part->from + 1; number < part->end; number++) {
		struct str line = line_at(l, number);
		size_t indent = indent_of(line), wanted = indent + to > from ? indent + to - from : 0;

		if (line.len > 0)
			buf_addf(l->out, "%*s%.*s", (int)wanted, "", STR_ARG(str_from(line, indent)));
		buf_add_char(l->out, '\n');
	}
}

static void add_part(struct layout *l, const struct part *part)
{
	const struct str key = part->key->text;

	if (str_eq(key, STR("condition")) && add_condition(l, part))
		return;
	if ((str_eq(key, STR("items")) || str_eq(key, STR("tags"))) && add_list(l, part))
		return;
	add_verbatim(l, part);
}

/* --- one item --- */

static unsigned rank_of(struct str key)
{
	unsigned rank = 0;

	while (rank < ARRAY_LEN(key_order) && !str_eq(key, str_of(key_order[rank])))
		rank++;
	return rank;
}

/* The keys with their lines. False for an item that stays as it is. */
static bool find_parts(const struct layout *l, const struct yaml *item, size_t end, struct part *parts, size_t *ret_count)
{
	size_t count = item->count / 2;

	if (item->kind != YAML_MAPPING || count == 0 || count > KEYS_MAX)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct yaml *key = item->items[2 * i];
		struct str line = line_at(l, key->line);
		struct part *part = &parts[i];

		*part = (struct part){ .key = key, .value = item->items[2 * i + 1], .from = key->line, .end = end };
		if (key->kind != YAML_SCALAR || !key->is_plain || offset_of(key) != offset_of(item->items[0]) ||
		    !str_starts(str_from(line, offset_of(key)), key->text))
			return false;
		part->rank = rank_of(key->text);
		part->comments = part->from;
		if (i == 0)
			continue;
		if (key->line <= parts[i - 1].key->line)
			return false;
		while (part->comments - 1 > parts[i - 1].from &&
		       is_between(line_at(l, part->comments - 1), offset_of(key)))
			part->comments--;
		parts[i - 1].end = part->comments;
	}
	*ret_count = count;
	return true;
}

static void sort_parts(struct part *parts, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct part part = parts[i];
		size_t at = i;

		for (; at > 0 && parts[at - 1].rank > part.rank; at--)
			parts[at] = parts[at - 1];
		parts[at] = part;
	}
}

static void add_comments(struct layout *l, const struct part *part, bool first)
{
	for (size_t number = part->comments; number < part->from; number++)
		if (is_comment(line_at(l, number)))
			buf_addf(l->out, "%s%.*s\n", first ? "" : "  ", STR_ARG(str_trim(line_at(l, number))));
}

/* Lines from `from` to `end` as they are. */
static void add_lines(struct layout *l, size_t from, size_t end)
{
	for (size_t number = from; number < end; number++) {
		buf_add(l->out, line_at(l, number));
		buf_add_char(l->out, '\n');
	}
}

static void add_item(struct layout *l, const struct yaml *item, size_t end)
{
	struct str line = line_at(l, item->line), dash = str_trim(str_cut(line, offset_of(item)));
	struct part parts[KEYS_MAX];
	size_t count;

	if (!str_eq(dash, STR("-")) || !find_parts(l, item, end, parts, &count)) {
		add_lines(l, item->line, end);
		return;
	}
	sort_parts(parts, count);
	for (size_t i = 0; i < count; i++) {
		add_comments(l, &parts[i], i == 0);
		buf_add(l->out, i == 0 ? STR("- ") : STR("  "));
		add_part(l, &parts[i]);
	}
}

/* --- the file --- */

/* What stands between items: comments, and blank lines no more than one at a time. */
static void add_between(struct layout *l, size_t from, size_t end, bool is_first, bool is_last)
{
	bool blank = !is_first;

	while (from < end && is_blank(line_at(l, from)))
		from++;
	while (is_last && end > from && is_blank(line_at(l, end - 1)))
		end--;
	if (blank && (from < end || !is_last))
		buf_add_char(l->out, '\n');
	blank = true;
	for (; from < end; from++) {
		struct str line = line_at(l, from);

		if (!is_blank(line)) {
			buf_addf(l->out, "%.*s\n", STR_ARG(is_comment(line) ? str_trim(line) : line));
			blank = false;
		} else if (!blank) {
			buf_add_char(l->out, '\n');
			blank = true;
		}
	}
}

static void lay_out(struct layout *l, const struct yaml *const *roots, size_t roots_count)
{
	size_t done = 1; /* the first line that is not written yet */
	bool first = true;

	for (size_t i = 0; i < roots_count; i++) {
		for (size_t j = 0; roots[i]->kind == YAML_SEQUENCE && j < roots[i]->count; j++) {
			const struct yaml *item = roots[i]->items[j], *next = NULL;
			size_t end = l->count + 1, indent = offset_of(item);

			for (size_t k = i; k < roots_count && next == NULL; k++)
				if (roots[k]->kind == YAML_SEQUENCE && (k > i ? roots[k]->count > 0 : j + 1 < roots[k]->count))
					next = roots[k]->items[k > i ? 0 : j + 1];
			if (next != NULL)
				end = next->line;
			while (end - 1 > item->line && is_between(line_at(l, end - 1), indent))
				end--;
			add_between(l, done, item->line, first, false);
			first = false;
			add_item(l, item, end);
			done = end;
		}
	}
	add_between(l, done, l->count + 1, first, true);
}

/* --- the proof --- */

static bool same_condition(const struct yaml *a, const struct yaml *b, struct arena *arena)
{
	struct buf left = { 0 }, right = { 0 };
	struct parse_error error;
	struct ast *ast_a, *ast_b;
	bool same;

	if (ast_parse(a->text, RULES_DEPTH_MAX, arena, &ast_a, &error) == 0 &&
	    ast_parse(b->text, RULES_DEPTH_MAX, arena, &ast_b, &error) == 0) {
		ast_print(&left, ast_a);
		ast_print(&right, ast_b);
	} else {
		squeeze(a->text, &left);
		squeeze(b->text, &right);
	}
	same = left.len > 0 ? str_eq(buf_str(&left), buf_str(&right)) : str_eq(a->text, b->text);
	buf_done(&left);
	buf_done(&right);
	return same;
}

static bool same_node(const struct yaml *a, const struct yaml *b, struct arena *arena);

/* Keys may stand in another order. The first of two equal ones is the one that counts. */
static bool same_mapping(const struct yaml *a, const struct yaml *b, struct arena *arena)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i + 1 < a->count; i += 2) {
		const struct yaml *key = a->items[i], *value;

		if (key->kind != YAML_SCALAR)
			return false;
		value = yaml_get(b, key->text);
		if (value == NULL)
			return false;
		if (yaml_get(a, key->text) != a->items[i + 1])
			continue;
		if (str_eq(key->text, STR("condition")) && value->kind == YAML_SCALAR && a->items[i + 1]->kind == YAML_SCALAR) {
			if (!same_condition(a->items[i + 1], value, arena))
				return false;
		} else if (!same_node(a->items[i + 1], value, arena)) {
			return false;
		}
	}
	return true;
}

static bool same_node(const struct yaml *a, const struct yaml *b, struct arena *arena)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == YAML_SCALAR)
		return a->is_null == b->is_null && str_eq(a->text, b->text);
	if (a->kind == YAML_MAPPING)
		return same_mapping(a, b, arena);
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!same_node(a->items[i], b->items[i], arena))
			return false;
	return true;
}

/* Comments by their number: none is dropped, none is made. */
static size_t count_comments(struct str text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += text.at[i] == '#';
	return count;
}

static int prove(const struct layout *l, const struct yaml *const *roots, size_t count, struct yaml_error *reterr)
{
	const struct yaml_file after = { .name = l->file->name, .text = buf_str(l->out) };
	const struct yaml **others;
	size_t others_count;
	int r = yaml_read(&after, l->arena, &others, &others_count, reterr);

	if (r == -ENOMEM)
		return r;
	*reterr = (struct yaml_error){ .place = { 1, 1, 0 }, .text = "laid out it would not mean the same" };
	if (r < 0 || others_count != count || count_comments(after.text) != count_comments(l->file->text))
		return -EBADMSG;
	for (size_t i = 0; i < count; i++) {
		const struct yaml *a = roots[i], *b = others[i];

		reterr->place = yaml_start(a);
		for (size_t j = 0; a->kind == YAML_SEQUENCE && b->kind == YAML_SEQUENCE && j < a->count && j < b->count; j++) {
			reterr->place = yaml_start(a->items[j]);
			if (!same_node(a->items[j], b->items[j], l->arena))
				return -EBADMSG;
		}
		if (!same_node(a, b, l->arena))
			return -EBADMSG;
	}
	return 0;
}

static int lay_out_once(const struct yaml_file *file, unsigned width, struct arena *arena, struct buf *out,
                        struct yaml_error *reterr)
{
	struct layout l = { .file = file, .width = width, .arena = arena, .out = out };
	const struct yaml **roots;
	size_t count;
	int r = yaml_read(file, arena, &roots, &count, reterr);

	if (r < 0)
		return r;
	if (!split_lines(&l))
		return -ENOMEM;
	lay_out(&l, roots, count);
	if (!buf_ok(out) || l.failed)
		return -ENOMEM;
	return prove(&l, roots, count, reterr);
}

int layout_file(const struct yaml_file *file, unsigned width, struct arena *arena, struct buf *out,
                struct yaml_error *reterr)
{
	struct yaml_file once = *file;
	struct buf again = { 0 };
	int r = lay_out_once(file, width, arena, out, reterr);

	if (r < 0)
		return r;
	once.text = buf_str(out);
	r = lay_out_once(&once, width, arena, &again, reterr);
	if (r == 0 && !str_eq(buf_str(out), buf_str(&again))) {
		*reterr = (struct yaml_error){ .place = { 1, 1, 0 }, .text = "laid out twice it would not stay the same" };
		r = -EBADMSG;
	}
	buf_done(&again);
	return r;
}
