/* tocsin-sensor: which probe, and why; then the sensor. */
#include "sensor/sensor.h"

#include "base/http.h"
#include "sensor/doctor.h"

#include <signal.h>
#include <stdlib.h>

static void on_signal(int signal)
{
	(void)signal;
	sensor_stop();
}

/* No SA_RESTART: a signal must end the wait for the next record. */
static void watch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

static const struct probe_ops *choose(const struct options *options)
{
	char why[200];
	bool ebpf;

	if (options->probe == PROBE_PTRACE || options->command != NULL) {
		log_info("probe: ptrace, because %s",
		         options->command != NULL ? "a command is to be run" : "--probe says so");
		return &probe_ptrace;
	}
	ebpf = doctor_ebpf(why, sizeof(why));
#ifdef HAVE_EBPF
	if (ebpf || options->probe == PROBE_EBPF) {
		log_info("probe: eBPF: %s", why);
		return &probe_ebpf;
	}
#endif
	(void)ebpf;
	log_err("probe: no eBPF, because %s; ptrace needs a command: tocsin-sensor … -- COMMAND", why);
	return NULL;
}

int main(int argc, char **argv)
{
	struct options options;
	const struct probe_ops *probe;
	int r = options_parse(argc, argv, &options), status = EXIT_FAILURE;

	log_setup(options.log_level, options.log_format);
	if (r != 0) {
		status = r > 0 ? EXIT_SUCCESS : 2;
	} else if (options.doctor) {
		status = doctor_print();
	} else if (http_global_init() == 0) {
		watch_signals();
		probe = choose(&options);
		if (probe != NULL)
			status = sensor_run(&options, probe);
	}
	options_done(&options);
	return status;
}
