/* The admin API and the web UI: HTTP on config->admin.listen, on a thread of its own with its own
 * server and its own journal reader, so that nothing done here slows the taking of events.
 *
 * Everything but the UI's static files wants the admin token (`Authorization: Bearer …`) or a browser
 * session that was opened with it. The routes are in routes.c and described in web/openapi.yaml. */
#ifndef HUB_API_H
#define HUB_API_H

#include "base/metrics.h"
#include "hub/config.h"
#include "hub/deliver/deliver.h"
#include "hub/journal/journal.h"

struct api;
struct tails;

struct api_settings {
	const struct config *config; /* admin.*, data_dir; these must outlive the API */
	struct journal *journal;
	struct deliver *deliver;     /* NULL: no outputs */
	struct tails *tails;         /* NULL: nobody can look on at nodes */

	/* What the hub knows of itself. Called on the API's thread; may be NULL. */
	void (*status)(void *userdata, struct buf *out);  /* members, each after a comma: ,"rules":{…} */
	void (*sensors)(void *userdata, struct buf *out); /* one JSON array */
	void (*rules)(void *userdata, struct buf *out);   /* one JSON array */
	uint64_t (*reload_rules)(void *userdata);         /* the number of the request, see status' "answered" */
	void *userdata;
};

/* Starts the thread. Makes data_dir/admin.token (mode 0600) when there is neither that file nor
 * admin.token in the configuration. With admin.listen "" or "off" *ret is NULL. 0, or -errno with a
 * text for people in `error` (256 bytes). */
int api_new(const struct api_settings *settings, struct api **ret, char *error);

/* Ends streams and connections, stops the thread. Before the journal and the engine go. Accepts NULL. */
void api_stop(struct api *api);

/* The TCP port in use. */
unsigned api_port(const struct api *api);

/* Of its certificate, seconds since 1970; 0: it has none, or there is no API. */
int64_t api_certificate_expires(const struct api *api);

/* tocsin_api_… families. From any thread; NULL writes none. */
void api_metrics(const struct api *api, struct metrics *metrics);

#endif
