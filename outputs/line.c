/* Lines of alerts, and writing them whole. */
#include "outputs/line.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

const char *const line_formats[] = { "json", "text", NULL };

bool line_add(struct buf *out, enum line_format format, struct alert *alert, struct arena *arena)
{
	if (format == LINE_JSON) {
		buf_add(out, alert->json);
		buf_add_char(out, '\n');
		return true;
	}
	if (alert_read(alert, arena) < 0)
		return false;
	buf_add_alert_time(out, alert);
	buf_addf(out, " %s ", priority_name(alert->priority));
	buf_add_printable(out, alert->rule);
	buf_add(out, STR(": "));
	buf_add_printable(out, alert->output);
	if (alert->change >= ALERT_ONGOING)
		buf_addf(out, " (%s, %llu so far)", alert_change_name(alert->change),
		         (unsigned long long)alert->count);
	buf_add_char(out, '\n');
	return true;
}

int line_write(int fd, struct str bytes, int timeout_ms, size_t *ret_written)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };

	*ret_written = 0;
	while (*ret_written < bytes.len) {
		ssize_t n = write(fd, bytes.at + *ret_written, bytes.len - *ret_written);

		if (n >= 0) {
			*ret_written += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		if (poll(&ready, 1, timeout_ms) == 0)
			return -ETIMEDOUT;
	}
	return 0;
}
