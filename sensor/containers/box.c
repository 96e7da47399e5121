/* Drafts and sealed boxes. */
#include "sensor/containers/box.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <time.h>

enum { IMAGE_ID_SHORT = 12 };

void box_draft_begin(struct box_draft *draft)
{
	if (draft->arena.limit == 0)
		arena_init(&draft->arena, BOX_ARENA_MAX);
	arena_reset(&draft->arena);
	buf_clear(&draft->mounts);
	draft->box = (struct box){ 0 };
	draft->mounts_count = 0;
	draft->rootfs[0] = '\0';
	draft->first_pid = 0;
}

void box_draft_done(struct box_draft *draft)
{
	arena_done(&draft->arena);
	buf_done(&draft->mounts);
}

void box_set(struct box_draft *draft, struct str *field, struct str text)
{
	if (field->len > 0 || text.len == 0)
		return;
	if (text.len > BOX_TEXT_MAX || memchr(text.at, '\0', text.len) != NULL) {
		draft->box.has |= BOX_CUT;
		return;
	}
	text = arena_str(&draft->arena, text);
	if (text.at != NULL)
		*field = text;
}

static bool is_digest(struct str s)
{
	return str_starts(s, STR("sha256:")) || str_starts(s, STR("sha512:"));
}

void box_set_image_id(struct box_draft *draft, struct str id)
{
	if (is_digest(id))
		id = str_from(id, 7);
	if (id.len >= 64)
		box_set(draft, &draft->box.image_id, str_cut(id, IMAGE_ID_SHORT));
}

static bool is_bare_id(struct str image)
{
	for (size_t i = 0; i < image.len; i++)
		if (!((image.at[i] >= '0' && image.at[i] <= '9') ||
		      (image.at[i] >= 'a' && image.at[i] <= 'f')))
			return false;
	return image.len == 64;
}

void box_set_image(struct box_draft *draft, struct str image)
{
	struct box *box = &draft->box;
	ptrdiff_t at;
	size_t colon;

	if (box->image.len > 0 || image.len == 0)
		return;
	if (is_digest(image) || is_bare_id(image)) {
		box_set_image_id(draft, image);
		return;
	}
	at = str_find(image, STR("@"));
	if (at >= 0) {
		box_set(draft, &box->digest, str_from(image, (size_t)at + 1));
		image = str_cut(image, (size_t)at);
	}
	box_set(draft, &box->image, image);
	for (colon = image.len; colon > 0 && image.at[colon - 1] != ':'; colon--)
		if (image.at[colon - 1] == '/') { /* the colon before it is a port's */
			colon = 0;
			break;
		}
	box_set(draft, &box->repository, colon > 0 ? str_cut(image, colon - 1) : image);
	if (colon > 0)
		box_set(draft, &box->tag, str_from(image, colon));
	if (box->repository.len > 0)
		box->has |= BOX_IMAGE;
}

static struct str bounded(struct box_draft *draft, struct str text)
{
	if (text.len > BOX_VALUE_MAX)
		draft->box.has |= BOX_CUT;
	return arena_str(&draft->arena, str_cut(text, BOX_VALUE_MAX));
}

static void add_label(struct box_draft *draft, struct box_labels *labels, struct box_label *room,
		      struct str key, struct str value)
{
	labels->at = room;
	for (size_t i = 0; i < labels->count; i++)
		if (str_eq(room[i].key, key))
			return;
	if (key.len == 0)
		return;
	if (labels->count == BOX_LABELS_MAX || key.len > BOX_VALUE_MAX) {
		draft->box.has |= BOX_CUT;
		return;
	}
	room[labels->count] = (struct box_label){ bounded(draft, key), bounded(draft, value) };
	if (room[labels->count].key.at != NULL && room[labels->count].value.at != NULL)
		labels->count++;
	else
		draft->box.has |= BOX_CUT;
}

void box_add_label(struct box_draft *draft, struct str key, struct str value)
{
	add_label(draft, &draft->box.labels, draft->labels, key, value);
}

void box_add_pod_label(struct box_draft *draft, struct str key, struct str value)
{
	add_label(draft, &draft->box.pod_labels, draft->pod_labels, key, value);
}

void box_add_mount(struct box_draft *draft, struct str source, struct str destination,
		   struct str mode, bool writable, struct str propagation)
{
	struct buf *text = &draft->mounts;

	if (source.len > BOX_VALUE_MAX || destination.len > BOX_VALUE_MAX ||
	    draft->mounts_count == BOX_MOUNTS_MAX) {
		draft->box.has |= BOX_CUT;
		return;
	}
	if (draft->mounts_count++ > 0)
		buf_add_char(text, ',');
	buf_add(text, source);
	buf_add_char(text, ':');
	buf_add(text, destination);
	buf_add_char(text, ':');
	buf_add(text, str_cut(mode, 32));
	buf_add(text, writable ? STR(":true:") : STR(":false:"));
	buf_add(text, str_cut(propagation, 32));
	draft->box.mounts = buf_ok(text) ? buf_str(text) : STR("");
}

int64_t box_time(struct str text)
{
	char copy[32];
	struct tm tm = { 0 };
	int64_t ns = 0, step = NS_PER_S / 10;
	const char *rest;
	time_t seconds;

	if (text.len < 20)
		return 0;
	text = str_cut(text, sizeof(copy) - 1);
	memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
	if (rest == NULL)
		return 0;
	if (*rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, step /= 10)
			ns += (*rest - '0') * step;
	seconds = timegm(&tm);
	/* Runtimes write UTC; what another zone says is left open. A date before 2000 is "never". */
	return *rest != 'Z' || seconds < 946684800 || seconds > 9000000000 ? 0 : seconds * NS_PER_S + ns;
}

/* ---- sealing ---- */

/* Every text of a box, in one order for counting and copying. */
enum { TEXTS = 15 };

static void texts_of(struct box *box, struct str *ret[TEXTS])
{
	struct str *all[TEXTS] = { &box->name,	     &box->type,	  &box->image,
				   &box->repository, &box->tag,		  &box->digest,
				   &box->image_id,   &box->ip,		  &box->mounts,
				   &box->pod_name,   &box->pod_namespace, &box->pod_uid,
				   &box->pod_sandbox, &box->labels.text,  &box->pod_labels.text };

	memcpy(ret, all, sizeof(all));
}

static size_t labels_text_len(const struct box_labels *labels)
{
	size_t len = 0;

	for (size_t i = 0; i < labels->count; i++)
		len += (i > 0 ? 2 : 0) + labels->at[i].key.len + 1 + labels->at[i].value.len;
	return len;
}

static struct str put(char **to, struct str text)
{
	struct str copy = { *to, text.len };

	if (text.len > 0)
		memcpy(*to, text.at, text.len);
	*to += text.len;
	return copy;
}

/* The list's text is its pieces too: keys and values are spans of it. */
static void put_labels(struct box_labels *labels, struct box_label *room, char **to)
{
	const struct box_label *from = labels->at;

	labels->text.at = *to;
	for (size_t i = 0; i < labels->count; i++) {
		if (i > 0)
			put(to, STR(", "));
		room[i].key = put(to, from[i].key);
		put(to, STR(":"));
		room[i].value = put(to, from[i].value);
	}
	labels->at = room;
	labels->text.len = (size_t)(*to - labels->text.at);
}

const struct box_name *box_find(const struct box_names *names, uint32_t id)
{
	for (size_t i = 0; i < names->count; i++)
		if (names->at[i].id == id)
			return &names->at[i];
	return NULL;
}

struct str box_name_of(const struct box_names *names, uint32_t id)
{
	const struct box_name *one = box_find(names, id);

	return one == NULL ? (struct str){ 0 } : one->name;
}

static size_t names_text_len(const struct box_names *names)
{
	size_t len = 0;

	for (size_t i = 0; i < names->count; i++)
		len += names->at[i].name.len + names->at[i].home.len + names->at[i].shell.len;
	return len;
}

static void put_names(struct box_names *names, struct box_name *room, char **to)
{
	for (size_t i = 0; i < names->count; i++)
		room[i] = (struct box_name){ names->at[i].id, put(to, names->at[i].name), put(to, names->at[i].home),
					     put(to, names->at[i].shell) };
	names->at = room;
}

struct box *box_seal(const struct box_draft *draft)
{
	struct box from = draft->box, *box;
	struct str *texts[TEXTS];
	size_t labels = from.labels.count + from.pod_labels.count;
	size_t names = from.users.count + from.groups.count;
	size_t size = sizeof(*box) + labels * sizeof(struct box_label) + names * sizeof(struct box_name) +
		      labels_text_len(&from.labels) + labels_text_len(&from.pod_labels) +
		      names_text_len(&from.users) + names_text_len(&from.groups);
	struct box_label *room;
	struct box_name *people;
	char *to;

	texts_of(&from, texts);
	for (size_t i = 0; i < TEXTS; i++)
		size += texts[i]->len;
	box = malloc(size);
	if (box == NULL)
		return NULL;
	*box = from;
	box->bytes = size;
	room = (struct box_label *)(box + 1);
	people = (struct box_name *)(room + labels);
	to = (char *)(people + names);
	texts_of(box, texts);
	for (size_t i = 0; i < TEXTS; i++)
		*texts[i] = put(&to, *texts[i]);
	put_labels(&box->labels, room, &to);
	put_labels(&box->pod_labels, room + from.labels.count, &to);
	put_names(&box->users, people, &to);
	put_names(&box->groups, people + from.users.count, &to);
	return box;
}
