/* Settings back to YAML. */
#include "base/cleanup.h"
#include "base/conf.h"

/* Words that YAML 1.1 takes for something else than text. */
static bool is_special(struct str text)
{
	static const char *const words[] = { "null", "true", "false", "yes", "no", "on", "off", "y", "n" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq_nocase(text, str_of(words[i])))
			return true;
	return false;
}

static bool is_plain(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		bool word = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');

		if (!word && strchr("_./@%+", c) == NULL && (i == 0 || strchr("-:=", c) == NULL))
			return false;
	}
	return text.len > 0 && text.at[text.len - 1] != ':' && strchr("@%", text.at[0]) == NULL &&
	       memchr(text.at, '\0', text.len) == NULL && !is_special(text);
}

void conf_add_scalar(struct str text, struct buf *out)
{
	if (is_plain(text))
		buf_add(out, text);
	else
		buf_add_json(out, text); /* JSON's escapes are YAML's */
}

static void add_strings(const struct conf_strings *strings, struct buf *out)
{
	buf_add_char(out, '[');
	for (size_t i = 0; i < strings->count; i++) {
		if (i > 0)
			buf_add(out, STR(", "));
		conf_add_scalar(str_of(strings->at[i]), out);
	}
	buf_add_char(out, ']');
}

static void add_map(const struct conf_map *map, bool secret, struct buf *out)
{
	buf_add_char(out, '{');
	for (size_t i = 0; i < map->count; i++) {
		if (i > 0)
			buf_add(out, STR(", "));
		conf_add_scalar(str_of(map->at[i].key), out);
		buf_add(out, STR(": "));
		conf_add_scalar(secret ? STR("<secret>") : str_of(map->at[i].value), out);
	}
	buf_add_char(out, '}');
}

static void add_text(const char *text, struct buf *out)
{
	conf_add_scalar(str_of(text), out);
}

static void add_value(const struct conf_field *field, const void *at, struct buf *out)
{
	switch (field->type) {
	case CONF_STRING:
	case CONF_ADDRESS: add_text(*(const char *const *)at, out); break;
	case CONF_SECRET: buf_add(out, STR("\"<secret>\"")); break;
	case CONF_BOOL: buf_add(out, *(const bool *)at ? STR("true") : STR("false")); break;
	case CONF_INT: buf_add_i64(out, *(const int64_t *)at); break;
	case CONF_DURATION: conf_add_duration(*(const int64_t *)at, out); break;
	case CONF_SIZE: conf_add_size(*(const int64_t *)at, out); break;
	case CONF_CHOICE: buf_add(out, str_of(field->choices[*(const int64_t *)at])); break;
	case CONF_STRINGS: add_strings(at, out); break;
	case CONF_MAP: add_map(at, false, out); break;
	case CONF_SECRET_MAP: add_map(at, true, out); break;
	}
}

static bool is_set(const struct conf_field *field, const void *at)
{
	switch (field->type) {
	case CONF_STRING:
	case CONF_ADDRESS:
	case CONF_SECRET: return *(const char *const *)at != NULL;
	case CONF_STRINGS: /* [] says something else than the fallback */
		return ((const struct conf_strings *)at)->count > 0 || field->fallback != NULL;
	case CONF_MAP:
	case CONF_SECRET_MAP: return ((const struct conf_map *)at)->count > 0;
	default: return true;
	}
}

void conf_show(const struct conf_field *fields, const void *from, unsigned indent, struct buf *out)
{
	for (const struct conf_field *field = fields; field->key != NULL; field++) {
		const void *at = (const char *)from + field->offset;

		if (!is_set(field, at))
			continue;
		buf_addf(out, "%*s%s: ", (int)indent, "", field->key);
		add_value(field, at, out);
		buf_add_char(out, '\n');
	}
}
