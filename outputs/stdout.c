/* Alerts on standard output, one a line, for containers and for trying things out. */
#include "outputs/line.h"
#include "outputs/verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { STDOUT_TIMEOUT_MS = 10000 };

struct stdout_conf {
	int64_t format;
};

struct stdout_state {
	const struct stdout_conf *conf;
	struct buf lines;
	bool torn; /* the last write ended within a line */
};

static const struct conf_field stdout_fields[] = {
	{ .key = "format", .type = CONF_CHOICE, .offset = offsetof(struct stdout_conf, format),
	  .fallback = "json", .choices = line_formats, .help = "one JSON object a line, or text for people" },
	{ 0 },
};

static int stdout_open(const void *conf, const char *name, void **ret_state, char *note)
{
	struct stdout_state *state = calloc(1, sizeof(*state));

	(void)name;
	(void)note;
	if (state == NULL)
		return -ENOMEM;
	state->conf = conf;
	*ret_state = state;
	return 0;
}

static enum output_verdict verdict_of(int error)
{
	return error == -ETIMEDOUT || error == -EIO || error == -ENOSPC || error == -ENOMEM
	       ? OUTPUT_LATER : OUTPUT_BROKEN; /* closed: nobody will open it again */
}

/* A batch is one write. What came out whole is delivered even when the write then fails; a line that
 * was cut is ended before the next one, which repeats it. */
static void stdout_send(void *state_, struct output_call *call)
{
	struct stdout_state *state = state_;
	size_t *ends = arena_alloc(call->arena, call->count * sizeof(*ends));
	size_t written = 0;
	int r;

	buf_clear(&state->lines);
	if (state->torn)
		buf_add_char(&state->lines, '\n');
	for (size_t i = 0; i < call->count && ends != NULL; i++) {
		if (!line_add(&state->lines, (enum line_format)state->conf->format,
		              call->deliveries[i].alert, call->arena))
			delivery_settle(&call->deliveries[i], OUTPUT_NEVER, "the alert cannot be read");
		ends[i] = state->lines.len;
	}
	r = ends == NULL || !buf_ok(&state->lines) ? -ENOMEM
	    : line_write(STDOUT_FILENO, buf_str(&state->lines), STDOUT_TIMEOUT_MS, &written);
	if (written > 0)
		state->torn = state->lines.at[written - 1] != '\n';
	for (size_t i = 0; i < call->count && ends != NULL; i++)
		if (call->deliveries[i].verdict == OUTPUT_UNTRIED && ends[i] <= written)
			call->deliveries[i].verdict = OUTPUT_DELIVERED;
	if (r < 0)
		call_settle(call, 0, verdict_of(r), "standard output: %s", strerror(-r));
}

static void stdout_close(void *state_)
{
	struct stdout_state *state = state_;

	if (state == NULL)
		return;
	buf_done(&state->lines);
	free(state);
}

const struct output_ops output_stdout = {
	.type = "stdout",
	.summary = "one line an alert on standard output",
	.fields = stdout_fields,
	.conf_size = sizeof(struct stdout_conf),
	.batch_max = OUTPUT_BATCH_MAX,
	.open = stdout_open,
	.send = stdout_send,
	.close = stdout_close,
};
