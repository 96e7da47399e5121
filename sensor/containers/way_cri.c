/* Kubernetes' Container Runtime Interface, which containerd and CRI-O answer: gRPC, that is HTTP/2 with
 * Protocol Buffers, of which three questions are asked. The only way to a pod's labels.
 *
 * Source: k8s.io/cri-api, runtime/v1/api.proto; https://github.com/grpc/grpc, PROTOCOL-HTTP2 */
#include "sensor/containers/annotations.h"
#include "sensor/containers/proto.h"
#include "sensor/containers/socket.h"
#include "sensor/containers/way.h"

#include "base/cleanup.h"

#include <errno.h>

enum {
	FRAME_LEN = 5, /* before each message: whether it is compressed, and its length */
	SOCKETS = 3,
};

struct way_cri {
	struct way_socket sockets[SOCKETS];
};

static const struct socket_row {
	const char *path, *type;
	enum container_kind kind;
} sockets[SOCKETS] = {
	{ "/run/containerd/containerd.sock", "containerd", CONTAINER_KIND_CONTAINERD },
	{ "/run/k3s/containerd/containerd.sock", "containerd", CONTAINER_KIND_CONTAINERD },
	{ "/run/crio/crio.sock", "cri-o", CONTAINER_KIND_CRIO },
};

struct way_cri *way_cri_new(const char *root, const _Atomic bool *cancel)
{
	struct way_cri *cri = calloc(1, sizeof(*cri));

	if (cri == NULL)
		return NULL;
	for (size_t i = 0; i < SOCKETS; i++)
		way_socket_init(&cri->sockets[i], root, sockets[i].path, true, cancel);
	return cri;
}

void way_cri_free(struct way_cri *cri)
{
	if (cri == NULL)
		return;
	for (size_t i = 0; i < SOCKETS; i++)
		way_socket_done(&cri->sockets[i]);
	free(cri);
}

/* ---- one question ---- */

/* The message in its frame. An error of gRPC has a status behind an empty body. */
static int unframe(struct str answer, struct str *ret)
{
	uint32_t len = 0;

	if (answer.len < FRAME_LEN)
		return -ENOENT;
	for (size_t i = 1; i < FRAME_LEN; i++)
		len = len << 8 | (unsigned char)answer.at[i];
	*ret = str_from(answer, FRAME_LEN);
	return answer.at[0] == 0 && len == ret->len ? 0 : -EBADMSG;
}

/* Calls a method with a request of one field. The answer's message lives in `bytes`. */
static int call(struct way_cri *cri, size_t socket, const char *method, uint32_t field, struct str text,
		struct buf *bytes, struct str *ret)
{
	static const char *const headers[] = { "Content-Type: application/grpc", "TE: trailers", NULL };
	struct buf body = { 0 };
	struct http_request request = { .method = "POST", .headers = headers, .answer = *bytes };
	char url[128];
	int r;

	snprintf(url, sizeof(url), "http://localhost/runtime.v1.RuntimeService/%s", method);
	request.url = url;
	buf_add(&body, (struct str){ "\0\0\0\0", 4 }); /* not compressed; no request is long */
	buf_add_char(&body, '\0');
	proto_add_text(&body, field, text);
	if (!buf_ok(&body) || body.len > FRAME_LEN + 255) {
		buf_done(&body);
		return -EINVAL;
	}
	body.at[FRAME_LEN - 1] = (char)(body.len - FRAME_LEN);
	request.body = buf_str(&body);
	r = way_socket_ask(&cri->sockets[socket], &request);
	*bytes = request.answer;
	buf_done(&body);
	if (r < 0)
		return r;
	return request.status == 200 ? unframe(buf_str(bytes), ret) : -EPROTO;
}

/* ---- answers ---- */

/* The entries of a map: messages with a key and a value. */
static void each_entry(struct str message, uint32_t field,
		       void (*each)(struct str key, struct str value, void *userdata), void *userdata)
{
	struct proto proto = proto_of(message);

	while (proto_next(&proto))
		if (proto.field == field && proto.text.len > 0)
			each(proto_text(proto.text, 1), proto_text(proto.text, 2), userdata);
}

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

static void note(struct str key, struct str value, void *userdata)
{
	struct labelled *labelled = userdata;

	annotations_note(&labelled->known, key, value);
}

static void take_pod_label(struct str key, struct str value, void *userdata)
{
	box_add_pod_label(userdata, key, value);
}

static void take_mounts(struct box_draft *draft, struct str status)
{
	static const char *const propagation[] = { "private", "rslave", "rshared" };
	struct proto proto = proto_of(status);

	if (draft->box.has & BOX_MOUNTS)
		return;
	while (proto_next(&proto)) {
		uint64_t readonly = 0, how = 0;

		if (proto.field != 14)
			continue;
		proto_number(proto.text, 3, &readonly);
		proto_number(proto.text, 5, &how);
		box_add_mount(draft, proto_text(proto.text, 2), proto_text(proto.text, 1), STR(""),
			      readonly == 0, str_of(propagation[how < ARRAY_LEN(propagation) ? how : 0]));
	}
	draft->box.has |= BOX_MOUNTS;
}

/* "docker.io/library/nginx@sha256:…", or "sha256:…" for one that was never pulled. */
static void take_reference(struct box_draft *draft, struct str reference)
{
	ptrdiff_t at = reference.len == 0 ? -1 : str_find(reference, STR("@"));

	if (at >= 0)
		box_set(draft, &draft->box.digest, str_from(reference, (size_t)at + 1));
	else
		box_set_image_id(draft, reference);
}

int way_read_cri_container(struct box_draft *draft, const struct container_id *id, struct str answer)
{
	struct str status = proto_text(answer, 1);
	struct labelled labelled = { .draft = draft };
	struct box *box = &draft->box;
	uint64_t started;

	if (!str_eq(proto_text(status, 1), (struct str){ id->text, id->len }))
		return -ENOENT;
	each_entry(status, 12, box->has & BOX_LABELS ? note : take_label, &labelled);
	each_entry(status, 13, note, &labelled);
	annotations_apply(&labelled.known, draft);
	box_set(draft, &box->name, proto_text(proto_text(status, 2), 1));
	box_set_image(draft, proto_text(proto_text(status, 8), 1));
	take_reference(draft, proto_text(status, 9));
	take_mounts(draft, status);
	if (box->start_ts == 0 && proto_number(status, 5, &started) && started <= INT64_MAX)
		box->start_ts = (int64_t)started;
	box->has |= BOX_FOUND | BOX_LABELS | (box->name.len > 0 ? BOX_NAME : 0u);
	return 0;
}

int way_read_cri_pod(struct box_draft *draft, struct str answer)
{
	struct str status = proto_text(answer, 1), metadata = proto_text(status, 2);
	struct box *box = &draft->box;

	if (metadata.len == 0)
		return -EBADMSG;
	box_set(draft, &box->pod_name, proto_text(metadata, 1));
	box_set(draft, &box->pod_uid, proto_text(metadata, 2));
	box_set(draft, &box->pod_namespace, proto_text(metadata, 3));
	box_set(draft, &box->pod_sandbox, proto_text(status, 1));
	box_set(draft, &box->ip, proto_text(proto_text(status, 5), 1));
	each_entry(status, 7, take_pod_label, draft);
	box->has |= BOX_FOUND | BOX_POD_LABELS;
	return 0;
}

/* ---- asking ---- */

/* Which pod a container is in is told by the list only. */
static int ask_pod(struct way_question *question, size_t socket, struct str id)
{
	struct buf *bytes = &question->doc->bytes, filter = { 0 };
	struct str answer, sandbox;
	int r;

	proto_add_text(&filter, 1, id);
	r = call(question->cri, socket, "ListContainers", 1, buf_str(&filter), bytes, &answer);
	buf_done(&filter);
	if (r < 0)
		return r;
	sandbox = arena_str(question->doc->arena, proto_text(proto_text(answer, 1), 2));
	/* No container: it may be the pod's own. */
	r = call(question->cri, socket, "PodSandboxStatus", 1, sandbox.len > 0 ? sandbox : id, bytes, &answer);
	return r < 0 ? r : way_read_cri_pod(question->draft, answer);
}

/* The first pod's answer counts: labels are added, not replaced. */
static int ask_socket(struct way_question *question, size_t socket)
{
	struct str id = { question->id->text, question->id->len }, answer;
	int r = call(question->cri, socket, "ContainerStatus", 1, id, &question->doc->bytes, &answer), pod;

	if (r == 0)
		r = way_read_cri_container(question->draft, question->id, answer);
	if (r < 0 && r != -ENOENT)
		return r;
	pod = ask_pod(question, socket, id);
	if (r == 0 || pod == 0)
		box_set(question->draft, &question->draft->box.type, str_of(sockets[socket].type));
	return r == 0 ? 0 : pod;
}

static int ask_cri(struct way_question *question)
{
	enum container_kind kind = question->id->kind;
	int r = -ENOENT;

	if (question->cri == NULL)
		return -ENOENT;
	for (size_t i = 0; i < SOCKETS && r == -ENOENT; i++)
		if ((kind == CONTAINER_KIND_UNKNOWN || kind == sockets[i].kind) &&
		    way_socket_is_there(&question->cri->sockets[i]))
			r = ask_socket(question, i);
	return r;
}

const struct way way_cri = { "cri", BOX_NAME | BOX_IMAGE | BOX_LABELS | BOX_POD_LABELS, ask_cri };
