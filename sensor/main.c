/* tocsin-sensor: which probe, and why; then the sensor. */
#include "sensor/sensor.h"

#include "base/cleanup.h"
#include "base/http.h"
#include "sensor/doctor.h"
#include "sensor/explain.h"
#include "sensor/ptrace/keeper.h"
#include "sensor/replay.h"

#include <signal.h>

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)context;
	sensor_signal(number, info->si_code <= 0 ? (unsigned)info->si_pid : 0);
}

/* No SA_RESTART: a signal must end the wait for the next record. With a command its end is the sensor's, and
 * signals are the keeper's. */
static void watch_signals(bool with_command, bool attaches)
{
	static const int watched[] = { SIGCONT, SIGTERM, SIGINT };
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < (with_command ? 1 : ARRAY_LEN(watched)); i++)
		sigaction(watched[i], &action, NULL);
	if (attaches) {
		struct sigaction plain = { .sa_handler = SIG_DFL };
		sigset_t child;

		/* Told of stops; by no thread's but the tracing one's leave. */
		sigaction(SIGCHLD, &plain, NULL);
		sigemptyset(&child);
		sigaddset(&child, SIGCHLD);
		sigprocmask(SIG_BLOCK, &child, NULL);
	}
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL); /* a file that may not grow is an error like a full disk */
}

static const struct probe_ops *choose(const struct options *options)
{
	char why[200];
	bool ebpf;

	if (options->replay != NULL)
		return &probe_replay;
	if (options->attaches) {
		log_info("probe: ptrace, because processes that run already are to be observed");
		return &probe_attach;
	}
	if (options->probe == PROBE_PTRACE || options->command != NULL) {
		log_info("probe: seccomp, because %s",
			 options->command != NULL ? "a command is to be run" : "--probe says so");
		return &probe_notify;
	}
	ebpf = doctor_ebpf(why, sizeof(why));
#ifdef HAVE_EBPF
	if (ebpf || options->probe == PROBE_EBPF) {
		log_info("probe: eBPF: %s", why);
		return &probe_ebpf;
	}
#endif
	(void)ebpf;
	log_err("probe: no eBPF, because %s; ptrace needs a command (tocsin-sensor … -- COMMAND) or processes to attach to (tocsin-sensor attach PID)",
		why);
	return NULL;
}

/* `keeper`: of a command's; NULL: there is none. */
static int be_sensor(const struct options *options, struct keeper *keeper)
{
	const struct probe_ops *probe;

	if (http_global_init() != 0)
		return EXIT_FAILURE;
	watch_signals(keeper != NULL, options->attaches);
	probe = choose(options);
	return probe == NULL ? EXIT_FAILURE : sensor_run(options, probe, keeper);
}

int main(int argc, char **argv)
{
	struct options options;
	int r = options_parse(argc, argv, &options), status = EXIT_FAILURE;

	log_setup(options.log_level, options.log_format);
	if (r != 0) {
		status = r > 0 ? EXIT_SUCCESS : 2;
	} else if (options.doctor) {
		status = doctor_print(&options);
	} else if (options.interest) {
		status = explain_interest(&options);
	} else if (options.command != NULL) {
		status = keeper_run(&options, be_sensor);
	} else {
		status = be_sensor(&options, NULL);
	}
	options_done(&options);
	return status;
}
