/* The account as JSON and as metrics. */
#include "sensor/account.h"

#include "base/metrics.h"

static uint64_t seen_of(const struct account *account)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < RECORD_CLASSES; i++)
		seen += account->probe.of[i].seen;
	return seen;
}

static uint64_t filtered_of(const struct account *account)
{
	uint64_t filtered = account->filtered;

	for (size_t i = 0; i < RECORD_CLASSES; i++)
		filtered += account->probe.of[i].filtered;
	return filtered;
}

/* Made by the probe and not yet taken. The two are not read at the same instant. */
static uint64_t ring_of(const struct account *account)
{
	uint64_t made = 0, taken = account->taken + account->probe.invalid;

	for (size_t i = 0; i < RECORD_CLASSES; i++)
		made += account->probe.of[i].emitted;
	return made > taken ? made - taken : 0;
}

static const char *const missing_names[] = { "path_cut", "text_cut", "unread", NULL };

void account_note_missing(struct by_call *missing, const struct record *record)
{
	if (record->flags & RECORD_CUT_PATH)
		by_call_note(missing, record, ACCOUNT_PATH_CUT);
	if (record->flags & RECORD_CUT_ARGS)
		by_call_note(missing, record, ACCOUNT_TEXT_CUT);
	if (record->flags & RECORD_FAULT)
		by_call_note(missing, record, ACCOUNT_UNREAD);
}

enum loss { LOSS_RING, LOSS_BUDGET, LOSS_SKIPPED, LOSS_KEEPER, LOSS_INVALID, LOSS_MEMORY, LOSSES };

static const char *const loss_names[LOSSES] = { "ring", "budget", "skipped", "keeper", "invalid", "memory" };

/* By cause; their sum is that of "lost". */
static void losses_of(const struct account *account, uint64_t *ret)
{
	uint64_t dropped = 0, shed = 0;

	for (size_t i = 0; i < RECORD_CLASSES; i++) {
		dropped += account->probe.of[i].dropped;
		shed += account->probe.of[i].shed;
	}
	ret[LOSS_RING] = dropped - shed - account->probe.skipped - account->probe.kept;
	ret[LOSS_BUDGET] = shed;
	ret[LOSS_SKIPPED] = account->probe.skipped;
	ret[LOSS_KEEPER] = account->probe.kept;
	ret[LOSS_INVALID] = account->probe.invalid;
	ret[LOSS_MEMORY] = account->failed;
}

/* Why was lost what was lost, in which calls, and through whom; and what events lack. */
static void add_causes(const struct account *account, struct buf *out)
{
	const struct plan_flood *flood = &account->probe.flood;
	uint64_t losses[LOSSES];

	losses_of(account, losses);
	buf_add(out, STR("\"lost_by\":{"));
	for (size_t i = 0; i < LOSSES; i++)
		buf_addf(out, "%s\"%s\":%llu", i > 0 ? "," : "", loss_names[i], (unsigned long long)losses[i]);
	buf_add(out, STR("},\"lost_calls\":"));
	by_call_add_json(&account->probe.by_call, probe_cause_names, out);
	buf_add(out, STR(",\"missing\":{"));
	for (unsigned i = 0; missing_names[i] != NULL; i++)
		buf_addf(out, "%s\"%s\":%llu", i > 0 ? "," : "", missing_names[i],
			 (unsigned long long)by_call_sum(account->missing, i));
	buf_add(out, STR("},\"missing_calls\":"));
	by_call_add_json(account->missing, missing_names, out);
	buf_add_char(out, ',');
	if (flood->tgid == 0)
		return;
	buf_addf(out, "\"flood\":{\"pid\":%u,\"name\":", flood->tgid);
	buf_add_json(out, str_of(flood->comm));
	buf_add(out, STR("},"));
}

void account_add_json(const struct account *account, struct buf *out)
{
	buf_addf(out, "\"seen\":%llu,\"filtered\":%llu,\"emitted\":%llu,\"in_ring\":%llu,",
		 (unsigned long long)seen_of(account), (unsigned long long)filtered_of(account),
		 (unsigned long long)account->emitted, (unsigned long long)ring_of(account));
	buf_add(out, STR("\"lost\":{"));
	for (size_t i = 0; i < RECORD_CLASSES; i++)
		buf_addf(out, "\"%s\":%llu,", probe_class_names[i],
			 (unsigned long long)account->probe.of[i].dropped);
	buf_addf(out, "\"invalid\":%llu,\"memory\":%llu},", (unsigned long long)account->probe.invalid,
		 (unsigned long long)account->failed);
	add_causes(account, out);
	buf_addf(out,
		 "\"table\":{\"processes\":%llu,\"evicted\":%llu,\"missed\":%llu,\"looked_up\":%"
		 "llu,\"unknown\":%llu}",
		 (unsigned long long)account->procs.count,
		 (unsigned long long)account->procs.evicted,
		 (unsigned long long)account->procs.missed,
		 (unsigned long long)account->procs.looked_up,
		 (unsigned long long)account->procs.unknown);
	if (account->containers != NULL)
		buf_addf(out,
			 ",\"containers\":{\"known\":%llu,\"hits\":%llu,\"misses\":%llu,\"unknown\":%llu,"
			 "\"evicted\":%llu,\"held\":%llu,\"not_held\":%llu}",
			 (unsigned long long)account->containers->entries,
			 (unsigned long long)account->containers->hits,
			 (unsigned long long)account->containers->misses,
			 (unsigned long long)account->containers->negative,
			 (unsigned long long)account->containers->evicted,
			 (unsigned long long)account->hold.held, (unsigned long long)account->hold.refused);
}

static void add_by_class(struct metrics *metrics, const struct account *account, const char *name,
			 const char *help, size_t offset)
{
	metrics_family(metrics, METRIC_COUNTER, name, NULL, help);
	for (size_t i = 0; i < RECORD_CLASSES; i++) {
		const struct metric_label labels[] = { { "class", str_of(probe_class_names[i]) },
						       { NULL, { NULL, 0 } } };
		const char *row = (const char *)&account->probe.of[i];

		metrics_u64(metrics, labels, *(const uint64_t *)(const void *)(row + offset));
	}
}

static void add_one(struct metrics *metrics, enum metric_type type, const char *name,
		    const char *unit, const char *help, uint64_t value)
{
	metrics_family(metrics, type, name, unit, help);
	metrics_u64(metrics, NULL, value);
}

static void add_loss(struct metrics *metrics, const char *cause, uint64_t value)
{
	const struct metric_label labels[] = { { "cause", str_of(cause) }, { NULL, { NULL, 0 } } };

	metrics_u64(metrics, labels, value);
}

/* All ways in which something that happened does not reach the hub, and what arrives and is not whole. */
static void add_losses(struct metrics *metrics, const struct account *account, struct outbox *outbox)
{
	struct outbox_stats stats = { 0 };
	uint64_t losses[LOSSES];

	if (outbox != NULL)
		stats = outbox_stats(outbox);
	losses_of(account, losses);
	metrics_family(metrics, METRIC_COUNTER, "tocsin_sensor_lost", NULL,
		       "Happenings and events that nobody will see, by where they were lost");
	for (size_t i = 0; i < LOSSES; i++)
		add_loss(metrics, loss_names[i], losses[i]);
	add_loss(metrics, "queue", stats.lost_events);
	add_loss(metrics, "spool", stats.spool.lost_events);
	if (account->push != NULL)
		add_loss(metrics, "refused", counter_get(&account->push->refused_events));
	metrics_family(metrics, METRIC_COUNTER, "tocsin_sensor_calls_lost", NULL,
		       "Of those that the probe lost, by system call");
	by_call_add_metrics(&account->probe.by_call, probe_cause_names, metrics);
	metrics_family(metrics, METRIC_COUNTER, "tocsin_sensor_calls_incomplete", NULL,
		       "Records of which a text was cut or could not be read; their events say which fields");
	by_call_add_metrics(account->missing, missing_names, metrics);
	add_one(metrics, METRIC_COUNTER, "tocsin_sensor_budgets_full", NULL,
		"Times that a process got no budget, and passed: too many flooded the ring at once",
		account->probe.budgets_full);
}

static void add_outbox(struct metrics *metrics, struct outbox *outbox)
{
	struct outbox_stats stats = outbox_stats(outbox);

	add_one(metrics, METRIC_GAUGE, "tocsin_sensor_hub_down", NULL,
		"1 while the hub does not take events", stats.down);
	add_one(metrics, METRIC_GAUGE, "tocsin_sensor_spool_bytes", "bytes",
		"Bytes of events that wait on disk", stats.spool.bytes);
	add_one(metrics, METRIC_GAUGE, "tocsin_sensor_spool_events", NULL,
		"Events that wait on disk", stats.spool.events);
	add_one(metrics, METRIC_COUNTER, "tocsin_sensor_spool_lost_events", NULL,
		"Events dropped because the spool was full or could not be written",
		stats.spool.lost_events + stats.lost_events);
	add_one(metrics, METRIC_COUNTER, "tocsin_sensor_spool_corrupt_bytes", "bytes",
		"Bytes of the spool that were given up", stats.spool.corrupt_bytes);
}

void account_add_metrics(const struct account *account, struct outbox *outbox, const char *probe,
			 struct buf *out)
{
	struct metrics metrics = { .out = out };
	const struct metric_label info[] = { { "version", STR(TOCSIN_VERSION) },
					     { "probe", str_of(probe) },
					     { NULL, { NULL, 0 } } };

	metrics_family(&metrics, METRIC_INFO, "tocsin_sensor_build", NULL, "Version and probe");
	metrics_u64(&metrics, info, 1);
	add_by_class(&metrics, account, "tocsin_sensor_records_seen",
		     "Happenings that the probe looked at", offsetof(struct plan_counters, seen));
	add_by_class(&metrics, account, "tocsin_sensor_records_filtered",
		     "Of them, dropped by the probe because nobody wants them",
		     offsetof(struct plan_counters, filtered));
	add_by_class(&metrics, account, "tocsin_sensor_records_emitted",
		     "Of them, handed to the sensor", offsetof(struct plan_counters, emitted));
	add_by_class(&metrics, account, "tocsin_sensor_records_lost",
		     "Of them, lost: the ring was full, or their process was over its budget",
		     offsetof(struct plan_counters, dropped));
	add_by_class(&metrics, account, "tocsin_sensor_records_shed",
		     "Of those lost, beyond the budget of a process that floods the ring",
		     offsetof(struct plan_counters, shed));
	add_losses(&metrics, account, outbox);
	add_one(&metrics, METRIC_GAUGE, "tocsin_sensor_ring_records", NULL,
		"Records that wait in the ring", ring_of(account));
	add_one(&metrics, METRIC_COUNTER, "tocsin_sensor_events_unmatched", NULL,
		"Records that no rule matched or that only keep the process table right",
		account->filtered);
	add_one(&metrics, METRIC_COUNTER, "tocsin_sensor_events", NULL,
		"Events numbered and sent or spooled", account->emitted);
	add_one(&metrics, METRIC_COUNTER, "tocsin_sensor_events_failed", NULL,
		"Events lost for want of memory", account->failed);
	add_one(&metrics, METRIC_GAUGE, "tocsin_sensor_processes", NULL, "Processes in the table",
		account->procs.count);
	add_one(&metrics, METRIC_GAUGE, "tocsin_sensor_processes_bytes", "bytes", "Bytes of what is known of them",
		account->procs.bytes);
	add_one(&metrics, METRIC_COUNTER, "tocsin_sensor_processes_evicted", NULL,
		"Processes forgotten because the table was full", account->procs.evicted);
	add_one(&metrics, METRIC_COUNTER, "tocsin_sensor_processes_missed", NULL,
		"Processes that were not in the table when they were asked for",
		account->procs.missed);
	add_one(&metrics, METRIC_COUNTER, "tocsin_sensor_processes_looked_up", NULL,
		"Of them, asked for in /proc", account->procs.looked_up);
	add_one(&metrics, METRIC_COUNTER, "tocsin_sensor_processes_unknown", NULL,
		"Of them, those of which /proc knew nothing either, or too many at once: their fields are null",
		account->procs.unknown);
	if (account->containers != NULL) {
		containers_add_metrics(account->containers, &metrics);
		add_one(&metrics, METRIC_COUNTER, "tocsin_sensor_events_held", NULL,
			"Events that waited for their container's metadata", account->hold.held);
		add_one(&metrics, METRIC_COUNTER, "tocsin_sensor_events_not_held", NULL,
			"Events that should have waited and found no place", account->hold.refused);
	}
	if (outbox != NULL)
		add_outbox(&metrics, outbox);
	metrics_end(&metrics);
}
