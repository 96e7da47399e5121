/* How an alert looks in Slack; pure, so that it can be tested without a server. */
#ifndef OUTPUTS_SLACK_H
#define OUTPUTS_SLACK_H

#include "outputs/http_post.h"

enum slack_format { SLACK_ALL = 0, SLACK_TEXT, SLACK_FIELDS };

struct slack_conf {
	const char *webhook_url;
	const char *channel;
	const char *username;
	const char *icon;       /* URL, or ":name:" */
	const char *footer;
	int64_t output_format;  /* enum slack_format */
	struct http_post_conf http;
};

/* Adds the message for an alert that was read. Always true. */
bool slack_render(struct buf *out, const struct alert *alert, const void *conf);

/* What Slack's answer means (Mattermost's and Rocket.Chat's too). */
enum output_verdict slack_verdict(const struct http_request *answer);

#endif
