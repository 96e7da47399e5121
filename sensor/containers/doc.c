/* Files and answers of container runtimes, as JSON. */
#include "sensor/containers/doc.h"

#include "base/cleanup.h"
#include "base/read.h"

#include <fcntl.h>
#include <sys/stat.h>

int doc_parse(struct doc *doc)
{
	size_t cap = doc->bytes.len / 2 + 2, end;
	int r;

	free(doc->nodes);
	doc->json = (struct json){ 0 };
	if (cap > DOC_NODES_MAX)
		cap = DOC_NODES_MAX;
	doc->nodes = calloc(cap, sizeof(*doc->nodes));
	if (doc->nodes == NULL)
		return -ENOMEM;
	doc->json = (struct json){ .text = buf_str(&doc->bytes),
				   .nodes = doc->nodes,
				   .cap = (uint32_t)cap,
				   .depth_max = DOC_DEPTH_MAX };
	r = json_read(&doc->json, 0, &end);
	if (r < 0)
		doc->json.count = 0;
	return r;
}

int doc_read(struct doc *doc, const char *root, const char *path)
{
	char full[4096];
	int len = snprintf(full, sizeof(full), "%s%s", root, path);
	autoclose int fd = len < 0 || (size_t)len >= sizeof(full)
				   ? -1
				   : open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t got;

	if (fd < 0)
		return len < 0 || (size_t)len >= sizeof(full) ? -ENAMETOOLONG : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > DOC_BYTES_MAX)
		return -EFBIG;
	buf_clear(&doc->bytes);
	if (!buf_reserve(&doc->bytes, (size_t)st.st_size + 1))
		return -ENOMEM;
	got = read_full(fd, doc->bytes.at, (size_t)st.st_size);
	if (got < 0)
		return (int)got;
	doc->bytes.len = (size_t)got;
	return doc_parse(doc);
}

void doc_done(struct doc *doc)
{
	free(doc->nodes);
	doc->nodes = NULL;
	buf_done(&doc->bytes);
}

uint32_t doc_at(const struct doc *doc, uint32_t object, const char *keys)
{
	struct str rest = str_of(keys);

	while (rest.len > 0 && doc_is(doc, object, JSON_OBJECT)) {
		const char *blank = memchr(rest.at, ' ', rest.len);
		struct str key = blank == NULL ? rest : str_cut(rest, (size_t)(blank - rest.at));

		object = json_get(&doc->json, object, key);
		rest = str_from(rest, key.len + 1);
		if (object == 0) /* the whole text is nobody's member */
			return DOC_NOTHING;
	}
	return rest.len > 0 ? DOC_NOTHING : object;
}

struct str doc_text(const struct doc *doc, uint32_t node)
{
	return doc_is(doc, node, JSON_STRING) ? json_string(&doc->json, node, doc->arena) : STR("");
}

struct str doc_text_at(const struct doc *doc, uint32_t object, const char *keys)
{
	return doc_text(doc, doc_at(doc, object, keys));
}

void doc_each_text(const struct doc *doc, uint32_t object,
		   void (*each)(struct str key, struct str value, void *userdata), void *userdata)
{
	const struct json *json = &doc->json;

	if (!doc_is(doc, object, JSON_OBJECT))
		return;
	for (uint32_t i = json_first(json, object); i != json_end(json, object);
	     i = json->nodes[i + 1].next) {
		struct str key = json_string(json, i, doc->arena);

		if (json->nodes[i + 1].kind == JSON_STRING && key.at != NULL)
			each(key, doc_text(doc, i + 1), userdata);
	}
}
