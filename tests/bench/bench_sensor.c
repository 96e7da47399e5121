/* What the sensor adds to a system call: getppid (of no interest), a reading open and close
 * (filtered in the kernel), a writing open and close (recorded, then dropped by the rules), fork
 * and exec. Rounds with and without the sensor take turns, so that a drifting clock hits both; the
 * medians are printed, their difference and ratio, and the CPU time that the sensor itself took.
 *
 *   bench_sensor SENSOR RULES [ROUNDS] */
#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { ROUNDS_MAX = 101, LOADS = 4 };

extern char **environ;

static int64_t cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void call_getppid(void)
{
	syscall(SYS_getppid);
}

static void call_open_read(void)
{
	int fd = open("/etc/hostname", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
}

static void call_open_write(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
}

static void call_spawn(void)
{
	char name[] = "true", *const arguments[] = { name, NULL };
	pid_t pid;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ) == 0)
		waitpid(pid, NULL, 0);
}

static const struct load {
	const char *name;
	void (*call)(void);
	unsigned count;
	bool wall; /* the work is done by other processes too */
} loads[LOADS] = {
	{ "getppid", call_getppid, 200000, false },
	{ "open+close, reading", call_open_read, 50000, false },
	{ "open+close, writing", call_open_write, 50000, false },
	{ "fork+exec+exit", call_spawn, 100, true },
};

static double ns_per_call(const struct load *load)
{
	int64_t before = load->wall ? clock_mono() : cpu_now();

	for (unsigned i = 0; i < load->count; i++)
		load->call();
	return (double)((load->wall ? clock_mono() : cpu_now()) - before) / load->count;
}

/* Starts the sensor and waits until it says that it observes. */
static pid_t sensor_start(const char *sensor, const char *rules)
{
	int fds[2], null;
	char text[4096];
	size_t len = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		null = open("/dev/null", O_WRONLY);
		dup2(null, STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		execl(sensor, sensor, "--print", "--rules", rules, "--spool-dir", "/nonexistent",
		      NULL);
		_exit(127);
	}
	close(fds[1]);
	while (len < sizeof(text) - 1) {
		ssize_t n = read(fds[0], text + len, sizeof(text) - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
		text[len] = '\0';
		if (strstr(text, "start: version") != NULL)
			return pid; /* the pipe stays open: it has nothing more to say but at its
				       end */
	}
	fprintf(stderr, "%s", len > 0 ? text : "the sensor did not start\n");
	waitpid(pid, NULL, 0);
	close(fds[0]);
	return -1;
}

/* CPU seconds that the sensor took. */
static double sensor_stop(pid_t pid)
{
	struct rusage usage = { 0 };

	kill(pid, SIGTERM);
	wait4(pid, NULL, 0, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int double_cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Of sorted values: what the machine does when nothing else disturbs it. */
static double quiet(const double *values, unsigned count)
{
	return values[count / 10];
}

static double median(double *values, unsigned count)
{
	qsort(values, count, sizeof(*values), double_cmp);
	return values[count / 2];
}

int main(int argc, char **argv)
{
	static double with[LOADS][ROUNDS_MAX], without[LOADS][ROUNDS_MAX], sensor_cpu[ROUNDS_MAX];
	unsigned rounds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 9;

	if (argc < 3 || rounds == 0 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: bench_sensor SENSOR RULES [ROUNDS, at most %d]\n",
			ROUNDS_MAX);
		return 2;
	}
	for (unsigned round = 0; round < rounds; round++) {
		pid_t pid;

		for (unsigned i = 0; i < LOADS; i++)
			without[i][round] = ns_per_call(&loads[i]);
		pid = sensor_start(argv[1], argv[2]);
		if (pid < 0)
			return 1;
		for (unsigned i = 0; i < LOADS; i++)
			with[i][round] = ns_per_call(&loads[i]);
		sensor_cpu[round] = sensor_stop(pid);
	}
	printf("%u rounds; ns a call: median, and the tenth percentile\n", rounds);
	printf("%-20s %10s %10s %9s %6s | %10s %10s %9s %6s\n", "", "without", "with", "added",
	       "ratio", "without", "with", "added", "ratio");
	for (unsigned i = 0; i < LOADS; i++) {
		double a = median(without[i], rounds), b = median(with[i], rounds);
		double c = quiet(without[i], rounds), d = quiet(with[i], rounds);

		printf("%-20s %10.1f %10.1f %+9.1f %6.3f | %10.1f %10.1f %+9.1f %6.3f\n",
		       loads[i].name, a, b, b - a, b / a, c, d, d - c, d / c);
	}
	printf("the sensor's own CPU, start and end included: %.3f s a round\n",
	       median(sensor_cpu, rounds));
	return 0;
}
