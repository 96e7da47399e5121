/* Cgroup paths to container ids. Every runtime names its cgroups a little differently, but the last
 * component that looks like one of them decides: containers can be nested. */
#include "sensor/container.h"

#include "base/cleanup.h"

enum { HEX_DIGITS = 64, GUID_PARTS = 5, COMPONENTS_MAX = 32 };

static bool is_hex64(struct str s)
{
	if (s.len != HEX_DIGITS)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!((s.at[i] >= '0' && s.at[i] <= '9') || (s.at[i] >= 'a' && s.at[i] <= 'f')))
			return false;
	return true;
}

/* Garden's container handles: 8-4-4-4-(4 or 12) hexadecimal digits. */
static bool is_guid(struct str s)
{
	size_t parts = 1;

	if (s.len < 28 || s.len > 36)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		bool digit =
			(s.at[i] >= '0' && s.at[i] <= '9') || (s.at[i] >= 'a' && s.at[i] <= 'f');

		if (s.at[i] == '-')
			parts++;
		else if (!digit)
			return false;
	}
	return parts == GUID_PARTS && s.at[8] == '-' && s.at[13] == '-';
}

static struct container_id id_make(struct str text, bool is_name)
{
	struct container_id id = { .is_name = is_name };

	text = str_cut(text, CONTAINER_ID_MAX);
	memcpy(id.text, text.at, text.len);
	id.len = (uint8_t)text.len;
	return id;
}

/* The part of a component behind its last `separator`. */
static struct str behind(struct str s, char separator)
{
	const char *at = s.len == 0 ? NULL : memrchr(s.at, separator, s.len);

	return at == NULL ? s : str_from(s, (size_t)(at - s.at) + 1);
}

/* 64 digits alone, or behind a runtime's prefix ("docker-", "cri-containerd-", "libpod-payload-"),
 * or behind "slice:cri-containerd:". The monitors of CRI-O and Podman are not in the container. */
static bool hex_component(struct str component, struct container_id *ret)
{
	static const char *const prefixes[] = {
		"docker",  "cri-containerd", "crio",	   "libpod",
		"nerdctl", "libpod-payload", "containerd", "podman"
	};
	struct str id;

	if (str_ends(component, STR(".scope")))
		component = str_cut(component, component.len - 6);
	id = behind(behind(component, ':'), '-');
	if (!is_hex64(id))
		return false;
	if (id.len != component.len && component.at[component.len - HEX_DIGITS - 1] == '-') {
		struct str prefix = str_cut(component, component.len - HEX_DIGITS - 1);

		for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
			if (str_eq(prefix, str_of(prefixes[i]))) {
				*ret = id_make(id, false);
				return true;
			}
		return false;
	}
	*ret = id_make(id, false);
	return true;
}

/* Runtimes that name containers by a word, told by a prefix of the component itself. */
static bool named_component(struct str component, struct container_id *ret)
{
	static const struct {
		const char *prefix, *suffix;
	} forms[] = {
		{ "lxc.payload.", "" },
		{ "lxc.monitor.", NULL }, /* outside */
		{ "machine-lxc\\x2d", ".scope" },
		{ "bpm-", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct str prefix = str_of(forms[i].prefix), suffix = str_of(forms[i].suffix);

		if (!str_starts(component, prefix) || forms[i].suffix == NULL ||
		    !str_ends(component, suffix) || component.len <= prefix.len + suffix.len)
			continue;
		component = str_from(component, prefix.len);
		*ret = id_make(str_cut(component, component.len - suffix.len), true);
		return true;
	}
	return false;
}

/* Runtimes told by the directory above. */
static bool child_component(struct str above, struct str component, struct container_id *ret)
{
	static const char *const parents[] = { "lxc", "lxc.payload", "actions_job" };

	for (size_t i = 0; i < ARRAY_LEN(parents); i++)
		if (str_eq(above, str_of(parents[i]))) {
			*ret = id_make(component, true);
			return true;
		}
	if (str_eq(above, STR("garden")) && is_guid(component)) {
		*ret = id_make(component, true);
		return true;
	}
	return false;
}

struct container_id container_of_cgroup(struct str path)
{
	struct str parts[COMPONENTS_MAX];
	struct container_id id = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < path.len && count < COMPONENTS_MAX;) {
		size_t end = i;

		while (end < path.len && path.at[end] != '/')
			end++;
		if (end > i)
			parts[count++] = (struct str){ path.at + i, end - i };
		i = end + 1;
	}
	for (size_t i = count; i-- > 0;) {
		struct str above = i > 0 ? parts[i - 1] : STR("");

		if (hex_component(parts[i], &id) || named_component(parts[i], &id) ||
		    child_component(above, parts[i], &id))
			return id;
	}
	/* `ctr run` puts containers into /NAMESPACE/NAME; only the namespace "default" is
	 * unmistakable. */
	if (count == 2 && str_eq(parts[0], STR("default")))
		return id_make(parts[1], true);
	return id;
}

struct str container_short(const struct container_id *id)
{
	struct str text = { id->text, id->len };

	if (id->len == 0)
		return STR("host");
	return id->is_name ? text : str_cut(text, CONTAINER_SHORT_MAX);
}
