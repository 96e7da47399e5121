/* Figures of the process from /proc/self and getrusage(2). */
#include "hub/process.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <sys/resource.h>

static uint64_t resident_bytes(void)
{
	autofclose FILE *file = fopen("/proc/self/statm", "re");
	unsigned long total, resident;

	if (file == NULL || fscanf(file, "%lu %lu", &total, &resident) != 2)
		return 0;
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t count = 0;

	if (dir == NULL)
		return 0;
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count < 3 ? 0 : count - 3; /* ".", ".." and the directory itself */
}

void process_metrics(struct metrics *metrics, int64_t started_ns)
{
	const struct metric_label build[] = { { "version", STR(TOCSIN_VERSION) }, { 0 } };
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	metrics_family(metrics, METRIC_INFO, "tocsin_hub_build", NULL, "The running program.");
	metrics_u64(metrics, build, 1);
	metrics_family(metrics, METRIC_COUNTER, "process_cpu_seconds", "seconds", "CPU time, user and system.");
	metrics_double(metrics, NULL,
	               (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	                       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	metrics_family(metrics, METRIC_GAUGE, "process_resident_memory_bytes", "bytes", "Resident memory.");
	metrics_u64(metrics, NULL, resident_bytes());
	metrics_family(metrics, METRIC_GAUGE, "process_open_fds", NULL, "Open file descriptors.");
	metrics_u64(metrics, NULL, open_files());
	metrics_family(metrics, METRIC_GAUGE, "process_start_time_seconds", "seconds",
	               "Start of the process since the epoch.");
	metrics_double(metrics, NULL, (double)started_ns / 1e9);
}

void process_raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}
