/* The hub's configuration: the tables of its settings, and its outputs and routes. */
#include "hub/config.h"

#include "base/cleanup.h"
#include "base/conf.h"
#include "hub/config_rules.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

enum {
	ARENA_MAX = 64 << 20,
	OUTPUTS_MAX = 256,
	ROUTES_MAX = 1000,
	MATCHERS_MAX = 100,
	OUTPUT_NAME_MAX = 64, /* fits the label of a metric and a name in the audit */
	PATH_MAX_LEN = 128,
	PRIORITY_INFO_WORD = 8, /* index of the short word below */
};

#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KIB ((int64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static const char *const priorities[] = { "emergency", "alert", "critical", "error", "warning", "notice",
	                                  "informational", "debug", "info", NULL };
static const char *const levels[] = { "error", "warning", "notice", "info", "debug", NULL };
static const char *const formats[] = { "text", "json", NULL };
static const char *const matchings[] = { "first", "all", NULL };
static const char *const starts[] = { "now", "oldest", NULL };
static const char *const orders[] = { "host", "none", NULL };
static const char *const delivers[] = { "default", "every", "changes", NULL };

#define AT(member) offsetof(struct config, member)

static const struct conf_field top_fields[] = {
	{ "listen", CONF_ADDRESS, AT(listen), .fallback = "127.0.0.1:2801",
	  .help = "where events come in; also health and metrics" },
	{ "data_dir", CONF_STRING, AT(data_dir), .fallback = "/var/lib/tocsin",
	  .help = "the journal and what else must be kept" },
	{ "rules_files", CONF_STRINGS, AT(rules_files), .help = "rules files and folders, in order" },
	{ "rule_matching", CONF_CHOICE, AT(rule_matching), .fallback = "first", .choices = matchings,
	  .help = "an event raises the first rule that matches, or all" },
	{ "priority", CONF_CHOICE, AT(rules_priority), .fallback = "debug", .choices = priorities,
	  .help = "rules below this priority are not loaded" },
	{ "plugins", CONF_MAP, AT(plugins_by_name),
	  .help = "plugins of Falco, by name with their version, whose events come in as JSON" },
	{ 0 },
};

static const struct conf_field admin_fields[] = {
	{ "listen", CONF_ADDRESS, AT(admin.listen), CONF_OR_OFF, "127.0.0.1:2802",
	  .help = "web UI and API; off: none" },
	{ "token", CONF_SECRET, AT(admin.token), .help = "the administrator's token; default: made at first start" },
	{ "session", CONF_DURATION, AT(admin.session_ms), 0, "12h", MINUTE, 30 * DAY,
	  .help = "a login in the browser lasts" },
	{ "cert_file", CONF_STRING, AT(admin.tls.cert_file), .help = "PEM file of the hub's certificate, and those between it "
	  "and its root: UI and API speak https; wants key_file" },
	{ "key_file", CONF_STRING, AT(admin.tls.key_file), .help = "PEM file of the certificate's key" },
	{ 0 },
};

static const struct conf_field log_fields[] = {
	{ "level", CONF_CHOICE, AT(log.level), .fallback = "info", .choices = levels,
	  .help = "what is worth a line" },
	{ "format", CONF_CHOICE, AT(log.format), .fallback = "text", .choices = formats,
	  .help = "lines for people or JSON" },
	{ 0 },
};

static const struct conf_field ingest_fields[] = {
	{ "token", CONF_SECRET, AT(ingest.token), .help = "senders must show it" },
	{ "cert_file", CONF_STRING, AT(ingest.tls.cert_file), .help = "PEM file of the hub's certificate, and those between "
	  "it and its root: events come in by https; wants key_file" },
	{ "key_file", CONF_STRING, AT(ingest.tls.key_file), .help = "PEM file of the certificate's key" },
	{ "client_ca_file", CONF_STRING, AT(ingest.tls.client_ca_file), .help = "PEM file of authorities: senders must show "
	  "a certificate that one of them signed" },
	{ "max_body", CONF_SIZE, AT(ingest.max_body), 0, "8MiB", KIB, GIB,
	  .help = "bytes of a request as sent" },
	{ "max_body_unpacked", CONF_SIZE, AT(ingest.max_body_unpacked), 0, "64MiB", KIB, GIB,
	  .help = "bytes of a request after gzip or zstd" },
	{ "max_event", CONF_SIZE, AT(ingest.max_event), 0, "1MiB", 256, 64 * MIB,
	  .help = "bytes of one event or alert" },
	{ "max_depth", CONF_INT, AT(ingest.max_depth), 0, "32", 2, 256, .help = "nesting of an event" },
	{ "max_fields", CONF_INT, AT(ingest.max_fields), 0, "4096", 16, 65536,
	  .help = "keys and values in an event" },
	{ "max_batch", CONF_INT, AT(ingest.max_batch), 0, "10000", 1, 1000000,
	  .help = "events in one request" },
	{ "max_connections", CONF_INT, AT(ingest.max_connections), 0, "2048", 1, 1000000,
	  .help = "senders connected at once" },
	{ "max_connections_per_ip", CONF_INT, AT(ingest.max_connections_per_ip), 0, "0", 0, 1000000,
	  .help = "of one address; 0: no limit" },
	{ "rate_per_sender", CONF_INT, AT(ingest.rate_per_sender), 0, "0", 0, 1000000000,
	  .help = "events a second of one address; 0: no limit" },
	{ "burst_per_sender", CONF_INT, AT(ingest.burst_per_sender), 0, "0", 0, 1000000000,
	  .help = "events above the rate at once; 0: twice the rate" },
	{ "timeout", CONF_DURATION, AT(ingest.timeout_ms), 0, "60s", SECOND, HOUR,
	  .help = "a connection that is silent for so long is closed" },
	{ "max_pending", CONF_SIZE, AT(ingest.max_pending), 0, "32MiB", 64 * KIB, 16 * GIB,
	  .help = "bytes that may wait for the disk; beyond it answers come late, then 503" },
	{ 0 },
};

static const struct conf_field journal_fields[] = {
	{ "max_size", CONF_SIZE, AT(journal.max_size), 0, "4GiB", MIB, 1024 * 1024 * GIB,
	  .help = "bytes of the journal" },
	{ "retention", CONF_DURATION, AT(journal.retention_ms), 0, "7d", MINUTE, 3650 * DAY,
	  .help = "delivered alerts are kept for" },
	{ 0 },
};

static const struct conf_field dedup_fields[] = {
	{ "window", CONF_DURATION, AT(dedup.window_ms), 0, "10m", 0, 7 * DAY,
	  .help = "the same event again within it is dropped; 0: off" },
	{ "max_entries", CONF_INT, AT(dedup.max_entries), 0, "500000", 1, 100000000,
	  .help = "events remembered" },
	{ 0 },
};

static const struct conf_field incident_fields[] = {
	{ "fields", CONF_STRINGS, AT(incidents.fields), 0, "hostname container.id proc.name",
	  .help = "alerts that agree in these, rule and source are one incident" },
	{ "resolve_after", CONF_DURATION, AT(incidents.resolve_after_ms), 0, "10m", SECOND, 30 * DAY,
	  .help = "an incident without alerts for so long is over" },
	{ "update_interval", CONF_DURATION, AT(incidents.update_interval_ms), 0, "15m", SECOND, 30 * DAY,
	  .help = "news of a running incident at most so often" },
	{ "max_open", CONF_INT, AT(incidents.max_open), 0, "50000", 1, 10000000,
	  .help = "open incidents; beyond it the oldest is closed early" },
	{ 0 },
};

static const struct conf_field watch_fields[] = {
	{ "lateness", CONF_DURATION, AT(watch.lateness_ms), 0, "30s", 0, DAY,
	  .help = "hub-only rules take events that are so much older than the newest of their key" },
	{ "max_entries", CONF_INT, AT(watch.max_entries), 0, "100000", 1, 10000000,
	  .help = "keys that hub-only rules remember; beyond it the oldest goes" },
	{ "max_memory", CONF_SIZE, AT(watch.max_memory), 0, "256MiB", MIB, 64 * GIB,
	  .help = "bytes of what they remember; beyond it the oldest goes" },
	{ 0 },
};

static const struct conf_field sensors_fields[] = {
	{ "silent_after", CONF_DURATION, AT(sensors.silent_after_ms), 0, "30s", 0, DAY,
	  .help = "a sensor that says nothing for so long is told as silent; 0: none is" },
	{ 0 },
};

static const struct section {
	const char *name;
	const struct conf_field *fields;
} sections[] = {
	{ "admin", admin_fields },     { "log", log_fields },
	{ "ingest", ingest_fields },   { "journal", journal_fields },
	{ "dedup", dedup_fields },     { "incidents", incident_fields },
	{ "watch", watch_fields },     { "sensors", sensors_fields },
};

static const char *const section_names[] = { "admin", "log", "ingest", "journal", "dedup", "incidents", "watch", "sensors",
	                                     "outputs", "routes", "rules", "append_output", NULL };

static const struct conf_field output_fields[] = {
	{ "minimum_priority", CONF_CHOICE, offsetof(struct config_output, minimum_priority),
	  .fallback = "debug", .choices = priorities, .help = "alerts below it are not sent here" },
	{ "start", CONF_CHOICE, offsetof(struct config_output, start), .fallback = "now", .choices = starts,
	  .help = "a new output begins with what comes, or with the oldest alert kept" },
	{ "concurrency", CONF_INT, offsetof(struct config_output, concurrency), 0, "8", 1, 64,
	  .help = "requests under way at once, at most" },
	{ "order", CONF_CHOICE, offsetof(struct config_output, order), .fallback = "host", .choices = orders,
	  .help = "alerts of one host arrive in order, or any as it comes" },
	{ "max_attempts", CONF_INT, offsetof(struct config_output, max_attempts), 0, "0", 0, 1000000,
	  .help = "then dead letter; 0: no limit" },
	{ "max_age", CONF_DURATION, offsetof(struct config_output, max_age_ms), 0, "0", 0, 3650 * DAY,
	  .help = "then dead letter; 0: no limit" },
	{ 0 },
};

static const struct conf_field route_fields[] = {
	{ "name", CONF_STRING, offsetof(struct config_route, name), .help = "for people" },
	{ "minimum_priority", CONF_CHOICE, offsetof(struct config_route, minimum_priority),
	  .fallback = "debug", .choices = priorities, .help = "alerts below it do not take this route" },
	{ "outputs", CONF_STRINGS, offsetof(struct config_route, outputs), CONF_REQUIRED,
	  .help = "a list of names; [] sends nowhere" },
	{ "deliver", CONF_CHOICE, offsetof(struct config_route, deliver), .fallback = "default",
	  .choices = delivers, .help = "every alert, or only changes of its incident" },
	{ "continue", CONF_BOOL, offsetof(struct config_route, proceed), .fallback = "false",
	  .help = "look at the routes behind it as well" },
	{ 0 },
};

/* "info" is a second word for informational. */
static void settle_priority(int64_t *priority)
{
	if (*priority == PRIORITY_INFO_WORD)
		*priority = PRIORITY_INFORMATIONAL;
}

static void fill_sections(struct conf_reader *reader, struct config *config)
{
	const struct conf_node *root = reader->tree.root;

	conf_fill(reader, root, "", top_fields, config);
	conf_unknown(reader, root, (const struct conf_field *const[]){ top_fields, NULL }, section_names);
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		const struct section *section = &sections[i];
		const struct conf_node *node = conf_get(root, str_of(section->name));

		if (!conf_is_mapping(reader, node, "settings"))
			node = NULL;
		conf_fill(reader, node, section->name, section->fields, config);
		conf_unknown(reader, node, (const struct conf_field *const[]){ section->fields, NULL }, NULL);
	}
	settle_priority(&config->rules_priority);
}

static bool is_output_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!isalnum((unsigned char)name.at[i]) && strchr("-_", name.at[i]) == NULL)
			return false;
	return name.len > 0 && name.len <= OUTPUT_NAME_MAX;
}

static const struct output_ops *find_driver(struct conf_reader *reader, const struct conf_node *output)
{
	const char *types[OUTPUTS_MAX + 1];
	struct conf_node *type = conf_get(output, STR("type"));
	const struct output_ops *ops;
	struct buf list = { 0 };
	const char *meant;
	size_t count = 0;

	for (; output_drivers[count] != NULL && count < OUTPUTS_MAX; count++) {
		types[count] = output_drivers[count]->type;
		buf_addf(&list, "%s%s", count == 0 ? "" : ", ", types[count]);
	}
	types[count] = NULL;
	if (type != NULL)
		conf_show_values(type);
	ops = type == NULL || type->kind != CONF_NODE_SCALAR ? NULL : output_driver_find(type->text);
	meant = type == NULL || ops != NULL ? NULL : conf_closest(type->text, types);
	if (type == NULL || type->is_null)
		conf_fault(reader, output, "type is required (one of %.*s)", STR_ARG(list));
	else if (meant != NULL)
		conf_fault(reader, type, "\"%.40s\" is unknown, did you mean \"%s\"?", type->text.at, meant);
	else if (ops == NULL && type->kind != CONF_NODE_SCALAR)
		conf_fault(reader, type, "is not one of %.*s", STR_ARG(list));
	else if (ops == NULL)
		conf_fault(reader, type, "\"%.40s\" is not one of %.*s", type->text.at, STR_ARG(list));
	buf_done(&list);
	return ops;
}

static bool fill_output(struct conf_reader *reader, const struct conf_node *node,
                        struct config_output *output)
{
	const size_t before = conf_errors_failed(reader->errors);
	char path[PATH_MAX_LEN], note[OUTPUT_NOTE_MAX] = "";

	snprintf(path, sizeof(path), "outputs.%s", node->key.at);
	output->name = node->key.at;
	output->line = node->key_line;
	output->ops = find_driver(reader, node);
	conf_fill(reader, node, path, output_fields, output);
	settle_priority(&output->minimum_priority);
	if (output->ops == NULL)
		return false;
	output->conf = arena_zalloc(reader->arena, output->ops->conf_size + 1);
	if (output->conf == NULL)
		return false;
	conf_fill(reader, node, path, output->ops->fields, output->conf);
	conf_unknown(reader, node,
	             (const struct conf_field *const[]){ output_fields, output->ops->fields, NULL },
	             (const char *const[]){ "type", NULL });
	if (conf_errors_failed(reader->errors) == before && output->ops->check != NULL &&
	    !output->ops->check(output->conf, note))
		conf_fault(reader, node, "%s", note);
	return true;
}

static void fill_outputs(struct conf_reader *reader, struct config *config)
{
	const struct conf_node *node = conf_get(reader->tree.root, STR("outputs"));
	struct config_output *outputs;

	if (!conf_is_mapping(reader, node, "outputs by name"))
		return;
	if (node->count > OUTPUTS_MAX) {
		conf_fault(reader, node, "more than %d outputs", OUTPUTS_MAX);
		return;
	}
	outputs = arena_zalloc(reader->arena, (node->count + 1) * sizeof(*outputs));
	if (outputs == NULL)
		return;
	for (const struct conf_node *one = node->first; one != NULL; one = one->next) {
		if (!is_output_name(one->key))
			conf_fault(reader, one, "an output's name is 1 to %d letters, digits, - and _",
			           OUTPUT_NAME_MAX);
		else if (one->is_null)
			conf_fault(reader, one, "has no settings, at least type is wanted");
		else if (conf_is_mapping(reader, one, "settings"))
			fill_output(reader, one, &outputs[config->outputs_count++]);
	}
	config->outputs = outputs;
}

/* A field may have any name, but without a dot it is rather a slip, and its route would never match. */
static void check_match_key(struct conf_reader *reader, const struct conf_node *node)
{
	static const char *const keys[] = { "source", "rule", "hostname", "priority", "tags", NULL };
	const char *meant;

	if (memchr(node->key.at, '.', node->key.len) != NULL)
		return;
	for (size_t i = 0; keys[i] != NULL; i++)
		if (str_eq(node->key, str_of(keys[i])))
			return;
	meant = conf_closest(node->key, keys);
	if (meant != NULL)
		conf_warn(reader, node, "\"%.40s\" is no usual field, did you mean \"%s\"?", node->key.at, meant);
	else
		conf_warn(reader, node, "\"%.40s\" is no usual field (try source, rule, hostname, priority, "
		          "tags or one such as proc.name)", node->key.at);
}

static void fill_matchers(struct conf_reader *reader, const struct conf_node *route,
                          struct config_route *ret)
{
	struct conf_node *node = conf_get(route, STR("match"));
	struct config_matcher *matchers;

	if (!conf_is_mapping(reader, node, "KEY: PATTERN pairs"))
		return;
	conf_show_values(node);
	if (node->count > MATCHERS_MAX) {
		conf_fault(reader, node, "more than %d matchers", MATCHERS_MAX);
		return;
	}
	matchers = arena_zalloc(reader->arena, (node->count + 1) * sizeof(*matchers));
	if (matchers == NULL)
		return;
	for (struct conf_node *one = node->first; one != NULL; one = one->next) {
		struct config_matcher *matcher = &matchers[ret->matchers_count];

		matcher->key = one->key.at;
		check_match_key(reader, one);
		if (!conf_strings(reader, one, &matcher->values))
			continue;
		if (matcher->values.count == 0)
			conf_fault(reader, one, "is empty and can never match");
		ret->matchers_count++;
	}
	ret->matchers = matchers;
}

/* Names of outputs that do not exist, each at its own place in the list. */
static void check_route_outputs(struct conf_reader *reader, const struct conf_node *route,
                                const struct config *config)
{
	const struct conf_node *list = conf_get(route, STR("outputs"));
	const struct conf_node *node = list == NULL || list->kind == CONF_NODE_SCALAR ? list : list->first;
	const struct conf_node *known = conf_get(reader->tree.root, STR("outputs"));
	const char *names[OUTPUTS_MAX + 1];

	for (size_t i = 0; i < config->outputs_count; i++)
		names[i] = config->outputs[i].name;
	names[config->outputs_count] = NULL;
	for (; node != NULL && node->kind == CONF_NODE_SCALAR; node = node == list ? NULL : node->next) {
		const char *meant;

		if (node->is_null || conf_get(known, node->text) != NULL)
			continue;
		meant = conf_closest(node->text, names);
		if (meant != NULL)
			conf_fault(reader, node, "there is no output \"%.80s\", did you mean \"%s\"?",
			           node->text.at, meant);
		else
			conf_fault(reader, node, "there is no output \"%.80s\" under outputs", node->text.at);
	}
}

static void fill_route(struct conf_reader *reader, const struct conf_node *node,
                       const struct config *config, struct config_route *route)
{
	char name[32];

	conf_fill(reader, node, "routes", route_fields, route);
	conf_unknown(reader, node, (const struct conf_field *const[]){ route_fields, NULL },
	             (const char *const[]){ "match", NULL });
	settle_priority(&route->minimum_priority);
	fill_matchers(reader, node, route);
	check_route_outputs(reader, node, config);
	if (route->name == NULL) {
		snprintf(name, sizeof(name), "route %zu", node->index + 1);
		route->name = arena_str(reader->arena, str_of(name)).at;
	}
	for (size_t i = 0; i < config->routes_count; i++)
		if (route->name != NULL && strcmp(config->routes[i].name, route->name) == 0)
			conf_fault(reader, conf_get(node, STR("name")), "\"%.80s\" is the name of route %zu already",
			           route->name, i + 1);
}

/* Without routes in the file: one that sends everything everywhere. */
static void route_all(struct conf_reader *reader, struct config *config)
{
	struct config_route *route = arena_zalloc(reader->arena, sizeof(*route));
	const char **names = arena_zalloc(reader->arena, (config->outputs_count + 1) * sizeof(*names));

	if (route == NULL || names == NULL || config->outputs_count == 0)
		return;
	for (size_t i = 0; i < config->outputs_count; i++)
		names[i] = config->outputs[i].name;
	*route = (struct config_route){
		.name = "all",
		.minimum_priority = PRIORITY_DEBUG,
		.outputs = { .at = names, .count = config->outputs_count },
	};
	config->routes = route;
	config->routes_count = 1;
}

static void fill_routes(struct conf_reader *reader, struct config *config)
{
	const struct conf_node *node = conf_get(reader->tree.root, STR("routes"));
	const char *prefix = reader->prefix;
	struct config_route *routes;

	if (node == NULL || node->is_null) {
		route_all(reader, config);
		return;
	}
	if (node->kind != CONF_NODE_SEQUENCE || node->count > ROUTES_MAX) {
		conf_fault(reader, node, "is not a list of at most %d routes", ROUTES_MAX);
		return;
	}
	routes = arena_zalloc(reader->arena, (node->count + 1) * sizeof(*routes));
	if (routes == NULL)
		return;
	config->routes = routes;
	reader->prefix = NULL; /* routes have no names that the environment could use */
	for (const struct conf_node *one = node->first; one != NULL; one = one->next) {
		if (one->kind != CONF_NODE_MAPPING) {
			conf_fault(reader, one, "is not a route (name, match, outputs)");
			continue;
		}
		fill_route(reader, one, config, &routes[config->routes_count]);
		config->routes_count++;
	}
	reader->prefix = prefix;
}

static bool is_reached(const struct config *config, const char *output)
{
	for (size_t i = 0; i < config->routes_count; i++)
		for (size_t j = 0; j < config->routes[i].outputs.count; j++)
			if (strcmp(config->routes[i].outputs.at[j], output) == 0)
				return true;
	return false;
}

static void warn_of_unreached(struct conf_reader *reader, const struct config *config)
{
	const struct conf_node *outputs = conf_get(reader->tree.root, STR("outputs"));

	for (size_t i = 0; i < config->outputs_count; i++)
		if (!is_reached(config, config->outputs[i].name))
			conf_warn(reader, conf_get(outputs, str_of(config->outputs[i].name)),
			          "no route leads here");
}

static void check_tls(struct conf_reader *reader, const char *section, const struct config_tls *tls)
{
	const struct conf_node *node = conf_get(reader->tree.root, str_of(section));

	if (tls->cert_file != NULL && tls->key_file == NULL)
		conf_fault(reader, conf_get(node, STR("cert_file")), "wants key_file");
	if (tls->key_file != NULL && tls->cert_file == NULL)
		conf_fault(reader, conf_get(node, STR("key_file")), "wants cert_file");
	if (tls->client_ca_file != NULL && tls->cert_file == NULL)
		conf_fault(reader, conf_get(node, STR("client_ca_file")), "wants cert_file and key_file");
}

/* Relations between settings that no single row can see. */
static void check_config(struct conf_reader *reader, const struct config *config)
{
	const struct conf_node *ingest = conf_get(reader->tree.root, STR("ingest"));

	if (config->ingest.max_event > config->ingest.max_body_unpacked)
		conf_fault(reader, conf_get(ingest, STR("max_event")),
		           "is larger than ingest.max_body_unpacked, no request could carry it");
	if (config->listen != NULL && config->admin.listen != NULL && !str_ends(str_of(config->listen), STR(":0")) &&
	    strcmp(config->listen, config->admin.listen) == 0)
		conf_fault(reader, conf_get(conf_get(reader->tree.root, STR("admin")), STR("listen")),
		           "is the same address as listen; the UI has a door of its own");
	check_tls(reader, "ingest", &config->ingest.tls);
	check_tls(reader, "admin", &config->admin.tls);
	warn_of_unreached(reader, config);
}

static int fill(struct conf_reader *reader, struct config *config)
{
	if (reader->tree.root != NULL && !conf_is_mapping(reader, reader->tree.root, "settings"))
		return -EINVAL;
	fill_sections(reader, config);
	fill_outputs(reader, config);
	fill_routes(reader, config);
	config_rules_fill(reader, config);
	if (conf_errors_failed(reader->errors) == 0)
		check_config(reader, config);
	return conf_errors_failed(reader->errors) == 0 ? 0 : -EINVAL;
}

int config_load(const char *path, struct config **ret, struct conf_errors *errors)
{
	struct config *config = calloc(1, sizeof(*config));
	struct conf_reader reader = { .errors = errors, .prefix = "TOCSIN" };
	int r;

	if (config == NULL) {
		conf_error_add(errors, path, 0, 0, NULL, "out of memory");
		return -ENOMEM;
	}
	arena_init(&config->arena, ARENA_MAX);
	reader.arena = &config->arena;
	config->path = path == NULL ? NULL : arena_str(&config->arena, str_of(path)).at;
	r = path == NULL ? 0 : conf_read_file(&reader, path);
	if (r == 0)
		r = fill(&reader, config);
	conf_add_sources(&reader);
	if (r < 0) {
		config_free(config);
		return r;
	}
	*ret = config;
	return 0;
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	arena_done(&config->arena);
	free(config);
}

static void show_output(const struct config_output *output, struct buf *out)
{
	buf_addf(out, "  %s:\n    type: %s\n", output->name, output->ops->type);
	conf_show(output_fields, output, 4, out);
	conf_show(output->ops->fields, output->conf, 4, out);
}

static void show_route(const struct config_route *route, struct buf *out)
{
	const size_t start = out->len;

	conf_show(route_fields, route, 4, out);
	if (out->len > start + 2)
		out->at[start + 2] = '-';
	if (route->outputs.count == 0)
		buf_add(out, STR("    outputs: []\n"));
	if (route->matchers_count > 0)
		buf_add(out, STR("    match:\n"));
	for (size_t i = 0; i < route->matchers_count; i++) {
		const struct config_matcher *matcher = &route->matchers[i];

		buf_add(out, STR("      "));
		conf_add_scalar(str_of(matcher->key), out);
		buf_add(out, STR(": ["));
		for (size_t j = 0; j < matcher->values.count; j++) {
			buf_add(out, j == 0 ? STR("") : STR(", "));
			conf_add_scalar(str_of(matcher->values.at[j]), out);
		}
		buf_add(out, STR("]\n"));
	}
}

void config_show(const struct config *config, struct buf *out)
{
	conf_show(top_fields, config, 0, out);
	config_rules_show(config, out);
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		buf_addf(out, "%s:\n", sections[i].name);
		conf_show(sections[i].fields, config, 2, out);
	}
	buf_add(out, config->outputs_count == 0 ? STR("outputs: {}\n") : STR("outputs:\n"));
	for (size_t i = 0; i < config->outputs_count; i++)
		show_output(&config->outputs[i], out);
	buf_add(out, config->routes_count == 0 ? STR("routes: []\n") : STR("routes:\n"));
	for (size_t i = 0; i < config->routes_count; i++)
		show_route(&config->routes[i], out);
}
