/* Cgroup paths to container ids. Every runtime names its cgroups a little differently, but the last
 * component that looks like one of them decides: containers can be nested. */
#include "sensor/container.h"

#include "base/cleanup.h"

enum { HEX_DIGITS = 64, GUID_PARTS = 5, COMPONENTS_MAX = 32 };

static bool is_hex(struct str s, size_t len)
{
	if (s.len != len)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!((s.at[i] >= '0' && s.at[i] <= '9') || (s.at[i] >= 'a' && s.at[i] <= 'f')))
			return false;
	return true;
}

static bool is_hex64(struct str s)
{
	return is_hex(s, HEX_DIGITS);
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

static struct container_id id_make(struct str text, bool is_name, enum container_kind kind)
{
	struct container_id id = { .is_name = is_name, .kind = (uint8_t)kind };

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

static bool kind_of(struct str word, enum container_kind *ret)
{
	static const struct {
		const char *prefix;
		enum container_kind kind;
	} prefixes[] = {
		{ "docker", CONTAINER_KIND_DOCKER },
		{ "cri-containerd", CONTAINER_KIND_CONTAINERD },
		{ "containerd", CONTAINER_KIND_CONTAINERD },
		{ "nerdctl", CONTAINER_KIND_CONTAINERD },
		{ "crio", CONTAINER_KIND_CRIO },
		{ "libpod", CONTAINER_KIND_PODMAN },
		{ "libpod-payload", CONTAINER_KIND_PODMAN },
		{ "podman", CONTAINER_KIND_PODMAN },
	};

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (str_eq(word, str_of(prefixes[i].prefix))) {
			*ret = prefixes[i].kind;
			return true;
		}
	return false;
}

/* 64 digits alone, or behind a runtime's prefix ("docker-", "cri-containerd-", "libpod-payload-"),
 * or behind "slice:cri-containerd:". The monitors of CRI-O and Podman are not in the container. */
static bool hex_component(struct str above, struct str component, struct container_id *ret)
{
	enum container_kind kind = CONTAINER_KIND_UNKNOWN;
	struct str id, before;

	if (str_ends(component, STR(".scope")))
		component = str_cut(component, component.len - 6);
	id = behind(behind(component, ':'), '-');
	if (!is_hex64(id))
		return false;
	if (id.len == component.len) { /* "/docker/ID" is Docker's own way */
		kind_of(above, &kind);
		*ret = id_make(id, false, kind);
		return true;
	}
	before = str_cut(component, component.len - HEX_DIGITS - 1);
	if (component.at[before.len] == ':')
		kind_of(behind(before, ':'), &kind);
	else if (!kind_of(before, &kind))
		return false;
	*ret = id_make(id, false, kind);
	return true;
}

/* Runtimes that name containers by a word, told by a prefix of the component itself. */
static bool named_component(struct str component, struct container_id *ret)
{
	static const struct {
		const char *prefix, *suffix;
		enum container_kind kind;
	} forms[] = {
		{ "lxc.payload.", "", CONTAINER_KIND_LXC },
		{ "lxc.monitor.", NULL, CONTAINER_KIND_LXC }, /* outside */
		{ "machine-lxc\\x2d", ".scope", CONTAINER_KIND_LXC },
		{ "bpm-", "", CONTAINER_KIND_BPM },
	};

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct str prefix = str_of(forms[i].prefix), suffix = str_of(forms[i].suffix);

		if (!str_starts(component, prefix) || forms[i].suffix == NULL ||
		    !str_ends(component, suffix) || component.len <= prefix.len + suffix.len)
			continue;
		component = str_from(component, prefix.len);
		*ret = id_make(str_cut(component, component.len - suffix.len), true, forms[i].kind);
		return true;
	}
	return false;
}

/* Fargate: the task's 32 digits, a dash and the container's number. */
static bool is_fargate(struct str component)
{
	struct str number = behind(component, '-');
	uint64_t value;

	return number.len < component.len && str_to_u64(number, &value) &&
	       is_hex(str_cut(component, component.len - number.len - 1), 32);
}

/* Runtimes told by the directory above. */
static bool child_component(struct str above, struct str component, struct container_id *ret)
{
	static const struct {
		const char *above;
		enum container_kind kind;
	} parents[] = {
		{ "lxc", CONTAINER_KIND_LXC },
		{ "lxc.payload", CONTAINER_KIND_LXC },
		{ "actions_job", CONTAINER_KIND_UNKNOWN },
	};

	for (size_t i = 0; i < ARRAY_LEN(parents); i++)
		if (str_eq(above, str_of(parents[i].above))) {
			*ret = id_make(component, true, parents[i].kind);
			return true;
		}
	if (str_eq(above, STR("garden")) && is_guid(component)) {
		*ret = id_make(component, true, CONTAINER_KIND_GARDEN);
		return true;
	}
	if (is_hex(above, 32) && is_fargate(component)) {
		*ret = id_make(component, true, CONTAINER_KIND_ECS);
		return true;
	}
	return false;
}

static unsigned digit_of(char c)
{
	return c >= '0' && c <= '9' ? (unsigned)(c - '0')
	       : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
				      : 16;
}

/* A uid: 32 digits, or with dashes (which systemd's names write as underscores) 36. */
static bool pod_uid(struct str text, struct container_id *ret)
{
	uint8_t bytes[16];
	unsigned digits = 0;

	if (text.len != 32 && text.len != 36)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		bool dash = text.len == 36 && (i == 8 || i == 13 || i == 18 || i == 23);
		unsigned digit = digit_of(text.at[i]);

		if (dash ? text.at[i] != '-' && text.at[i] != '_' : digit > 15)
			return false;
		if (dash)
			continue;
		bytes[digits / 2] = (uint8_t)(digits % 2 == 0 ? digit << 4 : bytes[digits / 2] | digit);
		digits++;
	}
	memcpy(ret->pod, bytes, sizeof(bytes));
	ret->pod_digits = (uint8_t)text.len;
	return true;
}

/* "podUID", "kubepods-burstable-podUID.slice", with more behind a colon in containerd's form. */
static bool pod_component(struct str component, struct container_id *ret)
{
	const char *colon = component.len == 0 ? NULL : memchr(component.at, ':', component.len);
	ptrdiff_t at;

	if (colon != NULL)
		component = str_cut(component, (size_t)(colon - component.at));
	if (str_ends(component, STR(".slice")))
		component = str_cut(component, component.len - 6);
	if (str_starts(component, STR("pod")) && pod_uid(str_from(component, 3), ret))
		return true;
	at = str_find(component, STR("-pod"));
	return at >= 0 && pod_uid(str_from(component, (size_t)at + 4), ret);
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

		if (!hex_component(above, parts[i], &id) && !named_component(parts[i], &id) &&
		    !child_component(above, parts[i], &id))
			continue;
		for (i++; i-- > 0;)
			if (pod_component(parts[i], &id))
				break;
		return id;
	}
	/* `ctr run` puts containers into /NAMESPACE/NAME; only the namespace "default" is
	 * unmistakable. */
	if (count == 2 && str_eq(parts[0], STR("default")))
		return id_make(parts[1], true, CONTAINER_KIND_CONTAINERD);
	return id;
}

struct str container_short(const struct container_id *id)
{
	struct str text = { id->text, id->len };

	if (id->len == 0)
		return STR("host");
	return id->is_name ? text : str_cut(text, CONTAINER_SHORT_MAX);
}

struct str container_kind_name(enum container_kind kind)
{
	static const char *const names[CONTAINER_KINDS] = {
		[CONTAINER_KIND_UNKNOWN] = "",	 [CONTAINER_KIND_DOCKER] = "docker",
		[CONTAINER_KIND_CONTAINERD] = "containerd", [CONTAINER_KIND_CRIO] = "cri-o",
		[CONTAINER_KIND_PODMAN] = "podman",	 [CONTAINER_KIND_LXC] = "lxc",
		[CONTAINER_KIND_BPM] = "bpm",	 [CONTAINER_KIND_GARDEN] = "garden",
		[CONTAINER_KIND_ECS] = "ecs",
	};

	return str_of(names[kind < CONTAINER_KINDS ? kind : CONTAINER_KIND_UNKNOWN]);
}

void container_pod_uid(const struct container_id *id, char ret[CONTAINER_POD_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	size_t len = 0;

	for (size_t i = 0; id->pod_digits > 0 && i < sizeof(id->pod); i++) {
		if (id->pod_digits == 36 && (i == 4 || i == 6 || i == 8 || i == 10))
			ret[len++] = '-';
		ret[len++] = digits[id->pod[i] >> 4];
		ret[len++] = digits[id->pod[i] & 15];
	}
	ret[len] = '\0';
}
