/* A file of settings: read, filled into a struct with one row of every type, and whatever is wrong with
 * it printed. What is printed must be fit for a terminal, and its JSON must be JSON. */
#include "base/conf.h"
#include "base/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NODES = 8192 };

struct settings {
	const char *string, *secret, *address, *gate;
	bool flag;
	int64_t number, duration, size, choice;
	struct conf_strings strings;
	struct conf_map map, secrets;
};

static const char *const choices[] = { "red", "green", "blue", NULL };

#define AT(member) offsetof(struct settings, member)

static const struct conf_field fields[] = {
	{ "string", CONF_STRING, AT(string), CONF_REQUIRED, .help = "text" },
	{ "flag", CONF_BOOL, AT(flag), .fallback = "true", .help = "" },
	{ "number", CONF_INT, AT(number), 0, "7", -5, 1000, .help = "" },
	{ "duration", CONF_DURATION, AT(duration), 0, "10s", 100, 60000, .help = "" },
	{ "size", CONF_SIZE, AT(size), 0, "1MiB", 1, INT64_MAX, .help = "" },
	{ "choice", CONF_CHOICE, AT(choice), .choices = choices, .help = "" },
	{ "secret", CONF_SECRET, AT(secret), .help = "" },
	{ "address", CONF_ADDRESS, AT(address), .help = "" },
	{ "gate", CONF_ADDRESS, AT(gate), CONF_OR_OFF, "off", .help = "" },
	{ "strings", CONF_STRINGS, AT(strings), .fallback = "a b", .help = "" },
	{ "map", CONF_MAP, AT(map), .help = "" },
	{ "secrets", CONF_SECRET_MAP, AT(secrets), .help = "" },
	{ 0 },
};

static void check_text(const struct conf_errors *errors)
{
	struct buf text = { 0 };

	conf_errors_print(errors, &text);
	if (!buf_ok(&text) || !str_is_utf8(buf_str(&text)))
		abort();
	for (size_t i = 0; i < text.len; i++)
		if (((unsigned char)text.at[i] < ' ' && text.at[i] != '\n') || text.at[i] == 0x7f)
			abort();
	buf_done(&text);
}

static void check_json(const struct conf_errors *errors)
{
	static struct json_node nodes[NODES];
	struct buf text = { 0 };
	struct json json = { .nodes = nodes, .cap = NODES, .depth_max = 8 };
	size_t end;

	conf_errors_json(errors, &text);
	json.text = buf_str(&text);
	if (!buf_ok(&text) || json_read(&json, 0, &end) < 0 || end != text.len)
		abort();
	buf_done(&text);
}

/* What was filled in, shown and read again, is without errors but for the secrets that were hidden. */
static void check_shown(const struct settings *settings)
{
	struct settings again = { 0 };
	struct conf_errors errors = { 0 };
	struct arena arena;
	struct conf_reader reader = { .arena = &arena, .errors = &errors };
	struct buf text = { 0 };

	arena_init(&arena, 64 << 20);
	errors.arena = &arena;
	conf_show(fields, settings, 0, &text);
	if (buf_ok(&text) && text.len < CONF_FILE_MAX && str_is_utf8(buf_str(&text))) {
		if (conf_read_text(&reader, "again", buf_str(&text)) < 0)
			abort();
		conf_fill(&reader, reader.tree.root, "", fields, &again);
		if (conf_errors_failed(&errors) != 0 || again.number != settings->number ||
		    again.duration != settings->duration || again.size != settings->size ||
		    again.choice != settings->choice || again.strings.count != settings->strings.count)
			abort();
	}
	buf_done(&text);
	arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings settings = { 0 };
	struct conf_errors errors = { 0 };
	struct arena arena, error_arena;
	struct conf_reader reader = { .arena = &arena, .errors = &errors };
	int r;

	arena_init(&arena, 64 << 20);
	arena_init(&error_arena, 64 << 20);
	errors.arena = &error_arena;
	r = conf_read_text(&reader, "input", (struct str){ (const char *)data, size });
	if (r == 0 && (reader.tree.root == NULL || conf_is_mapping(&reader, reader.tree.root, "settings"))) {
		conf_fill(&reader, reader.tree.root, "", fields, &settings);
		conf_unknown(&reader, reader.tree.root, (const struct conf_field *const[]){ fields, NULL }, NULL);
	}
	if (r < 0 && conf_errors_failed(&errors) == 0)
		abort();
	conf_add_sources(&reader);
	check_text(&errors);
	check_json(&errors);
	if (r == 0 && conf_errors_failed(&errors) == 0)
		check_shown(&settings);
	arena_done(&arena);
	arena_done(&error_arena);
	return 0;
}
