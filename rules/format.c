/* Outputs: "%field" and "%transformer(…)" in a text, compiled to tokens, printed for an event. */
#include "rules/compiler.h"
#include "rules/fieldname.h"

#include <stdio.h>
#include <time.h>

enum { WIDTH_MAX = 4096 };

struct draft {
	struct token *tokens;
	size_t count, cap;
};

static bool add_token(struct compiler *c, struct draft *draft, struct token token)
{
	if (!compile_grow(c, (void **)&draft->tokens, draft->count, &draft->cap, sizeof(token)))
		return false;
	draft->tokens[draft->count++] = token;
	return true;
}

static bool add_text(struct compiler *c, struct draft *draft, struct str text)
{
	if (text.len == 0)
		return true;
	return add_token(c, draft, (struct token){ .text = compile_str(c, text), .term = NONE });
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.';
}

static bool unknown(struct compiler *c, struct str rest, size_t at)
{
	size_t len = 0, name = 0;

	while (len < rest.len && len < 80 && strchr(" \t\r\n", rest.at[len]) == NULL)
		len++;
	complain(c, RULES_ERR_COMPILE_OUTPUT, at, "unknown filter: %.*s", (int)len, rest.at);
	while (name < rest.len && is_name_char(rest.at[name]))
		name++;
	if (name > 0 && load_may_suggest(c->loader, FIELD_CATALOGUE_END))
		problem_suggest(c->loader, c->problem, fieldname_nearest(str_cut(rest, name)));
	c->problem->is_unknown_filter = true;
	return false;
}

static bool name_is_field(struct compiler *c, struct ast_term *term, struct str name)
{
	/* Whether an argument follows is seen later. */
	enum fieldname found;

	term->name = name;
	found = fieldname_find(term, NULL, NULL);
	return found == FIELDNAME_OK || found == FIELDNAME_NEEDS_ARGUMENT ||
	       found == FIELDNAME_NO_PARAMETER ||
	       (found == FIELDNAME_UNKNOWN && c->is_watch && watch_is_field(name)) ||
	       (found == FIELDNAME_UNKNOWN && c->any_field && name.at[name.len - 1] != '.' &&
		memchr(name.at, '.', name.len) != NULL);
}

/* The longest field that the text begins with; its length with its argument, or 0. */
static size_t take_field(struct compiler *c, struct str text, struct ast_term *term)
{
	size_t len = 0, end;

	*term = (struct ast_term){ .kind = AST_FIELD };
	while (len < text.len && is_name_char(text.at[len]))
		len++;
	while (len > 0 && (text.at[len - 1] == '.' || !name_is_field(c, term, str_cut(text, len))))
		len--;
	if (len == 0)
		return 0;
	term->name = str_cut(text, len);
	if (len >= text.len || text.at[len] != '[')
		return fieldname_find(term, NULL, NULL) == FIELDNAME_NEEDS_ARGUMENT ? 0 : len;
	for (end = len + 1; end < text.len && text.at[end] != ']' && text.at[end] != '[';)
		end++;
	if (end >= text.len || text.at[end] != ']')
		return 0;
	term->arg = str_cut(str_from(text, len + 1), end - len - 1);
	if (term->arg.len >= 2 && (term->arg.at[0] == '"' || term->arg.at[0] == '\'') &&
	    term->arg.at[term->arg.len - 1] == term->arg.at[0])
		term->arg = str_cut(str_from(term->arg, 1), term->arg.len - 2);
	term->has_arg = true;
	return end + 1;
}

static size_t transformer_len(struct str text)
{
	for (enum transformer i = 0; i < TRANSFORMER_COUNT; i++) {
		struct str name = str_of(transformer_name(i));

		if (str_starts(text, name) && text.len > name.len && text.at[name.len] == '(')
			return name.len;
	}
	return 0;
}

/* The fields and transformers inside a transformer, each of which gets a member of output_fields.
 */
static bool add_inner(struct compiler *c, struct draft *draft, const struct ast_term *term,
		      bool transformed)
{
	for (size_t i = 0; i < term->count; i++) {
		const struct ast_term *inner = term->items[i];
		struct token token = { .in_fields = true, .only_fields = true };

		if (!add_inner(c, draft, inner, transformed))
			return false;
		if (inner->kind != AST_FIELD && !(inner->kind == AST_CALL && transformed))
			continue;
		if (!compile_term(c, inner, &token.term))
			return false;
		token.text = c->rules->terms[token.term].name;
		if (!add_token(c, draft, token))
			return false;
	}
	return true;
}

/* Behind a '%' and its width. Adds tokens and returns the length, 0 when it is wrong. */
static size_t add_value(struct compiler *c, struct draft *draft, struct str text, size_t at,
			uint32_t width, bool transformed)
{
	struct str rest = str_from(text, at);
	struct token token = { .width = width, .in_fields = true };
	struct parse_error error;
	struct ast_term field, *call;
	size_t end;

	if (transformer_len(rest) > 0) {
		if (ast_parse_term(text, at, c->loader->arena, &call, &end, &error) < 0) {
			complain(c, RULES_ERR_COMPILE_OUTPUT, error.at, "%s", error.text);
			return 0;
		}
		token.in_fields = transformed;
		if (!compile_term(c, call, &token.term) || !add_inner(c, draft, call, transformed))
			return 0;
		token.text = c->rules->terms[token.term].name;
		return add_token(c, draft, token) ? end - at : 0;
	}
	end = take_field(c, rest, &field);
	if (end == 0) {
		unknown(c, rest, at);
		return 0;
	}
	/* Of pids an output shows the process's own, not its ancestors'. */
	if (!field.has_arg && str_eq(field.name, STR("proc.apid"))) {
		field.arg = STR("0");
		field.has_arg = true;
	}
	field.at = (uint32_t)at;
	token.text = compile_str(c, str_cut(rest, end));
	return compile_term(c, &field, &token.term) && add_token(c, draft, token) ? end : 0;
}

static size_t take_width(struct str text, uint32_t *ret)
{
	size_t len = 0;

	*ret = 0;
	for (; len < text.len && text.at[len] >= '0' && text.at[len] <= '9'; len++)
		if (*ret < WIDTH_MAX)
			*ret = *ret * 10 + (uint32_t)(text.at[len] - '0');
	if (*ret > WIDTH_MAX)
		*ret = WIDTH_MAX;
	return len;
}

/* What is wrong in an output has its own code, whoever found it. */
static bool output_problem(struct compiler *c)
{
	if (c->problem->text != NULL)
		c->problem->code = RULES_ERR_COMPILE_OUTPUT;
	return false;
}

bool compile_format(struct compiler *c, struct str text, bool transformed, struct format *ret)
{
	struct draft draft = { 0 };
	size_t at = 0;

	ret->partial = text.len > 0 && text.at[0] == '*';
	if (ret->partial)
		at = 1;
	while (at < text.len) {
		const char *percent = memchr(text.at + at, '%', text.len - at);
		size_t end = percent == NULL ? text.len : (size_t)(percent - text.at), len;
		uint32_t width;

		if (!add_text(c, &draft, str_cut(str_from(text, at), end - at)))
			return false;
		if (end == text.len)
			break;
		at = end + 1 + take_width(str_from(text, end + 1), &width);
		len = add_value(c, &draft, text, at, width, transformed);
		if (len == 0)
			return output_problem(c);
		at += len;
	}
	ret->tokens = draft.tokens;
	ret->count = draft.count;
	return true;
}

/* Local time, as Falco prints it. */
static void add_clock(struct buf *out, int64_t ns, bool date, bool fraction)
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;

	if (localtime_r(&seconds, &tm) == NULL)
		return;
	if (date)
		buf_addf(out, "%04d-%02d-%02d ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
	buf_addf(out, "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (fraction)
		buf_addf(out, ".%09lld", (long long)(ns % 1000000000));
}

static void add_utc(struct buf *out, int64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;

	if (gmtime_r(&seconds, &tm) != NULL)
		buf_addf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%09lld+0000", tm.tm_year + 1900,
			 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
			 (long long)(ns % 1000000000));
}

/* The times that Falco prints as text and gives as numbers. */
static bool is_time(field_id base)
{
	return (base >= FIELD_EVT_TIME && base <= FIELD_EVT_DATETIME_S) || base == FIELD_EVT_OUTPUTTIME;
}

static void add_time(struct buf *out, field_id base, int64_t ns)
{
	switch (base) {
	case FIELD_EVT_OUTPUTTIME:
	case FIELD_EVT_TIME: add_clock(out, ns, false, true); break;
	case FIELD_EVT_TIME_S: add_clock(out, ns, false, false); break;
	case FIELD_EVT_TIME_ISO8601: add_utc(out, ns); break;
	case FIELD_EVT_DATETIME: add_clock(out, ns, true, true); break;
	default: add_clock(out, ns, true, false); break;
	}
}

static void add_number(struct buf *out, const struct term *term, const struct value *value)
{
	unsigned long long bits = term->type == FIELD_TYPE_INT32 ? (uint32_t)value->i : value->u;

	if (term->format == FIELD_FORMAT_HEX)
		buf_addf(out, "%llX", bits);
	else if (term->format == FIELD_FORMAT_OCT)
		buf_addf(out, "%llo", bits);
	else if (value->kind == VALUE_UINT)
		buf_add_u64(out, value->u);
	else if (term->format == FIELD_FORMAT_PADDED_DEC)
		buf_addf(out, "%09lld", (long long)value->i);
	else
		buf_add_i64(out, value->i);
}

static void add_plain(struct buf *out, const struct term *term, const struct value *value)
{
	switch (value->kind) {
	case VALUE_STR: buf_add(out, value_as_str(value)); break;
	case VALUE_BOOL: buf_add(out, value->b ? STR("true") : STR("false")); break;
	case VALUE_INT:
	case VALUE_UINT: add_number(out, term, value); break;
	case VALUE_DOUBLE: buf_addf(out, "%.1f", value->d); break;
	case VALUE_LIST:
		buf_add_char(out, '(');
		for (uint32_t i = 0; i < value->len; i++) {
			if (i > 0)
				buf_add_char(out, ',');
			if (value->list[i].kind != VALUE_LIST)
				add_plain(out, term, &value->list[i]);
		}
		buf_add_char(out, ')');
		break;
	default: break;
	}
}

/* Several ancestors are printed one after the other. */
static void add_values(struct buf *out, const struct term *term, const struct slot *slot)
{
	for (uint32_t i = 0; i < slot->count; i++) {
		if (i > 0)
			buf_add_char(out, ' ');
		add_plain(out, term, &slot->values[i]);
	}
}

/* Whether the term is one of the event's times; a field of that name goes first. */
static bool is_event_time(const struct rules_scratch *scratch, const struct term *term)
{
	return term->kind == AST_FIELD && is_time(term->base) &&
	       (event_get(scratch->event, term->id)->kind != VALUE_STR);
}

static void pad(struct buf *out, size_t from, uint32_t width)
{
	if (width == 0)
		return;
	if (out->len - from > width)
		buf_cut(out, from + width);
	while (out->len - from < width && buf_ok(out))
		buf_add_char(out, ' ');
}

bool format_text(struct rules_scratch *scratch, const struct format *format, struct buf *out)
{
	for (size_t i = 0; i < format->count; i++) {
		const struct token *token = &format->tokens[i];
		const struct term *term;
		const struct slot *slot;
		size_t from = out->len;

		if (token->term == NONE) {
			buf_add(out, token->text);
			continue;
		}
		if (token->only_fields)
			continue;
		term = &scratch->rules->terms[token->term];
		slot = term_values(scratch, token->term);
		if (is_event_time(scratch, term))
			add_time(out, term->base, scratch->event->time_ns);
		else if (slot->count > 0)
			add_values(out, term, slot);
		else if (format->partial)
			buf_add(out, STR("<NA>"));
		else
			return false;
		pad(out, from, token->width);
	}
	return true;
}

static void add_json_value(struct buf *out, const struct value *value)
{
	switch (value->kind) {
	case VALUE_STR: buf_add_json(out, value_as_str(value)); break;
	case VALUE_BOOL: buf_add(out, value->b ? STR("true") : STR("false")); break;
	case VALUE_INT: buf_add_i64(out, value->i); break;
	case VALUE_UINT: buf_add_u64(out, value->u); break;
	case VALUE_DOUBLE:
		/* JSON has no infinities. */
		if (value->d - value->d < 0 || value->d - value->d > 0 || value->d != value->d)
			buf_add(out, STR("null"));
		else
			buf_addf(out, "%.17g", value->d);
		break;
	case VALUE_LIST:
		buf_add_char(out, '[');
		for (uint32_t i = 0; i < value->len; i++) {
			if (i > 0)
				buf_add_char(out, ',');
			if (value->list[i].kind == VALUE_LIST)
				buf_add(out, STR("null"));
			else
				add_json_value(out, &value->list[i]);
		}
		buf_add_char(out, ']');
		break;
	default: buf_add(out, STR("null")); break;
	}
}

/* Numbers that are not plain decimal ones stand in JSON as they are printed. */
static bool is_printed(const struct term *term, const struct value *value)
{
	return (value->kind == VALUE_INT || value->kind == VALUE_UINT) &&
	       (term->format == FIELD_FORMAT_HEX || term->format == FIELD_FORMAT_OCT ||
		term->format == FIELD_FORMAT_PADDED_DEC);
}

static void add_json_values(struct rules_scratch *scratch, const struct term *term,
			    const struct slot *slot, struct buf *out)
{
	struct buf joined = { 0 };

	if (is_event_time(scratch, term)) {
		buf_add_i64(out, scratch->event->time_ns);
	} else if (slot->count == 0) {
		buf_add(out, STR("null"));
	} else if (slot->count == 1 && !is_printed(term, &slot->values[0])) {
		add_json_value(out, &slot->values[0]);
	} else {
		add_values(&joined, term, slot);
		buf_add_json(out, buf_str(&joined));
		buf_done(&joined);
	}
}

/* Whether an earlier token has this key: a JSON object holds it once. */
static bool stands_before(const struct format *format, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (format->tokens[i].term != NONE && format->tokens[i].in_fields &&
		    str_eq(format->tokens[i].text, format->tokens[at].text))
			return true;
	return false;
}

bool format_fields(struct rules_scratch *scratch, const struct format *format, struct buf *out,
		   bool *first)
{
	for (size_t i = 0; i < format->count; i++) {
		const struct token *token = &format->tokens[i];
		const struct slot *slot;
		const struct term *term;

		if (token->term == NONE)
			continue;
		term = &scratch->rules->terms[token->term];
		slot = term_values(scratch, token->term);
		if (slot->count == 0 && !format->partial && !is_event_time(scratch, term))
			return false;
		if (!token->in_fields || stands_before(format, i))
			continue;
		if (!*first)
			buf_add_char(out, ',');
		*first = false;
		buf_add_json(out, token->text);
		buf_add_char(out, ':');
		add_json_values(scratch, term, slot, out);
	}
	return true;
}

static bool has_key(const struct format *format, struct str key)
{
	for (size_t i = 0; i < format->count; i++)
		if (format->tokens[i].term != NONE && format->tokens[i].in_fields &&
		    str_eq(format->tokens[i].text, key))
			return true;
	return false;
}

/* Fields that the settings add; one that the output names already stands there. */
static void add_extra_fields(struct rules_scratch *scratch, const struct rule *rule, struct buf *out)
{
	struct buf text = { .max = RULES_SCRATCH_TEXT };

	for (size_t i = 0; i < rule->extras_count; i++) {
		const struct extra_field *extra = &rule->extras[i];
		uint32_t term = extra->is_raw ? extra->format.tokens[0].term : 0;

		if (has_key(&rule->format, extra->key) || str_eq(extra->key, STR("evt.time")))
			continue;
		buf_add_char(out, ',');
		buf_add_json(out, extra->key);
		buf_add_char(out, ':');
		if (extra->is_raw) {
			add_json_values(scratch, &scratch->rules->terms[term], term_values(scratch, term), out);
			continue;
		}
		buf_clear(&text);
		format_text(scratch, &extra->format, &text);
		buf_add_json(out, buf_str(&text));
	}
	buf_done(&text);
}

static bool adds_key(const struct rule *rule, struct str key)
{
	for (size_t i = 0; i < rule->extras_count; i++)
		if (str_eq(rule->extras[i].key, key))
			return true;
	return false;
}

/* What was done about the call belongs to the alert, whatever the output names. */
static void add_response(struct rules_scratch *scratch, const struct rule *rule, struct buf *out)
{
	static const struct {
		struct str key;
		field_id field;
	} fields[] = {
		{ STR("respond.action"), FIELD_RESPOND_ACTION },
		{ STR("respond.result"), FIELD_RESPOND_RESULT },
		{ STR("respond.errno"), FIELD_RESPOND_ERRNO },
		{ STR("respond.effect"), FIELD_RESPOND_EFFECT },
	};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const struct value *value = event_get(scratch->event, fields[i].field);

		if (value->kind != VALUE_STR || has_key(&rule->format, fields[i].key) ||
		    adds_key(rule, fields[i].key))
			continue;
		buf_add_char(out, ',');
		buf_add_json(out, fields[i].key);
		buf_add_char(out, ':');
		buf_add_json(out, value_as_str(value));
	}
}

static bool has_values(struct rules_scratch *scratch, const struct format *format)
{
	for (size_t i = 0; i < format->count; i++)
		if (format->tokens[i].term != NONE &&
		    term_values(scratch, format->tokens[i].term)->count > 0)
			return true;
	return false;
}

static void add_key(struct rules_scratch *scratch, const struct format *format, bool hostname, struct buf *out)
{
	bool first = true;

	buf_add_char(out, '{');
	if (hostname) {
		buf_add(out, STR("\"hostname\":"));
		buf_add_json(out, scratch->event->hostname);
		first = false;
	}
	format_fields(scratch, format, out, &first);
	buf_add_char(out, '}');
}

bool rules_watch_keys(struct rules_scratch *scratch, const struct rule *rule,
		      const struct event *event, struct buf *by, struct buf *of)
{
	const struct watch_code *watch = rule->watch;

	scratch_begin(scratch, event);
	add_key(scratch, &watch->by, watch->by_hostname, by);
	if (!(watch->of_hostname && event->hostname.len > 0) && !has_values(scratch, &watch->of))
		return false;
	add_key(scratch, &watch->of, watch->of_hostname, of);
	return true;
}

void rules_opa_fields(const struct rules *rules, struct rules_scratch *scratch,
		      const struct rule *rule, const struct event *event, struct buf *out)
{
	bool first = true;

	(void)rules;
	scratch_begin(scratch, event);
	buf_add_char(out, '{');
	format_fields(scratch, &rule->opa_input, out, &first);
	buf_add_char(out, '}');
}

void rules_format(const struct rules *rules, struct rules_scratch *scratch, const struct rule *rule,
		  const struct event *event, struct buf *output, struct buf *output_fields)
{
	bool first = true;

	(void)rules;
	scratch_begin(scratch, event);
	if (output != NULL) {
		add_clock(output, event->time_ns, false, true);
		buf_addf(output, ": %s ", priority_name(rule->priority));
		format_text(scratch, &rule->format, output);
	}
	if (output_fields == NULL)
		return;
	buf_add_char(output_fields, '{');
	format_fields(scratch, &rule->format, output_fields, &first);
	if (!has_key(&rule->format, STR("evt.time"))) {
		buf_add(output_fields, first ? STR("\"evt.time\":") : STR(",\"evt.time\":"));
		buf_add_i64(output_fields, event->time_ns);
	}
	add_extra_fields(scratch, rule, output_fields);
	add_response(scratch, rule, output_fields);
	buf_add_char(output_fields, '}');
}
