/* Kafka, over librdkafka's idempotent producer. A call hands all alerts over at once and waits for every
 * delivery report, so each alert gets its own verdict. The host is the key: one host's alerts stay in
 * order within their partition. Should a message of a partition fail, the ones behind it fail, too
 * (enable.gapless.guarantee), and the producer is made anew. */
#include "base/cleanup.h"
#include "outputs/verdict.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>

enum {
	GRACE_MS = 2000,      /* beyond message.timeout.ms, for the last reports to come */
	PURGE_MS = 5000,
	REASON_MAX = 160,
};

struct kafka_conf {
	const char *brokers;
	const char *topic;
	int64_t timeout_ms;
	struct conf_map properties;
};

struct kafka {
	const struct kafka_conf *conf;
	rd_kafka_t *producer;           /* NULL: to be made */
	rd_kafka_topic_t *topic;
	struct output_call *call;       /* reports belong to it; NULL between calls */
	uint32_t round;                 /* of the call, so that a report that comes late is known as such */
	size_t waiting;                 /* reports still to come */
	bool too_large;                 /* a broker refused a set of messages for its size */
	rd_kafka_resp_err_t error;      /* the client's last own trouble, for messages that time out */
	char reason[REASON_MAX];
};

#define FIELD(member) offsetof(struct kafka_conf, member)

static const struct conf_field kafka_fields[] = {
	{ .key = "brokers", .type = CONF_STRING, .offset = FIELD(brokers), .flags = CONF_REQUIRED,
	  .help = "HOST:PORT of some brokers, comma separated (bootstrap.servers)" },
	{ .key = "topic", .type = CONF_STRING, .offset = FIELD(topic), .flags = CONF_REQUIRED,
	  .help = "topic to write to" },
	{ .key = "timeout", .type = CONF_DURATION, .offset = FIELD(timeout_ms), .fallback = "15s",
	  .min = 1000, .max = 300000, .help = "for the brokers to take a batch (message.timeout.ms)" },
	{ .key = "properties", .type = CONF_SECRET_MAP, .offset = FIELD(properties),
	  .help = "librdkafka's own properties: security.protocol, sasl.*, ssl.*, compression.type, …" },
	{ 0 },
};

/* --- verdicts ----------------------------------------------------------------------------------- */

static bool is_broken(rd_kafka_resp_err_t error)
{
	switch (error) {
	case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
	case RD_KAFKA_RESP_ERR__SSL:
	case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
	case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
	case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
	case RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE:
	case RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS:
	case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
	case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
	case RD_KAFKA_RESP_ERR_POLICY_VIOLATION: return true;
	default: return false;
	}
}

static enum output_verdict verdict_of(rd_kafka_resp_err_t error)
{
	switch (error) {
	case RD_KAFKA_RESP_ERR_NO_ERROR: return OUTPUT_DELIVERED;
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD: return OUTPUT_NEVER;
	default: return is_broken(error) ? OUTPUT_BROKEN : OUTPUT_LATER;
	}
}

/* A message that ran out of time says nothing of why; the client's own last trouble does. */
static void settle(struct kafka *kafka, struct delivery *delivery, rd_kafka_resp_err_t error)
{
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
		delivery->verdict = OUTPUT_DELIVERED;
		delivery->note[0] = '\0';
	} else if (error == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT && is_broken(kafka->error)) {
		delivery_settle(delivery, OUTPUT_BROKEN, "%s", kafka->reason);
	} else if (error == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT && kafka->reason[0] != '\0') {
		delivery_settle(delivery, OUTPUT_LATER, "%s", kafka->reason);
	} else {
		delivery_settle(delivery, verdict_of(error), "%s", rd_kafka_err2str(error));
	}
}

/* --- what librdkafka tells ---------------------------------------------------------------------- */

/* It would write to stderr, from threads of its own. */
static void on_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
	(void)producer;
	(void)level;
	(void)facility;
	(void)text;
}

/* "All brokers are down" follows each failure and must not hide what failed. */
static void on_error(rd_kafka_t *producer, int error, const char *reason, void *opaque)
{
	struct kafka *kafka = opaque;
	struct buf text = { 0 };

	(void)producer;
	if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && kafka->reason[0] != '\0')
		return;
	buf_add_printable(&text, str_of(reason));
	kafka->error = (rd_kafka_resp_err_t)error;
	snprintf(kafka->reason, sizeof(kafka->reason), "%s: %s",
	         rd_kafka_err2str((rd_kafka_resp_err_t)error), buf_ok(&text) ? buf_text(&text) : "");
	buf_done(&text);
}

static void *make_ticket(uint32_t round, size_t index)
{
	return (void *)(((uintptr_t)round << 16) | index); /* OUTPUT_BATCH_MAX fits */
}

static void on_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
	struct kafka *kafka = opaque;
	uintptr_t ticket = (uintptr_t)message->_private;
	size_t index = ticket & 0xffff;

	(void)producer;
	if (kafka->call == NULL || (uint32_t)(ticket >> 16) != kafka->round || index >= kafka->call->count)
		return;
	kafka->waiting--;
	kafka->too_large |= message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
	                    message->err == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE;
	settle(kafka, &kafka->call->deliveries[index], message->err);
}

/* --- life --------------------------------------------------------------------------------------- */

static void close_producer(struct kafka *kafka)
{
	if (kafka->topic != NULL)
		rd_kafka_topic_destroy(kafka->topic);
	if (kafka->producer != NULL) {
		rd_kafka_purge(kafka->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		rd_kafka_destroy(kafka->producer);
	}
	kafka->topic = NULL;
	kafka->producer = NULL;
}

static void kafka_close(void *state)
{
	struct kafka *kafka = state;

	if (kafka == NULL)
		return;
	close_producer(kafka);
	free(kafka);
}
DEFINE_CLEANUP(struct kafka *, kafka_close);

static void kafka_conf_free(rd_kafka_conf_t *conf)
{
	if (conf != NULL)
		rd_kafka_conf_destroy(conf);
}
DEFINE_CLEANUP(rd_kafka_conf_t *, kafka_conf_free);

/* The library's text quotes the value, which may be a secret: only the name is told. */
static bool set_property(rd_kafka_conf_t *conf, const char *name, const char *value, char *note)
{
	char error[256];
	rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, error, sizeof(error));

	if (result == RD_KAFKA_CONF_OK)
		return true;
	snprintf(note, OUTPUT_NOTE_MAX, "properties.%.80s: %s", name,
	         result == RD_KAFKA_CONF_UNKNOWN ? "not a property of librdkafka" : "not a value for it");
	return false;
}

static bool set_properties(rd_kafka_conf_t *conf, const struct kafka_conf *kafka, char *note)
{
	char timeout[24];

	snprintf(timeout, sizeof(timeout), "%lld", (long long)kafka->timeout_ms);
	if (!set_property(conf, "bootstrap.servers", kafka->brokers, note) ||
	    !set_property(conf, "client.id", "tocsin", note) ||
	    !set_property(conf, "enable.idempotence", "true", note) ||
	    !set_property(conf, "enable.gapless.guarantee", "true", note) ||
	    !set_property(conf, "acks", "all", note) ||
	    !set_property(conf, "linger.ms", "1", note) ||
	    !set_property(conf, "log.connection.close", "false", note))
		return false;
	for (size_t i = 0; i < kafka->properties.count; i++) {
		if (strcmp(kafka->properties.at[i].key, "message.timeout.ms") == 0) {
			snprintf(note, OUTPUT_NOTE_MAX, "properties.message.timeout.ms: say it with timeout");
			return false;
		}
		if (!set_property(conf, kafka->properties.at[i].key, kafka->properties.at[i].value, note))
			return false;
	}
	/* last: a call must not wait longer than the engine was told */
	return set_property(conf, "message.timeout.ms", timeout, note);
}

static rd_kafka_conf_t *make_conf(const struct kafka_conf *kafka, char *note)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	if (!set_properties(conf, kafka, note)) {
		rd_kafka_conf_destroy(conf);
		return NULL;
	}
	rd_kafka_conf_set_log_cb(conf, on_log);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	return conf;
}

/* Makes the producer; it connects by itself, later. */
static int open_producer(struct kafka *kafka, char *note)
{
	CLEANUP(kafka_conf_free_p) rd_kafka_conf_t *conf = make_conf(kafka->conf, note);
	char error[256] = "";

	if (conf == NULL)
		return -EINVAL;
	rd_kafka_conf_set_opaque(conf, kafka);
	kafka->error = RD_KAFKA_RESP_ERR_NO_ERROR;
	kafka->reason[0] = '\0';
	kafka->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
	if (kafka->producer == NULL) {
		snprintf(note, OUTPUT_NOTE_MAX, "%.190s", error);
		return -EINVAL;
	}
	(void)TAKE(conf); /* the producer's now */
	kafka->topic = rd_kafka_topic_new(kafka->producer, kafka->conf->topic, NULL);
	if (kafka->topic == NULL) {
		snprintf(note, OUTPUT_NOTE_MAX, "topic: %s", rd_kafka_err2str(rd_kafka_last_error()));
		close_producer(kafka);
		return -EINVAL;
	}
	return 0;
}

static int kafka_open(const void *conf, const char *name, void **ret_state, char *note)
{
	CLEANUP(kafka_close_p) struct kafka *kafka = calloc(1, sizeof(*kafka));
	int r;

	(void)name;
	if (kafka == NULL)
		return -ENOMEM;
	kafka->conf = conf;
	r = open_producer(kafka, note);
	if (r < 0)
		return r;
	*ret_state = TAKE(kafka);
	return 0;
}

static bool kafka_check(const void *conf_, char *note)
{
	CLEANUP(kafka_conf_free_p) rd_kafka_conf_t *conf = make_conf(conf_, note);

	return conf != NULL;
}

/* --- sending ------------------------------------------------------------------------------------ */

static rd_kafka_headers_t *make_headers(const struct alert *alert)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(3);

	rd_kafka_header_add(headers, "tocsin-id", -1, alert->id, -1);
	rd_kafka_header_add(headers, "rule", -1, alert->rule.at, (ssize_t)alert->rule.len);
	rd_kafka_header_add(headers, "priority", -1, priority_name(alert->priority), -1);
	return headers;
}

/* False: the library takes no more now, and the rest of the call stays untried. */
static bool produce(struct kafka *kafka, size_t index)
{
	struct delivery *delivery = &kafka->call->deliveries[index];
	const struct alert *alert = delivery->alert;
	rd_kafka_headers_t *headers;
	rd_kafka_resp_err_t error;

	if (alert_read(delivery->alert, kafka->call->arena) < 0) {
		delivery_settle(delivery, OUTPUT_NEVER, "the alert cannot be read");
		return true;
	}
	headers = make_headers(alert);
	error = rd_kafka_producev(kafka->producer, RD_KAFKA_V_RKT(kafka->topic),
	                          RD_KAFKA_V_KEY((void *)(uintptr_t)alert->hostname.at,
	                                         alert->hostname.len),
	                          RD_KAFKA_V_VALUE((void *)(uintptr_t)alert->json.at, alert->json.len),
	                          RD_KAFKA_V_TIMESTAMP(alert->time_ns / 1000000),
	                          RD_KAFKA_V_HEADERS(headers),
	                          RD_KAFKA_V_OPAQUE(make_ticket(kafka->round, index)), RD_KAFKA_V_END);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
		kafka->waiting++;
		return true;
	}
	rd_kafka_headers_destroy(headers);
	settle(kafka, delivery, error);
	return delivery->verdict == OUTPUT_NEVER;
}

/* Returns when every report has come; a library that does not keep its own time limit is made to. */
static void await_reports(struct kafka *kafka)
{
	rd_kafka_flush(kafka->producer, (int)kafka->conf->timeout_ms + GRACE_MS);
	if (kafka->waiting > 0) {
		rd_kafka_purge(kafka->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		rd_kafka_flush(kafka->producer, PURGE_MS);
	}
	kafka->waiting = 0;
	kafka->round++;
}

/* After a fatal error an idempotent producer takes nothing more. */
static bool ensure_producer(struct kafka *kafka, struct output_call *call)
{
	char note[OUTPUT_NOTE_MAX] = "cannot make a producer";
	char error[8];

	if (kafka->producer != NULL && rd_kafka_fatal_error(kafka->producer, error, sizeof(error)) != 0)
		close_producer(kafka);
	if (kafka->producer != NULL || open_producer(kafka, note) == 0)
		return true;
	call_settle(call, 0, OUTPUT_BROKEN, "%s", note);
	return false;
}

static bool is_settled(const struct delivery *delivery)
{
	return delivery->verdict == OUTPUT_DELIVERED || delivery->verdict == OUTPUT_NEVER;
}

/* A broker refuses a whole set of messages when one of them is too large. One after the other, the
 * guilty one is alone. */
static void send_one_by_one(struct kafka *kafka, struct output_call *call)
{
	for (size_t i = 0; i < call->count; i++) {
		struct delivery *delivery = &call->deliveries[i];

		if (delivery->verdict == OUTPUT_DELIVERED)
			continue;
		delivery->verdict = OUTPUT_UNTRIED;
		if (!ensure_producer(kafka, call))
			return;
		produce(kafka, i);
		await_reports(kafka);
		if (is_settled(delivery))
			continue;
		for (size_t behind = i + 1; behind < call->count; behind++)
			if (call->deliveries[behind].verdict != OUTPUT_DELIVERED)
				call->deliveries[behind].verdict = OUTPUT_UNTRIED;
		return;
	}
}

static void kafka_send(void *state, struct output_call *call)
{
	struct kafka *kafka = state;
	size_t produced = 0;

	if (!ensure_producer(kafka, call))
		return;
	rd_kafka_poll(kafka->producer, 0); /* what happened while idle is no news of this call */
	kafka->error = RD_KAFKA_RESP_ERR_NO_ERROR;
	kafka->reason[0] = '\0';
	kafka->too_large = false;
	kafka->call = call;
	while (produced < call->count && produce(kafka, produced))
		produced++;
	await_reports(kafka);
	for (size_t i = 0; i < produced; i++)
		if (call->deliveries[i].verdict == OUTPUT_UNTRIED)
			delivery_settle(&call->deliveries[i], OUTPUT_LATER, "no report from the library");
	if (kafka->too_large)
		send_one_by_one(kafka, call);
	kafka->call = NULL;
}

const struct output_ops output_kafka = {
	.type = "kafka",
	.summary = "Kafka topic, by an idempotent producer",
	.fields = kafka_fields,
	.conf_size = sizeof(struct kafka_conf),
	.batch_max = OUTPUT_BATCH_MAX,
	.open = kafka_open,
	.send = kafka_send,
	.close = kafka_close,
	.check = kafka_check,
};
