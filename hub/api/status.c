/* What the hub is and how it is: status, sensors, rules, configuration. */
#include "hub/api/inner.h"
#include "hub/api/render.h"

#include "base/clock.h"

#include <unistd.h>

void status_show(struct api_call *call)
{
	const struct api *api = call->api;
	struct journal *journal = api->settings.journal;
	struct buf *out = &call->api->out;
	char hostname[256] = "";

	gethostname(hostname, sizeof(hostname) - 1);
	buf_add(out, STR("{\"version\":\"" TOCSIN_VERSION "\",\"started\":"));
	render_time(out, api->started_ns);
	buf_addf(out, ",\"uptime_seconds\":%lld,\"hostname\":",
	         (long long)((clock_mono() - api->started_mono_ns) / NS_PER_S));
	buf_add_json(out, str_of(hostname));
	buf_addf(out, ",\"journal\":{\"first\":%llu,\"last\":%llu,\"waiting_bytes\":%llu,\"healthy\":%s}",
	         (unsigned long long)journal_first(journal), (unsigned long long)journal_last(journal),
	         (unsigned long long)journal_waiting(journal),
	         journal_health(journal) == 0 ? "true" : "false");
	buf_addf(out, ",\"api\":{\"sessions\":%zu,\"streams\":%u}",
	         access_sessions(api->access, clock_now()), api->streams_count);
	if (api->settings.status != NULL)
		api->settings.status(api->settings.userdata, out);
	buf_add(out, STR("}\n"));
	api_answer(call);
}

static void answer_list(struct api_call *call, const char *name,
                        void (*list)(void *userdata, struct buf *out))
{
	struct buf *out = &call->api->out;

	buf_addf(out, "{\"%s\":", name);
	if (list != NULL)
		list(call->api->settings.userdata, out);
	else
		buf_add(out, STR("[]"));
	buf_add(out, STR("}\n"));
	api_answer(call);
}

void status_sensors(struct api_call *call)
{
	answer_list(call, "sensors", call->api->settings.sensors);
}

void status_rules(struct api_call *call)
{
	answer_list(call, "rules", call->api->settings.rules);
}

/* Loading takes its time; status says when it is done and what came of it. */
void status_rules_reload(struct api_call *call)
{
	const struct api_settings *settings = &call->api->settings;

	if (settings->reload_rules == NULL) {
		api_problem(call, 501, "rules cannot be loaded again here", NULL);
		return;
	}
	buf_addf(&call->api->out, "{\"request\":%llu}\n",
	         (unsigned long long)settings->reload_rules(settings->userdata));
	api_answer_as(call, 202, "application/json", buf_str(&call->api->out), NULL);
}

void status_config(struct api_call *call)
{
	struct buf *out = &call->api->out;

	config_show(call->api->settings.config, out);
	if (!buf_ok(out))
		api_problem(call, 500, "out of memory", NULL);
	else
		api_answer_as(call, 200, "text/plain; charset=utf-8", buf_str(out), NULL);
}
