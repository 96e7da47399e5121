/* The hub's configuration: one immutable struct made from a YAML file and the environment. */
#ifndef HUB_CONFIG_H
#define HUB_CONFIG_H

#include "include/conf.h"
#include "include/output.h"
#include "include/priority.h"
#include "rules/rules.h"

struct config_output {
	const char *name;              /* the key under `outputs:` */
	const struct output_ops *ops;  /* from `type:` */
	void *conf;                    /* ops->conf_size bytes, filled by ops->fields */
	/* Settings that every output has: */
	int64_t minimum_priority;      /* enum priority; less severe ones are suppressed */
	int64_t start;                 /* a new output begins: CONFIG_START_NOW, CONFIG_START_OLDEST */
	int64_t concurrency;           /* most requests under way at once, 1 … 64 */
	int64_t order;                 /* CONFIG_ORDER_HOST or CONFIG_ORDER_NONE */
	int64_t max_attempts;          /* then dead letter; 0: no limit */
	int64_t max_age_ms;            /* then dead letter; 0: no limit */
	unsigned line;                 /* where it stands, for messages */
};

enum { CONFIG_START_NOW = 0, CONFIG_START_OLDEST };
enum { CONFIG_ORDER_HOST = 0, CONFIG_ORDER_NONE };
enum { CONFIG_DELIVER_DEFAULT = 0, CONFIG_DELIVER_EVERY, CONFIG_DELIVER_CHANGES };

/* One matcher of a route: `key` is source, rule, hostname, tags, or the name of a field; it holds when
 * the alert's value matches any of `values` (shell patterns, * and ? and [..]). */
struct config_matcher {
	const char *key;
	struct conf_strings values;
};

struct config_route {
	const char *name;              /* `name:`, else "route 1" */
	int64_t minimum_priority;
	const struct config_matcher *matchers; /* all must hold */
	size_t matchers_count;
	struct conf_strings outputs;   /* names, checked against `outputs:`; empty: none (a drop route) */
	int64_t deliver;               /* CONFIG_DELIVER_… */
	bool proceed;                  /* `continue: true`: later routes are looked at as well */
};

/* Of a listener. */
struct config_tls {
	const char *cert_file;      /* PEM: the certificate, then those between it and its root; NULL: no TLS */
	const char *key_file;       /* PEM */
	const char *client_ca_file; /* PEM: who signs what clients must show; NULL: they show none */
};

struct config {
	struct arena arena;            /* owns all strings */
	const char *path;              /* of the file; NULL: defaults */

	const char *listen;            /* ingest, health, metrics: "127.0.0.1:2801" */
	const char *data_dir;          /* "/var/lib/tocsin" */

	struct {
		const char *listen;    /* UI and API: "127.0.0.1:2802"; "" or "off": none */
		const char *token;     /* secret; NULL: made at first start, kept in data_dir/admin.token */
		int64_t session_ms;    /* a login lasts: 12h */
		struct config_tls tls;
	} admin;

	struct {
		int64_t level;         /* index into error warning notice info debug */
		int64_t format;        /* text json */
	} log;

	struct {
		const char *token;             /* secret; when set: Bearer, Basic password, or ?token= */
		struct config_tls tls;
		int64_t max_body;              /* bytes as sent, 8 MiB */
		int64_t max_body_unpacked;     /* bytes after gzip or zstd, 64 MiB */
		int64_t max_event;             /* bytes of one event or alert, 1 MiB */
		int64_t max_depth;             /* nesting, 32 */
		int64_t max_fields;            /* keys and values in one event, 4096 */
		int64_t max_batch;             /* events in one request, 10000 */
		int64_t max_connections;       /* 2048 */
		int64_t max_connections_per_ip;/* 0: no limit */
		int64_t rate_per_sender;       /* events a second and address; 0: no limit */
		int64_t burst_per_sender;      /* 0: twice the rate */
		int64_t timeout_ms;            /* an idle connection, 60 s */
		int64_t max_pending;           /* bytes waiting for commit, 32 MiB; then answers come late, then 503 */
	} ingest;

	struct {
		int64_t max_size;              /* bytes of the store, 4 GiB */
		int64_t retention_ms;          /* delivered alerts are kept for, 7d */
	} journal;

	struct conf_strings rules_files;       /* files and folders, in order */
	int64_t rule_matching;                 /* 0 first, 1 all */
	int64_t rules_priority;                /* `priority:` enum priority, debug */
	const struct rules_choice *choices;    /* `rules:`, in order */
	size_t choices_count;
	struct conf_map plugins_by_name;       /* `plugins:`, as written */
	const struct rules_plugin *plugins;    /* the same, in the rule library's terms */
	const struct rules_extra *extras;      /* `append_output:` */
	size_t extras_count;

	struct {
		int64_t window_ms;             /* 10m */
		int64_t max_entries;           /* 500000 */
	} dedup;

	struct {
		struct conf_strings fields;    /* default: hostname container.id proc.name; rule and source always */
		int64_t resolve_after_ms;      /* nothing for so long: resolved, 10m */
		int64_t update_interval_ms;    /* "still going, N more" at most so often, 15m */
		int64_t max_open;              /* 50000; beyond it the oldest is resolved early */
	} incidents;

	struct {
		int64_t lateness_ms;           /* 30s */
		int64_t max_entries;           /* 100000; beyond it the oldest is forgotten */
		int64_t max_memory;            /* 256 MiB, the same */
	} watch;

	struct {
		int64_t silent_after_ms;       /* 30s: three heartbeats of a sensor; 0: never */
	} sensors;

	const struct config_output *outputs;
	size_t outputs_count;
	const struct config_route *routes;     /* none in the file: one that sends everything everywhere */
	size_t routes_count;
};

/* Reads `path` (NULL: an empty configuration) and the TOCSIN_… environment. On success the caller
 * frees with config_free(). Else -EINVAL with what is wrong in `errors` (its arena is the caller's),
 * or -errno when the file cannot be read (also described in errors). */
int config_load(const char *path, struct config **ret, struct conf_errors *errors);
void config_free(struct config *config);

/* The effective configuration as YAML, secrets shown as "<secret>". */
void config_show(const struct config *config, struct buf *out);

#endif
