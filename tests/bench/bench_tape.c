/* A recording that fills the sensor's tables: so many programs are started in so many processes that all go on
 * running, each with arguments of so many bytes, in thousands of containers. For bench_sensor.py, which
 * looks at the memory that it takes to play it back.
 *
 *   bench_tape FILE PROCESSES BYTES */
#include "base/buf.h"
#include "sensor/recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

enum { CONTAINERS = 4096 };

static void add(struct record *record, enum record_string_tag tag, const char *text, size_t len)
{
	struct record_string *string = (void *)((char *)record + record->len);

	string->tag = (__u16)tag;
	string->len = (__u16)len;
	memcpy(string->text, text, len);
	record->len += (__u32)RECORD_STRING_SIZE(len);
}

static void add_path(struct record *record, enum record_string_tag tag, const char *head, unsigned number, const char *tail)
{
	char text[256];

	snprintf(text, sizeof(text), "%s%064x%s", head, number, tail);
	add(record, tag, text, strlen(text));
}

static void begin(struct record *record, enum record_type type, uint16_t nr, unsigned number)
{
	memset(record, 0, RECORD_MAX);
	*record = (struct record){ .len = sizeof(*record), .type = (__u8)type, .class = RECORD_CLASS_PROCESS, .nr = nr };
	record->tid = record->tgid = record->vtid = record->vpid = number + 2;
	record->ppid = 1;
	record->start_ns = (number + 2) * 1000000ULL;
	record->time_ns = record->start_ns + 500000;
	record->flags = type == RECORD_EXEC ? RECORD_HAS_EXE : 0;
	snprintf((char *)record->comm, sizeof(record->comm), "p%u", number);
}

static void put(struct recorder *recorder, struct record *record, unsigned number, char *args, size_t len)
{
	int head = snprintf(args, len, "program-%u", number);

	args[head] = '\0';
	begin(record, RECORD_EXEC, SYS_execve, number);
	add_path(record, RECORD_STRING_EXE, "/usr/bin/", number, "");
	add(record, RECORD_STRING_ARGS, args, len);
	add_path(record, RECORD_STRING_CWD, "/var/", number, "");
	add_path(record, RECORD_STRING_CGROUP, "/system.slice/docker-", number % CONTAINERS + 1, ".scope");
	recorder_put(recorder, record);
	begin(record, RECORD_CALL, SYS_setuid, number);
	recorder_put(recorder, record);
}

int main(int argc, char **argv)
{
	const struct recording_host host = { .hostname = "tape", .id = "tape", .boot = "tape", .machine = "tape", .probe = "ebpf" };
	unsigned long processes = argc == 4 ? strtoul(argv[2], NULL, 10) : 0, bytes = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	struct record *record = malloc(RECORD_MAX);
	struct recorder_stats stats;
	struct recorder *recorder;
	char args[RECORD_STRING_MAX];

	if (processes == 0 || processes > 10000000 || bytes < 32 || bytes >= sizeof(args) || record == NULL) {
		fprintf(stderr, "usage: bench_tape FILE PROCESSES BYTES\n");
		return 2;
	}
	memset(args, 'a', sizeof(args));
	if (recorder_open(argv[1], &host, &recorder) < 0)
		return 1;
	for (unsigned i = 0; i < processes; i++)
		put(recorder, record, i, args, bytes);
	stats = recorder_stats(recorder);
	recorder_close(recorder);
	free(record);
	return stats.unwritten > 0;
}
