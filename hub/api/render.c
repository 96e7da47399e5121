/* Alerts, deliveries, outputs and dead letters as JSON. */
#include "hub/api/render.h"

#include "base/clock.h"

/* Indexed by enum journal_outcome; 0 is pending. */
static const struct outcome {
	const char *state, *reason;
} outcomes[JOURNAL_OUTCOMES] = {
	[0] = { "pending", NULL },
	[JOURNAL_DELIVERED] = { "delivered", NULL },
	[JOURNAL_DEAD] = { "dead", NULL },
	[JOURNAL_SUPPRESSED_ROUTE] = { "suppressed", "route" },
	[JOURNAL_SUPPRESSED_PRIORITY] = { "suppressed", "priority" },
	[JOURNAL_SUPPRESSED_REPEAT] = { "suppressed", "repeat" },
	[JOURNAL_SUPPRESSED_CHANGE] = { "suppressed", "change" },
	[JOURNAL_SUPPRESSED_SILENCE] = { "suppressed", "silence" },
};

void render_time(struct buf *out, int64_t ns)
{
	buf_add_char(out, '"');
	buf_add_time(out, ns);
	buf_add_char(out, '"');
}

void render_alert_open(struct buf *out, const struct alert *alert)
{
	buf_addf(out, "{\"seq\":%llu,\"received\":", (unsigned long long)alert->seq);
	render_time(out, alert->received_ns);
	buf_addf(out, ",\"change\":\"%s\",\"incident\":%llu,\"count\":%llu,\"alert\":",
	         alert_change_name(alert->change), (unsigned long long)alert->incident,
	         (unsigned long long)alert->count);
	buf_add(out, alert->json);
}

void render_trace(struct buf *out, const struct journal_trace *trace)
{
	const struct outcome *outcome =
	        &outcomes[trace->outcome < JOURNAL_OUTCOMES ? trace->outcome : 0];

	buf_add(out, STR("{\"output\":"));
	buf_add_json(out, trace->output);
	buf_addf(out, ",\"state\":\"%s\"", outcome->state);
	if (outcome->reason != NULL)
		buf_addf(out, ",\"reason\":\"%s\"", outcome->reason);
	buf_addf(out, ",\"attempts\":%u", trace->attempts);
	if (trace->at_ns != 0) {
		buf_add(out, STR(",\"at\":"));
		render_time(out, trace->at_ns);
	}
	if (trace->note.len > 0) {
		buf_add(out, STR(",\"note\":"));
		buf_add_json(out, trace->note);
	}
	buf_add_char(out, '}');
}

void render_letter(struct buf *out, const struct journal_letter *letter)
{
	buf_addf(out, "{\"id\":%llu,\"output\":", (unsigned long long)letter->id);
	buf_add_json(out, letter->output);
	buf_addf(out, ",\"seq\":%llu,\"at\":", (unsigned long long)letter->dead.seq);
	render_time(out, letter->dead.at_ns);
	buf_addf(out, ",\"attempts\":%u,\"note\":", letter->dead.attempts);
	buf_add_json(out, str_of(letter->dead.note));
	buf_add(out, STR(",\"alert\":"));
	buf_add(out, letter->json.len > 0 ? letter->json : STR("null"));
	buf_add_char(out, '}');
}

static const char *state_name(enum deliver_state state)
{
	switch (state) {
	case DELIVER_IDLE: return "idle";
	case DELIVER_WORKING: return "working";
	case DELIVER_BACKOFF: return "backoff";
	case DELIVER_HOLD: return "hold";
	}
	return "idle";
}

void render_output(struct buf *out, const struct deliver_status *status)
{
	buf_add(out, STR("{\"name\":"));
	buf_add_json(out, str_of(status->name));
	buf_add(out, STR(",\"type\":"));
	buf_add_json(out, str_of(status->type));
	buf_addf(out, ",\"state\":\"%s\",\"cursor\":%llu,\"lag\":%llu,\"oldest_seconds\":%.3f",
	         state_name(status->state), (unsigned long long)status->cursor,
	         (unsigned long long)status->lag, (double)status->oldest_ns / (double)NS_PER_S);
	buf_addf(out, ",\"delivered\":%llu,\"suppressed\":%llu,\"dead\":%llu,\"replaying\":%llu",
	         (unsigned long long)status->delivered, (unsigned long long)status->suppressed,
	         (unsigned long long)status->dead, (unsigned long long)status->replaying);
	buf_addf(out, ",\"attempts\":%llu,\"failures\":%llu,\"concurrency\":%u,\"next_try_seconds\":%.3f",
	         (unsigned long long)status->attempts, (unsigned long long)status->failures,
	         status->concurrency, (double)status->next_try_ms / 1000.0);
	buf_add(out, STR(",\"last_delivered\":"));
	if (status->last_ok_ns != 0)
		render_time(out, status->last_ok_ns);
	else
		buf_add(out, STR("null"));
	buf_add(out, STR(",\"note\":"));
	buf_add_json(out, str_of(status->note));
	buf_add_char(out, '}');
}
