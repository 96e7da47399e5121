/* Rewriting canonical conditions. */
#include "tests/bench/copies.h"

#include "base/cleanup.h"

/* Texts that stand for one thing of many: paths, names of processes and files, arguments. */
static bool is_rewritten(struct str field)
{
	static const char *const names[] = { "proc.name", "proc.pname", "proc.exe", "proc.exepath", "proc.pexepath",
	                                     "proc.cmdline", "proc.pcmdline", "proc.args", "proc.aname", "fd.name",
	                                     "fd.nameraw", "fd.filename", "fd.directory", "evt.arg.path",
	                                     "evt.arg.newpath", "evt.arg.target" };
	const char *bracket = field.len == 0 ? NULL : memchr(field.at, '[', field.len);

	if (bracket != NULL)
		field = str_cut(field, (size_t)(bracket - field.at));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(field, str_of(names[i])))
			return true;
	return false;
}

static bool is_word(char c)
{
	return c != ' ' && c != '(' && c != ')' && c != ',' && c != '"';
}

static bool is_keyword(struct str word)
{
	static const char *const words[] = { "and", "or", "not", "in", "=", "!=", "startswith", "endswith", "contains",
	                                     "icontains", "pmatch", "glob", "iglob", "regex", "exists", "intersects",
	                                     "anyof", "oneof", "allof", "<", "<=", ">", ">=", "==" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(word, str_of(words[i])))
			return true;
	return false;
}

static bool is_field(struct str word)
{
	return word.len > 3 && word.at[0] >= 'a' && word.at[0] <= 'z' && memchr(word.at, '.', word.len) != NULL &&
	       (str_starts(word, STR("proc.")) || str_starts(word, STR("fd.")) || str_starts(word, STR("evt.")) ||
	        str_starts(word, STR("container.")) || str_starts(word, STR("user.")) || str_starts(word, STR("group.")) ||
	        str_starts(word, STR("thread.")) || str_starts(word, STR("k8s.")) || str_starts(word, STR("ka.")));
}

/* A constant gets the copy's number in its middle, so that what it begins and ends with stays typical. */
static void add_constant(struct str word, unsigned copy, struct buf *out)
{
	size_t middle = word.len / 2;

	if (word.len < 3 || memchr(word.at, '*', word.len) != NULL || memchr(word.at, '[', word.len) != NULL) {
		buf_add(out, word);
		return;
	}
	buf_add(out, str_cut(word, middle));
	buf_addf(out, "x%u", copy);
	buf_add(out, str_from(word, middle));
}

static void add_condition(struct str text, unsigned copy, struct buf *out)
{
	struct str field = { 0 };

	for (size_t i = 0; i < text.len;) {
		size_t end = i;
		struct str word;

		while (end < text.len && is_word(text.at[end]))
			end++;
		if (end == i) {
			buf_add_char(out, text.at[i++]);
			continue;
		}
		word = str_cut(str_from(text, i), end - i);
		if (is_field(word))
			field = word;
		if (copy > 0 && !is_keyword(word) && !is_field(word) && is_rewritten(field) &&
		    (end == text.len || text.at[end] != '('))
			add_constant(word, copy, out);
		else
			buf_add(out, word);
		i = end;
	}
}

static void add_rule(const struct rule *rule, unsigned copy, struct buf *out)
{
	struct buf canonical = { 0 }, condition = { 0 };

	rule_add_canonical(rule, &canonical);
	add_condition(buf_str(&canonical), copy, &condition);
	buf_addf(out, "- rule: \"%.*s %u\"\n  desc: d\n  condition: ", STR_ARG(rule_name(rule)), copy);
	buf_add_json(out, buf_str(&condition));
	buf_addf(out, "\n  output: \"%%fd.name %%proc.name\"\n  priority: %s\n  warn_evttypes: false\n",
	         priority_name(rule_priority(rule)));
	buf_done(&canonical);
	buf_done(&condition);
}

void bench_copies(const struct rules *rules, unsigned copies, struct buf *out)
{
	for (unsigned copy = 0; copy < copies; copy++)
		for (size_t i = 0; i < rules_count(rules); i++)
			if (rule_is_enabled(rules_at(rules, i)) &&
			    str_eq(rule_source(rules_at(rules, i)), STR("syscall")))
				add_rule(rules_at(rules, i), copy, out);
}
