/* The configuration: what is taken, what is refused and in which words, where secrets come from. */
#include "base/cleanup.h"
#include "base/conf.h"
#include "hub/config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <cmocka.h>

/* --- drivers of our own, so that this test needs only the configuration -------------------------- */

struct chat_conf {
	const char *webhook_url;
	const char *channel;
	int64_t timeout_ms;
	struct conf_map headers;
};

static const struct conf_field chat_fields[] = {
	{ "webhook_url", CONF_SECRET, offsetof(struct chat_conf, webhook_url), CONF_REQUIRED,
	  .help = "the address" },
	{ "channel", CONF_STRING, offsetof(struct chat_conf, channel), .help = "a channel" },
	{ "timeout", CONF_DURATION, offsetof(struct chat_conf, timeout_ms), 0, "10s", 100, 60000,
	  .help = "of a request" },
	{ "headers", CONF_SECRET_MAP, offsetof(struct chat_conf, headers), .help = "more headers" },
	{ 0 },
};

static bool chat_check(const void *conf, char *note)
{
	const struct chat_conf *chat = conf;

	if (chat->channel == NULL || chat->channel[0] == '#')
		return true;
	snprintf(note, OUTPUT_NOTE_MAX, "channel must begin with #");
	return false;
}

static const struct output_ops chat = {
	.type = "slack", .fields = chat_fields, .conf_size = sizeof(struct chat_conf), .changes = true,
	.check = chat_check,
};

static const struct conf_field no_fields[] = { { 0 } };
static const struct output_ops lines = { .type = "stdout", .fields = no_fields };

const struct output_ops *const output_drivers[] = { &chat, &lines, NULL };

const struct output_ops *output_driver_find(struct str type)
{
	for (size_t i = 0; output_drivers[i] != NULL; i++)
		if (str_eq(type, str_of(output_drivers[i]->type)))
			return output_drivers[i];
	return NULL;
}

/* --- loading text -------------------------------------------------------------------------------- */

static char folder[] = "/tmp/test-conf-XXXXXX";
static char path[64];

static void write_file(const char *name, const char *text, mode_t mode)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	fclose(file);
	assert_int_equal(chmod(name, mode), 0);
}

struct loaded {
	struct config *config;
	struct conf_errors errors;
	struct arena arena;
	struct buf report;
	int result;
};

static void load(const char *text, struct loaded *ret)
{
	char prefix[80];
	struct buf raw = { 0 };
	size_t len;

	*ret = (struct loaded){ 0 };
	arena_init(&ret->arena, 1 << 20);
	ret->errors.arena = &ret->arena;
	write_file(path, text, 0600);
	ret->result = config_load(path, &ret->config, &ret->errors);
	conf_errors_print(&ret->errors, &raw);
	len = (size_t)snprintf(prefix, sizeof(prefix), "%s:", path);
	/* The folder's name changes with every run. */
	for (size_t i = 0; i < raw.len; i++) {
		if (str_starts(str_from(buf_str(&raw), i), (struct str){ prefix, len })) {
			buf_add(&ret->report, STR("hub.yaml:"));
			i += len - 1;
		} else {
			buf_add_char(&ret->report, raw.at[i]);
		}
	}
	buf_done(&raw);
	assert_non_null(buf_text(&ret->report));
}

static void unload(struct loaded *loaded)
{
	if (loaded->result == 0)
		config_free(loaded->config);
	arena_done(&loaded->arena);
	buf_done(&loaded->report);
}

/* --- what is wrong, in exact words ---------------------------------------------------------------- */

static const struct bad {
	const char *name, *yaml, *report;
} bad[] = {
	{ "a duration in words names the right form",
	  "outputs:\n  soc:\n    type: slack\n    webhook_url: https://x\n    timeout: 10 minutes\n",
	  "hub.yaml:5:14: outputs.soc.timeout: \"10 minutes\" is not a duration (try 10m)\n"
	  "    5 |     timeout: 10 minutes\n"
	  "      |              ^\n"
	  "1 error\n" },
	{ "an unknown setting is corrected",
	  "outputs:\n  soc: {type: slack, webhook_url: https://x, chanel: \"#a\"}\n",
	  "hub.yaml:2:46: outputs.soc: unknown setting \"chanel\", did you mean \"channel\"?\n"
	  "    2 |   soc: {type: slack, webhook_url: *********, chanel: \"**\"}\n"
	  "      |                                              ^\n"
	  "1 error\n" },
	{ "two mistakes are told in one run, in the order of the file",
	  "journal: {max_size: 4 GB, retention: 7}\nlisten: nowhere\n",
	  "hub.yaml:1:21: journal.max_size: \"4 GB\" is not a size (try 4GiB)\n"
	  "    1 | journal: {max_size: 4 GB, retention: 7}\n"
	  "      |                     ^\n"
	  "hub.yaml:1:38: journal.retention: \"7\" is not a duration (try 7s)\n"
	  "    1 | journal: {max_size: 4 GB, retention: 7}\n"
	  "      |                                      ^\n"
	  "hub.yaml:2:9: listen: \"nowhere\" is not an address (try 127.0.0.1:2801, [::1]:2801 or "
	  "unix:/run/x.sock)\n"
	  "    2 | listen: nowhere\n"
	  "      |         ^\n"
	  "3 errors\n" },
	{ "a key that stands twice is refused",
	  "log:\n  level: info\n  level: debug\n",
	  "hub.yaml:3:3: log: \"level\" stands here a second time, first in line 2\n"
	  "    3 |   level: *****\n"
	  "      |   ^\n"
	  "1 error\n" },
	{ "an alias is refused",
	  "rules_files: &a [x]\ndata_dir: *a\n",
	  "hub.yaml:2:11: aliases (*name) are not taken; write the value out\n"
	  "    2 | data_dir: **\n"
	  "      |           ^\n"
	  "1 error\n" },
	{ "a tab says that it is one",
	  "log:\n\tlevel: info\n",
	  "hub.yaml:2:1: a tab cannot indent YAML; use blanks\n"
	  "    2 |  level: ****\n"
	  "      | ^\n"
	  "1 error\n" },
	{ "a second document is refused",
	  "listen: 127.0.0.1:1\n---\nlisten: 127.0.0.1:2\n",
	  "hub.yaml:2:1: a second document begins here; one file is one document\n"
	  "    2 | ---\n"
	  "      | ^\n"
	  "1 error\n" },
	{ "an open quote is found where it began, its value hidden",
	  "admin:\n  token: \"abc\n  session: 12h\n",
	  "hub.yaml:2:10: admin: not YAML: found unexpected end of stream while scanning a quoted scalar\n"
	  "    2 |   token: \"***\n"
	  "      |          ^\n"
	  "1 error\n" },
	{ "a choice lists what there is",
	  "rule_matching: both\n",
	  "hub.yaml:1:16: rule_matching: \"both\" is not one of first, all\n"
	  "    1 | rule_matching: both\n"
	  "      |                ^\n"
	  "1 error\n" },
	{ "a choice that is nearly right is corrected",
	  "priority: waring\n",
	  "hub.yaml:1:11: priority: \"waring\" is unknown, did you mean \"warning\"?\n"
	  "    1 | priority: waring\n"
	  "      |           ^\n"
	  "1 error\n" },
	{ "a range is told in the setting's own unit",
	  "outputs: {soc: {type: slack, webhook_url: u, timeout: 2m, concurrency: 65}}\n",
	  "hub.yaml:1:55: outputs.soc.timeout: \"2m\" is out of range (100ms to 1m)\n"
	  "    1 | outputs: {soc: {type: slack, webhook_url: *, timeout: 2m, concurrency: 65}}\n"
	  "      |                                                       ^\n"
	  "hub.yaml:1:72: outputs.soc.concurrency: \"65\" is out of range (1 to 64)\n"
	  "    1 | outputs: {soc: {type: slack, webhook_url: *, timeout: 2m, concurrency: 65}}\n"
	  "      |                                                                        ^\n"
	  "2 errors\n" },
	{ "an output without a type lists the types",
	  "outputs:\n  soc:\n    start: now\n",
	  "hub.yaml:3:5: outputs.soc: type is required (one of slack, stdout)\n"
	  "    3 |     start: now\n"
	  "      |     ^\n"
	  "1 error\n" },
	{ "a type that is nearly right is corrected",
	  "outputs:\n  soc:\n    type: slak\n",
	  "hub.yaml:3:11: outputs.soc.type: \"slak\" is unknown, did you mean \"slack\"?\n"
	  "    3 |     type: slak\n"
	  "      |           ^\n"
	  "1 error\n" },
	{ "a required setting is asked for",
	  "outputs:\n  soc:\n    type: slack\n",
	  "hub.yaml:3:5: outputs.soc: webhook_url is required (the address)\n"
	  "    3 |     type: slack\n"
	  "      |     ^\n"
	  "1 error\n" },
	{ "a driver's own check has its place",
	  "outputs:\n  soc:\n    type: slack\n    webhook_url: env:HOME\n    channel: soc\n",
	  "hub.yaml:3:5: outputs.soc: channel must begin with #\n"
	  "    3 |     type: slack\n"
	  "      |     ^\n"
	  "1 error\n" },
	{ "a route to an output that is not there is corrected",
	  "outputs: {archive: {type: stdout}}\nroutes:\n  - outputs: [archiv, mars]\n",
	  "hub.yaml:3:15: routes[0].outputs[0]: there is no output \"archiv\", did you mean \"archive\"?\n"
	  "    3 |   - outputs: [archiv, mars]\n"
	  "      |               ^\n"
	  "hub.yaml:3:23: routes[0].outputs[1]: there is no output \"mars\" under outputs\n"
	  "    3 |   - outputs: [archiv, mars]\n"
	  "      |                       ^\n"
	  "2 errors\n" },
	{ "a route must say where it leads",
	  "routes:\n  - name: nowhere\n",
	  "hub.yaml:2:5: routes[0]: outputs is required (a list of names; [] sends nowhere)\n"
	  "    2 |   - name: nowhere\n"
	  "      |     ^\n"
	  "1 error\n" },
	{ "a choice of rules is enable or disable",
	  "rules: [{disable: {rule: x}}, {disabel: {rule: x}}]\n",
	  "hub.yaml:1:31: rules[1]: is not enable: or disable: with rule: PATTERN or tag: TAG below it\n"
	  "    1 | rules: [{disable: {rule: x}}, {disabel: {rule: x}}]\n"
	  "      |                               ^\n"
	  "1 error\n" },
	{ "routes of one name are refused",
	  "routes: [{name: a, outputs: []}, {name: a, outputs: []}]\n",
	  "hub.yaml:1:41: routes[1].name: \"a\" is the name of route 1 already\n"
	  "    1 | routes: [{name: a, outputs: []}, {name: a, outputs: []}]\n"
	  "      |                                         ^\n"
	  "1 error\n" },
	{ "a list where one value is wanted", "listen: [a]\n",
	  "hub.yaml:1:9: listen: is a list, one value is wanted\n"
	  "    1 | listen: [*]\n"
	  "      |         ^\n"
	  "1 error\n" },
	{ "settings where a list stands", "admin: [a]\n",
	  "hub.yaml:1:8: admin: is a list, settings are wanted\n"
	  "    1 | admin: [*]\n"
	  "      |        ^\n"
	  "1 error\n" },
	{ "the whole file must be settings", "- a\n",
	  "hub.yaml:1:1: is a list, settings are wanted\n"
	  "    1 | - *\n"
	  "      | ^\n"
	  "1 error\n" },
	{ "control characters do not reach the terminal", "listen: \"a\\e[31m\"\nlog: {level: \"\u202e\"}\n",
	  "hub.yaml:1:9: listen: \"a\\x1b[31m\" is not an address (try 127.0.0.1:2801, [::1]:2801 or "
	  "unix:/run/x.sock)\n"
	  "    1 | listen: \"a\\e[31m\"\n"
	  "      |         ^\n"
	  "hub.yaml:2:14: log.level: \"\\u{202e}\" is not one of error, warning, notice, info, debug\n"
	  "    2 | log: {level: \"?\"}\n"
	  "      |              ^\n"
	  "2 errors\n" },
	{ "a password in an address is not repeated", "listen: redis://u:s3cret@host:1\n",
	  "hub.yaml:1:9: listen: is not an address; names and passwords do not belong here\n"
	  "    1 | listen: ***********************\n"
	  "      |         ^\n"
	  "1 error\n" },
	{ "a secret that cannot be read names the file", "admin: {token: \"file:/nonexistent/x\"}\n",
	  "hub.yaml:1:16: admin.token: /nonexistent/x: No such file or directory\n"
	  "    1 | admin: {token: \"file:/nonexistent/x\"}\n"
	  "      |                ^\n"
	  "1 error\n" },
	{ "a secret variable that is not set is named", "admin: {token: env:TEST_CONF_NOT_SET}\n",
	  "hub.yaml:1:16: admin.token: TEST_CONF_NOT_SET: is not set in the environment\n"
	  "    1 | admin: {token: env:TEST_CONF_NOT_SET}\n"
	  "      |                ^\n"
	  "1 error\n" },
	{ "a NUL byte is refused", "data_dir: \"a\\0b\"\n",
	  "hub.yaml:1:11: data_dir: holds a NUL byte\n"
	  "    1 | data_dir: \"a\\0b\"\n"
	  "      |           ^\n"
	  "1 error\n" },
	{ "text that is not UTF-8 is refused", "data_dir: \xff\n",
	  "hub.yaml: not UTF-8 text at byte 10\n1 error\n" },
	{ "the UI needs a door of its own", "listen: 127.0.0.1:5\nadmin: {listen: 127.0.0.1:5}\n",
	  "hub.yaml:2:17: admin.listen: is the same address as listen; the UI has a door of its own\n"
	  "    2 | admin: {listen: 127.0.0.1:5}\n"
	  "      |                 ^\n"
	  "1 error\n" },
	{ "an output's name is a word", "outputs: {\"a b\": {type: stdout}}\n",
	  "hub.yaml:1:18: outputs.a b: an output's name is 1 to 64 letters, digits, - and _\n"
	  "    1 | outputs: {\"a b\": {type: ******}}\n"
	  "      |                  ^\n"
	  "1 error\n" },
};

static void is_refused(void **state)
{
	const struct bad *row = *state;
	struct loaded loaded;

	load(row->yaml, &loaded);
	assert_string_equal(loaded.report.at, row->report);
	assert_int_equal(loaded.result, -EINVAL);
	unload(&loaded);
}

/* --- single values -------------------------------------------------------------------------------- */

static void durations_and_sizes_read_as_they_are_written(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: refused */
	} durations[] = {
		{ "500ms", 500 }, { "10s", 10000 }, { "5m", 300000 }, { "2h", 7200000 }, { "7d", 604800000 },
		{ "1h30m", 5400000 }, { "0", 0 }, { "0s", 0 }, { "", -1 }, { "10", -1 }, { "m", -1 }, { "-1s", -1 },
		{ "1 s", -1 }, { "1S", -1 }, { "999999999999d", -1 }, { "1.5h", -1 },
	};
	static const struct {
		const char *text;
		int64_t want;
	} sizes[] = {
		{ "0", 0 }, { "4096", 4096 }, { "64KiB", 65536 }, { "8MiB", 8388608 }, { "1GiB", 1073741824 },
		{ "2TiB", 2199023255552 }, { "100MB", 100000000 }, { "1kB", 1000 }, { "5B", 5 }, { "", -1 },
		{ "8M", -1 }, { "8 MiB", -1 }, { "-1", -1 }, { "9999999999TiB", -1 }, { "1GiB1KiB", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
		int64_t value = -1;

		conf_parse_duration(str_of(durations[i].text), &value);
		assert_int_equal(value, durations[i].want);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		int64_t value = -1;

		conf_parse_size(str_of(sizes[i].text), &value);
		assert_int_equal(value, sizes[i].want);
	}
}

static void addresses_are_told_from_other_words(void **state)
{
	static const char *const good[] = { "127.0.0.1:2801", "localhost:1", "[::1]:65535", "unix:/run/x",
		                            "0.0.0.0:0" };
	static const char *const wrong[] = { "", ":1", "a", "a:", "a:65536", "a:-1", "::1:80", "[]:1", "[::1:1",
		                             "unix:", "a b:1", "a:1 " };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(conf_parse_address(str_of(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(conf_parse_address(str_of(wrong[i])));
}

static void the_word_that_was_meant_is_found(void **state)
{
	static const char *const words[] = { "channel", "timeout", "webhook_url", "max_age", NULL };

	(void)state;
	assert_string_equal(conf_closest(STR("chanel"), words), "channel");
	assert_string_equal(conf_closest(STR("tiemout"), words), "timeout");
	assert_string_equal(conf_closest(STR("Webhook-URL"), words), "webhook_url");
	assert_null(conf_closest(STR("colour"), words));
	assert_null(conf_closest(STR(""), words));
}

/* --- the hub's configuration ---------------------------------------------------------------------- */

static void an_empty_file_is_a_working_configuration(void **state)
{
	static const char *const texts[] = { "", "# nothing\n", "---\n", "admin:\noutputs:\nroutes:\n", "{}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct loaded loaded;

		load(texts[i], &loaded);
		assert_string_equal(loaded.report.at, "");
		assert_int_equal(loaded.result, 0);
		assert_string_equal(loaded.config->listen, "127.0.0.1:2801");
		assert_string_equal(loaded.config->admin.listen, "127.0.0.1:2802");
		assert_string_equal(loaded.config->data_dir, "/var/lib/tocsin");
		assert_null(loaded.config->admin.token);
		assert_int_equal(loaded.config->admin.session_ms, 12 * 3600 * 1000);
		assert_int_equal(loaded.config->ingest.max_body, 8 << 20);
		assert_int_equal(loaded.config->ingest.timeout_ms, 60000);
		assert_int_equal(loaded.config->journal.max_size, (int64_t)4 << 30);
		assert_int_equal(loaded.config->rules_priority, PRIORITY_DEBUG);
		assert_int_equal(loaded.config->incidents.fields.count, 3);
		assert_string_equal(loaded.config->incidents.fields.at[1], "container.id");
		assert_int_equal(loaded.config->log.level, 3);
		assert_int_equal(loaded.config->outputs_count, 0);
		assert_int_equal(loaded.config->routes_count, 0);
		unload(&loaded);
	}
}

static const char full[] =
	"listen: \"[::]:9\"\n"
	"admin: {listen: off, token: s3cret-token, session: 1h}\n"
	"rules_files: /etc/rules\n"
	"rule_matching: all\n"
	"priority: Info\n"
	"incidents: {fields: [], resolve_after: 1m30s}\n"
	"outputs:\n"
	"  soc:\n"
	"    type: slack\n"
	"    webhook_url: https://hooks.example/s3cret\n"
	"    headers: {Authorization: Bearer s3cret, X-Team: blue}\n"
	"    minimum_priority: WARNING\n"
	"    order: none\n"
	"    max_age: 1d\n"
	"  archive: {type: stdout, start: oldest}\n"
	"routes:\n"
	"  - name: web\n"
	"    match: {source: [syscall], rule: \"Write*\", proc.name: [bash, sh], hostname: \"web-*\"}\n"
	"    minimum_priority: error\n"
	"    outputs: [soc]\n"
	"    deliver: every\n"
	"    continue: true\n"
	"  - outputs: archive\n"
	"rules:\n"
	"  - disable: {rule: \"Read*\"}\n"
	"  - enable: {tag: network}\n"
	"append_output:\n"
	"  - match: {source: syscall, tags: [a, b]}\n"
	"    extra_output: on %evt.hostname\n"
	"    extra_fields: [proc.aname, {who: \"%user.name@%proc.name\"}]\n"
	"  - suggested_output: true\n";

static void every_setting_lands_in_its_place(void **state)
{
	struct loaded loaded;
	const struct config *config;
	const struct chat_conf *conf;

	(void)state;
	load(full, &loaded);
	assert_string_equal(loaded.report.at, "");
	config = loaded.config;
	assert_string_equal(config->admin.listen, "off");
	assert_string_equal(config->admin.token, "s3cret-token");
	assert_string_equal(config->rules_files.at[0], "/etc/rules");
	assert_int_equal(config->rule_matching, 1);
	assert_int_equal(config->rules_priority, PRIORITY_INFORMATIONAL);
	assert_int_equal(config->incidents.fields.count, 0);
	assert_int_equal(config->incidents.resolve_after_ms, 90000);
	assert_int_equal(config->outputs_count, 2);
	assert_string_equal(config->outputs[0].name, "soc");
	assert_int_equal(config->outputs[0].line, 8);
	assert_int_equal(config->outputs[0].minimum_priority, PRIORITY_WARNING);
	assert_int_equal(config->outputs[0].order, CONFIG_ORDER_NONE);
	assert_int_equal(config->outputs[0].max_age_ms, 86400000);
	assert_int_equal(config->outputs[0].concurrency, 8);
	assert_int_equal(config->outputs[1].start, CONFIG_START_OLDEST);
	conf = config->outputs[0].conf;
	assert_string_equal(conf->webhook_url, "https://hooks.example/s3cret");
	assert_int_equal(conf->headers.count, 2);
	assert_string_equal(conf->headers.at[0].value, "Bearer s3cret");
	assert_int_equal(conf->timeout_ms, 10000);
	assert_int_equal(config->routes_count, 2);
	assert_int_equal(config->routes[0].matchers_count, 4);
	assert_string_equal(config->routes[0].matchers[2].key, "proc.name");
	assert_int_equal(config->routes[0].matchers[2].values.count, 2);
	assert_int_equal(config->routes[0].deliver, CONFIG_DELIVER_EVERY);
	assert_true(config->routes[0].proceed);
	assert_string_equal(config->routes[1].name, "route 2");
	assert_int_equal(config->routes[1].minimum_priority, PRIORITY_DEBUG);
	assert_int_equal(config->choices_count, 2);
	assert_false(config->choices[0].enable);
	assert_string_equal(config->choices[0].pattern, "Read*");
	assert_true(config->choices[1].enable && config->choices[1].by_tag);
	assert_int_equal(config->extras_count, 2);
	assert_string_equal(config->extras[0].source, "syscall");
	assert_int_equal(config->extras[0].tags.count, 2);
	assert_string_equal(config->extras[0].output, "on %evt.hostname");
	assert_int_equal(config->extras[0].fields.count, 2);
	assert_null(config->extras[0].fields.at[0].value);
	assert_string_equal(config->extras[0].fields.at[1].key, "who");
	assert_true(config->extras[1].suggested);
	unload(&loaded);
}

static void what_is_shown_holds_no_secret_and_loads_again(void **state)
{
	struct loaded loaded, again;
	struct buf text = { 0 }, second = { 0 };

	(void)state;
	load(full, &loaded);
	config_show(loaded.config, &text);
	assert_non_null(buf_text(&text));
	assert_null(strstr(text.at, "s3cret"));
	assert_non_null(strstr(text.at, "webhook_url: \"<secret>\""));
	load(text.at, &again);
	assert_string_equal(again.report.at, "");
	config_show(again.config, &second);
	assert_string_equal(buf_text(&second), text.at);
	buf_done(&text);
	buf_done(&second);
	unload(&loaded);
	unload(&again);
}

static void without_routes_everything_goes_everywhere(void **state)
{
	struct loaded loaded;

	(void)state;
	load("outputs: {a: {type: stdout}, b: {type: stdout}}\n", &loaded);
	assert_int_equal(loaded.config->routes_count, 1);
	assert_int_equal(loaded.config->routes[0].outputs.count, 2);
	assert_int_equal(loaded.config->routes[0].minimum_priority, PRIORITY_DEBUG);
	unload(&loaded);
}

static void a_match_key_that_is_no_field_is_a_warning(void **state)
{
	struct loaded loaded;

	(void)state;
	load("outputs: {a: {type: stdout}}\n"
	     "routes:\n"
	     "  - {outputs: [a], match: {hostnme: x, k8s.ns.name: x, tags: x}}\n", &loaded);
	assert_int_equal(loaded.result, 0);
	assert_non_null(strstr(loaded.report.at, "warning: routes[0].match.hostnme: \"hostnme\" is no usual field, "
	                                         "did you mean \"hostname\"?\n"));
	assert_non_null(strstr(loaded.report.at, "\n1 warning\n"));
	unload(&loaded);
}

static void an_output_that_no_route_reaches_is_a_warning(void **state)
{
	struct loaded loaded;

	(void)state;
	load("outputs:\n  a: {type: stdout}\nroutes: []\n", &loaded);
	assert_int_equal(loaded.result, 0);
	assert_string_equal(loaded.report.at, "hub.yaml:2:6: warning: outputs.a: no route leads here\n"
	                                      "    2 |   a: {type: stdout}\n"
	                                      "      |      ^\n"
	                                      "1 warning\n");
	unload(&loaded);
}

static void the_environment_wins_over_the_file(void **state)
{
	struct loaded loaded;
	const struct chat_conf *conf;

	(void)state;
	setenv("TOCSIN_JOURNAL_MAX_SIZE", "1GiB", 1);
	setenv("TOCSIN_OUTPUTS_SLACK_SOC_TIMEOUT", "3s", 1);
	setenv("TOCSIN_OUTPUTS_SLACK_SOC_WEBHOOK_URL", "https://from.environment", 1);
	setenv("TOCSIN_DATA_DIR", "", 1);
	load("journal: {max_size: 2GiB}\noutputs: {slack-soc: {type: slack, timeout: 5s}}\n", &loaded);
	assert_string_equal(loaded.report.at, "");
	conf = loaded.config->outputs[0].conf;
	assert_int_equal(loaded.config->journal.max_size, 1 << 30);
	assert_int_equal(conf->timeout_ms, 3000);
	assert_string_equal(conf->webhook_url, "https://from.environment");
	assert_string_equal(loaded.config->data_dir, "/var/lib/tocsin");
	unload(&loaded);

	setenv("TOCSIN_JOURNAL_MAX_SIZE", "big", 1);
	load("", &loaded);
	assert_string_equal(loaded.report.at,
	                    "TOCSIN_JOURNAL_MAX_SIZE: journal.max_size: \"big\" is not a size (try 1MiB)\n"
	                    "1 error\n");
	unload(&loaded);
	unsetenv("TOCSIN_JOURNAL_MAX_SIZE");
	unsetenv("TOCSIN_OUTPUTS_SLACK_SOC_TIMEOUT");
	unsetenv("TOCSIN_OUTPUTS_SLACK_SOC_WEBHOOK_URL");
	unsetenv("TOCSIN_DATA_DIR");
}

static void secrets_come_from_files_variables_and_credentials(void **state)
{
	char text[200], file[64];
	struct loaded loaded;

	(void)state;
	snprintf(file, sizeof(file), "%s/token", folder);
	write_file(file, "from-file\n", 0600);
	snprintf(text, sizeof(text), "admin: {token: file:%s}\n", file);
	load(text, &loaded);
	assert_string_equal(loaded.report.at, "");
	assert_string_equal(loaded.config->admin.token, "from-file");
	unload(&loaded);

	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	load("admin: {token: credential:token}\n", &loaded);
	assert_string_equal(loaded.config->admin.token, "from-file");
	unload(&loaded);
	load("admin: {token: credential:../token}\n", &loaded);
	assert_int_equal(loaded.result, -EINVAL);
	unload(&loaded);
	unsetenv("CREDENTIALS_DIRECTORY");

	setenv("TEST_CONF_TOKEN", "from-variable", 1);
	load("admin: {token: env:TEST_CONF_TOKEN}\n", &loaded);
	assert_string_equal(loaded.config->admin.token, "from-variable");
	unload(&loaded);
	unlink(file);
}

static void a_secret_that_everybody_can_read_is_a_warning(void **state)
{
	char text[200], file[64];
	struct loaded loaded;

	(void)state;
	snprintf(file, sizeof(file), "%s/open", folder);
	write_file(file, "x", 0644);
	snprintf(text, sizeof(text), "admin: {token: file:%s}\n", file);
	load(text, &loaded);
	assert_int_equal(loaded.result, 0);
	assert_int_equal(loaded.errors.warnings, 1);
	assert_non_null(strstr(loaded.report.at, "can be read by everybody (chmod o-r)"));
	unload(&loaded);
	write_file(file, "", 0600);
	load(text, &loaded);
	assert_int_equal(loaded.result, -EINVAL);
	assert_non_null(strstr(loaded.report.at, "is empty"));
	unload(&loaded);
	unlink(file);
}

static void errors_beyond_twenty_are_counted(void **state)
{
	struct loaded loaded;
	struct buf text = { 0 };

	(void)state;
	for (int i = 0; i < 30; i++)
		buf_addf(&text, "zz%d: 1\n", i);
	load(buf_text(&text), &loaded);
	assert_int_equal(loaded.errors.count, 20);
	assert_int_equal(loaded.errors.more, 10);
	assert_non_null(strstr(loaded.report.at, "30 errors (the first 20 are shown)\n"));
	buf_done(&text);
	unload(&loaded);
}

static void depth_and_number_of_values_are_bounded(void **state)
{
	struct loaded loaded;
	struct buf text = { 0 };

	(void)state;
	buf_add(&text, STR("rules_files: "));
	for (int i = 0; i < 100; i++)
		buf_add_char(&text, '[');
	load(buf_text(&text), &loaded);
	assert_non_null(strstr(loaded.report.at, "nested more than 32 levels deep"));
	unload(&loaded);
	buf_clear(&text);
	buf_add(&text, STR("rules_files: ["));
	for (int i = 0; i < 100000; i++)
		buf_add(&text, STR("a,"));
	load(buf_text(&text), &loaded);
	assert_non_null(strstr(loaded.report.at, "more than 100000 values in one file"));
	unload(&loaded);
	buf_done(&text);
}

static void a_file_that_is_not_there_says_so(void **state)
{
	struct conf_errors errors = { 0 };
	struct arena arena;
	struct config *config;
	struct buf out = { 0 };

	(void)state;
	arena_init(&arena, 1 << 20);
	errors.arena = &arena;
	assert_int_equal(config_load("/nonexistent/hub.yaml", &config, &errors), -ENOENT);
	conf_errors_print(&errors, &out);
	assert_string_equal(buf_text(&out),
	                    "/nonexistent/hub.yaml: cannot be read: No such file or directory\n1 error\n");
	buf_clear(&out);
	conf_errors_json(&errors, &out);
	assert_string_equal(buf_text(&out),
	                    "{\"ok\":false,\"errors\":[{\"file\":\"/nonexistent/hub.yaml\",\"line\":0,\"column\":0,"
	                    "\"severity\":\"error\",\"text\":\"cannot be read: No such file or directory\"}],"
	                    "\"more\":0}");
	buf_done(&out);
	arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest fixed[] = {
		cmocka_unit_test(durations_and_sizes_read_as_they_are_written),
		cmocka_unit_test(addresses_are_told_from_other_words),
		cmocka_unit_test(the_word_that_was_meant_is_found),
		cmocka_unit_test(an_empty_file_is_a_working_configuration),
		cmocka_unit_test(every_setting_lands_in_its_place),
		cmocka_unit_test(what_is_shown_holds_no_secret_and_loads_again),
		cmocka_unit_test(without_routes_everything_goes_everywhere),
		cmocka_unit_test(a_match_key_that_is_no_field_is_a_warning),
		cmocka_unit_test(an_output_that_no_route_reaches_is_a_warning),
		cmocka_unit_test(the_environment_wins_over_the_file),
		cmocka_unit_test(secrets_come_from_files_variables_and_credentials),
		cmocka_unit_test(a_secret_that_everybody_can_read_is_a_warning),
		cmocka_unit_test(errors_beyond_twenty_are_counted),
		cmocka_unit_test(depth_and_number_of_values_are_bounded),
		cmocka_unit_test(a_file_that_is_not_there_says_so),
	};
	struct CMUnitTest tests[ARRAY_LEN(fixed) + ARRAY_LEN(bad)];
	int failed;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		tests[i] = (struct CMUnitTest){ .name = bad[i].name, .test_func = is_refused,
			                        .initial_state = (void *)(uintptr_t)&bad[i] };
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		tests[ARRAY_LEN(bad) + i] = fixed[i];
	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/hub.yaml", folder);
	failed = cmocka_run_group_tests_name("configuration", tests, NULL, NULL);
	unlink(path);
	rmdir(folder);
	return failed;
}
