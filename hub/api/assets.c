/* The UI's files, embedded at build time. They hold no data, so they are open to everybody. */
#include "hub/api/inner.h"

#include "base/cleanup.h"
#include "web/assets.h"

/* Addresses of the UI's views; all are the same page, which looks at its own address. */
static const char *const views[] = { "/", "/alerts", "/outputs", "/rules", "/status" };

static const struct web_asset *asset_find(struct str path)
{
	for (size_t i = 0; i < ARRAY_LEN(views); i++)
		if (str_eq(path, str_of(views[i])))
			path = STR("/index.html");
	for (size_t i = 0; i < web_assets_count; i++)
		if (str_eq(path, str_of(web_assets[i].path)))
			return &web_assets[i];
	return NULL;
}

static bool takes_gzip(const struct api_call *call)
{
	const char *accepted = server_header(call->request, "Accept-Encoding");

	return accepted != NULL && strstr(accepted, "gzip") != NULL;
}

static void answer_asset(struct api_call *call, const struct web_asset *asset)
{
	const char *known = server_header(call->request, "If-None-Match");
	bool gzip = asset->gzip_len > 0 && takes_gzip(call);
	char etag[80];
	const char *headers[] = { API_SECURITY_HEADERS, "Cache-Control: no-cache", "Vary: Accept-Encoding",
		                  etag, gzip ? "Content-Encoding: gzip" : NULL, NULL };

	snprintf(etag, sizeof(etag), "ETag: \"%s%s\"", asset->etag, gzip ? "-gz" : "");
	if (known != NULL && strcmp(known, etag + sizeof("ETag: ") - 1) == 0) {
		server_answer(call->request, 304, NULL, (struct str){ 0 }, headers);
		return;
	}
	server_answer_static(call->request, 200, asset->content_type,
	                     gzip ? (struct str){ (const char *)asset->gzip, asset->gzip_len }
	                          : (struct str){ (const char *)asset->bytes, asset->len },
	                     headers);
}

bool assets_answer(struct api_call *call)
{
	const struct web_asset *asset = asset_find(call->request->path);

	if (asset == NULL)
		return false;
	answer_asset(call, asset);
	return true;
}

void assets_openapi(struct api_call *call)
{
	const struct web_asset *asset = asset_find(STR("/openapi.yaml"));

	if (asset != NULL)
		answer_asset(call, asset);
	else
		api_problem(call, 404, "not embedded", NULL);
}
