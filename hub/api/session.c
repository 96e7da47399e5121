/* Logging in and out. */
#include "hub/api/inner.h"
#include "hub/api/render.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

/* A cookie that came over TLS must not leave without it; that of a proxy in front only the proxy knows. */
static const char *secure(const struct api_call *call)
{
	const char *proto = server_header(call->request, "X-Forwarded-Proto");

	return server_is_tls(call->request) || (proto != NULL && strcasecmp(proto, "https") == 0) ? "; Secure" : "";
}

/* So that a page can show the login without being refused first. */
void session_show(struct api_call *call)
{
	const char *cookie = server_cookie(call->request, "tocsin_session");
	bool active = cookie != NULL &&
	              access_session(call->api->access, str_of(cookie), clock_now(), &call->session);

	buf_addf(&call->api->out, "{\"active\":%s}\n", active ? "true" : "false");
	api_answer(call);
}

void session_login(struct api_call *call)
{
	struct api_member token = { .name = "token" };
	struct api *api = call->api;
	char cookie[ACCESS_SECRET_LEN + 1], header[256];

	if (!api_body(call, &token, 1))
		return;
	switch (access_login(api->access, call->request->peer, token.value, clock_now(), cookie)) {
	case ACCESS_LIMITED:
		counter_add(&api->limited, 1);
		api_problem(call, 429, "too many wrong tokens from this address; wait a minute",
		            "Retry-After: 60");
		return;
	case ACCESS_REFUSED:
		counter_add(&api->refused, 1);
		log_notice("api: login refused: wrong token from %s", call->request->peer);
		api_problem(call, 401, "this is not the token", NULL);
		return;
	case ACCESS_GRANTED:
		break;
	}
	counter_add(&api->logins, 1);
	log_notice("api: login from %s", call->request->peer);
	snprintf(header, sizeof(header),
	         "Set-Cookie: tocsin_session=%s; HttpOnly; SameSite=Strict; Path=/; Max-Age=%lld%s", cookie,
	         (long long)(api->settings.config->admin.session_ms / 1000), secure(call));
	api_answer_as(call, 200, "application/json", STR("{}\n"), header);
	explicit_bzero(cookie, sizeof(cookie));
	explicit_bzero(header, sizeof(header));
}

void session_logout(struct api_call *call)
{
	char header[160];

	if (call->by_session) {
		access_logout(call->api->access, call->session);
		stream_end_session(call->api, call->session);
	}
	snprintf(header, sizeof(header),
	         "Set-Cookie: tocsin_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0%s", secure(call));
	api_answer_as(call, 200, "application/json", STR("{}\n"), header);
}

void session_login_token(struct api_call *call)
{
	char token[ACCESS_SECRET_LEN + 1];
	struct buf *out = &call->api->out;
	int64_t expires_ns;

	if (!access_login_token(call->api->access, clock_now(), token, &expires_ns)) {
		api_problem(call, 503, "the kernel gave no random bytes", NULL);
		return;
	}
	buf_addf(out, "{\"token\":\"%s\",\"expires\":", token);
	render_time(out, expires_ns);
	buf_add(out, STR("}\n"));
	api_answer(call);
	explicit_bzero(token, sizeof(token));
}
