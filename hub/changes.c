/* Changes that no event brings: incidents that go on or are over. */
#include "hub/pipeline_inner.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

static void tick_done(struct batch *batch, int result)
{
	(void)result; /* a change that could not be written is a note missed, not an alert lost */
	batch_free(batch);
}

/* The note's text and fields come from the incident's key. */
static int read_key(struct pipeline *line, struct batch *batch, const struct incident *incident,
                    struct compose *compose)
{
	struct json json = { .text = incident_key(incident), .nodes = line->normalise.nodes,
		             .cap = line->normalise.nodes_max, .depth_max = line->normalise.depth_max };
	size_t end;

	if (json_read(&json, 0, &end) < 0 || json.nodes[0].kind != JSON_OBJECT)
		return -EBADMSG;
	buf_clear(&line->fields);
	buf_addf(&line->fields, "{\"evt.time\":%lld", (long long)compose->time_ns);
	for (uint32_t i = json_first(&json, 0); i != json_end(&json, 0); i = json.nodes[i + 1].next) {
		struct str key = json_raw(&json, i);
		bool text = json.nodes[i + 1].kind == JSON_STRING;

		if (str_eq(key, STR("rule"))) {
			compose->rule = json_string(&json, i + 1, &batch->arena);
		} else if (str_eq(key, STR("source"))) {
			compose->source = json_string(&json, i + 1, &batch->arena);
		} else if (str_eq(key, STR("hostname")) && text) {
			compose->hostname = json_string(&json, i + 1, &batch->arena);
		} else {
			buf_addf(&line->fields, ",%.*s:", STR_ARG(json_whole(&json, i)));
			json_copy(&line->fields, &json, i + 1);
		}
	}
	buf_add_char(&line->fields, '}');
	compose->output_fields = buf_str(&line->fields);
	return buf_ok(&line->fields) ? 0 : -ENOMEM;
}

static int add_change(struct pipeline *line, struct batch *batch, const struct incident *incident,
                      enum alert_change change, int64_t now)
{
	struct journal_alert row = { .received_ns = now, .time_ns = now, .priority = incident->priority,
		                     .change = change, .incident = incident->id,
		                     .count = incident->count };
	struct compose compose = { .time_ns = now, .priority = incident->priority, .change = change,
		                   .incident = incident->id, .count = incident->count,
		                   .first_ns = incident->first_ns, .id = row.id };
	struct hash_state state;
	int r;

	hash_begin(&state, &line->hash_key);
	hash_add_u64(&state, incident->id);
	hash_add_u64(&state, (uint64_t)change);
	hash_add_u64(&state, (uint64_t)now);
	row.identity = hash_end(&state);
	compose_uuid(row.id, (const uint64_t[]){ row.identity.hi, row.identity.lo });
	r = read_key(line, batch, incident, &compose);
	if (r < 0)
		return r;
	buf_clear(&line->text);
	buf_add(&line->text, change == ALERT_RESOLVED ? STR("Resolved: ") : STR("Still going: "));
	buf_add(&line->text, compose.rule);
	buf_addf(&line->text, ", %llu alerts in all", (unsigned long long)incident->count);
	compose.output = buf_str(&line->text);
	buf_clear(&line->line);
	compose_alert(&line->line, &compose);
	row.json = arena_str(&batch->arena, buf_str(&line->line));
	return buf_ok(&line->line) && row.json.at != NULL && batch_add_alert(batch, &row) &&
	                       raise_incident(batch, incident, change != ALERT_RESOLVED)
	               ? 0 : -ENOMEM;
}

static void flush_incident(void *userdata, const struct incident *incident)
{
	raise_incident(userdata, incident, true);
}

void changes_tick(struct pipeline *line)
{
	struct batch *batch = batch_new(line);
	int64_t now = clock_now();
	enum alert_change change;

	if (batch == NULL)
		return;
	batch->done = tick_done;
	for (int i = 0; i < BATCH_CHANGES_MAX; i++) {
		struct incident *incident = incidents_due(line->incidents, now, &change);

		if (incident == NULL)
			break;
		if (add_change(line, batch, incident, change, now) < 0)
			log_warning("incident %llu: its change could not be written down",
			            (unsigned long long)incident->id);
		if (change == ALERT_RESOLVED)
			free(incident);
	}
	incidents_flush(line->incidents, BATCH_CHANGES_MAX, flush_incident, batch);
	if (batch->commit.alerts_count == 0 && batch->incidents_count == 0)
		batch_free(batch);
	else
		pipeline_submit(line, batch);
}
