/* Fields of files, sockets and containers that follow from others. */
#include "rules/derive.h"
#include "rules/text.h"

static bool fd_is_path(struct rules_scratch *scratch)
{
	struct str kind = text_of(scratch, FIELD_FD_TYPECHAR);

	return kind.at == NULL || str_eq(kind, STR("f")) || str_eq(kind, STR("d"));
}

bool derive_fd_path_part(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	struct str name = text_of(scratch, FIELD_FD_NAME);
	size_t slash = name.len;

	if (!fd_is_path(scratch))
		return false;
	if (str_eq(text_of(scratch, FIELD_FD_TYPECHAR), STR("d"))) /* opened as one: it has no file */
		return term->base == FIELD_FD_DIRECTORY && name.len > 0 && give_text(ret, name);
	while (slash > 0 && name.at[slash - 1] != '/')
		slash--;
	if (slash == 0)
		return false;
	if (term->base == FIELD_FD_FILENAME)
		return give_text(ret, str_from(name, slash));
	return give_text(ret, slash == 1 ? str_cut(name, 1) : str_cut(name, slash - 1));
}

static const struct {
	struct str typechar, type;
} fd_types[] = {
	{ STR("f"), STR("file") },	{ STR("d"), STR("directory") },
	{ STR("4"), STR("ipv4") },	{ STR("6"), STR("ipv6") },
	{ STR("u"), STR("unix") },	{ STR("p"), STR("pipe") },
	{ STR("e"), STR("event") },	{ STR("s"), STR("signalfd") },
	{ STR("l"), STR("eventpoll") }, { STR("i"), STR("inotify") },
	{ STR("t"), STR("timerfd") },	{ STR("n"), STR("netlink") },
	{ STR("b"), STR("bpf") },	{ STR("r"), STR("io_uring") },
	{ STR("m"), STR("memfd") },	{ STR("P"), STR("pidfd") },
};

bool derive_fd_type(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	bool forward = term->base == FIELD_FD_TYPE;
	struct str have = text_of(scratch, forward ? FIELD_FD_TYPECHAR : FIELD_FD_TYPE);

	for (size_t i = 0; i < ARRAY_LEN(fd_types); i++)
		if (str_eq(have, forward ? fd_types[i].typechar : fd_types[i].type))
			return give_text(ret, forward ? fd_types[i].type : fd_types[i].typechar);
	return false;
}

bool derive_fd_family(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	struct str kind = text_of(scratch, FIELD_FD_TYPECHAR);

	(void)term;
	if (str_eq(kind, STR("4")) || str_eq(kind, STR("6")))
		return give_text(ret, STR("ip"));
	return str_eq(kind, STR("u")) && give_text(ret, STR("unix"));
}

/* "address:port" cut at the last colon. */
static bool cut_endpoint(struct str text, bool port, struct str *ret)
{
	size_t colon = text.len;

	while (colon > 0 && text.at[colon - 1] != ':')
		colon--;
	if (colon < 2)
		return false;
	*ret = port ? str_from(text, colon) : str_cut(text, colon - 1);
	return ret->len > 0;
}

/* Out of a socket's name, "1.2.3.4:5->6.7.8.9:10". */
static bool endpoint_of(struct rules_scratch *scratch, field_id id, struct str *ret)
{
	struct str kind = text_of(scratch, FIELD_FD_TYPECHAR), name;
	bool server = id == FIELD_FD_SIP || id == FIELD_FD_SPORT;
	bool port = id == FIELD_FD_CPORT || id == FIELD_FD_SPORT;
	struct net_addr unused;
	ptrdiff_t arrow;

	*ret = text_of(scratch, id);
	if (ret->len > 0)
		return true;
	if (kind.len > 0 && kind.at[0] != '4' && kind.at[0] != '6')
		return false;
	name = text_of(scratch, FIELD_FD_NAME);
	arrow = str_find(name, STR("->"));
	if (name.len == 0 || arrow < 0)
		return false;
	name = server ? str_from(name, (size_t)arrow + 2) : str_cut(name, (size_t)arrow);
	return cut_endpoint(name, port, ret) && (port || net_addr_parse(*ret, &unused));
}

bool derive_fd_endpoint(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	struct str text;

	return endpoint_of(scratch, term->base, &text) && give_text(ret, text);
}

/* The field of the same kind that says what a local, remote, or network field does not. */
bool derive_fd_by_role(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	bool port = term->base == FIELD_FD_LPORT || term->base == FIELD_FD_RPORT;
	bool local = term->base == FIELD_FD_LIP || term->base == FIELD_FD_LPORT ||
		     term->base == FIELD_FD_LNET;
	field_id own = term->base == FIELD_FD_LNET ? FIELD_FD_LIP : FIELD_FD_RIP;
	struct str text;
	bool server;

	if ((term->base == FIELD_FD_LNET || term->base == FIELD_FD_RNET) && same(scratch, own, ret))
		return true;
	if (!value_to_bool(get(scratch, FIELD_FD_IS_SERVER), &server))
		return false;
	if (!endpoint_of(scratch,
			 server == local ? (port ? FIELD_FD_SPORT : FIELD_FD_SIP)
					 : (port ? FIELD_FD_CPORT : FIELD_FD_CIP),
			 &text))
		return false;
	return give_text(ret, text);
}

bool derive_fd_side_net(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	struct str text;

	return endpoint_of(scratch, term->base == FIELD_FD_CNET ? FIELD_FD_CIP : FIELD_FD_SIP,
			   &text) &&
	       give_text(ret, text);
}

bool derive_fd_dev_part(struct rules_scratch *scratch, const struct term *term, struct value *ret)
{
	__int128 dev;

	if (!number_of(scratch, FIELD_FD_DEV, &dev))
		return false;
	/* As programs know it: the minor's low 8 bits, 12 of the major, the rest of the minor. */
	*ret = value_i64(term->base == FIELD_FD_DEV_MAJOR ? (int64_t)(dev >> 8 & 0xfff)
							  : (int64_t)((dev & 0xff) | (dev >> 12 & 0xfff00)));
	return true;
}

bool derive_container_image(struct rules_scratch *scratch, const struct term *term,
			    struct value *ret)
{
	struct str repository = text_of(scratch, FIELD_CONTAINER_IMAGE_REPOSITORY);
	struct str tag = text_of(scratch, FIELD_CONTAINER_IMAGE_TAG);
	char *out;

	(void)term;
	if (repository.len == 0 || tag.len == 0)
		return give_text(ret, repository) && repository.len > 0;
	out = scratch_take(scratch, repository.len + 1 + tag.len);
	if (out == NULL)
		return false;
	memcpy(out, repository.at, repository.len);
	out[repository.len] = ':';
	memcpy(out + repository.len + 1, tag.at, tag.len);
	return give_text(ret, (struct str){ .at = out, .len = repository.len + 1 + tag.len });
}

/* The part of "source:destination:mode:rw:propagation" at `at`. */
static struct str mount_part(struct str mount, unsigned at)
{
	for (; at > 0; at--) {
		const char *colon = mount.len == 0 ? NULL : memchr(mount.at, ':', mount.len);

		mount = str_from(mount, colon == NULL ? mount.len : (size_t)(colon - mount.at) + 1);
	}
	for (size_t i = 0; i < mount.len; i++)
		if (mount.at[i] == ':')
			return str_cut(mount, i);
	return mount;
}

static bool mount_wanted(const struct term *term, struct str mount, int64_t number)
{
	if (term->index >= 0)
		return term->index == number;
	/* By the other end: a source is asked for by its destination, all else by the source. */
	return text_glob(term->arg, mount_part(mount, term->base == FIELD_CONTAINER_MOUNT_SOURCE),
			 false);
}

bool derive_container_mount(struct rules_scratch *scratch, const struct term *term,
			    struct value *ret)
{
	static const field_id parts[] = { FIELD_CONTAINER_MOUNT_SOURCE, FIELD_CONTAINER_MOUNT_DEST,
					  FIELD_CONTAINER_MOUNT_MODE, FIELD_CONTAINER_MOUNT_RDWR,
					  FIELD_CONTAINER_MOUNT_PROPAGATION };
	const struct value *mounts = get(scratch, FIELD_CONTAINER_MOUNTS);
	struct str rest = mounts->kind == VALUE_STR ? value_as_str(mounts) : (struct str){ 0 };

	for (int64_t number = 0;; number++) {
		struct str mount;
		const char *comma;

		if (mounts->kind == VALUE_LIST) {
			if (number >= mounts->len)
				return false;
			mount = mounts->list[number].kind == VALUE_STR
					? value_as_str(&mounts->list[number])
					: (struct str){ 0 };
		} else {
			if (rest.len == 0)
				return false;
			comma = memchr(rest.at, ',', rest.len);
			mount = comma == NULL ? rest : str_cut(rest, (size_t)(comma - rest.at));
			rest = str_from(rest, mount.len + 1);
		}
		if (!mount_wanted(term, mount, number))
			continue;
		for (unsigned i = 0; i < ARRAY_LEN(parts); i++)
			if (parts[i] == term->base)
				return give_text(ret, mount_part(mount, i));
		return give_text(ret, mount);
	}
}

void derive_two_sides(struct rules_scratch *scratch, const struct term *term, struct slot *slot)
{
	bool port = term->base == FIELD_FD_PORT || term->base == FIELD_FD_PROTO;
	struct value *values = scratch_take(scratch, 2 * sizeof(*values));
	struct str text;

	if (values == NULL)
		return;
	if (endpoint_of(scratch, port ? FIELD_FD_CPORT : FIELD_FD_CIP, &text))
		values[slot->count++] = value_str(text);
	if (endpoint_of(scratch, port ? FIELD_FD_SPORT : FIELD_FD_SIP, &text))
		values[slot->count++] = value_str(text);
	slot->values = values;
}
