/* What the journal costs: alerts per second, CPU per alert, how long a commit waits, memory; for commits
 * of several sizes, beside the baseline of one transaction per alert in the same run.
 *
 * usage: bench_journal [DIR [SECONDS]] */
#include "base/cleanup.h"
#include "base/clock.h"
#include "hub/journal/journal.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

enum {
	TEXT = 900,
	SAMPLES_MAX = 1 << 20,
	BATCH_MAX = 500,
	READ_MAX = 256,
};

static const struct scene {
	const char *name;
	size_t producers, batch;
	bool reads; /* an output follows: reads every alert and reports progress */
	int64_t max_size;
} scenes[] = {
	{ "one transaction per alert (baseline)", 1, 1, false, (int64_t)4 << 30 },
	{ "512 producers, 1 alert each", 512, 1, false, (int64_t)4 << 30 },
	{ "64 producers, 1 alert each", 64, 1, false, (int64_t)4 << 30 },
	{ "8 producers, 500 alerts each", 8, 500, false, (int64_t)4 << 30 },
	{ "8 producers, 500 alerts each, 1 output", 8, 500, true, (int64_t)4 << 30 },
	{ "the same in a file of 128 MiB, always full", 8, 500, true, (int64_t)128 << 20 },
};

struct bench {
	const struct scene *scene;
	struct journal *journal;
	struct journal_alert *alerts; /* of every producer: the journal does not look who sends */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct producer *finished;
	int64_t *samples;
	size_t samples_count;
	_Atomic uint64_t rows, failed, read;
	_Atomic bool stop;
};

struct producer {
	struct journal_commit commit;
	struct producer *next;
	struct bench *bench;
	int64_t began;
	int result;
};

static void done(struct journal_commit *commit, int result, uint64_t first_seq)
{
	struct producer *producer = (struct producer *)commit;
	struct bench *bench = producer->bench;

	(void)first_seq;
	producer->result = result;
	pthread_mutex_lock(&bench->lock);
	producer->next = bench->finished;
	bench->finished = producer;
	if (producer->next == NULL)
		pthread_cond_signal(&bench->cond);
	pthread_mutex_unlock(&bench->lock);
}

static void submit(struct bench *bench, struct producer *producer)
{
	producer->bench = bench;
	producer->began = clock_mono();
	producer->commit = (struct journal_commit){ .alerts = bench->alerts,
						    .alerts_count = bench->scene->batch,
						    .bytes = bench->scene->batch * TEXT,
						    .done = done };
	journal_submit(bench->journal, &producer->commit);
}

static struct producer *take_finished(struct bench *bench)
{
	struct producer *list;

	pthread_mutex_lock(&bench->lock);
	while (bench->finished == NULL)
		pthread_cond_wait(&bench->cond, &bench->lock);
	list = bench->finished;
	bench->finished = NULL;
	pthread_mutex_unlock(&bench->lock);
	return list;
}

/* One thread stands for all connections, as the hub's does. */
static void drive(struct bench *bench, struct producer *producers, int64_t until)
{
	size_t underway = bench->scene->producers;

	for (size_t i = 0; i < underway; i++)
		submit(bench, &producers[i]);
	while (underway > 0) {
		for (struct producer *next, *at = take_finished(bench); at != NULL; at = next) {
			int64_t now = clock_mono();

			next = at->next;
			if (bench->samples_count < SAMPLES_MAX)
				bench->samples[bench->samples_count++] = now - at->began;
			if (at->result == 0)
				bench->rows += bench->scene->batch;
			else
				bench->failed++;
			if (now < until)
				submit(bench, at);
			else
				underway--;
		}
	}
}

struct follower {
	struct journal_progress progress;
	struct journal_done done[8192];
	_Atomic bool writing;
};

static void progress_done(struct journal_progress *progress, int result)
{
	struct follower *follower = (struct follower *)progress;

	(void)result;
	follower->writing = false;
}

static void *follow(void *argument)
{
	static struct follower follower;
	struct bench *bench = argument;
	struct journal_output output;
	struct journal_reader *reader;
	struct alert alerts[READ_MAX];
	struct arena arena;
	uint64_t at, told;

	arena_init(&arena, (size_t)64 << 20);
	if (journal_output(bench->journal, "bench", false, &output) < 0 ||
	    journal_reader_open(bench->journal, &reader) < 0)
		return NULL;
	at = told = output.cursor;
	free(output.ahead);
	while (!bench->stop) {
		int count = journal_read(reader, at, READ_MAX, 1 << 20, &arena, alerts);

		arena_reset(&arena);
		if (count > 0) {
			at += (uint64_t)count;
			bench->read += (uint64_t)count;
		}
		if (!follower.writing && at > told) {
			size_t settled = at - told < 8192 ? (size_t)(at - told) : 8192;

			for (size_t i = 0; i < settled; i++)
				follower.done[i] =
					(struct journal_done){ told + 1 + i, JOURNAL_DELIVERED, 1 };
			told += settled;
			follower.progress = (struct journal_progress){ .output = output.id,
								       .cursor = told,
								       .prefix = follower.done,
								       .prefix_count = settled,
								       .done = progress_done };
			follower.writing = true;
			journal_submit_progress(bench->journal, &follower.progress);
		}
		if (count <= 0)
			journal_wait(bench->journal, at, 10);
	}
	while (follower.writing)
		journal_wait(bench->journal, UINT64_MAX, 1);
	journal_reader_close(reader);
	arena_done(&arena);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double percentile(struct bench *bench, double part)
{
	if (bench->samples_count == 0)
		return 0;
	return (double)bench->samples[(size_t)((double)(bench->samples_count - 1) * part)] / 1e6;
}

static int64_t cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
	       ((int64_t)usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static double resident_mib(void)
{
	autofclose FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	if (file == NULL || fscanf(file, "%*u %lu", &pages) != 1)
		return 0;
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void run(struct bench *bench, const char *dir, int64_t seconds, double *baseline)
{
	struct producer *producers = calloc(bench->scene->producers, sizeof(*producers));
	struct journal_settings settings = { .dir = dir,
					     .max_size = bench->scene->max_size,
					     .retention_ms = 86400000 };
	pthread_t follower;
	char error[256];
	int64_t began, cpu;
	double rate, elapsed;

	if (producers == NULL || journal_open(&settings, &bench->journal, error) < 0) {
		fprintf(stderr, "bench_journal: %s\n", producers == NULL ? "out of memory" : error);
		exit(1);
	}
	if (bench->scene->reads)
		pthread_create(&follower, NULL, follow, bench);
	began = clock_mono();
	cpu = cpu_ns();
	drive(bench, producers, began + seconds * NS_PER_S);
	elapsed = (double)(clock_mono() - began) / 1e9;
	cpu = cpu_ns() - cpu;
	bench->stop = true;
	if (bench->scene->reads)
		pthread_join(follower, NULL);
	qsort(bench->samples, bench->samples_count, sizeof(*bench->samples), compare);
	rate = (double)bench->rows / elapsed;
	if (*baseline <= 0)
		*baseline = rate;
	printf("%-43s %8.0f %6.1fx %7.2f %8.2f %8.2f %8.2f %7.1f %8.0f %6llu\n", bench->scene->name,
	       rate, rate / *baseline, (double)cpu / 1e3 / (double)bench->rows,
	       percentile(bench, 0.5), percentile(bench, 0.99), percentile(bench, 1),
	       resident_mib(), (double)bench->read / elapsed, (unsigned long long)bench->failed);
	fflush(stdout);
	journal_close(bench->journal);
	free(producers);
}

static void make_alerts(struct journal_alert *alerts, char *text)
{
	memset(text, 'x', TEXT);
	memcpy(text, "{\"output\":\"", 11);
	memcpy(text + TEXT - 2, "\"}", 2);
	for (int i = 0; i < BATCH_MAX; i++) {
		alerts[i] = (struct journal_alert){ .received_ns = clock_now(),
						    .time_ns = clock_now(),
						    .priority = PRIORITY_ERROR,
						    .count = 1,
						    .json = { .at = text, .len = TEXT } };
		snprintf(alerts[i].id, sizeof(alerts[i].id), "%08x-1111-8222-8333-444455556666",
			 (unsigned)i * 2654435761u);
	}
}

static void remove_files(const char *dir)
{
	static const char *const names[] = { "journal.db", "journal.db-wal", "journal.db-shm",
					     "journal.lock", "journal.reserve" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[4200];

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
}

int main(int argc, char **argv)
{
	char temporary[] = "/tmp/bench-journal-XXXXXX";
	const char *dir = argc > 1 ? argv[1] : mkdtemp(temporary);
	uint64_t seconds = 5;
	struct journal_alert *alerts = calloc(BATCH_MAX, sizeof(*alerts));
	int64_t *samples = calloc(SAMPLES_MAX, sizeof(*samples));
	char *text = malloc(TEXT);
	double baseline = 0;

	if (dir == NULL || alerts == NULL || samples == NULL || text == NULL)
		return 1;
	if (argc > 2 && !str_to_u64(str_of(argv[2]), &seconds))
		return 2;
	make_alerts(alerts, text);
	printf("%-43s %8s %7s %7s %8s %8s %8s %7s %8s %6s\n", "alerts of 900 bytes", "alerts/s",
	       "base", "us CPU", "p50 ms", "p99 ms", "max ms", "RSS MiB", "read/s", "failed");
	for (size_t i = 0; i < ARRAY_LEN(scenes); i++) {
		struct bench bench = { .scene = &scenes[i],
				       .alerts = alerts,
				       .samples = samples,
				       .lock = PTHREAD_MUTEX_INITIALIZER,
				       .cond = PTHREAD_COND_INITIALIZER };

		remove_files(dir);
		run(&bench, dir, (int64_t)seconds, &baseline);
	}
	remove_files(dir);
	if (argc <= 1)
		rmdir(dir);
	free(alerts);
	free(samples);
	free(text);
	return 0;
}
