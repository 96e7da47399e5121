/* Log lines: formatted, escaped, and written with one write() each so that threads do not mix. */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOG_LINE_MAX = 2048 };

static enum log_level log_max = LOG_LEVEL_INFO;
static enum log_format log_how = LOG_FORMAT_TEXT;

static const char *const level_names[] = {
	[LOG_LEVEL_ERR] = "error",   [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};

void log_setup(enum log_level level, enum log_format format)
{
	log_max = level;
	log_how = format;
}

void log_line(enum log_level level, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	struct buf line = { 0 };
	va_list args;
	int len;

	if (level > log_max)
		return;
	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0)
		return;
	if (log_how == LOG_FORMAT_JSON) {
		buf_add(&line, STR("{\"time\":\""));
		buf_add_time(&line, clock_now());
		buf_addf(&line, "\",\"level\":\"%s\",\"message\":", level_names[level]);
		buf_add_json(&line, str_of(text));
		buf_add(&line, STR("}\n"));
	} else {
		if (getenv("JOURNAL_STREAM") != NULL)
			buf_addf(&line, "<%d>", (int)level);
		else if (level <= LOG_LEVEL_WARNING)
			buf_addf(&line, "%s: ", level_names[level]);
		buf_add_printable(&line, str_of(text));
		buf_add_char(&line, '\n');
	}
	if (buf_ok(&line)) {
		ssize_t written = write(STDERR_FILENO, line.at, line.len);

		(void)written; /* there is nowhere left to say that it failed */
	}
	buf_done(&line);
}
