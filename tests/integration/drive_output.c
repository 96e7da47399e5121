/* Drives one output driver for the integration tests:
 *   drive_output TYPE [concurrency=N] [order=host] [KEY=VALUE]...
 * Standard input holds alerts, one a line; an empty line sends those before it in one call and prints
 * [{"verdict":"delivered","retry_after_ms":0,"note":""}, …] as a line on standard error: standard
 * output is a driver's. */
#include "tests/unit/output_fixture.h"

#include "base/hash.h"
#include "base/http.h"

struct drive {
	const struct output_ops *ops;
	void *conf, *state;
	unsigned concurrency;
	bool by_host;
	struct alert alerts[OUTPUT_BATCH_MAX];
	char *lines[OUTPUT_BATCH_MAX];
	size_t count;
	uint64_t seq;
	struct arena reading, sending;
};

static const char *const verdicts[] = { "untried", "delivered", "later", "never", "broken" };

static bool read_settings(struct drive *drive, int count, char **words)
{
	drive->concurrency = 4;
	for (int i = 0; i < count; i++) {
		char *equals = strchr(words[i], '=');

		if (equals == NULL)
			return false;
		*equals = '\0';
		if (strcmp(words[i], "concurrency") == 0)
			drive->concurrency = (unsigned)fixture_number(equals + 1);
		else if (strcmp(words[i], "order") == 0)
			drive->by_host = true;
		else if (!fixture_set(drive->ops, drive->conf, words[i], equals + 1))
			return false;
	}
	return true;
}

static void print_verdicts(const struct delivery *deliveries, size_t count)
{
	struct buf out = { 0 };

	for (size_t i = 0; i < count; i++) {
		buf_addf(&out, "%s{\"verdict\":\"%s\",\"retry_after_ms\":%u,\"note\":", i == 0 ? "[" : ",",
		         verdicts[deliveries[i].verdict], deliveries[i].retry_after_ms);
		buf_add_json(&out, str_of(deliveries[i].note));
		buf_add_char(&out, '}');
	}
	fprintf(stderr, "%s]\n", count == 0 ? "[" : buf_text(&out));
	fflush(stderr);
	buf_done(&out);
}

static void send_all(struct drive *drive)
{
	static struct delivery deliveries[OUTPUT_BATCH_MAX];
	const struct hash_key key = { 1, 2 };
	struct output_call call = { .deliveries = deliveries, .count = drive->count,
		                    .concurrency = drive->concurrency, .arena = &drive->sending };

	for (size_t i = 0; i < drive->count; i++) {
		deliveries[i] = (struct delivery){ .alert = &drive->alerts[i] };
		if (drive->by_host && alert_read(&drive->alerts[i], &drive->sending) == 0)
			deliveries[i].order = hash64_of(&key, drive->alerts[i].hostname) | 1;
	}
	drive->ops->send(drive->state, &call);
	print_verdicts(deliveries, drive->count);
	for (size_t i = 0; i < drive->count; i++)
		free(drive->lines[i]);
	drive->count = 0;
	arena_reset(&drive->sending);
	arena_reset(&drive->reading);
}

static void run(struct drive *drive)
{
	size_t size = 0;
	char *line = NULL;
	ssize_t len;

	while ((len = getline(&line, &size, stdin)) > 0) {
		struct str text = str_trim((struct str){ line, (size_t)len });

		if (text.len == 0) {
			send_all(drive);
		} else if (drive->count < OUTPUT_BATCH_MAX) {
			char *copy = str_dup(text);

			drive->lines[drive->count] = copy;
			fixture_alert(&drive->alerts[drive->count], str_of(copy), ++drive->seq, &drive->reading);
			drive->count++;
		}
	}
	free(line);
}

int main(int argc, char **argv)
{
	static struct drive drive;
	char note[OUTPUT_NOTE_MAX] = "";

	drive.ops = argc < 2 ? NULL : output_driver_find(str_of(argv[1]));
	if (drive.ops == NULL || http_global_init() < 0)
		return 2;
	drive.conf = fixture_conf(drive.ops);
	arena_init(&drive.reading, 512u << 20);
	arena_init(&drive.sending, 64u << 20);
	if (!read_settings(&drive, argc - 2, argv + 2))
		return 2;
	if ((drive.ops->check != NULL && !drive.ops->check(drive.conf, note)) ||
	    drive.ops->open(drive.conf, "test", &drive.state, note) < 0) {
		fprintf(stderr, "%s\n", note);
		return 1;
	}
	run(&drive);
	drive.ops->close(drive.state);
	fixture_conf_free(drive.ops, drive.conf);
	arena_done(&drive.reading);
	arena_done(&drive.sending);
	return 0;
}
