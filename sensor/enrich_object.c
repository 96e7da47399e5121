/* What the descriptor was: a file with its path, a socket with both ends, a pipe or something
 * without a name. */
#include "sensor/enrich_inner.h"

#include "base/cleanup.h"
#include "sensor/record_text.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <sys/un.h>

enum { TCP_ESTABLISHED_STATE = 1, TCP_LISTEN_STATE = 10 };
enum { EPHEMERAL_PORT = 32768 }; /* from here on Linux takes one for who begins a connection */

/* One end of a connection. */
struct endpoint {
	char ip[INET6_ADDRSTRLEN];
	uint16_t port;
};

static const struct {
	const char *prefix;
	const char *type;
	char typechar;
} anonymous[] = {
	{ "memfd:", "memfd", 'm' },
	{ "[eventfd]", "event", 'e' },
	{ "[eventpoll]", "eventpoll", 'l' },
	{ "[signalfd]", "signalfd", 's' },
	{ "[timerfd]", "timerfd", 't' },
	{ "inotify", "inotify", 'i' },
	{ "[userfaultfd]", "userfaultfd", 'u' },
	{ "[io_uring]", "io_uring", 'r' },
	{ "[pidfd]", "pidfd", 'P' },
	{ "bpf-", "bpf", 'b' },
};

static void put_type(struct enrich *enrich, const char *type, char typechar)
{
	enrich->fd_typechar = typechar;
	enrich_put_borrowed(enrich, FIELD_FD_TYPE, str_of(type));
	enrich_put_borrowed(enrich, FIELD_FD_TYPECHAR, (struct str){ &enrich->fd_typechar, 1 });
}

static void put_name(struct enrich *enrich, struct str name)
{
	enrich->fd_name = name;
	enrich_put_borrowed(enrich, FIELD_FD_NAME, name);
}

static size_t anonymous_row(struct str name)
{
	size_t i = 0;

	while (i < ARRAY_LEN(anonymous) && !str_starts(name, str_of(anonymous[i].prefix)))
		i++;
	return i;
}

const char *enrich_anonymous(struct str name)
{
	size_t i = anonymous_row(name);

	return i < ARRAY_LEN(anonymous) ? anonymous[i].type : "unknown";
}

static void put_anonymous(struct enrich *enrich, struct str name)
{
	size_t i;

	name = str_from(name, 1); /* the walk's slash */
	if (name.len == 0) { /* since 6.9 in a file system of its own, where the kernel's walk finds no name */
		put_type(enrich, "pidfd", 'P');
		return;
	}
	i = anonymous_row(name);
	if (i == ARRAY_LEN(anonymous)) {
		put_type(enrich, "unknown", 'o');
		return;
	}
	put_type(enrich, anonymous[i].type, anonymous[i].typechar);
	if (anonymous[i].typechar == 'm')
		put_name(enrich, str_from(name, strlen(anonymous[i].prefix)));
}

/* Four numbers with dots, many times a second, where inet_ntop() would go through printf. */
static void v4_text(const uint8_t *bytes, char *out)
{
	for (int i = 0; i < 4; i++) {
		if (bytes[i] >= 100)
			*out++ = (char)('0' + bytes[i] / 100);
		if (bytes[i] >= 10)
			*out++ = (char)('0' + bytes[i] / 10 % 10);
		*out++ = (char)('0' + bytes[i] % 10);
		*out++ = i < 3 ? '.' : '\0';
	}
}

/* IPv4 addresses mapped into IPv6 count as IPv4, as in Falco. */
static bool ip_text(uint16_t family, const uint8_t *bytes, char *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool is_mapped = family == AF_INET6 && memcmp(bytes, mapped, sizeof(mapped)) == 0;

	if (is_mapped || family == AF_INET) {
		v4_text(is_mapped ? bytes + 12 : bytes, out);
		return true;
	}
	inet_ntop(family, bytes, out, INET6_ADDRSTRLEN);
	return false;
}

static struct str protocol_name(const struct record_object *object)
{
	if (object->socket_type == SOCK_RAW)
		return STR("raw");
	switch (object->protocol) {
	case IPPROTO_MPTCP: /* whose other end may speak TCP only */
	case IPPROTO_TCP: return STR("tcp");
	case IPPROTO_UDPLITE:
	case IPPROTO_UDP: return STR("udp");
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6: return STR("icmp");
	default: return STR("<NA>");
	}
}

static bool is_send(const struct record *record)
{
	return record->nr == SYS_sendto || record->nr == SYS_sendmsg || record->nr == SYS_sendmmsg;
}

static bool is_receive(const struct record *record)
{
	return record->nr == SYS_recvfrom || record->nr == SYS_recvmsg || record->nr == SYS_recvmmsg;
}

/* A message carries its other end with it. */
static bool is_message(const struct record *record)
{
	return is_send(record) || is_receive(record);
}

/* The address argument, for a socket that is not connected, or not any more. With messages the kernel takes an IPv4
 * address by a socket of IPv6, too, and one that does not say that it is one. */
static bool remote_of_argument(const struct record *record, uint8_t *ret_ip, uint16_t *ret_port)
{
	struct str address = record_text(record, RECORD_STRING_ADDRESS);
	struct sockaddr_storage room = { 0 };
	const struct sockaddr_in *in = (const struct sockaddr_in *)&room;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&room;
	const bool is_ipv6 = record->object.family == AF_INET6;
	bool is_v4;

	if (address.len < sizeof(*in) || address.len > sizeof(room))
		return false;
	memcpy(&room, address.at, address.len);
	is_v4 = room.ss_family == AF_INET || (room.ss_family == AF_UNSPEC && is_message(record) && !is_ipv6);
	if (is_v4 && (!is_ipv6 || is_message(record))) {
		if (is_ipv6)
			memcpy(ret_ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
		memcpy(ret_ip + (is_ipv6 ? 12 : 0), &in->sin_addr, 4);
		*ret_port = ntohs(in->sin_port);
		return true;
	}
	if (!is_ipv6 || room.ss_family != AF_INET6 || address.len < offsetof(struct sockaddr_in6, sin6_scope_id))
		return false;
	memcpy(ret_ip, &in6->sin6_addr, 16);
	*ret_port = ntohs(in6->sin6_port);
	return true;
}

/* Who sends or receives by a connection may be at either end of it. */
static bool is_of_connection(const struct record *record)
{
	const uint16_t protocol = record->object.protocol;

	return (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP) && record->object.remote_port != 0;
}

/* Who began. Remembered by the socket's inode number from connect and accept on. */
static enum socket_role role_of(struct enrich *enrich)
{
	const struct record *record = enrich->record;
	struct socket_memory *memory = &enrich->sockets[record->object.ino % ENRICH_SOCKETS];
	enum socket_role seen = SOCKET_UNKNOWN;

	if (record->nr == SYS_connect || (is_send(record) && !is_of_connection(record)))
		seen = SOCKET_CLIENT;
	else if (record->nr == SYS_accept || record->nr == SYS_accept4 ||
		 record->nr == SYS_listen || record->nr == SYS_bind)
		seen = SOCKET_SERVER;
	else if (is_receive(record) && !is_of_connection(record) && memory->ino != record->object.ino)
		seen = SOCKET_SERVER; /* nothing was sent before */
	if (seen != SOCKET_UNKNOWN)
		*memory = (struct socket_memory){ record->object.ino, seen };
	else if (memory->ino == record->object.ino)
		seen = memory->role;
	if (seen == SOCKET_UNKNOWN && record->object.remote_port != 0)
		seen = record->object.local_port < EPHEMERAL_PORT && record->object.remote_port >= EPHEMERAL_PORT
			       ? SOCKET_SERVER : SOCKET_CLIENT;
	return seen;
}

/* The name by which rules know an address. */
static void put_host(struct enrich *enrich, field_id id, const struct endpoint *endpoint)
{
	if (enrich->settings.hosts != NULL && enrich_wants(enrich, id))
		enrich_put(enrich, id, hosts_find(enrich->settings.hosts, str_of(endpoint->ip)));
}

static void add_endpoint(struct buf *out, const struct endpoint *endpoint)
{
	buf_add(out, str_of(endpoint->ip));
	buf_add_char(out, ':');
	buf_add_u64(out, endpoint->port);
}

/* Who serves, alone or with who is served before it. */
static struct str name_of_ends(struct enrich *enrich, const struct endpoint *client, const struct endpoint *server)
{
	struct str name;

	if (client != NULL) {
		add_endpoint(&enrich->text, client);
		buf_add(&enrich->text, STR("->"));
	}
	add_endpoint(&enrich->text, server);
	name = arena_str(&enrich->arena, buf_str(&enrich->text));
	buf_clear(&enrich->text);
	return name;
}

static void put_endpoints(struct enrich *enrich, const struct endpoint *local,
			  const struct endpoint *remote, enum socket_role role)
{
	const struct endpoint *client = role == SOCKET_SERVER ? remote : local;
	const struct endpoint *server = role == SOCKET_SERVER ? local : remote;
	bool alone = role == SOCKET_SERVER && remote->port == 0;

	enrich_put(enrich, FIELD_FD_LIP, str_of(local->ip));
	enrich_put_int(enrich, FIELD_FD_LPORT, local->port);
	enrich_put(enrich, FIELD_FD_SIP, str_of(server->ip));
	enrich_put_int(enrich, FIELD_FD_SPORT, server->port);
	put_host(enrich, FIELD_FD_LIP_NAME, local);
	put_host(enrich, FIELD_FD_SIP_NAME, server);
	if (!alone) {
		enrich_put(enrich, FIELD_FD_RIP, str_of(remote->ip));
		enrich_put_int(enrich, FIELD_FD_RPORT, remote->port);
		enrich_put(enrich, FIELD_FD_CIP, str_of(client->ip));
		enrich_put_int(enrich, FIELD_FD_CPORT, client->port);
		put_host(enrich, FIELD_FD_RIP_NAME, remote);
		put_host(enrich, FIELD_FD_CIP_NAME, client);
	}
	put_name(enrich, name_of_ends(enrich, alone ? NULL : client, server));
	enrich_put_bool(enrich, FIELD_FD_IS_SERVER, role == SOCKET_SERVER);
}

static void put_inet(struct enrich *enrich)
{
	const struct record *record = enrich->record;
	const struct record_object *object = &record->object;
	struct endpoint local = { .port = object->local_port },
			remote = { .port = object->remote_port };
	uint8_t ip[16];
	enum socket_role role;
	bool v4, changed = false;

	memcpy(ip, object->remote, sizeof(ip));
	if ((object->remote_port == 0 || is_message(record)) && record->nr != SYS_bind)
		changed = remote_of_argument(record, ip, &remote.port);
	v4 = ip_text(object->family, object->local, local.ip);
	v4 |= ip_text(object->family, ip, remote.ip);
	put_type(enrich, v4 ? "ipv4" : "ipv6", v4 ? '4' : '6');
	enrich_put_borrowed(enrich, FIELD_FD_SOCKFAMILY, STR("ip"));
	enrich_put_borrowed(enrich, FIELD_FD_L4PROTO, protocol_name(object));
	enrich_put_bool(enrich, FIELD_FD_CONNECTED,
			object->state == TCP_ESTABLISHED_STATE && object->remote_port != 0);
	enrich_put_bool(enrich, FIELD_FD_NAME_CHANGED, changed && is_message(record) && !(record->flags & RECORD_SAME_PEER));
	role = role_of(enrich);
	if (role != SOCKET_UNKNOWN)
		put_endpoints(enrich, &local, &remote, role);
}

/* Falco shows both ends' kernel addresses here; ours are not given away. */
static struct str name_of_unix(struct enrich *enrich, struct str path)
{
	struct str name;

	buf_add(&enrich->text, STR("0->0 "));
	buf_add(&enrich->text, path);
	name = arena_str(&enrich->arena, buf_str(&enrich->text));
	buf_clear(&enrich->text);
	return name;
}

struct str enrich_stdin_name(struct enrich *enrich)
{
	const struct record_object *object = &enrich->record->object;
	struct endpoint local = { .port = object->local_port }, remote = { .port = object->remote_port };
	bool serves;

	if (object->family == AF_UNIX)
		return name_of_unix(enrich, record_text(enrich->record, RECORD_STRING_UNIX));
	if (object->family != AF_INET && object->family != AF_INET6)
		return STR("");
	ip_text(object->family, object->local, local.ip);
	ip_text(object->family, object->remote, remote.ip);
	serves = role_of(enrich) == SOCKET_SERVER;
	return serves ? name_of_ends(enrich, &remote, &local) : name_of_ends(enrich, &local, &remote);
}

/* With the sign that everybody writes in the place of the NUL. */
static struct str name_of_abstract(struct enrich *enrich, struct str name)
{
	struct str text;

	buf_add_char(&enrich->text, '@');
	buf_add(&enrich->text, str_cut(name, name.len == 0 ? 0 : strnlen(name.at, name.len)));
	text = arena_str(&enrich->arena, buf_str(&enrich->text));
	buf_clear(&enrich->text);
	return text;
}

static void put_unix(struct enrich *enrich)
{
	const struct record *record = enrich->record;
	struct str path = record_text(record, RECORD_STRING_UNIX);
	struct str address = record_text(record, RECORD_STRING_ADDRESS);
	size_t head = offsetof(struct sockaddr_un, sun_path);

	if (address.len > head && address.at[head] == '\0') /* an abstract one */
		path = name_of_abstract(enrich, str_from(address, head + 1));
	else if (address.len > head)
		path = (struct str){ address.at + head,
				     strnlen(address.at + head, address.len - head) };
	put_type(enrich, "unix", 'u');
	enrich_put_borrowed(enrich, FIELD_FD_SOCKFAMILY, STR("unix"));
	enrich_put_borrowed(enrich, FIELD_FD_L4PROTO, STR("<NA>"));
	put_name(enrich, name_of_unix(enrich, path));
}

static void put_socket(struct enrich *enrich)
{
	switch (enrich->record->object.family) {
	case AF_INET:
	case AF_INET6: put_inet(enrich); break;
	case AF_UNIX: put_unix(enrich); break;
	case AF_NETLINK: put_type(enrich, "netlink", 'n'); break;
	default: put_type(enrich, "unknown", 'o'); break;
	}
}

/* Of a file that is in no directory, a namespace's: as it was asked for, else by its number. The kernel's walk finds no
 * name, /proc one like "uts:[4026531838]".
 */
static struct str name_of_namespace(struct enrich *enrich, struct str path)
{
	if (str_starts(enrich->path, STR("/")) && !str_eq(enrich->path, path))
		return enrich->path;
	if (path.at[0] != '/')
		return path;
	buf_addf(&enrich->text, "namespace:[%llu]", (unsigned long long)enrich->record->object.ino);
	path = arena_str(&enrich->arena, buf_str(&enrich->text));
	buf_clear(&enrich->text);
	return path;
}

/* The base path of directory and file name are the rules' to derive; the hub does not need them on
 * the wire. */
static void put_file(struct enrich *enrich, const char *type, char typechar)
{
	struct str path = record_text(enrich->record, RECORD_STRING_PATH);
	bool nowhere = typechar == 'f' && path.len > 0 && (path.at[0] != '/' || path.len == 1);

	put_type(enrich, type, typechar);
	put_name(enrich, nowhere ? name_of_namespace(enrich, path) : path);
	if (enrich->fd_name.at == NULL)
		enrich_put_null(enrich, FIELD_FD_NAME);
	else if (record_is_cut(enrich->record, RECORD_STRING_PATH))
		enrich_cut(enrich, FIELD_FD_NAME);
}

static void put_kind(struct enrich *enrich)
{
	switch ((enum record_object_kind)enrich->record->object.kind) {
	case RECORD_OBJECT_FILE:
	case RECORD_OBJECT_DEVICE: put_file(enrich, "file", 'f'); break;
	case RECORD_OBJECT_DIRECTORY: put_file(enrich, "directory", 'd'); break;
	case RECORD_OBJECT_PIPE: put_type(enrich, "pipe", 'p'); break;
	case RECORD_OBJECT_SOCKET: put_socket(enrich); break;
	case RECORD_OBJECT_ANONYMOUS:
		put_anonymous(enrich, record_text(enrich->record, RECORD_STRING_PATH));
		break;
	case RECORD_OBJECT_NONE: break;
	}
}

/* An open that failed, or made no descriptor: what it opened is known from its argument only. */
static void put_open_by_name(struct enrich *enrich)
{
	enrich_put_int(enrich, FIELD_FD_NUM, enrich->record->ret < 0 ? -1 : enrich->record->ret);
	/* What was not opened is a file to rules, be it that it was to be a directory. */
	if (enrich->record->ret >= 0 && (enrich->record->args[4] & O_DIRECTORY))
		put_type(enrich, "directory", 'd');
	else
		put_type(enrich, "file", 'f');
	put_name(enrich, enrich->path);
	if (enrich->path.len == 0 && (enrich->record->flags & RECORD_FAULT))
		enrich_put_null(enrich, FIELD_FD_NAME);
	else if (enrich->path_cut)
		enrich_cut(enrich, FIELD_FD_NAME);
}

/* A program that was started on a connection: a shell behind inetd, or an intruder's. */
static void put_stdin(struct enrich *enrich)
{
	const struct record_object *object = &enrich->record->object;
	char ip[INET6_ADDRSTRLEN];
	const char *type = "unix";

	if (!(enrich->record->flags & RECORD_HAS_OBJECT))
		return;
	if (object->family == AF_INET || object->family == AF_INET6)
		type = ip_text(object->family, object->remote, ip) ? "ipv4" : "ipv6";
	else if (object->family != AF_UNIX)
		return;
	enrich_put_borrowed(enrich, FIELD_PROC_STDIN_TYPE, str_of(type));
}

void enrich_object(struct enrich *enrich)
{
	const struct record *record = enrich->record;
	bool is_open = enrich->call != NULL && (enrich->call->plan.flags & PLAN_OPEN) &&
		       record->type == RECORD_CALL;

	if (record->type == RECORD_EXEC) {
		put_stdin(enrich);
		return;
	}
	if (is_open)
		enrich_put_borrowed(enrich, FIELD_FD_NAMERAW,
				    record_text(record, RECORD_STRING_NAME));
	if (is_open && (record->flags & RECORD_FAULT) && record_text(record, RECORD_STRING_NAME).at == NULL)
		enrich_put_null(enrich, FIELD_FD_NAMERAW);
	if (!(record->flags & RECORD_HAS_OBJECT)) {
		if (is_open)
			put_open_by_name(enrich);
		return;
	}
	enrich_put_int(enrich, FIELD_FD_NUM, record->object.fd);
	put_kind(enrich);
	if (record->object.kind == RECORD_OBJECT_FILE) {
		enrich_put_int(enrich, FIELD_FD_INO, (int64_t)record->object.ino);
		enrich_put_int(enrich, FIELD_FD_DEV, device_number(record->object.dev));
	}
}
