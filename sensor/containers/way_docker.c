/* Docker's view of a container: from its files, or from the API that Podman answers as well. Both
 * have nearly the same form. */
#include "sensor/containers/annotations.h"
#include "sensor/containers/socket.h"
#include "sensor/containers/way.h"

#include "base/cleanup.h"

#include <errno.h>

/* ---- reading ---- */

struct labelled {
	struct box_draft *draft;
	struct annotations known;
};

static void take_label(struct str key, struct str value, void *userdata)
{
	struct labelled *labelled = userdata;

	box_add_label(labelled->draft, key, value);
	annotations_note(&labelled->known, key, value);
}

static void take_mount(const struct doc *doc, uint32_t mount, struct box_draft *draft)
{
	struct str source = doc_text_at(doc, mount, "Source");

	/* A volume that is not mounted from a folder has a name only. */
	if (source.len == 0)
		source = doc_text_at(doc, mount, "Name");
	if (doc_is(doc, mount, JSON_OBJECT))
		box_add_mount(draft, source, doc_text_at(doc, mount, "Destination"),
			      doc_text_at(doc, mount, "Mode"),
			      doc_is(doc, doc_at(doc, mount, "RW"), JSON_TRUE),
			      doc_text_at(doc, mount, "Propagation"));
}

/* "Mounts": [{…}] in the API, "MountPoints": {"/there": {…}} on disk. */
static void take_mounts(struct way_question *question)
{
	const struct doc *doc = question->doc;
	const struct json *json = &doc->json;
	uint32_t list = doc_at(doc, 0, "Mounts"), points = doc_at(doc, 0, "MountPoints");

	if (question->draft->box.has & BOX_MOUNTS)
		return;
	if (doc_is(doc, list, JSON_ARRAY))
		for (uint32_t i = json_first(json, list); i != json_end(json, list); i = json->nodes[i].next)
			take_mount(doc, i, question->draft);
	if (doc_is(doc, points, JSON_OBJECT))
		for (uint32_t i = json_first(json, points); i != json_end(json, points);
		     i = json->nodes[i + 1].next)
			take_mount(doc, i + 1, question->draft);
	if (doc_is(doc, list, JSON_ARRAY) || doc_is(doc, points, JSON_OBJECT))
		question->draft->box.has |= BOX_MOUNTS;
}

static void take_host(struct way_question *question, uint32_t host)
{
	const struct doc *doc = question->doc;
	struct box *box = &question->draft->box;
	uint32_t privileged = doc_at(doc, host, "Privileged");

	if (!doc_is(doc, host, JSON_OBJECT))
		return;
	if (doc_is(doc, privileged, JSON_TRUE) || doc_is(doc, privileged, JSON_FALSE)) {
		box->privileged = doc_is(doc, privileged, JSON_TRUE);
		box->has |= BOX_PRIVILEGED;
	}
	box->host_pid = str_eq(doc_text_at(doc, host, "PidMode"), STR("host"));
	box->host_network = str_eq(doc_text_at(doc, host, "NetworkMode"), STR("host"));
	box->host_ipc = str_eq(doc_text_at(doc, host, "IpcMode"), STR("host"));
	box->has |= BOX_HOST_PID | BOX_HOST_NETWORK | BOX_HOST_IPC;
}

static void take_address(struct way_question *question)
{
	const struct doc *doc = question->doc;
	const struct json *json = &doc->json;
	struct box *box = &question->draft->box;
	uint32_t networks = doc_at(doc, 0, "NetworkSettings Networks");

	box_set(question->draft, &box->ip, doc_text_at(doc, 0, "NetworkSettings IPAddress"));
	if (doc_is(doc, networks, JSON_OBJECT) && json->nodes[networks].next > networks + 1)
		box_set(question->draft, &box->ip, doc_text_at(doc, networks + 2, "IPAddress"));
}

/* The first of ["repository@sha256:…"] that is of this image. */
static void take_digest(struct way_question *question, uint32_t digests)
{
	const struct doc *doc = question->doc;
	const struct json *json = &doc->json;
	struct box *box = &question->draft->box;

	if (!doc_is(doc, digests, JSON_ARRAY))
		return;
	for (uint32_t i = json_first(json, digests); i != json_end(json, digests); i = json->nodes[i].next) {
		struct str text = doc_text(doc, i);
		ptrdiff_t at = text.len == 0 ? -1 : str_find(text, STR("@"));

		if (at >= 0)
			box_set(question->draft, &box->digest, str_from(text, (size_t)at + 1));
	}
}

int way_read_docker(struct way_question *question)
{
	const struct doc *doc = question->doc;
	struct labelled labelled = { .draft = question->draft };
	struct box_draft *draft = question->draft;
	struct box *box = &draft->box;
	struct str name = doc_text_at(doc, 0, "Name"), id = doc_text_at(doc, 0, "Id");

	if (id.len == 0)
		id = doc_text_at(doc, 0, "ID");
	/* Docker also answers to names and to the beginnings of ids. */
	if (!str_eq(id, (struct str){ question->id->text, question->id->len }))
		return id.len == 0 ? -EBADMSG : -ENOENT;
	if (str_starts(name, STR("/")))
		name = str_from(name, 1);
	doc_each_text(doc, doc_at(doc, 0, "Config Labels"), take_label, &labelled);
	annotations_apply(&labelled.known, draft);
	box_set(draft, &box->name, name);
	box_set_image(draft, doc_text_at(doc, 0, "Config Image"));
	box_set_image_id(draft, doc_text_at(doc, 0, "Image"));
	take_digest(question, doc_at(doc, 0, "RepoDigests"));
	take_mounts(question);
	take_host(question, doc_at(doc, 0, "HostConfig"));
	take_address(question);
	if (box->start_ts == 0)
		box->start_ts = box_time(doc_text_at(doc, 0, "State StartedAt"));
	box->has |= BOX_FOUND | BOX_LABELS | (box->name.len > 0 ? BOX_NAME : 0u);
	return 0;
}

/* ---- Docker's files ---- */

static int ask_files(struct way_question *question)
{
	char path[256];
	int r;

	snprintf(path, sizeof(path), "/var/lib/docker/containers/%s/config.v2.json", question->id->text);
	r = doc_read(question->doc, question->root, path);
	if (r == 0)
		r = way_read_docker(question);
	if (r < 0)
		return r;
	box_set(question->draft, &question->draft->box.type, STR("docker"));
	snprintf(path, sizeof(path), "/var/lib/docker/containers/%s/hostconfig.json", question->id->text);
	if (doc_read(question->doc, question->root, path) == 0)
		take_host(question, 0);
	return 0;
}

/* ---- the API ---- */

enum { SOCKETS = 2 };

struct way_http {
	struct way_socket sockets[SOCKETS];
};

static const struct socket_row {
	const char *path, *type;
	enum container_kind kind;
} sockets[SOCKETS] = {
	{ "/run/docker.sock", "docker", CONTAINER_KIND_DOCKER },
	{ "/run/podman/podman.sock", "podman", CONTAINER_KIND_PODMAN },
};

struct way_http *way_http_new(const char *root, const _Atomic bool *cancel)
{
	struct way_http *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return NULL;
	for (size_t i = 0; i < SOCKETS; i++)
		way_socket_init(&http->sockets[i], root, sockets[i].path, false, cancel);
	return http;
}

void way_http_free(struct way_http *http)
{
	if (http == NULL)
		return;
	for (size_t i = 0; i < SOCKETS; i++)
		way_socket_done(&http->sockets[i]);
	free(http);
}

/* An answer of status 200 is in question->doc. */
static int get(struct way_question *question, size_t socket, const char *url)
{
	struct http_request request = { .method = "GET", .url = url, .answer = question->doc->bytes };
	int r = way_socket_ask(&question->http->sockets[socket], &request);

	question->doc->bytes = request.answer;
	if (r < 0)
		return r;
	if (request.status == 404)
		return -ENOENT;
	return request.status == 200 ? doc_parse(question->doc) : -EPROTO;
}

/* The container's answer has the image's id; the digest by which it was pulled is the image's. */
static void ask_image(struct way_question *question, size_t socket, struct str id)
{
	char url[160];

	if (question->draft->box.digest.len > 0 || id.len == 0 || id.len > 80)
		return;
	for (size_t i = 0; i < id.len; i++)
		if (!((id.at[i] >= '0' && id.at[i] <= '9') || (id.at[i] >= 'a' && id.at[i] <= 'z') ||
		      id.at[i] == ':'))
			return;
	snprintf(url, sizeof(url), "http://localhost/images/%.*s/json", STR_ARG(id));
	if (get(question, socket, url) == 0)
		take_digest(question, doc_at(question->doc, 0, "RepoDigests"));
}

static int ask_socket(struct way_question *question, size_t socket)
{
	char url[160];
	struct str image;
	int r;

	snprintf(url, sizeof(url), "http://localhost/containers/%s/json", question->id->text);
	r = get(question, socket, url);
	if (r == 0)
		r = way_read_docker(question);
	if (r < 0)
		return r;
	box_set(question->draft, &question->draft->box.type, str_of(sockets[socket].type));
	image = arena_str(question->doc->arena, doc_text_at(question->doc, 0, "Image"));
	if (image.at != NULL)
		ask_image(question, socket, image);
	return 0;
}

static int ask_sockets(struct way_question *question)
{
	enum container_kind kind = question->id->kind;
	int r = -ENOENT;

	if (question->http == NULL)
		return -ENOENT;
	for (size_t i = 0; i < SOCKETS && r == -ENOENT; i++)
		if ((kind == CONTAINER_KIND_UNKNOWN || kind == sockets[i].kind) &&
		    way_socket_is_there(&question->http->sockets[i]))
			r = ask_socket(question, i);
	return r;
}

const struct way way_docker_files = { "files", BOX_NAME | BOX_IMAGE | BOX_LABELS, ask_files };
const struct way way_sockets = { "api", BOX_NAME | BOX_IMAGE | BOX_LABELS, ask_sockets };
