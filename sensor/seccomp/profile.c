/* Reading a profile: JSON first, then its tree with places, then tables. */
#include "sensor/seccomp/profile.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "sensor/caps.h"
#include "sensor/seccomp/compile.h"

#include <ctype.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/utsname.h>

struct reading {
	struct conf_reader *reader;
	const struct profile_machine *machine;
	struct profile *profile;
	size_t names; /* of all rules so far */
};

/* ---- the machine ---- */

static uint64_t bounding_set(void)
{
	autofclose FILE *file = fopen("/proc/self/status", "re");
	unsigned long long caps = 0;
	char line[256];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "CapBnd: %llx", &caps) == 1)
			break;
	return caps;
}

void profile_machine_here(struct profile_machine *ret)
{
	struct utsname name = { 0 };

	*ret = (struct profile_machine){ .capabilities = bounding_set() };
	if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &ret->kernel, &ret->major) < 1)
		ret->kernel = 0;
}

/* ---- names ---- */

static const struct word {
	const char *name;
	uint32_t value;
} actions[] = {
	{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW },
	{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO },
	{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD },
	{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP },
	{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE },
	{ "SCMP_ACT_LOG", SECCOMP_RET_LOG },
	{ "SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF },
	{ NULL, 0 },
}, operators[] = {
	{ "SCMP_CMP_NE", PROFILE_NE },
	{ "SCMP_CMP_LT", PROFILE_LT },
	{ "SCMP_CMP_LE", PROFILE_LE },
	{ "SCMP_CMP_EQ", PROFILE_EQ },
	{ "SCMP_CMP_GE", PROFILE_GE },
	{ "SCMP_CMP_GT", PROFILE_GT },
	{ "SCMP_CMP_MASKED_EQ", PROFILE_MASKED_EQ },
	{ NULL, 0 },
}, here[] = {
#if defined(__x86_64__)
	{ "SCMP_ARCH_X86_64", AUDIT_ARCH_X86_64 },
	{ "SCMP_ARCH_X86", AUDIT_ARCH_I386 },
	{ "SCMP_ARCH_X32", PROFILE_ARCH_X32 },
#elif defined(__aarch64__)
	{ "SCMP_ARCH_AARCH64", AUDIT_ARCH_AARCH64 },
	{ "SCMP_ARCH_ARM", AUDIT_ARCH_ARM },
#endif
	{ NULL, 0 },
};

/* As includes.arches has it: Go's word. */
#if defined(__x86_64__)
#define GO_ARCH "amd64"
#elif defined(__aarch64__)
#define GO_ARCH "arm64"
#else
#define GO_ARCH "?"
#endif

static const struct word *word_find(const struct word *words, struct str name)
{
	for (; words->name != NULL; words++)
		if (str_eq(str_of(words->name), name))
			return words;
	return NULL;
}

void profile_add_action(uint32_t action, struct buf *out)
{
	const uint32_t data = action & SECCOMP_RET_DATA;
	const char *error = strerrorname_np((int)data);

	for (const struct word *word = actions; word->name != NULL; word++) {
		if (word->value != (action & SECCOMP_RET_ACTION_FULL) || strcmp(word->name, "SCMP_ACT_KILL") == 0)
			continue;
		buf_add(out, str_of(word->name + strlen("SCMP_ACT_")));
		if (word->value == SECCOMP_RET_ERRNO && error != NULL)
			buf_addf(out, "(%s)", error);
		else if (word->value == SECCOMP_RET_ERRNO || (word->value == SECCOMP_RET_TRACE && data != 0))
			buf_addf(out, "(%u)", data);
		return;
	}
	buf_addf(out, "%#x", action);
}

void profile_add_condition(const struct profile_condition *condition, struct buf *out)
{
	static const char *const signs[] = { [PROFILE_NE] = "!=", [PROFILE_LT] = "<", [PROFILE_LE] = "<=",
					     [PROFILE_EQ] = "==", [PROFILE_GE] = ">=", [PROFILE_GT] = ">" };
	const unsigned long long value = condition->value, two = condition->value_two;
	const bool small = value < 10;

	if (condition->op == PROFILE_MASKED_EQ)
		buf_addf(out, "arg%u & %#llx == %#llx", condition->arg, value, two);
	else
		buf_addf(out, small ? "arg%u %s %llu" : "arg%u %s %#llx", condition->arg, signs[condition->op], value);
}

const char *profile_arch_name(uint32_t arch)
{
	for (const struct word *word = here; word->name != NULL; word++)
		if (word->value == arch)
			return word->name;
	return "?";
}

/* ---- values ---- */

/* What is there to read: absent, null, and the empty list or mapping are nothing. */
static struct conf_node *get(const struct conf_node *mapping, const char *key)
{
	struct conf_node *node = conf_get(mapping, str_of(key));

	return node == NULL || node->is_null ? NULL : node;
}

static bool is_list(struct reading *in, const struct conf_node *node)
{
	if (node != NULL && node->kind != CONF_NODE_SEQUENCE)
		conf_fault(in->reader, node, "a list is wanted");
	return node != NULL && node->kind == CONF_NODE_SEQUENCE;
}

static bool is_text(struct reading *in, const struct conf_node *node)
{
	if (node->kind != CONF_NODE_SCALAR || node->is_null) {
		conf_fault(in->reader, node, "a text is wanted");
		return false;
	}
	return true;
}

/* Of an absent one `ret` stays as it is. */
static void read_number(struct reading *in, const struct conf_node *mapping, const char *key, uint64_t max, uint64_t *ret)
{
	const struct conf_node *node = get(mapping, key);
	uint64_t value;

	if (node == NULL)
		return;
	if (node->kind != CONF_NODE_SCALAR || !str_to_u64(node->text, &value))
		conf_fault(in->reader, node, "\"%.40s\" is not a number from 0 on",
			   node->kind == CONF_NODE_SCALAR ? node->text.at : "…");
	else if (value > max)
		conf_fault(in->reader, node, "%.40s is more than %llu", node->text.at, (unsigned long long)max);
	else
		*ret = value;
}

/* One of `words`; else an error that says which there are, or the one that was meant. */
static bool read_word(struct reading *in, const struct conf_node *node, const struct word *words, uint32_t *ret)
{
	const char *known[16];
	const struct word *word;
	const char *meant;
	size_t count = 0;

	if (!is_text(in, node))
		return false;
	word = word_find(words, node->text);
	if (word != NULL) {
		*ret = word->value;
		return true;
	}
	for (; words[count].name != NULL; count++)
		known[count] = words[count].name;
	known[count] = NULL;
	meant = conf_closest(node->text, known);
	if (meant != NULL)
		conf_fault(in->reader, node, "there is no \"%.80s\", did you mean %s?", node->text.at, meant);
	else
		conf_fault(in->reader, node, "there is no \"%.80s\" (%s, …)", node->text.at, words->name);
	return false;
}

/* Settings that nobody knows are let pass by the engines. */
static void warn_unknown(struct reading *in, const struct conf_node *mapping, const char *const *known)
{
	for (const struct conf_node *node = mapping->first; node != NULL; node = node->next) {
		const char *meant = conf_closest(node->key, known);
		size_t i = 0;

		while (known[i] != NULL && !str_eq(str_of(known[i]), node->key))
			i++;
		if (known[i] == NULL)
			conf_warn(in->reader, node, meant == NULL ? "is not known and left out"
								   : "is not known and left out, did you mean \"%s\"?",
				  meant);
	}
}

/* An action and the number that goes with some. */
static void read_action(struct reading *in, const struct conf_node *mapping, const char *key, const char *number_key,
			uint32_t *ret)
{
	const struct conf_node *node = get(mapping, key);
	const struct conf_node *number = get(mapping, number_key);
	uint64_t data = 1; /* EPERM */
	uint32_t action;

	if (node == NULL) {
		conf_fault(in->reader, mapping, "%s is missing", key);
		return;
	}
	if (!read_word(in, node, actions, &action))
		return;
	if (action == SECCOMP_RET_ERRNO || action == SECCOMP_RET_TRACE) {
		read_number(in, mapping, number_key, action == SECCOMP_RET_ERRNO ? PROFILE_ERRNO_MAX : UINT16_MAX, &data);
		action |= (uint32_t)data;
	} else if (number != NULL) {
		conf_warn(in->reader, number, "says nothing for %.40s", node->text.at);
	}
	*ret = action;
}

/* ---- architectures ---- */

static int note_foreign(struct reading *in, struct str name)
{
	struct profile *profile = in->profile;

	profile->foreign[profile->foreign_count] = name;
	profile->foreign_count++;
	return 0;
}

static void add_arch(struct profile *profile, uint32_t arch)
{
	for (size_t i = 0; i < profile->arches_count; i++)
		if (profile->arches[i] == arch)
			return;
	if (profile->arches_count < PROFILE_ARCHES_MAX)
		profile->arches[profile->arches_count++] = arch;
}

static void read_arch(struct reading *in, const struct conf_node *node)
{
	const struct word *word;

	if (!is_text(in, node))
		return;
	word = word_find(here, node->text);
	if (word != NULL)
		add_arch(in->profile, word->value);
	else if (str_starts(node->text, STR("SCMP_ARCH_")))
		note_foreign(in, node->text);
	else
		conf_fault(in->reader, node, "there is no architecture \"%.80s\" (%s, …)", node->text.at, here[0].name);
}

static void read_arch_map(struct reading *in, const struct conf_node *map)
{
	for (const struct conf_node *row = map->first; row != NULL; row = row->next) {
		const struct conf_node *name = get(row, "architecture"), *subs = get(row, "subArchitectures");

		if (row->kind != CONF_NODE_MAPPING || name == NULL) {
			conf_fault(in->reader, row, "architecture is missing");
			continue;
		}
		if (!is_text(in, name))
			continue;
		if (!str_eq(name->text, str_of(here[0].name))) {
			note_foreign(in, name->text);
			continue;
		}
		for (const struct conf_node *sub = is_list(in, subs) ? subs->first : NULL; sub != NULL; sub = sub->next)
			read_arch(in, sub);
	}
}

static int read_arches(struct reading *in, const struct conf_node *root)
{
	const struct conf_node *list = get(root, "architectures"), *map = get(root, "archMap");
	size_t most = (list == NULL ? 0 : list->count) + (map == NULL ? 0 : map->count);

	/* Sub-architectures of the machine's own can be foreign as well. */
	for (const struct conf_node *row = map == NULL ? NULL : map->first; row != NULL; row = row->next)
		most += get(row, "subArchitectures") == NULL ? 0 : get(row, "subArchitectures")->count;
	in->profile->foreign = arena_alloc(in->reader->arena, (most + 1) * sizeof(struct str));
	if (in->profile->foreign == NULL)
		return -ENOMEM;
	add_arch(in->profile, here[0].value);
	if (list != NULL && list->count > 0 && map != NULL && map->count > 0)
		conf_fault(in->reader, map, "stands beside architectures: one of them is wanted");
	else if (is_list(in, list))
		for (const struct conf_node *node = list->first; node != NULL; node = node->next)
			read_arch(in, node);
	if (is_list(in, map))
		read_arch_map(in, map);
	return 0;
}

/* ---- includes and excludes ---- */

static bool has_arch(struct reading *in, const struct conf_node *list)
{
	bool found = false;

	for (const struct conf_node *node = list->first; node != NULL; node = node->next)
		if (is_text(in, node))
			found = found || str_eq(node->text, STR(GO_ARCH));
	return found;
}

/* How many of the capabilities are there; of one that is not known too, which nobody has. */
static size_t count_caps(struct reading *in, const struct conf_node *list)
{
	size_t count = 0;

	for (const struct conf_node *node = list->first; node != NULL; node = node->next) {
		int bit = is_text(in, node) ? cap_find(node->text) : -1;

		if (bit < 0 && node->kind == CONF_NODE_SCALAR && !node->is_null)
			conf_warn(in->reader, node, "\"%.60s\" is not a capability", node->text.at);
		if (bit >= 0 && (in->machine->capabilities >> bit & 1))
			count++;
	}
	return count;
}

static bool is_kernel_at_least(struct reading *in, const struct conf_node *node)
{
	unsigned kernel, major;
	char more;

	if (!is_text(in, node))
		return false;
	if (sscanf(node->text.at, "%5u.%5u%c", &kernel, &major, &more) != 2 || !isdigit((unsigned char)node->text.at[0])) {
		conf_fault(in->reader, node, "\"%.40s\" is not a kernel's version (4.8)", node->text.at);
		return false;
	}
	return in->machine->kernel > kernel || (in->machine->kernel == kernel && in->machine->major >= major);
}

static const char *const condition_keys[] = { "caps", "arches", "minKernel", NULL };

/* As Docker does it: any excluded thing that is there leaves the entry out, and any included that is not. */
static void read_excludes(struct reading *in, const struct conf_node *node, struct profile_rule *rule)
{
	const struct conf_node *caps = get(node, "caps"), *arches = get(node, "arches"), *kernel = get(node, "minKernel");

	if (!conf_is_mapping(in->reader, node, "caps, arches or minKernel"))
		return;
	warn_unknown(in, node, condition_keys);
	if (is_list(in, arches) && has_arch(in, arches))
		rule->left_out = "excludes.arches has this machine's";
	if (is_list(in, caps) && count_caps(in, caps) > 0)
		rule->left_out = "excludes.caps has one that is held";
	if (kernel != NULL && is_kernel_at_least(in, kernel))
		rule->left_out = "excludes.minKernel is reached";
	if (node->count > 0 && rule->left_out == NULL)
		rule->because = "excludes does not apply here";
}

static void read_includes(struct reading *in, const struct conf_node *node, struct profile_rule *rule)
{
	const struct conf_node *caps = get(node, "caps"), *arches = get(node, "arches"), *kernel = get(node, "minKernel");

	if (!conf_is_mapping(in->reader, node, "caps, arches or minKernel"))
		return;
	warn_unknown(in, node, condition_keys);
	if (is_list(in, arches) && arches->count > 0 && !has_arch(in, arches))
		rule->left_out = "includes.arches lacks this machine's";
	if (is_list(in, caps) && count_caps(in, caps) < caps->count)
		rule->left_out = "includes.caps wants one that is not held";
	if (kernel != NULL && !is_kernel_at_least(in, kernel))
		rule->left_out = "includes.minKernel is not reached";
	if (node->count > 0 && rule->left_out == NULL)
		rule->because = "includes applies here";
}

/* ---- syscalls[] ---- */

static bool is_call(const struct profile *profile, struct str name)
{
	for (size_t i = 0; i < profile->arches_count; i++)
		if (profile_knows_call(profile->arches[i], name))
			return true;
	return false;
}

static void add_name(struct reading *in, const struct conf_node *node, struct profile_rule *rule)
{
	if (!is_text(in, node))
		return;
	if (in->names == PROFILE_NAMES_MAX) {
		conf_fault(in->reader, node, "more than %d names of calls in one profile", PROFILE_NAMES_MAX);
		in->names++;
	}
	if (in->names > PROFILE_NAMES_MAX)
		return;
	in->names++;
	if (memchr(node->text.at, '\0', node->text.len) == NULL && is_call(in->profile, node->text))
		rule->names[rule->names_count++] = node->text;
	else
		rule->unknown[rule->unknown_count++] = node->text;
}

static void warn_unknown_calls(struct reading *in, const struct conf_node *node, const struct profile_rule *rule)
{
	struct buf names = { 0 };

	for (size_t i = 0; i < rule->unknown_count; i++) {
		buf_add(&names, i > 0 ? STR(", ") : STR(""));
		buf_add_printable(&names, str_cut(rule->unknown[i], 40));
	}
	if (rule->unknown_count > 0)
		conf_warn(in->reader, node, "%zu not known here and left out: %.*s%s", rule->unknown_count,
			  STR_ARG(str_cut(buf_str(&names), 300)), names.len > 300 ? "…" : "");
	buf_done(&names);
}

static int read_names(struct reading *in, const struct conf_node *entry, struct profile_rule *rule)
{
	const struct conf_node *names = get(entry, "names"), *name = get(entry, "name");
	const bool many = names != NULL && names->kind == CONF_NODE_SEQUENCE && names->count > 0;
	const bool one = name != NULL && (name->kind != CONF_NODE_SCALAR || name->text.len > 0);
	size_t most = (many ? names->count : 0) + 1;

	rule->names = arena_alloc(in->reader->arena, 2 * most * sizeof(struct str));
	if (rule->names == NULL)
		return -ENOMEM;
	rule->unknown = rule->names + most;
	if (names != NULL && !is_list(in, names))
		return 0;
	if (many && one)
		conf_fault(in->reader, name, "stands beside names: one of them is wanted");
	else if (!many && !one)
		conf_fault(in->reader, entry, "names is missing");
	for (const struct conf_node *node = many ? names->first : NULL; node != NULL; node = node->next)
		add_name(in, node, rule);
	if (one && !many)
		add_name(in, name, rule);
	warn_unknown_calls(in, many ? names : name, rule);
	return 0;
}

static void read_condition(struct reading *in, const struct conf_node *node, struct profile_condition *ret)
{
	static const char *const known[] = { "index", "value", "valueTwo", "op", NULL };
	const struct conf_node *op = get(node, "op");
	uint64_t arg = 0;
	uint32_t which = PROFILE_EQ;

	if (!conf_is_mapping(in->reader, node, "index, value and op"))
		return;
	warn_unknown(in, node, known);
	if (get(node, "index") == NULL)
		conf_fault(in->reader, node, "index is missing");
	read_number(in, node, "index", 5, &arg);
	read_number(in, node, "value", UINT64_MAX, &ret->value);
	read_number(in, node, "valueTwo", UINT64_MAX, &ret->value_two);
	if (op == NULL)
		conf_fault(in->reader, node, "op is missing");
	else
		read_word(in, op, operators, &which);
	ret->arg = (uint8_t)arg;
	ret->op = (uint8_t)which;
}

static int read_conditions(struct reading *in, const struct conf_node *list, struct profile_rule *rule)
{
	unsigned seen[6] = { 0 };

	if (!is_list(in, list) || list->count == 0)
		return 0;
	if (list->count > PROFILE_CONDITIONS_MAX) {
		conf_fault(in->reader, list, "more than %d conditions", PROFILE_CONDITIONS_MAX);
		return 0;
	}
	rule->conditions = arena_zalloc(in->reader->arena, list->count * sizeof(*rule->conditions));
	if (rule->conditions == NULL)
		return -ENOMEM;
	for (const struct conf_node *node = list->first; node != NULL; node = node->next) {
		struct profile_condition *condition = &rule->conditions[rule->conditions_count++];

		read_condition(in, node, condition);
		rule->any = rule->any || ++seen[condition->arg] > 1;
	}
	return 0;
}

static int read_rule(struct reading *in, const struct conf_node *entry, struct profile_rule *rule)
{
	static const char *const known[] = { "names", "name", "action", "errnoRet", "args", "comment", "includes",
					     "excludes", NULL };
	const struct conf_node *comment = get(entry, "comment");
	const struct conf_node *includes = get(entry, "includes"), *excludes = get(entry, "excludes");
	int r;

	rule->line = entry->line;
	if (!conf_is_mapping(in->reader, entry, "names and action"))
		return 0;
	warn_unknown(in, entry, known);
	if (comment != NULL && is_text(in, comment))
		rule->comment = comment->text;
	read_action(in, entry, "action", "errnoRet", &rule->action);
	if (includes != NULL)
		read_includes(in, includes, rule);
	if (excludes != NULL)
		read_excludes(in, excludes, rule);
	r = read_names(in, entry, rule);
	return r < 0 ? r : read_conditions(in, get(entry, "args"), rule);
}

static int read_rules(struct reading *in, const struct conf_node *list)
{
	struct profile *profile = in->profile;
	int r = 0;

	if (!is_list(in, list))
		return 0;
	if (list->count > PROFILE_RULES_MAX) {
		conf_fault(in->reader, list, "more than %d entries", PROFILE_RULES_MAX);
		return 0;
	}
	profile->rules = arena_zalloc(in->reader->arena, (list->count + 1) * sizeof(*profile->rules));
	if (profile->rules == NULL)
		return -ENOMEM;
	for (const struct conf_node *entry = list->first; r == 0 && entry != NULL; entry = entry->next)
		r = read_rule(in, entry, &profile->rules[profile->rules_count++]);
	return r;
}

/* ---- the whole ---- */

/* What libyaml takes beyond JSON would be refused by every other reader of profiles. */
static int check_json(struct conf_reader *reader, const char *name, struct str text)
{
	struct json json = { .text = text, .cap = CONF_NODES_MAX, .depth_max = CONF_DEPTH_MAX };
	unsigned line = 1, column = 1;
	autofree struct json_node *nodes = calloc(json.cap, sizeof(*nodes));
	size_t end = 0;
	int r;

	if (nodes == NULL)
		return -ENOMEM;
	json.nodes = nodes;
	r = json_read(&json, 0, &end);
	if (r == 0 && json_blanks(text, end) < text.len) {
		r = -EBADMSG;
		json.error = "something stands behind the profile";
		json.error_at = json_blanks(text, end);
	}
	if (r == 0)
		return 0;
	for (size_t i = 0; i < json.error_at && i < text.len; i++) {
		column = text.at[i] == '\n' ? 1 : column + 1;
		line += text.at[i] == '\n';
	}
	conf_error_add(reader->errors, name, line, column, NULL, "not JSON: %s", json.error);
	return -EINVAL;
}

static void read_mode(struct reading *in, const struct conf_node *node)
{
	static const struct word modes[] = { { "enforce", 0 }, { "audit", 1 }, { NULL, 0 } };
	uint32_t mode = 0;

	in->profile->has_mode = node != NULL && read_word(in, node, modes, &mode);
	in->profile->audits = mode != 0;
}

static int read_tree(struct reading *in)
{
	static const char *const known[] = { "defaultAction", "defaultErrnoRet", "architectures", "archMap", "syscalls",
					     "flags", "listenerPath", "listenerMetadata", "comment", "x-tocsin-mode", NULL };
	struct conf_reader *reader = in->reader;
	const struct conf_node *root = reader->tree.root;
	int r;

	if (root == NULL || root->kind != CONF_NODE_MAPPING) {
		conf_fault(reader, root, "a profile is a JSON object with defaultAction and syscalls");
		return -EINVAL;
	}
	conf_show_values(reader->tree.root);
	warn_unknown(in, root, known);
	in->profile->action = SECCOMP_RET_KILL_PROCESS;
	read_action(in, root, "defaultAction", "defaultErrnoRet", &in->profile->action);
	read_mode(in, get(root, "x-tocsin-mode"));
	r = read_arches(in, root);
	if (r == 0)
		r = read_rules(in, get(root, "syscalls"));
	if (r == -ENOMEM)
		conf_error_add(reader->errors, in->profile->file, 0, 0, NULL, "out of memory");
	return r;
}

static int read_text(struct conf_reader *reader, const char *name, struct str text,
		     const struct profile_machine *machine, struct profile *ret)
{
	struct profile profile = { .file = name };
	struct reading in = { .reader = reader, .machine = machine, .profile = &profile };
	int r;

	if (text.len > PROFILE_BYTES_MAX) {
		conf_error_add(reader->errors, name, 0, 0, NULL, "more than 1 MiB");
		return -EINVAL;
	}
	r = check_json(reader, name, text);
	if (r == 0)
		r = conf_read_text(reader, name, text);
	if (r == 0)
		r = read_tree(&in);
	conf_add_sources(reader);
	if (r == 0 && conf_errors_failed(reader->errors) > 0)
		r = -EINVAL;
	if (r == 0)
		*ret = profile;
	return r;
}

int profile_read_text(struct conf_reader *reader, const char *name, struct str text,
		      const struct profile_machine *machine, struct profile *ret)
{
	return read_text(reader, name, text, machine, ret);
}

int profile_read_file(struct conf_reader *reader, const char *path, const struct profile_machine *machine,
		      struct profile *ret)
{
	autofclose FILE *file = strcmp(path, "-") == 0 ? fdopen(dup(STDIN_FILENO), "r") : fopen(path, "re");
	char *text = arena_alloc(reader->arena, PROFILE_BYTES_MAX + 1);
	size_t len;

	if (file == NULL || text == NULL) {
		int r = file == NULL ? -errno : -ENOMEM;

		conf_error_add(reader->errors, path, 0, 0, NULL, "cannot be read: %s", strerror(-r));
		return r;
	}
	len = fread(text, 1, PROFILE_BYTES_MAX + 1, file);
	if (ferror(file)) {
		conf_error_add(reader->errors, path, 0, 0, NULL, "cannot be read: %s", strerror(errno));
		return -EIO;
	}
	return read_text(reader, path, (struct str){ text, len }, machine, ret);
}
