/* The hub's front door: events and alerts over HTTP, health, metrics. Lives on one thread. Answers 2xx
 * only after what was accepted is on disk. Under pressure it answers late before it refuses, because
 * stock Falco takes no notice of a refusal. */
#ifndef HUB_INGEST_H
#define HUB_INGEST_H

#include "hub/pipeline.h"

struct ingest;

struct ingest_settings {
	const struct config *config;
	struct pipeline *pipeline;
	struct journal *journal;
	struct sensors *sensors;
	struct tails *tails;
	/* Writes the families of the other rooms. */
	void (*metrics)(void *userdata, struct metrics *metrics);
	bool (*rules_are_current)(void *userdata);
	/* What sensors load, see policy.h. */
	void (*policy)(void *userdata, char version[17], struct buf *out);
	void *userdata;
};

/* Listens. 0 or -errno with a text in `error` (256 bytes). */
int ingest_new(const struct ingest_settings *settings, struct ingest **ret, char *error);
void ingest_free(struct ingest *ingest);

/* Of its certificate, seconds since 1970; 0: it has none. */
int64_t ingest_certificate_expires(const struct ingest *ingest);

int ingest_fd(const struct ingest *ingest);
int ingest_timeout_ms(const struct ingest *ingest);
void ingest_run(struct ingest *ingest);

/* Other rules are in force: sensors that wait for them are told. */
void ingest_rules_changed(struct ingest *ingest);

/* Somebody wants to look on at a node: its sensor is told. */
void ingest_tails_asked(struct ingest *ingest);

/* Takes no new connections: the hub is stopping. */
void ingest_quiesce(struct ingest *ingest);

unsigned ingest_port(const struct ingest *ingest);

#endif
