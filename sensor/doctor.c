/* Questions to the kernel, and the answers in words. */
#include "sensor/doctor.h"

#include "base/cleanup.h"
#include "sensor/containers/way.h"
#include "sensor/probe.h"
#include "sensor/ptrace/filter.h"
#ifdef HAVE_EBPF
#include "sensor/ebpf/hooks.h"
#endif

#include <linux/capability.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

enum { CAP_PERFMON_NR = 38, CAP_BPF_NR = 39 };

static bool has_cap(unsigned cap)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &head, data) < 0)
		return false;
	return (data[cap / 32].effective & 1U << cap % 32) != 0;
}

static bool has_bpf_caps(void)
{
	return has_cap(CAP_SYS_ADMIN) || (has_cap(CAP_BPF_NR) && has_cap(CAP_PERFMON_NR));
}

static bool has_btf(void)
{
	return access("/sys/kernel/btf/vmlinux", R_OK) == 0;
}

static bool kernel_is(unsigned want_major, unsigned want_minor)
{
	struct utsname name;
	unsigned major, minor;

	return uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major > want_major || (major == want_major && minor >= want_minor));
}

/* bpf_loop, the newest thing that the programs call, came with 5.17. */
static bool kernel_is_new_enough(void)
{
	return kernel_is(5, 17);
}

bool doctor_ebpf(char *why, size_t size)
{
	const char *text = "BTF and CAP_BPF are there";
	bool works = true;

#ifndef HAVE_EBPF
	text = "this build has none";
	works = false;
#endif
	if (works && !kernel_is_new_enough()) {
		text = "the kernel is older than 5.17";
		works = false;
	} else if (works && !has_btf()) {
		text = "the kernel has no BTF (/sys/kernel/btf/vmlinux)";
		works = false;
	} else if (works && !has_bpf_caps()) {
		text = "neither CAP_BPF with CAP_PERFMON nor CAP_SYS_ADMIN is held";
		works = false;
	}
	snprintf(why, size, "%s", text);
	return works;
}

static bool line(bool good, const char *what, const char *cost)
{
	printf("%s %s%s%s\n", good ? "ok     " : "MISSING", what, good ? "" : ": ",
	       good ? "" : cost);
	return good;
}

#ifdef HAVE_EBPF
/* What is asked for is what is used; the others are told, because they decide what could be prevented. */
static void hooks_print(void)
{
	static const struct {
		const char *what, *cost;
	} rows[HOOKS] = {
		[HOOK_TRACEPOINT] = { "tracepoints with BTF (tp_btf)",
				      "no eBPF probe: grant CAP_BPF and CAP_PERFMON, or run as root" },
		[HOOK_FENTRY] = { "fentry", "nothing is lost: the sensor does not use it" },
		[HOOK_LSM] = { "BPF LSM", "nothing can be forbidden, only seen (CONFIG_BPF_LSM, and bpf in lsm=)" },
		[HOOK_KPROBE] = { "kprobe multi", "nothing is lost: the sensor does not use it" },
	};

	for (size_t i = 0; i < HOOKS; i++) {
		int r = hook_try((enum hook)i);

		if (r == 0)
			printf("ok      %s\n", rows[i].what);
		else
			printf("%s %s: %s; %s\n", i == HOOK_TRACEPOINT ? "MISSING" : "without", rows[i].what,
			       strerror(-r), rows[i].cost);
	}
}

static bool try_ebpf(void)
{
	CLEANUP(interest_free_p) struct interest *interest = NULL;
	struct probe_settings settings = { 0 };
	const char *why = "out of memory";
	void *state;
	int r = interest_new(NULL, &interest);

	settings.interest = interest;
	if (r == 0)
		r = probe_ebpf.open(&settings, &state, &why);

	if (r < 0) {
		printf("MISSING the eBPF programs: %s: %s\n", why, strerror(-r));
		return false;
	}
	probe_ebpf.close(state);
	hooks_print();
	return line(true, "the eBPF programs load and attach", "");
}
#else
static bool try_ebpf(void)
{
	return line(false, "the eBPF programs", "this build has none");
}
#endif

static int ptrace_scope(void)
{
	autofclose FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	int scope = 0;

	if (file != NULL && fscanf(file, "%d", &scope) != 1)
		scope = 0;
	return scope;
}

static void found_line(const char *text, void *userdata)
{
	(void)userdata;
	printf("ok      containers of %s\n", text);
}

/* Not an error: most machines have one runtime or none. */
static void containers_print(const char *root)
{
	if (ways_describe(root, found_line, NULL) == 0)
		printf("none    no container runtime (Docker, Podman, containerd, CRI-O, runc): containers have "
		       "ids, but neither names, images nor pods; where the machine's root is mounted "
		       "elsewhere, --container-root says so\n");
}

/* What a command can be run under. */
static bool run_print(void)
{
	bool works = line(filter_works(), "seccomp user notification (Linux 5.6)", "no command can be run under the sensor");

	if (!works)
		return false;
	line(filter_is_killable(), "calls that are looked at wait whatever happens (Linux 5.19)",
	     "under run, results of calls and descriptors stay unknown");
	line(ptrace_scope() < (has_cap(CAP_SYS_PTRACE) ? 3 : 2), "ptrace of a command's threads (kernel.yama.ptrace_scope)",
	     "under run, results of calls and descriptors stay unknown");
	line(kernel_is(6, 6), "synchronous wake-up of listeners (Linux 6.6)",
	     "under run, each call that is looked at costs about twice as much");
	line(has_cap(CAP_SYS_ADMIN), "CAP_SYS_ADMIN",
	     "under run, the command gets no_new_privs: set-user-ID programs gain nothing");
	return true;
}

int doctor_print(const struct options *options)
{
	bool ebpf, ptrace;

	line(kernel_is_new_enough(), "kernel 5.17 or newer", "no eBPF probe: it needs bpf_loop");
	line(has_btf(), "BTF of the kernel",
	     "no eBPF probe: it cannot find the kernel's structures (CONFIG_DEBUG_INFO_BTF)");
	line(has_bpf_caps(), "CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN", "no eBPF probe");
	ebpf = try_ebpf();
	line(has_cap(CAP_SYS_NICE), "CAP_SYS_NICE",
	     "who floods all processors may starve the sensor, which cannot raise its priority");
	line(has_cap(CAP_SYS_PTRACE), "CAP_SYS_PTRACE",
	     "arguments and environment of other users' running processes stay unknown, and "
	     "results of set-user-ID programs' calls under run as well");
	line(has_cap(CAP_DAC_READ_SEARCH), "CAP_DAC_READ_SEARCH",
	     "paths of other users' running programs stay unknown until they exec");
	ptrace = run_print();
	containers_print(options->container_root);
	printf("\n%s\n", ebpf	  ? "Probe: eBPF, for the whole machine."
			 : ptrace ? "Probe: seccomp, for a command: tocsin-sensor run -- COMMAND; ptrace, for what runs already: "
				    "tocsin-sensor attach PID"
				  : "Probe: none can work here.");
	return ebpf || ptrace ? EXIT_SUCCESS : EXIT_FAILURE;
}
