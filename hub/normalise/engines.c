/* Whose JSON it is. */
#include "hub/normalise/engines.h"

/* What a key of the outermost object speaks for. */
enum sign {
	SIGN_TETRAGON = 1 << 0,
	SIGN_NAME = 1 << 1,       /* Tracee: a name … */
	SIGN_TRACEE = 1 << 2,     /* … with one of its objects */
	SIGN_EVENT_NAME = 1 << 3, /* old Tracee and Eolh: eventName … */
	SIGN_OLD_TRACEE = 1 << 4, /* … which others have as well (AWS CloudTrail), so with one of these */
	SIGN_EOLH = 1 << 5,
	SIGN_TYPE = 1 << 6,       /* GuardDuty: type, severity and one of its objects */
	SIGN_SEVERITY = 1 << 7,
	SIGN_FINDING = 1 << 8,
	SIGN_ENVELOPE = 1 << 9,  /* GuardDuty through EventBridge: both of these */
	SIGN_DETAIL = 1 << 10,
};

static const struct row {
	struct str key;
	unsigned kinds; /* 1 << enum json_kind that count */
	unsigned sign;
} rows[] = {
#define ANY    (~0u)
#define TEXT   (1u << JSON_STRING)
#define OBJECT (1u << JSON_OBJECT)
#define ARRAY  (1u << JSON_ARRAY)
#define NUMBER (1u << JSON_NUMBER | TEXT)
	{ STR("process_exec"), OBJECT, SIGN_TETRAGON },
	{ STR("process_exit"), OBJECT, SIGN_TETRAGON },
	{ STR("process_kprobe"), OBJECT, SIGN_TETRAGON },
	{ STR("process_tracepoint"), OBJECT, SIGN_TETRAGON },
	{ STR("process_lsm"), OBJECT, SIGN_TETRAGON },
	{ STR("process_uprobe"), OBJECT, SIGN_TETRAGON },
	{ STR("process_usdt"), OBJECT, SIGN_TETRAGON },
	{ STR("process_loader"), OBJECT, SIGN_TETRAGON },
	{ STR("process_throttle"), OBJECT, SIGN_TETRAGON },
	{ STR("rate_limit_info"), OBJECT, SIGN_TETRAGON },
	{ STR("name"), TEXT, SIGN_NAME },
	{ STR("workload"), OBJECT, SIGN_TRACEE },
	{ STR("threat"), OBJECT, SIGN_TRACEE },
	{ STR("policies"), OBJECT, SIGN_TRACEE },
	{ STR("data"), ARRAY, SIGN_TRACEE },
	{ STR("eventName"), TEXT, SIGN_EVENT_NAME },
	{ STR("processName"), ANY, SIGN_OLD_TRACEE },
	{ STR("hostProcessId"), ANY, SIGN_OLD_TRACEE },
	{ STR("matchedPolicies"), ANY, SIGN_OLD_TRACEE },
	{ STR("argsNum"), ANY, SIGN_OLD_TRACEE },
	{ STR("computerName"), ANY, SIGN_EOLH },
	{ STR("isHost"), ANY, SIGN_EOLH },
	{ STR("cmdLine"), ANY, SIGN_EOLH },
	{ STR("raw"), OBJECT, SIGN_EOLH },
	{ STR("type"), TEXT, SIGN_TYPE },
	{ STR("severity"), NUMBER, SIGN_SEVERITY },
	{ STR("service"), OBJECT, SIGN_FINDING },
	{ STR("resource"), OBJECT, SIGN_FINDING },
	{ STR("schemaVersion"), ANY, SIGN_FINDING },
	{ STR("Type"), TEXT, SIGN_TYPE },
	{ STR("Severity"), NUMBER, SIGN_SEVERITY },
	{ STR("Service"), OBJECT, SIGN_FINDING },
	{ STR("Resource"), OBJECT, SIGN_FINDING },
	{ STR("SchemaVersion"), ANY, SIGN_FINDING },
	{ STR("detail"), OBJECT, SIGN_DETAIL },
};

static unsigned sign_of(const struct json *json, uint32_t key)
{
	struct str name = json_raw(json, key), value = json_raw(json, key + 1);

	if (str_eq(name, STR("source")))
		return str_eq(value, STR("aws.guardduty")) ? SIGN_ENVELOPE : 0;
	if (str_eq(name, STR("detail-type")))
		return str_eq(value, STR("GuardDuty Finding")) ? SIGN_ENVELOPE : 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(name, rows[i].key))
			return rows[i].kinds >> json->nodes[key + 1].kind & 1 ? rows[i].sign : 0;
	return 0;
}

/* A key that only we and Falco have: most of what comes, so found before anything else is looked for. */
static bool is_ours(const struct json *json)
{
	static const struct str keys[] = { STR("fields"), STR("output_fields"), STR("priority"), STR("rule") };

	for (uint32_t i = json_first(json, 0); i != json_end(json, 0); i = json->nodes[i + 1].next)
		for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			if (str_eq(json_raw(json, i), keys[k]))
				return true;
	return false;
}

static bool has(unsigned signs, unsigned all)
{
	return (signs & all) == all;
}

enum engine engine_detect(const struct json *json)
{
	unsigned signs = 0;

	if (json->nodes[0].kind != JSON_OBJECT || is_ours(json))
		return ENGINE_NONE;
	for (uint32_t i = json_first(json, 0); i != json_end(json, 0); i = json->nodes[i + 1].next)
		signs |= sign_of(json, i);
	if (has(signs, SIGN_TETRAGON))
		return ENGINE_TETRAGON;
	if (has(signs, SIGN_ENVELOPE | SIGN_DETAIL) || has(signs, SIGN_TYPE | SIGN_SEVERITY | SIGN_FINDING))
		return ENGINE_GUARDDUTY;
	if (has(signs, SIGN_EVENT_NAME | SIGN_EOLH))
		return ENGINE_EOLH;
	if (has(signs, SIGN_EVENT_NAME | SIGN_OLD_TRACEE) || has(signs, SIGN_NAME | SIGN_TRACEE))
		return ENGINE_TRACEE;
	return ENGINE_NONE;
}

void engine_map(enum engine engine, struct map *map)
{
	static const struct {
		const char *name;
		void (*map)(struct map *map);
	} mappers[] = {
		[ENGINE_TRACEE] = { "tracee", tracee_map },
		[ENGINE_TETRAGON] = { "tetragon", tetragon_map },
		[ENGINE_EOLH] = { "eolh", eolh_map },
		[ENGINE_GUARDDUTY] = { "guardduty", guardduty_map },
	};

	map->engine = mappers[engine].name;
	map->event->source = str_of(map->engine);
	map->event->priority = PRIORITY_DEBUG;
	mappers[engine].map(map);
	map->closing = true;
	if (map->left_out > 0)
		map_put_int(map, map_name(map, "%s.left_out", map->engine), map->left_out);
}
