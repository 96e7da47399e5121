/* libbpf tells in words which program the kernel refused, and only there. */
#include "sensor/ebpf/said.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAID_LINES = 40 };

static const char no_name[] = "the kernel does not load the programs";
static char why[128] = "";

static void keep_name(const char *text)
{
	char name[48];

	if (strstr(text, "failed to load") != NULL && sscanf(text, "libbpf: prog '%47[^']'", name) == 1)
		snprintf(why, sizeof(why), "the kernel does not load the program %s", name);
}

/* Of a verifier's log, which can have megabytes, the end says what is wrong. */
static char *last_lines(char *text, unsigned count)
{
	char *at = text + strlen(text);

	while (at > text && (at[-1] != '\n' || count-- > 0))
		at--;
	return at;
}

__attribute__((format(printf, 2, 0)))
static int hear(enum libbpf_print_level level, const char *format, va_list args)
{
	char *text = NULL, *rest, *line;

	if (level != LIBBPF_WARN || vasprintf(&text, format, args) < 0)
		return 0;
	keep_name(text);
	rest = last_lines(text, SAID_LINES);
	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			log_debug("probe: %s", line);
	free(text);
	return 0;
}

void said_listen(void)
{
	why[0] = '\0';
	libbpf_set_print(hear);
}

const char *said_why(void)
{
	return why[0] != '\0' ? why : no_name;
}
