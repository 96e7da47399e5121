/* Random rules over random events, for checking that whatever makes matching fast changes nothing. What
 * is chosen comes from bytes, so that a fuzzer can steer, or from a seed when these are used up. Words
 * are few, so that many checks hold. */
#ifndef TESTS_RANDOM_RULES_H
#define TESTS_RANDOM_RULES_H

#include "rules/eval.h"

#include <stdio.h>
#include <stdlib.h>

enum { RANDOM_RULES_MAX = 24, RANDOM_EVENTS = 40, RANDOM_DEPTH = 4 };

struct dice {
	const uint8_t *at;
	size_t left;
	uint64_t seed; /* 0: all zero behind the end */
};

static inline uint32_t roll(struct dice *dice, size_t sides)
{
	if (dice->left > 0) {
		dice->left--;
		return *dice->at++ % (uint32_t)sides;
	}
	if (dice->seed == 0)
		return 0;
	dice->seed ^= dice->seed << 13;
	dice->seed ^= dice->seed >> 7;
	dice->seed ^= dice->seed << 17;
	return (uint32_t)((dice->seed >> 11) % sides);
}

#define ROLL_OF(dice, items) ((items)[roll(dice, ARRAY_LEN(items))])

static const char *const random_words[] = {
	"bash", "sh",		"nginx",     "/etc/shadow",  "/etc",	 "/etc/passwd", "/usr/bin/BASH",
	"",	"host",		"cat",	     "-c id",	     "O_WRONLY", "a b",		"7",
	"Bash", "/etc/shadow.d", "*",	     "/tmp/x/y",     "<NA>",	 "nginx -g",	"sha",
	"YmFzaA==", "-c -x id",
};
static const char *const random_types[] = { "execve", "openat", "open", "connect", "close", "execveat" };
/* The last ones have no place in a comparison of fields nor in a transformer. */
enum { RANDOM_TEXTS_PLAIN = 10 };
static const char *const random_texts[] = { "proc.name",     "proc.pname",	"fd.name",
					    "proc.cmdline",  "container.id",	"evt.arg.flags",
					    "user.name",     "proc.args",	"fd.directory",
					    "proc.exepath", "proc.aname[2]", "proc.aname" };
static const char *const random_numbers[] = { "evt.rawres", "proc.pid", "user.uid", "fd.sport",
					      "fd.port",    "fd.lport", "proc.vpid", "proc.apid" };
static const char *const random_truths[] = { "evt.is_open_read", "evt.is_open_write", "proc.is_exe_upper_layer" };
static const char *const random_addresses[] = { "fd.sip", "fd.cip", "fd.ip" };
static const char *const random_nets[] = { "fd.snet", "fd.net" };
static const char *const random_types_of_fds[] = { "file", "ipv4", "unix", "bash" };
static const char *const random_raw[] = { "evt.rawarg.uid", "evt.rawarg.flags", "evt.rawarg.res" };
static const char *const random_any[] = { "tracee.name", "tracee.args", "tracee.count" };
static const char *const random_ips[] = { "10.0.0.1", "10.1.2.3", "127.0.0.1", "::1", "2001:db8::7" };
static const char *const random_prefixes[] = { "10.0.0.0/8", "127.0.0.0/8", "2001:db8::/32" };

static inline const char *random_plain_text(struct dice *dice)
{
	return random_texts[roll(dice, RANDOM_TEXTS_PLAIN)];
}

static inline void random_word(struct dice *dice, struct buf *out)
{
	buf_addf(out, "'%s'", ROLL_OF(dice, random_words));
}

static inline void random_list(struct dice *dice, struct buf *out,
			       void (*item)(struct dice *dice, struct buf *out))
{
	uint32_t count = 1 + roll(dice, 5);

	buf_add(out, STR("("));
	for (uint32_t i = 0; i < count; i++) {
		buf_addf(out, "%s", i > 0 ? ", " : "");
		item(dice, out);
	}
	buf_add(out, STR(")"));
}

static inline void random_text_side(struct dice *dice, struct buf *out)
{
	static const char *const wraps[] = { "tolower", "toupper", "basename" };
	const char *field = random_plain_text(dice);

	switch (roll(dice, 8)) {
	case 0: buf_addf(out, "%s(%s)", ROLL_OF(dice, wraps), field); break;
	case 1: buf_addf(out, "concat(%s, %s)", field, random_plain_text(dice)); break;
	default: buf_addf(out, "%s", ROLL_OF(dice, random_texts));
	}
}

static inline void random_text_check(struct dice *dice, struct buf *out)
{
	static const char *const ops[] = { "=", "!=", "contains", "icontains", "startswith", "endswith",
					   "glob", "iglob" };
	static const char *const sets[] = { "in", "pmatch", "intersects", "startswith oneof",
					    "contains anyof", "endswith allof", "= oneof", "icontains allof" };
	static const char *const regexes[] = { "[a-z]+", "/etc/.*", ".*sh", "(bash|cat)" };
	static const char *const globs[] = { "*shadow*", "/etc/*d", "?ash", "*/BA?H", "*[x]/y", "n*inx*-g", "*bas*" };
	static const char *const parts[] = { "ash", "etc/", "shadow", "ETC/SH", "/bin/", "inx", "x -" };

	switch (roll(dice, 9)) {
	case 0:
		buf_addf(out, "%s exists", ROLL_OF(dice, random_texts));
		return;
	case 1:
		buf_addf(out, "%s %s val(%s)", random_plain_text(dice), ops[roll(dice, 6)],
			 random_plain_text(dice));
		return;
	case 2:
		buf_addf(out, "%s regex '%s'", ROLL_OF(dice, random_texts), ROLL_OF(dice, regexes));
		return;
	case 7:
		buf_addf(out, "%s %s '%s'", ROLL_OF(dice, random_texts), roll(dice, 2) ? "glob" : "iglob",
			 ROLL_OF(dice, globs));
		return;
	case 8:
		buf_addf(out, "%s %s '%s'", ROLL_OF(dice, random_texts), roll(dice, 2) ? "contains" : "icontains",
			 ROLL_OF(dice, parts));
		return;
	case 3:
	case 4:
		buf_addf(out, "%s %s ", ROLL_OF(dice, random_texts), ROLL_OF(dice, sets));
		random_list(dice, out, random_word);
		return;
	default:
		random_text_side(dice, out);
		buf_addf(out, " %s ", ROLL_OF(dice, ops));
		random_word(dice, out);
	}
}

static inline void random_ip(struct dice *dice, struct buf *out)
{
	buf_addf(out, "'%s'", ROLL_OF(dice, random_ips));
}

static inline void random_prefix(struct dice *dice, struct buf *out)
{
	buf_addf(out, "'%s'", ROLL_OF(dice, random_prefixes));
}

static inline void random_number(struct dice *dice, struct buf *out)
{
	buf_addf(out, "%u", roll(dice, 9));
}

static inline void random_type(struct dice *dice, struct buf *out)
{
	buf_addf(out, "%s", ROLL_OF(dice, random_types));
}

/* Equality and sets, which every type has. */
static inline void random_plain_check(struct dice *dice, struct buf *out, const char *field,
				      void (*item)(struct dice *dice, struct buf *out))
{
	switch (roll(dice, 4)) {
	case 0:
		buf_addf(out, "%s != ", field);
		item(dice, out);
		break;
	case 1: buf_addf(out, "%s exists", field); break;
	case 2:
		buf_addf(out, "%s in ", field);
		random_list(dice, out, item);
		break;
	default:
		buf_addf(out, "%s = ", field);
		item(dice, out);
	}
}

static inline void random_number_check(struct dice *dice, struct buf *out)
{
	static const char *const ops[] = { "<", "<=", ">", ">=", "=", "!=" };

	switch (roll(dice, 3)) {
	case 0: random_plain_check(dice, out, ROLL_OF(dice, random_numbers), random_number); break;
	case 1:
		buf_addf(out, "len(%s) %s %u", random_texts[roll(dice, 5)], ROLL_OF(dice, ops), roll(dice, 9));
		break;
	default:
		buf_addf(out, "%s %s %u", ROLL_OF(dice, random_numbers), ROLL_OF(dice, ops), roll(dice, 9));
	}
}

static inline void random_any_check(struct dice *dice, struct buf *out)
{
	static const char *const ops[] = { "=", "!=", "contains", "startswith" };

	if (roll(dice, 3) == 0) {
		buf_addf(out, "%s in ", ROLL_OF(dice, random_any));
		random_list(dice, out, random_word);
		return;
	}
	buf_addf(out, "%s %s ", ROLL_OF(dice, random_any), ROLL_OF(dice, ops));
	random_word(dice, out);
}

static inline void random_fd_type(struct dice *dice, struct buf *out)
{
	buf_addf(out, "'%s'", ROLL_OF(dice, random_types_of_fds));
}

/* What has its own types and rules: lists, bytes, options, decoded texts, raw arguments. */
static inline void random_special_check(struct dice *dice, struct buf *out)
{
	static const char *const sets[] = { "in", "intersects" }, *const hex[] = { "62617368", "2f", "", "6361" },
			  *const ops[] = { "=", "!=", "<", ">=" };

	switch (roll(dice, 9)) {
	case 0:
		buf_addf(out, "b64(%s) %s ", random_plain_text(dice), roll(dice, 2) ? "=" : "contains");
		random_word(dice, out);
		return;
	case 1:
		buf_addf(out, "join(',', (%s, %s)) %s ", random_plain_text(dice), random_plain_text(dice),
			 roll(dice, 2) ? "=" : "contains");
		random_word(dice, out);
		return;
	case 2: buf_addf(out, "getopt(proc.args, 'xc:') %s ('c', 'id', 'x')", ROLL_OF(dice, sets)); return;
	case 3: buf_addf(out, "getopt(proc.args, 'xc:')[%s] %s 'id'", roll(dice, 2) ? "c" : "x", roll(dice, 2) ? "=" : "!="); return;
	case 4:
	case 5:
		buf_addf(out, "%s %s ", roll(dice, 3) ? "fd.types" : "tolower(fd.types)", ROLL_OF(dice, sets));
		random_list(dice, out, random_fd_type);
		return;
	case 6: buf_addf(out, "len(fd.types) %s %u", ROLL_OF(dice, ops), roll(dice, 4)); return;
	case 7: buf_addf(out, "evt.buffer %s '%s'", roll(dice, 2) ? "bcontains" : "bstartswith", ROLL_OF(dice, hex)); return;
	default: buf_addf(out, "%s %s %u", ROLL_OF(dice, random_raw), ROLL_OF(dice, ops), roll(dice, 9));
	}
}

static inline void random_check(struct dice *dice, struct buf *out, bool any)
{
	if (any && roll(dice, 2) == 0) {
		random_any_check(dice, out);
		return;
	}
	switch (roll(dice, 12)) {
	case 10:
	case 11: random_special_check(dice, out); break;
	case 0:
	case 1: random_plain_check(dice, out, "evt.type", random_type); break;
	case 2: random_number_check(dice, out); break;
	case 3: random_plain_check(dice, out, ROLL_OF(dice, random_addresses), random_ip); break;
	case 4: random_plain_check(dice, out, ROLL_OF(dice, random_nets), random_prefix); break;
	case 5:
		buf_addf(out, "%s %s %s", ROLL_OF(dice, random_truths), roll(dice, 2) ? "=" : "!=",
			 roll(dice, 2) ? "true" : "false");
		break;
	case 6: buf_add(out, STR("evt.num > 0")); break;
	default: random_text_check(dice, out);
	}
}

static inline void random_condition(struct dice *dice, struct buf *out, unsigned depth, bool any)
{
	uint32_t kind = depth == 0 ? 0 : roll(dice, 6), count;

	if (kind < 2) {
		random_check(dice, out, any);
		return;
	}
	if (kind == 2) {
		buf_add(out, STR("not ("));
		random_condition(dice, out, depth - 1, any);
		buf_add(out, STR(")"));
		return;
	}
	count = 2 + roll(dice, 3);
	for (uint32_t i = 0; i < count; i++) {
		buf_addf(out, "%s(", i == 0 ? "" : kind == 3 ? " or " : " and ");
		random_condition(dice, out, depth - 1, any);
		buf_add(out, STR(")"));
	}
}

/* Some rules begin like stock ones do, with a type, or in some sets often with opening for writing; some
 * share a macro; some have an exception. */
static inline void random_rule(struct dice *dice, struct buf *out, uint32_t number, bool opens)
{
	bool any = roll(dice, 5) == 0;

	buf_addf(out, "- rule: r%u\n  desc: d\n  priority: INFO\n  output: o\n", number);
	if (any)
		buf_add(out, STR("  source: tracee\n"));
	if (roll(dice, 8) == 0)
		buf_add(out, STR("  opa: {url: 'http://localhost:8181', path: a/b}\n"));
	buf_add(out, STR("  condition: >\n    "));
	if (opens && roll(dice, 3) > 0)
		buf_addf(out, "((evt.type in (open, openat) and evt.is_open_write = true) or evt.type = %s) and ",
			 ROLL_OF(dice, random_types));
	else if (roll(dice, 2) == 0)
		buf_addf(out, "evt.type in (%s, %s) and ", ROLL_OF(dice, random_types),
			 ROLL_OF(dice, random_types));
	if (roll(dice, 3) == 0)
		buf_addf(out, "%sm%u and ", roll(dice, 2) ? "not " : "", roll(dice, 2));
	buf_add_char(out, '(');
	random_condition(dice, out, RANDOM_DEPTH, any);
	buf_add(out, STR(")\n"));
	if (roll(dice, 4) == 0) {
		bool in = roll(dice, 2) == 0;

		buf_addf(out,
			 "  exceptions:\n    - name: e\n      fields: [proc.name, fd.name]\n"
			 "      comps: [%s, startswith]\n      values:\n        - [%s, '/etc']\n",
			 in ? "in" : "=", in ? "['bash', 'cat']" : "'bash'");
	}
}

static inline void random_rules(struct dice *dice, struct buf *out)
{
	uint32_t count = 1 + roll(dice, RANDOM_RULES_MAX);
	bool opens = roll(dice, 3) == 0;

	for (uint32_t i = 0; i < 2; i++) {
		buf_addf(out, "- macro: m%u\n  condition: >\n    ", i);
		random_condition(dice, out, 2, false);
		buf_add_char(out, '\n');
	}
	for (uint32_t i = 0; i < count; i++)
		random_rule(dice, out, i, opens);
}

/* Mostly what the field should hold; now and then nothing, null, or another type. */
static inline void random_set(struct dice *dice, struct event *event, const struct fields *fields,
			      const char *name, struct value value)
{
	switch (roll(dice, 12)) {
	case 0:
	case 1:
	case 2: return;
	case 3: value = (struct value){ .kind = VALUE_NULL }; break;
	case 4: value = value_i64(roll(dice, 9)); break;
	case 5: value = value_bool(roll(dice, 2) == 0); break;
	default: break;
	}
	event_set(event, fields_find(fields, str_of(name)), value);
}

static inline void random_set_list(struct dice *dice, struct event *event, const struct fields *fields, const char *name)
{
	static const struct value all[] = {
		{ .kind = VALUE_STR, .len = 4, .s = "file" }, { .kind = VALUE_STR, .len = 4, .s = "ipv4" },
		{ .kind = VALUE_STR, .len = 4, .s = "unix" }, { .kind = VALUE_STR, .len = 4, .s = "Bash" },
		{ .kind = VALUE_STR, .len = 4, .s = "file" },
	};
	uint32_t from = roll(dice, ARRAY_LEN(all)), count = roll(dice, ARRAY_LEN(all) - from + 1);

	random_set(dice, event, fields, name, (struct value){ .kind = VALUE_LIST, .len = count, .list = all + from });
}

static inline void random_event(struct dice *dice, struct event *event, const struct fields *fields)
{
	static const char *const also[] = { "proc.aname[1]", "proc.aname[3]", "proc.cwd", "fd.filename" };

	event_clear(event);
	event->time_ns = 1700000000123456789;
	event->sensor.seq = 1 + roll(dice, 9); /* the language takes every event to have a number */
	event->source = roll(dice, 4) == 0 ? STR("tracee") : roll(dice, 2) ? STR("syscall") : STR("");
	if (roll(dice, 12) > 0)
		event_set(event, fields_find(fields, STR("evt.type")),
			  value_str(str_of(ROLL_OF(dice, random_types))));
	for (size_t i = 0; i < ARRAY_LEN(random_texts); i++)
		random_set(dice, event, fields, random_texts[i], value_str(str_of(ROLL_OF(dice, random_words))));
	for (size_t i = 0; i < ARRAY_LEN(also); i++)
		random_set(dice, event, fields, also[i], value_str(str_of(ROLL_OF(dice, random_words))));
	for (size_t i = 0; i < ARRAY_LEN(random_numbers); i++)
		random_set(dice, event, fields, random_numbers[i], value_i64(roll(dice, 9)));
	for (size_t i = 0; i < ARRAY_LEN(random_truths); i++)
		random_set(dice, event, fields, random_truths[i], value_bool(roll(dice, 2) == 0));
	for (size_t i = 0; i < ARRAY_LEN(random_addresses); i++)
		random_set(dice, event, fields, random_addresses[i], value_str(str_of(ROLL_OF(dice, random_ips))));
	random_set_list(dice, event, fields, "fd.types");
	random_set(dice, event, fields, "evt.buffer", value_str(str_of(ROLL_OF(dice, random_words))));
	for (size_t i = 0; i < ARRAY_LEN(random_raw); i++)
		random_set(dice, event, fields, random_raw[i], value_i64(roll(dice, 9)));
	for (size_t i = 0; i < ARRAY_LEN(random_any); i++)
		random_set(dice, event, fields, random_any[i], value_str(str_of(ROLL_OF(dice, random_words))));
}

/* One random set of rules, with all matches and with the first, fast and plain. */
struct random_set {
	struct fields *fields;
	struct rules *rules[2]; /* first, all */
	struct rules_scratch *scratch[2];
	struct event event;
};

static inline void random_set_done(struct random_set *set)
{
	for (int i = 0; i < 2; i++) {
		rules_scratch_free(set->scratch[i]);
		rules_free(set->rules[i]);
	}
	event_done(&set->event);
	fields_free(set->fields);
	*set = (struct random_set){ 0 };
}

static inline void random_why(const struct rules_report *report, struct buf *why)
{
	for (size_t i = 0; i < report->count; i++)
		if (rules_code_is_error(report->notes[i].code))
			rules_note_print(&report->notes[i], why);
}

/* False: the rules do not load, and why is in `why`. */
static inline bool random_set_load(struct random_set *set, struct str text, struct buf *why)
{
	static const char *const sources[] = { "tracee" };
	struct rules_text file = { .name = "random.yaml", .text = text };
	struct rules_report *report = calloc(1, sizeof(*report));
	int r = report == NULL ? -1 : 0;

	*set = (struct random_set){ .fields = fields_new() };
	for (int all = 0; all < 2 && r == 0; all++) {
		struct rules_settings settings = { .priority_max = PRIORITY_DEBUG,
						   .match_all = all == 1,
						   .sources = { .at = sources, .count = 1 } };

		rules_report_init(report);
		r = rules_load_text(&settings, &file, 1, set->fields, report, &set->rules[all]);
		if (r < 0)
			random_why(report, why);
		else if ((set->scratch[all] = rules_scratch_new(set->rules[all])) == NULL)
			r = -1;
		rules_report_done(report);
	}
	free(report);
	if (r == 0)
		r = event_init(&set->event, fields_count(set->fields));
	if (r < 0)
		random_set_done(set);
	return r >= 0;
}

/* Whether the ways to match agree on the set's event: fast with plain, the first with all. */
static inline bool random_agrees(struct random_set *set, size_t *ret_hits)
{
	const struct rule *fast[RANDOM_RULES_MAX], *plain[RANDOM_RULES_MAX], *first[1];
	size_t all = rules_match(set->rules[1], set->scratch[1], &set->event, fast, RANDOM_RULES_MAX);
	size_t plain_all = rules_match_plain(set->rules[1], set->scratch[1], &set->event, plain,
					     RANDOM_RULES_MAX);
	size_t one;

	*ret_hits = all;
	if (all != plain_all || (all > 0 && memcmp(fast, plain, all * sizeof(*fast)) != 0))
		return false;
	one = rules_match(set->rules[0], set->scratch[0], &set->event, first, 1);
	if (one != (all > 0) || (one > 0 && !str_eq(rule_name(first[0]), rule_name(fast[0]))))
		return false;
	return rules_match_plain(set->rules[0], set->scratch[0], &set->event, plain, 1) == one &&
	       (one == 0 || plain[0] == first[0]);
}

#endif
