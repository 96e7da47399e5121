/* Reading keys leniently, writing fields once. */
#include "hub/normalise/map.h"

#include "base/clock.h"
#include "base/hash.h"
#include "hub/normalise/value.h"

#include <stdarg.h>
#include <stdio.h>

enum { FLAT_DEPTH = 8, LABELS_MAX = 64 };

/* --- reading ------------------------------------------------------------------------------------ */

static char folded(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Equal but for case and underscores. */
static bool same_key(struct str a, struct str b)
{
	size_t i = 0, j = 0;

	for (;;) {
		while (i < a.len && a.at[i] == '_')
			i++;
		while (j < b.len && b.at[j] == '_')
			j++;
		if (i == a.len || j == b.len)
			return i == a.len && j == b.len;
		if (folded(a.at[i++]) != folded(b.at[j++]))
			return false;
	}
}

/* Most keys are told apart by their ends. */
static bool may_be(struct str key, struct str name)
{
	return key.len > 0 && name.len > 0 && (key.at[0] | 0x20) == (name.at[0] | 0x20) &&
	       (key.at[key.len - 1] | 0x20) == (name.at[name.len - 1] | 0x20) && same_key(key, name);
}

static uint32_t member_of(const struct map *map, uint32_t object, struct str name)
{
	const struct json *json = map->json;

	if (!map_is(map, object, JSON_OBJECT))
		return MAP_NOWHERE;
	for (uint32_t i = json_first(json, object); i != json_end(json, object); i = json->nodes[i + 1].next)
		if (may_be(json_raw(json, i), name))
			return i + 1;
	return MAP_NOWHERE;
}

uint32_t map_at(const struct map *map, uint32_t object, const char *path)
{
	while (object != MAP_NOWHERE && *path != '\0') {
		size_t len = strcspn(path, ".");

		object = member_of(map, object, (struct str){ path, len });
		path += len + (path[len] == '.');
	}
	return object;
}

bool map_is(const struct map *map, uint32_t node, enum json_kind kind)
{
	return node != MAP_NOWHERE && map->json->nodes[node].kind == kind;
}

uint32_t map_first(const struct map *map, uint32_t array)
{
	if (!map_is(map, array, JSON_ARRAY) || json_first(map->json, array) == json_end(map->json, array))
		return MAP_NOWHERE;
	return json_first(map->json, array);
}

uint32_t map_next(const struct map *map, uint32_t array, uint32_t member)
{
	uint32_t next = map->json->nodes[member].next;

	return next == json_end(map->json, array) ? MAP_NOWHERE : next;
}

struct str map_text(struct map *map, uint32_t node)
{
	struct str text;

	if (node == MAP_NOWHERE)
		return (struct str){ 0 };
	text = value_text(map->json, node, map->arena);
	if (text.at == NULL && map_is(map, node, JSON_STRING))
		map->failed = true;
	return text;
}

/* What {"value": 7} wraps, else the node. */
static uint32_t unwrapped(const struct map *map, uint32_t node)
{
	return map_is(map, node, JSON_OBJECT) ? member_of(map, node, STR("value")) : node;
}

bool map_real(struct map *map, uint32_t node, double *ret)
{
	node = unwrapped(map, node);
	return (map_is(map, node, JSON_NUMBER) || map_is(map, node, JSON_STRING)) &&
	       str_to_double(map_text(map, node), ret);
}

bool map_number(struct map *map, uint32_t node, int64_t *ret)
{
	double real;

	node = unwrapped(map, node);
	if (!map_is(map, node, JSON_NUMBER) && !map_is(map, node, JSON_STRING))
		return false;
	if (str_to_i64(map_text(map, node), ret))
		return true;
	if (!map_real(map, node, &real) || !(real > -9e18 && real < 9e18))
		return false;
	*ret = (int64_t)real;
	return true;
}

/* --- writing ------------------------------------------------------------------------------------ */

static void give_value(struct map *map, struct str field, struct value value)
{
	field_id id = fields_find(map->fields, field);

	if (id != FIELD_NONE && event_get(map->event, id)->kind == VALUE_ABSENT)
		event_set(map->event, id, value);
}

void map_begin(struct map *map)
{
	buf_clear(map->out);
	buf_add(map->out, STR("[{"));
	map->count = 0;
}

void map_end(struct map *map)
{
	uint32_t count = MAP_FIRST + 2 * (uint32_t)map->count;

	buf_add(map->out, STR("}]"));
	if (!buf_ok(map->out))
		map->failed = true;
	map->nodes[0] = (struct json_node){ .len = (uint32_t)map->out->len, .next = count, .kind = JSON_ARRAY };
	map->nodes[MAP_OBJECT] = (struct json_node){ .at = 1, .len = (uint32_t)map->out->len - 2, .next = count,
		                                     .kind = JSON_OBJECT };
}

/* Writes a string and fills its node. */
static void write_text(struct map *map, struct str text, struct json_node *ret)
{
	size_t at = map->out->len;

	buf_add_json(map->out, text);
	if (!buf_ok(map->out)) {
		map->failed = true;
		return;
	}
	*ret = (struct json_node){ .at = (uint32_t)at + 1, .len = (uint32_t)(map->out->len - at - 2),
		                   .kind = JSON_STRING };
	ret->escaped = ret->len != text.len; /* an escape is longer than what it stands for */
}

static bool is_taken(const struct map *map, const struct json_node *key)
{
	const char *text = map->out->at;

	for (size_t i = 0; i < map->count; i++) {
		const struct json_node *other = &map->nodes[MAP_FIRST + 2 * i];

		if (other->next == key->next && other->len == key->len &&
		    memcmp(text + other->at, text + key->at, key->len) == 0)
			return true;
	}
	return false;
}

/* Writes the key of a field and returns the node of its value, whose text is to follow. NULL when the
 * name is taken or there is no room. */
static struct json_node *begin_field(struct map *map, struct str field, size_t size)
{
	struct buf *out = map->out;
	struct json_node *key = &map->nodes[MAP_FIRST + 2 * map->count];
	size_t before = out->len;

	if (map->failed)
		return NULL;
	if (!map->closing && (map->count == MAP_FIELDS_MAX - 1 ||
	                      before + field.len + size > MAP_FIELDS_BYTES)) {
		map->left_out++;
		return NULL;
	}
	if (map->count > 0)
		buf_add_char(out, ',');
	write_text(map, field, key);
	if (map->failed)
		return NULL;
	key->next = hash_fnv(FNV_START, (struct str){ out->at + key->at, key->len });
	if (is_taken(map, key)) {
		buf_cut(out, before);
		return NULL;
	}
	map->count++;
	buf_add_char(out, ':');
	key[1].next = MAP_FIRST + 2 * (uint32_t)map->count;
	return key + 1;
}

static void show_text(struct map *map, struct str field, struct str text)
{
	struct json_node *node;
	uint32_t next;

	if (text.len > MAP_VALUE_MAX) {
		text.len = MAP_VALUE_MAX;
		map->left_out++;
	}
	node = begin_field(map, field, text.len);
	if (node == NULL)
		return;
	next = node->next;
	write_text(map, text, node);
	node->next = next;
}

/* A number or a word, as JSON. */
static void show_plain(struct map *map, struct str field, enum json_kind kind, struct str text)
{
	struct json_node *node = begin_field(map, field, text.len);

	if (node == NULL)
		return;
	*node = (struct json_node){ .at = (uint32_t)map->out->len, .len = (uint32_t)text.len,
		                    .next = node->next, .kind = (uint8_t)kind };
	buf_add(map->out, text);
}

void map_put(struct map *map, struct str field, struct str text)
{
	if (text.len == 0)
		return;
	give_value(map, field, value_str(text));
	show_text(map, field, text);
}

void map_put_int(struct map *map, struct str field, int64_t number)
{
	struct json_node *node;

	give_value(map, field, value_i64(number));
	node = begin_field(map, field, 20);
	if (node == NULL)
		return;
	node->kind = JSON_NUMBER;
	node->escaped = false;
	node->at = (uint32_t)map->out->len;
	buf_add_i64(map->out, number);
	node->len = (uint32_t)map->out->len - node->at;
}

void map_put_bool(struct map *map, struct str field, bool truth)
{
	give_value(map, field, value_bool(truth));
	show_plain(map, field, truth ? JSON_TRUE : JSON_FALSE, truth ? STR("true") : STR("false"));
}

void map_text_of(struct map *map, struct str field, uint32_t node)
{
	map_put(map, field, map_text(map, node));
}

void map_int_of(struct map *map, struct str field, uint32_t node)
{
	int64_t number;

	if (map_number(map, node, &number))
		map_put_int(map, field, number);
}

void map_bool_of(struct map *map, struct str field, uint32_t node)
{
	if (map_is(map, node, JSON_TRUE) || map_is(map, node, JSON_FALSE))
		map_put_bool(map, field, map_is(map, node, JSON_TRUE));
}

static void put_scalar(struct map *map, struct str field, uint32_t node, bool shown)
{
	struct value value;

	if (value_read(map->json, node, map->arena, &value) < 0) {
		map->failed = true;
		return;
	}
	if (value.kind == VALUE_NULL || (value.kind == VALUE_STR && value.len == 0))
		return;
	give_value(map, field, value);
	if (!shown)
		return;
	if (value.kind == VALUE_STR)
		show_text(map, field, value_as_str(&value));
	else
		show_plain(map, field, map->json->nodes[node].kind, json_raw(map->json, node));
}

static bool is_scalars(const struct map *map, uint32_t array)
{
	for (uint32_t i = map_first(map, array); i != MAP_NOWHERE; i = map_next(map, array, i))
		if (map_is(map, i, JSON_ARRAY) || map_is(map, i, JSON_OBJECT))
			return false;
	return true;
}

struct str map_words(struct map *map, uint32_t array, uint32_t member)
{
	char *out;
	size_t len = 0;

	if (member == MAP_NOWHERE)
		return (struct str){ 0 };
	out = arena_alloc(map->arena, json_whole(map->json, array).len + 1);
	if (out == NULL) {
		map->failed = true;
		return (struct str){ 0 };
	}
	for (uint32_t i = member; i != MAP_NOWHERE; i = map_next(map, array, i)) {
		struct str text = map_text(map, i);

		if (i != member)
			out[len++] = ' ';
		if (text.len > 0)
			memcpy(out + len, text.at, text.len); /* no longer than it stood there */
		len += text.len;
	}
	return (struct str){ out, len };
}

static void put_text(struct map *map, struct str field, struct str text, bool shown)
{
	if (text.len == 0)
		return;
	give_value(map, field, value_str(text));
	if (shown)
		show_text(map, field, text);
}

/* Adds ".key" to the name; its new length, or 0 without room. */
static size_t add_key(const struct map *map, char *name, size_t len, struct str key)
{
	if (len + 1 + key.len > MAP_KEY_MAX)
		return 0;
	name[len++] = '.';
	memcpy(name + len, key.at, key.len);
	if (map->fold && key.len > 0)
		name[len] = folded(name[len]);
	return len + key.len;
}

static void flatten(struct map *map, char *name, size_t len, uint32_t node, bool shown, unsigned depth);

/* The members of an object or array, each under its key or index. */
static void flatten_members(struct map *map, char *name, size_t len, uint32_t node, bool shown,
                            unsigned depth)
{
	const struct json *json = map->json;
	bool object = map_is(map, node, JSON_OBJECT);
	unsigned index = 0;

	for (uint32_t i = json_first(json, node); i != json_end(json, node) && !map->failed;
	     i = json->nodes[i].next) {
		char number[16];
		struct str key = { number, 0 };
		size_t longer;

		if (object)
			key = json_raw(json, i++);
		else
			key.len = (size_t)snprintf(number, sizeof(number), "%u", index++);
		longer = add_key(map, name, len, key);
		if (longer == 0)
			map->left_out++;
		else
			flatten(map, name, longer, i, shown, depth);
	}
}

/* `name` holds the field's name so far, `len` bytes of it. */
static void flatten(struct map *map, char *name, size_t len, uint32_t node, bool shown, unsigned depth)
{
	struct str field = { name, len };
	bool array = map_is(map, node, JSON_ARRAY);

	if (!array && !map_is(map, node, JSON_OBJECT))
		put_scalar(map, field, node, shown);
	else if (array && is_scalars(map, node))
		put_text(map, field, map_words(map, node, map_first(map, node)), shown);
	else if (depth == FLAT_DEPTH)
		put_text(map, field, json_whole(map->json, node), shown);
	else
		flatten_members(map, name, len, node, shown, depth + 1);
}

void map_flat(struct map *map, struct str field, uint32_t node, bool shown)
{
	char name[MAP_KEY_MAX];

	if (node == MAP_NOWHERE || field.len > sizeof(name))
		return;
	memcpy(name, field.at, field.len);
	flatten(map, name, field.len, node, shown, 0);
}

bool map_time(struct map *map, uint32_t node)
{
	int64_t seconds, nanos = 0;

	if (node == MAP_NOWHERE)
		return false;
	if (!map_is(map, node, JSON_OBJECT))
		return value_time(map->json, node, map->arena, &map->event->time_ns);
	if (!map_number(map, member_of(map, node, STR("seconds")), &seconds) || seconds <= 0 ||
	    seconds >= INT64_MAX / NS_PER_S)
		return false;
	if (!map_number(map, member_of(map, node, STR("nanos")), &nanos) || nanos < 0 || nanos >= NS_PER_S)
		nanos = 0;
	map->event->time_ns = seconds * NS_PER_S + nanos;
	return true;
}

/* A copy in the arena that stays in its line. */
static struct str one_line(struct map *map, struct str text)
{
	static const char unknown[] = "\xef\xbf\xbd";
	char *out;
	size_t len = 0;

	out = arena_alloc(map->arena, (text.len < MAP_LINE_MAX ? text.len * 3 : MAP_LINE_MAX) + 4);
	if (out == NULL) {
		map->failed = true;
		return (struct str){ 0 };
	}
	while (text.len > 0 && len + 4 <= MAP_LINE_MAX) {
		size_t n = utf8_len(text);

		if (n == 0) {
			memcpy(out + len, unknown, 3);
			len += 3;
		} else if (n == 1 && ((unsigned char)text.at[0] < 0x20 || text.at[0] == 0x7f)) {
			out[len++] = ' ';
		} else {
			memcpy(out + len, text.at, n);
			len += n;
		}
		text = str_from(text, n == 0 ? 1 : n);
	}
	return str_trim((struct str){ out, len });
}

void map_tag(struct map *map, struct str tag)
{
	tag = one_line(map, tag);
	if (tag.len == 0 || map->tags_count == MAP_TAGS_MAX)
		return;
	for (size_t i = 0; i < map->tags_count; i++)
		if (str_eq(map->tags[i], tag))
			return;
	map->tags[map->tags_count++] = tag;
}

void map_tags(struct map *map, uint32_t array)
{
	for (uint32_t i = map_first(map, array); i != MAP_NOWHERE; i = map_next(map, array, i))
		map_tag(map, map_text(map, i));
}

void map_rule(struct map *map, struct str name)
{
	map->event->rule = one_line(map, name);
	if (map->event->rule.len == 0)
		map->event->rule = str_of(map->engine);
}

void map_output(struct map *map)
{
	if (!buf_ok(map->line))
		map->failed = true;
	map->event->output = one_line(map, buf_str(map->line));
	if (map->event->output.len == 0)
		map->event->output = map->event->rule;
}

/* --- what several engines say ------------------------------------------------------------------- */

void map_container(struct map *map, struct str id)
{
	ptrdiff_t runtime = str_find(id, STR("://"));

	if (runtime >= 0)
		id = str_from(id, (size_t)runtime + 3);
	map_put(map, STR("container.id"), id.len == 0 ? STR("host") : str_cut(id, 12));
}

void map_image(struct map *map, struct str image)
{
	ptrdiff_t digest = str_find(image, STR("@"));
	size_t colon;

	if (digest >= 0) {
		map_put(map, STR("container.image.digest"), str_from(image, (size_t)digest + 1));
		image = str_cut(image, (size_t)digest);
	}
	for (colon = image.len; colon > 0 && image.at[colon - 1] != ':'; colon--)
		if (image.at[colon - 1] == '/') { /* the colon before it is a port's */
			colon = 0;
			break;
		}
	map_put(map, STR("container.image.repository"), colon > 0 ? str_cut(image, colon - 1) : image);
	if (colon > 0)
		map_put(map, STR("container.image.tag"), str_from(image, colon));
}

static void put_label(struct map *map, struct str key, struct str value, struct buf *all)
{
	if (key.len == 0)
		return;
	if (key.len < MAP_KEY_MAX - 16)
		give_value(map, map_name(map, "k8s.pod.label[%.*s]", STR_ARG(key)), value_str(value));
	if (all->len > 0)
		buf_add(all, STR(", "));
	buf_add(all, key);
	buf_add(all, STR(":"));
	buf_add(all, value);
}

void map_labels(struct map *map, uint32_t node)
{
	const struct json *json = map->json;
	bool object = map_is(map, node, JSON_OBJECT);
	unsigned count = 0;

	if (!object && !map_is(map, node, JSON_ARRAY))
		return;
	buf_clear(map->line);
	for (uint32_t i = json_first(json, node); i != json_end(json, node) && count < LABELS_MAX; count++) {
		struct str key = map_text(map, i), value = { 0 };
		ptrdiff_t equals = object ? -1 : str_find(key, STR("="));

		if (object)
			value = map_text(map, ++i);
		if (equals >= 0) {
			value = str_from(key, (size_t)equals + 1);
			key = str_cut(key, (size_t)equals);
		}
		put_label(map, key, value, map->line);
		i = json->nodes[i].next;
	}
	map_put(map, STR("k8s.pod.labels"), map_line(map));
}

struct str map_basename(struct str path)
{
	for (size_t i = path.len; i > 0; i--)
		if (path.at[i - 1] == '/' || path.at[i - 1] == '\\')
			return str_from(path, i);
	return path;
}

struct str map_join(struct map *map, struct str a, const char *between, struct str b)
{
	size_t gap = strlen(between);
	char *out;

	if (a.len == 0 || b.len == 0)
		return a.len == 0 ? b : a;
	out = arena_alloc(map->arena, a.len + gap + b.len);
	if (out == NULL) {
		map->failed = true;
		return (struct str){ 0 };
	}
	memcpy(out, a.at, a.len);
	memcpy(out + a.len, between, gap);
	memcpy(out + a.len + gap, b.at, b.len);
	return (struct str){ out, a.len + gap + b.len };
}

struct str map_name(struct map *map, const char *format, ...)
{
	char name[MAP_KEY_MAX];
	struct str copy;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	if (len < 0)
		len = 0;
	copy = arena_str(map->arena, (struct str){ name, len < MAP_KEY_MAX ? (size_t)len : MAP_KEY_MAX - 1 });
	if (copy.at == NULL)
		map->failed = true;
	return copy;
}

struct str map_line(struct map *map)
{
	struct str copy = arena_str(map->arena, buf_str(map->line));

	if (!buf_ok(map->line) || copy.at == NULL)
		map->failed = true;
	return copy;
}

static void put_side(struct map *map, struct str ip_field, struct str port_field, struct str ip, int64_t port)
{
	map_put(map, ip_field, ip);
	if (ip.len > 0 && port >= 0 && port <= UINT16_MAX)
		map_put_int(map, port_field, port);
}

void map_connection(struct map *map, struct str cip, int64_t cport, struct str sip, int64_t sport)
{
	struct str server, client = { 0 };

	if (sip.len == 0)
		return;
	put_side(map, STR("fd.sip"), STR("fd.sport"), sip, sport);
	put_side(map, STR("fd.cip"), STR("fd.cport"), cip, cport);
	map_put(map, STR("fd.typechar"), memchr(sip.at, ':', sip.len) != NULL ? STR("6") : STR("4"));
	map_put(map, STR("fd.type"), memchr(sip.at, ':', sip.len) != NULL ? STR("ipv6") : STR("ipv4"));
	server = map_join(map, sip, ":", map_name(map, "%lld", (long long)(sport < 0 ? 0 : sport)));
	if (cip.len > 0)
		client = map_join(map, cip, ":", map_name(map, "%lld->", (long long)(cport < 0 ? 0 : cport)));
	map_put(map, STR("fd.name"), map_join(map, client, "", server));
}

struct str map_open_flags(struct map *map, int64_t flags)
{
	static const struct {
		int64_t bits;
		const char *name;
	} rows[] = { /* of x86-64 */
		{ 0100, "O_CREAT" },     { 0200, "O_EXCL" },          { 01000, "O_TRUNC" },
		{ 02000, "O_APPEND" },   { 04000, "O_NONBLOCK" },     { 020200000, "O_TMPFILE" },
		{ 0200000, "O_DIRECTORY" }, { 0400000, "O_NOFOLLOW" }, { 02000000, "O_CLOEXEC" },
		{ 010000000, "O_PATH" },
	};
	static const char *const access[] = { "O_RDONLY", "O_WRONLY", "O_RDWR", "O_RDWR" };
	struct str text = str_of(access[flags & 3]);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((flags & rows[i].bits) == rows[i].bits)
			text = map_join(map, text, "|", str_of(rows[i].name));
	return text;
}
