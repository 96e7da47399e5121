/* Filling structs from tables of settings: the environment's value, else the file's, else the row's
 * fallback; each checked by its type, range and choices. */
#include "base/cleanup.h"
#include "base/conf.h"
#include "base/conf_secret.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

enum { NAME_MAX_LEN = 256 };

/* A value to be set, and where it came from. */
struct given {
	struct conf_reader *reader;
	const struct conf_field *field;
	const char *path;       /* of the mapping */
	struct conf_node *node; /* in the file, or NULL */
	const char *variable;   /* name in the environment, or NULL */
	struct str text;        /* of a scalar */
	void *at;               /* where the value lands */
};

/* One error about a given value. The value itself is part of the text, unless it is a secret. */
static void __attribute__((format(printf, 2, 3)))
fault(const struct given *given, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (given->variable != NULL)
		conf_error_add(given->reader->errors, given->variable, 0, 0, NULL, "%s%s%s: %s",
		               given->path, *given->path == '\0' ? "" : ".", given->field->key, text);
	else
		conf_fault(given->reader, given->node, "%s", text);
}

/* The same about a value that may hold a password. */
static void fault_hidden(const struct given *given, const char *text)
{
	if (given->node != NULL)
		given->node->is_shown = false;
	fault(given, "%s", text);
}

/* "quoted" for a message, cut to what a line can carry. */
#define SHOWN(given) (int)((given)->text.len > 80 ? 80 : (given)->text.len), (given)->text.at

static void add_number(const struct conf_field *field, int64_t value, struct buf *out)
{
	if (field->type == CONF_DURATION)
		conf_add_duration(value, out);
	else if (field->type == CONF_SIZE)
		conf_add_size(value, out);
	else
		buf_add_i64(out, value);
}

static bool in_range(const struct given *given, int64_t value)
{
	const struct conf_field *field = given->field;
	struct buf range = { 0 };

	if ((field->min == 0 && field->max == 0) || (value >= field->min && value <= field->max))
		return true;
	if (field->max == INT64_MAX)
		buf_add(&range, STR("at least "));
	add_number(field, field->min, &range);
	if (field->max != INT64_MAX) {
		buf_add(&range, STR(" to "));
		add_number(field, field->max, &range);
	}
	fault(given, "\"%.*s\" is out of range (%.*s)", SHOWN(given), STR_ARG(range));
	buf_done(&range);
	return false;
}

/* What was probably meant, from the leading number and the first letter behind it. */
static void hint(const struct given *given, const char *letters, const char *const *units,
                 const char *other, char *ret, size_t size)
{
	size_t digits = 0, letter;
	const char *found = NULL;

	while (digits < given->text.len && isdigit((unsigned char)given->text.at[digits]))
		digits++;
	letter = digits;
	while (letter < given->text.len && given->text.at[letter] == ' ')
		letter++;
	if (letter < given->text.len)
		found = strchr(letters, tolower((unsigned char)given->text.at[letter]));
	if (digits == 0 || digits > 9)
		snprintf(ret, size, "1%s", other);
	else
		snprintf(ret, size, "%.*s%s", (int)digits, given->text.at,
		         found == NULL || *found == '\0' ? other : units[found - letters]);
}

static void set_duration(const struct given *given)
{
	static const char *const units[] = { "s", "m", "h", "d" };
	int64_t value;
	char try[32];

	if (!conf_parse_duration(given->text, &value)) {
		hint(given, "smhd", units, "s", try, sizeof(try));
		fault(given, "\"%.*s\" is not a duration (try %s)", SHOWN(given), try);
	} else if (in_range(given, value)) {
		*(int64_t *)given->at = value;
	}
}

static void set_size(const struct given *given)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "B" };
	int64_t value;
	char try[32];

	if (!conf_parse_size(given->text, &value)) {
		hint(given, "kmgtb", units, "MiB", try, sizeof(try));
		fault(given, "\"%.*s\" is not a size (try %s)", SHOWN(given), try);
	} else if (in_range(given, value)) {
		*(int64_t *)given->at = value;
	}
}

static void set_int(const struct given *given)
{
	int64_t value;

	if (!str_to_i64(given->text, &value))
		fault(given, "\"%.*s\" is not a whole number", SHOWN(given));
	else if (in_range(given, value))
		*(int64_t *)given->at = value;
}

static void set_bool(const struct given *given)
{
	if (!conf_parse_bool(given->text, given->at))
		fault(given, "\"%.*s\" is not true or false", SHOWN(given));
}

static void report_choice(const struct given *given)
{
	const char *const *choices = given->field->choices;
	const char *meant = conf_closest(given->text, choices);
	struct buf list = { 0 };

	for (size_t i = 0; choices[i] != NULL; i++)
		buf_addf(&list, "%s%s", i > 0 ? ", " : "", choices[i]);
	if (meant != NULL)
		fault(given, "\"%.*s\" is unknown, did you mean \"%s\"?", SHOWN(given), meant);
	else
		fault(given, "\"%.*s\" is not one of %.*s", SHOWN(given), STR_ARG(list));
	buf_done(&list);
}

static void set_choice(const struct given *given)
{
	const char *const *choices = given->field->choices;

	for (int64_t i = 0; choices[i] != NULL; i++) {
		if (str_eq_nocase(given->text, str_of(choices[i]))) {
			*(int64_t *)given->at = i;
			return;
		}
	}
	report_choice(given);
}

static bool set_text(const struct given *given, struct str text)
{
	if (memchr(text.at, '\0', text.len) != NULL) {
		fault(given, "holds a NUL byte");
		return false;
	}
	text = arena_str(given->reader->arena, text);
	if (text.at == NULL)
		fault(given, "out of memory");
	else
		*(const char **)given->at = text.at;
	return text.at != NULL;
}

static void set_address(const struct given *given)
{
	bool off = given->text.len == 0 || str_eq(given->text, STR("off"));

	if ((off && (given->field->flags & CONF_OR_OFF)) || conf_parse_address(given->text))
		set_text(given, given->text);
	else if (memchr(given->text.at, '@', given->text.len) != NULL)
		fault_hidden(given, "is not an address; names and passwords do not belong here");
	else
		fault(given, "\"%.*s\" is not an address (try 127.0.0.1:2801, [::1]:2801 or unix:/run/x.sock)",
		      SHOWN(given));
}

/* Resolves a secret; what is wrong is reported without the value. */
static void set_secret(const struct given *given)
{
	struct conf_secret secret = { 0 };
	int r = conf_secret_read(given->text, given->reader->arena, &secret);

	if (!secret.is_literal && given->node != NULL)
		given->node->is_shown = true; /* where a secret is, is none */
	if (r < 0) {
		fault(given, "%s", secret.note);
		return;
	}
	if (*secret.note != '\0' && given->node != NULL)
		conf_warn(given->reader, given->node, "%s", secret.note);
	if (secret.is_literal && given->node != NULL && (given->reader->tree.mode & S_IROTH) != 0)
		conf_warn(given->reader, given->node,
		          "a secret in a file that everybody can read (chmod o-r, or file:PATH)");
	*(const char **)given->at = secret.value;
}

static void set_scalar(const struct given *given)
{
	if (given->node != NULL && given->field->type != CONF_SECRET)
		given->node->is_shown = true;
	switch (given->field->type) {
	case CONF_STRING: set_text(given, given->text); break;
	case CONF_BOOL: set_bool(given); break;
	case CONF_INT: set_int(given); break;
	case CONF_DURATION: set_duration(given); break;
	case CONF_SIZE: set_size(given); break;
	case CONF_CHOICE: set_choice(given); break;
	case CONF_SECRET: set_secret(given); break;
	case CONF_ADDRESS: set_address(given); break;
	case CONF_STRINGS:
	case CONF_MAP:
	case CONF_SECRET_MAP: break; /* collections: set_strings(), set_map() */
	}
}

bool conf_strings(struct conf_reader *reader, struct conf_node *node, struct conf_strings *ret)
{
	struct conf_node *item = node->kind == CONF_NODE_SCALAR ? node : node->first;
	size_t count = node->kind == CONF_NODE_SCALAR ? 1 : node->count;
	const char **at = arena_zalloc(reader->arena, (count + 1) * sizeof(*at));
	bool good = at != NULL && node->kind != CONF_NODE_MAPPING;

	if (node->kind == CONF_NODE_MAPPING)
		conf_fault(reader, node, "is a mapping, a list of words is wanted");
	for (size_t i = 0; good && i < count; i++, item = item->next) {
		item->is_shown = true;
		if (item->kind != CONF_NODE_SCALAR || item->is_null) {
			conf_fault(reader, item, "is not a word");
			good = false;
		} else if (memchr(item->text.at, '\0', item->text.len) != NULL) {
			conf_fault(reader, item, "holds a NUL byte");
			good = false;
		} else {
			at[i] = item->text.at;
		}
	}
	if (good)
		*ret = (struct conf_strings){ .at = at, .count = count };
	return good;
}

static void set_map(const struct given *given)
{
	bool secret = given->field->type == CONF_SECRET_MAP;
	struct conf_map *map = given->at;
	struct conf_pair *pairs;

	if (!conf_is_mapping(given->reader, given->node, "NAME: VALUE pairs"))
		return;
	pairs = arena_zalloc(given->reader->arena, (given->node->count + 1) * sizeof(*pairs));
	if (pairs == NULL)
		return;
	*map = (struct conf_map){ .at = pairs };
	for (struct conf_node *item = given->node->first; item != NULL; item = item->next) {
		struct conf_field row = { .key = item->key.at, .type = secret ? CONF_SECRET : CONF_STRING };
		struct given one = { .reader = given->reader, .field = &row, .path = given->path, .node = item,
			             .text = item->text, .at = &pairs[map->count].value };

		pairs[map->count].key = item->key.at;
		if (item->kind != CONF_NODE_SCALAR)
			conf_fault(given->reader, item, "is not a single value");
		else if (item->is_null)
			conf_fault(given->reader, item, "is empty; write \"\" when that is meant");
		else
			set_scalar(&one);
		if (pairs[map->count].value != NULL)
			map->count++;
	}
}

static bool is_collection(enum conf_type type)
{
	return type == CONF_STRINGS || type == CONF_MAP || type == CONF_SECRET_MAP;
}

static void set_from_file(const struct given *given)
{
	if (given->field->type == CONF_STRINGS)
		conf_strings(given->reader, given->node, given->at);
	else if (is_collection(given->field->type))
		set_map(given);
	else if (given->node->kind != CONF_NODE_SCALAR)
		conf_fault(given->reader, given->node, "is a %s, one value is wanted",
		           given->node->kind == CONF_NODE_MAPPING ? "mapping" : "list");
	else
		set_scalar(given);
}

/* TOCSIN_OUTPUTS_SLACK_SOC_TIMEOUT: the path in capitals, what is no letter or digit as _. */
static const char *variable_name(const struct conf_reader *reader, const char *path, const char *key,
                                 char *ret, size_t size)
{
	int len = snprintf(ret, size, "%s_%s%s%s", reader->prefix, path, *path == '\0' ? "" : "_", key);

	if (len < 0 || (size_t)len >= size)
		return NULL;
	for (char *c = ret; *c != '\0'; c++)
		*c = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_';
	return ret;
}

/* A list as it stands in a row's fallback: words with blanks between them. */
static void set_words(const struct given *given)
{
	struct conf_strings *strings = given->at;
	struct str rest = given->text;
	const char **at = arena_zalloc(given->reader->arena, (rest.len + 1) * sizeof(*at));

	if (at == NULL)
		return;
	*strings = (struct conf_strings){ .at = at };
	while ((rest = str_trim(rest)).len > 0) {
		ptrdiff_t blank = str_find(rest, STR(" "));
		size_t len = blank < 0 ? rest.len : (size_t)blank;

		at[strings->count++] = arena_str(given->reader->arena, str_cut(rest, len)).at;
		rest = str_from(rest, len);
	}
}

static void set_fallback(struct given given)
{
	given.node = NULL;
	given.variable = given.field->key;
	given.text = str_of(given.field->fallback);
	if (given.field->type == CONF_STRINGS)
		set_words(&given);
	else if (!is_collection(given.field->type))
		set_scalar(&given);
}

static const char *from_environment(const struct conf_reader *reader, const char *path,
                                    const struct conf_field *field, char *name, size_t size)
{
	const char *value;

	if (reader->prefix == NULL || is_collection(field->type) ||
	    variable_name(reader, path, field->key, name, size) == NULL)
		return NULL;
	value = getenv(name);
	return value == NULL || *value == '\0' ? NULL : value; /* set to nothing is how shells unset */
}

static void report_missing(struct conf_reader *reader, const struct conf_node *mapping,
                           const char *path, const struct conf_field *field)
{
	if (mapping != NULL && mapping->parent != NULL)
		conf_fault(reader, mapping, "%s is required (%s)", field->key, field->help);
	else
		conf_fault(reader, NULL, "%s%s%s is required (%s)", path, *path == '\0' ? "" : ".", field->key,
		           field->help);
}

void conf_fill(struct conf_reader *reader, const struct conf_node *mapping, const char *path,
               const struct conf_field *fields, void *into)
{
	for (const struct conf_field *field = fields; field->key != NULL; field++) {
		char name[NAME_MAX_LEN];
		struct given given = { .reader = reader, .field = field, .path = path,
			               .at = (char *)into + field->offset };
		const char *value = from_environment(reader, path, field, name, sizeof(name));

		given.node = conf_get(mapping, str_of(field->key));
		if (given.node != NULL && given.node->is_null)
			given.node = NULL;
		if (field->fallback != NULL)
			set_fallback(given);
		if (given.node != NULL) {
			given.text = given.node->text;
			set_from_file(&given);
		}
		if (value != NULL) {
			given.node = NULL;
			given.variable = arena_str(reader->errors->arena, str_of(name)).at;
			given.text = str_of(value);
			set_scalar(&given);
		} else if (given.node == NULL && (field->flags & CONF_REQUIRED)) {
			report_missing(reader, mapping, path, field);
		}
	}
}

bool conf_is_mapping(struct conf_reader *reader, const struct conf_node *node, const char *what)
{
	if (node == NULL || node->is_null)
		return false;
	if (node->kind == CONF_NODE_MAPPING)
		return true;
	conf_fault(reader, node, "is %s, %s are wanted",
	           node->kind == CONF_NODE_SEQUENCE ? "a list" : "a single value", what);
	return false;
}

enum { CANDIDATES_MAX = 128 };

void conf_unknown(struct conf_reader *reader, const struct conf_node *mapping,
                  const struct conf_field *const *tables, const char *const *names)
{
	const char *known[CANDIDATES_MAX + 1];
	size_t count = 0;

	if (mapping == NULL || mapping->kind != CONF_NODE_MAPPING)
		return;
	for (; *tables != NULL; tables++)
		for (const struct conf_field *field = *tables; field->key != NULL; field++)
			if (count < CANDIDATES_MAX)
				known[count++] = field->key;
	for (; names != NULL && *names != NULL && count < CANDIDATES_MAX; names++)
		known[count++] = *names;
	known[count] = NULL;
	for (const struct conf_node *node = mapping->first; node != NULL; node = node->next) {
		struct conf_node place = { .line = node->key_line, .column = node->key_column,
			                   .parent = mapping->parent, .key = mapping->key,
			                   .index = mapping->index };
		const char *meant = conf_closest(node->key, known);
		size_t i = 0;

		while (i < count && !str_eq(node->key, str_of(known[i])))
			i++;
		if (i < count)
			continue;
		if (meant != NULL)
			conf_fault(reader, &place, "unknown setting \"%.80s\", did you mean \"%s\"?", node->key.at,
			           meant);
		else
			conf_fault(reader, &place, "unknown setting \"%.80s\"", node->key.at);
	}
}
