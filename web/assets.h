/* The UI's files as bytes in the program, made by embed.py at build time. */
#ifndef WEB_ASSETS_H
#define WEB_ASSETS_H

#include <stddef.h>

struct web_asset {
	const char *path;          /* "/index.html" */
	const char *content_type;
	const char *etag;          /* of the content, without quotes */
	const unsigned char *bytes;
	size_t len;
	const unsigned char *gzip; /* the same, packed; NULL when that saves nothing */
	size_t gzip_len;
};

extern const struct web_asset web_assets[];
extern const size_t web_assets_count;

#endif
