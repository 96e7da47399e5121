/* A rule's `opa`: whom to ask whether it fires. Read strictly: a key that is misspelt here would change
 * what is an alarm without anybody noticing. */
#include "rules/load.h"

#include "base/conf.h"

enum {
	TIMEOUT_MS = 500,
	TIMEOUT_MAX_MS = 10 * 1000,
	CACHE_MS = 60 * 1000,
	CACHE_MAX_MS = 24 * 3600 * 1000,
};

static const struct str prefix = STR("v1/data/");

/* What one `opa` mapping is read with. */
struct work {
	struct loader *loader;
	struct place place;
	const struct yaml *mapping;
	struct opa_item *opa;
};

static bool refuse(struct work *work, const struct yaml *node, const char *text)
{
	struct place here = work->place;

	here.node = node;
	report_add(work->loader->report, RULES_ERR_YAML_VALIDATE, &here, "%s", text);
	return false;
}

static bool has_only(struct str text, const char *others)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      (c != '\0' && strchr(others, c) != NULL)))
			return false;
	}
	return true;
}

static bool take_url(struct work *work, const struct yaml *value)
{
	struct str url = value->text, rest;

	if (str_starts(url, STR("unix:"))) {
		rest = str_from(url, str_starts(url, STR("unix://")) ? 7 : 5);
		work->opa->unix_socket = rest;
		work->opa->url = STR("http://localhost");
		return rest.len > 1 && rest.at[0] == '/' && rest.len < 108
			       ? true
			       : refuse(work, value,
					"opa.url: a socket is unix:/path, at most 107 bytes of path");
	}
	while (url.len > 0 && url.at[url.len - 1] == '/')
		url.len--;
	if (str_starts(url, STR("http://")))
		rest = str_from(url, 7);
	else if (str_starts(url, STR("https://")))
		rest = str_from(url, 8);
	else
		return refuse(work, value,
			      "opa.url is none of http://HOST:PORT, https://HOST:PORT, unix:/path");
	if (memchr(rest.at, '@', rest.len) != NULL)
		return refuse(work, value, "opa.url: credentials do not belong here: use 'token'");
	if (rest.len == 0 || rest.at[0] == '/' || !has_only(rest, ".-_:[]/~%"))
		return refuse(work, value,
			      "opa.url is a host, with a port and the beginning of a path if need be");
	work->opa->url = url;
	work->opa->unix_socket = (struct str){ 0 };
	return true;
}

static bool take_path(struct work *work, const struct yaml *value)
{
	struct str path = value->text;

	while (path.len > 0 && path.at[0] == '/')
		path = str_from(path, 1);
	if (str_starts(path, prefix))
		path = str_from(path, prefix.len);
	if (path.len == 0 || !has_only(path, "._-/~%"))
		return refuse(work, value,
			      "opa.path is the path of a rule under v1/data: package/name/deny");
	work->opa->path = path;
	return true;
}

static bool take_on_error(struct work *work, const struct yaml *value)
{
	work->opa->on_error_pass = str_eq(value->text, STR("pass"));
	return work->opa->on_error_pass || str_eq(value->text, STR("alert"))
		       ? true
		       : refuse(work, value,
				"opa.on_error is 'alert' (the rule fires when OPA does not answer) "
				"or 'pass' (it does not)");
}

static bool take_timeout(struct work *work, const struct yaml *value)
{
	int64_t ms = 0;

	if (!conf_parse_duration(value->text, &ms) || ms < 1 || ms > TIMEOUT_MAX_MS)
		return refuse(work, value, "opa.timeout is a duration from 1ms to 10s, like 500ms");
	work->opa->timeout_ms = ms;
	return true;
}

static bool take_cache(struct work *work, const struct yaml *value)
{
	int64_t ms = 0;

	if (!str_eq(value->text, STR("off")) &&
	    (!conf_parse_duration(value->text, &ms) || ms > CACHE_MAX_MS))
		return refuse(work, value,
			      "opa.cache is a duration up to 24h, like 60s; 0 or off: none");
	work->opa->cache_ms = ms;
	return true;
}

/* The line is not shown: what stands there by mistake is a secret. */
static bool take_token(struct work *work, const struct yaml *value)
{
	struct str text = value->text;

	work->opa->token = text;
	return str_starts(text, STR("file:/")) || str_starts(text, STR("env:")) ||
			       str_starts(text, STR("credential:"))
		       ? true
		       : refuse(work, work->place.node,
				"opa.token is where the token is (file:/path, env:NAME or "
				"credential:NAME), not the token itself");
}

/* Each as "%field": together they are compiled like an output. */
static bool take_input(struct work *work, const struct yaml *value)
{
	work->opa->input = (struct pieces){ 0 };
	if (value->count == 0)
		return refuse(work, value,
			      "opa.input is empty: name fields, or leave it out for all of them");
	for (size_t i = 0; i < value->count; i++) {
		struct str name = value->items[i]->text;
		char *text = arena_alloc(work->loader->arena, name.len + 2);

		if (name.len == 0 || !has_only(name, "._-[]/"))
			return refuse(work, value->items[i], "opa.input: not the name of a field");
		if (text == NULL) {
			work->loader->out_of_memory = true;
			return false;
		}
		text[0] = '%';
		memcpy(text + 1, name.at, name.len + 1);
		if (!pieces_add(work->loader, &work->opa->input,
				(struct str){ text, name.len + 1 }, value->items[i], false))
			return false;
	}
	return true;
}

static const struct opa_key {
	struct str name;
	bool is_required;
	bool (*take)(struct work *work, const struct yaml *value);
} opa_keys[] = {
	{ STR("url"), true, take_url },		  { STR("path"), true, take_path },
	{ STR("on_error"), false, take_on_error }, { STR("timeout"), false, take_timeout },
	{ STR("cache"), false, take_cache },	  { STR("token"), false, take_token },
	{ STR("input"), false, take_input },
};

static bool keys_are_known(struct work *work)
{
	for (size_t i = 0; i < work->mapping->count; i += 2) {
		const struct yaml *key = work->mapping->items[i];
		size_t j = 0;

		while (j < ARRAY_LEN(opa_keys) && !str_eq(opa_keys[j].name, key->text))
			j++;
		if (j == ARRAY_LEN(opa_keys))
			return refuse(work, key,
				      "unknown key in 'opa': it has url and path, and may have "
				      "on_error, timeout, cache, token, input");
	}
	return true;
}

static bool take_key(struct work *work, const struct opa_key *key)
{
	const struct yaml *value = NULL;
	bool is_list = str_eq(key->name, STR("input"));

	if (!key->is_required && yaml_get(work->mapping, key->name) == NULL)
		return true;
	if (is_list ? !item_sequence(work->loader, &work->place, work->mapping, key->name, &value)
		    : !item_text(work->loader, &work->place, work->mapping, key->name, false,
				 &value))
		return false;
	return key->take(work, value);
}

bool load_opa(struct loader *loader, const struct place *place, const struct yaml *item,
	      struct rule_item *rule)
{
	const struct yaml *mapping = yaml_get(item, STR("opa"));
	struct work work = { .loader = loader, .place = *place, .mapping = mapping };
	bool ok = true;

	work.opa = arena_zalloc(loader->arena, sizeof(*work.opa));
	if (work.opa == NULL) {
		loader->out_of_memory = true;
		return false;
	}
	*work.opa = (struct opa_item){ .timeout_ms = TIMEOUT_MS, .cache_ms = CACHE_MS };
	if (mapping->kind != YAML_MAPPING)
		return refuse(&work, mapping,
			      "Value of 'opa' is not a mapping: it has url and path, and may have "
			      "on_error, timeout, cache, token, input");
	if (!keys_are_known(&work))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(opa_keys); i++)
		ok &= take_key(&work, &opa_keys[i]);
	rule->opa = work.opa;
	return ok;
}
