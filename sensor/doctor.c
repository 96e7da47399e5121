/* Questions to the kernel, and the answers in words. */
#include "sensor/doctor.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "sensor/containers/way.h"
#include "sensor/enforce/act.h"
#include "sensor/gate/gate.h"
#include "sensor/probe.h"
#include "sensor/ptrace/filter.h"
#ifdef HAVE_EBPF
#include "sensor/ebpf/hooks.h"
#endif

#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

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
		text = "the kernel is older than 5.17; run and attach serve there";
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

/* ---- what is said ---- */

/* How to get what is missing: capabilities are granted in one way in each place, the rest has words of its own. */
struct grant {
	const char *caps;	/* "BPF PERFMON" */
	const char *docker;	/* flags of docker and podman */
	const char *systemd;	/* lines of a unit */
	const char *kubernetes; /* lines of a pod or its container */
	const char *kernel;	/* configuration, or a command on the host */
};

static const struct grant grant_kernel = { .kernel = "a kernel 5.17 or newer" };
static const struct grant grant_btf = { .kernel = "CONFIG_DEBUG_INFO_BTF=y" };
static const struct grant grant_bpf = { .caps = "BPF PERFMON" };
static const struct grant grant_nice = { .caps = "SYS_NICE" };
static const struct grant grant_ptrace = { .caps = "SYS_PTRACE" };
static const struct grant grant_dac = { .caps = "DAC_READ_SEARCH" };
static const struct grant grant_resource = { .caps = "SYS_RESOURCE", .systemd = "LimitMEMLOCK=infinity" };
static const struct grant grant_pids = { .docker = "--pid=host", .kubernetes = "hostPID: true" };
static const struct grant grant_bpffs = {
	.docker = "--volume /sys/fs/bpf:/sys/fs/bpf",
	.systemd = "ReadWritePaths=-/sys/fs/bpf",
	.kubernetes = "volumes: [{name: bpf, hostPath: {path: /sys/fs/bpf}}]; volumeMounts: [{name: bpf, mountPath: /sys/fs/bpf}]",
	.kernel = "mount -t bpf bpf /sys/fs/bpf",
};
static const struct grant grant_seccomp = { .kernel = "CONFIG_SECCOMP_FILTER=y, Linux 5.6 or newer" };
static const struct grant grant_5_19 = { .kernel = "Linux 5.19 or newer" };
static const struct grant grant_6_6 = { .kernel = "Linux 6.6 or newer" };
static const struct grant grant_admin = { .caps = "SYS_ADMIN" };
static const struct grant grant_yama = { .kernel = "sysctl kernel.yama.ptrace_scope=1 (from 3 only a reboot leads back)" };

enum { FOUND_OK, FOUND_MISSING, FOUND_WITHOUT, FOUND_NONE };

struct saying {
	bool json;
	size_t count;
	struct buf out;
};

/* "--cap-add BPF --cap-add PERFMON": each of `caps` between `before` and `after`, with `between` them. */
static void add_caps(struct buf *out, const char *caps, const char *before, const char *each, const char *between,
		     const char *after)
{
	buf_addf(out, "%s%s", before, each);
	for (; *caps != '\0'; caps++)
		if (*caps == ' ')
			buf_addf(out, "%s%s", between, each);
		else
			buf_add_char(out, *caps);
	buf_add(out, str_of(after));
}

static void add_place(struct saying *saying, const char *place, const char *own, struct buf *caps)
{
	struct buf *out = &saying->out;

	if (own == NULL && caps->len == 0)
		return;
	if (own != NULL)
		buf_addf(caps, "%s%s", caps->len > 0 ? "; " : "", own);
	if (saying->json) {
		buf_addf(out, "%s\"%s\":", out->at[out->len - 1] == '{' ? "" : ",", place);
		buf_add_json(out, buf_str(caps));
	} else {
		buf_addf(out, "          %-11s %.*s\n", place, STR_ARG(buf_str(caps)));
	}
	buf_clear(caps);
}

static void add_grant(struct saying *saying, const struct grant *grant)
{
	struct buf text = { 0 };

	if (grant->caps != NULL)
		add_caps(&text, grant->caps, "", "--cap-add ", " ", "");
	add_place(saying, "docker", grant->docker, &text);
	if (grant->caps != NULL)
		add_caps(&text, grant->caps, "AmbientCapabilities=", "CAP_", " ", "");
	add_place(saying, "systemd", grant->systemd, &text);
	if (grant->caps != NULL)
		add_caps(&text, grant->caps, "securityContext: {capabilities: {add: [", "", ", ", "]}}");
	add_place(saying, "kubernetes", grant->kubernetes, &text);
	add_place(saying, "kernel", grant->kernel, &text);
	buf_done(&text);
}

/* One thing that was looked at. `why`: what the kernel said; `cost`: what is lost without it. Any but `what` may be
 * NULL. */
static void say(struct saying *saying, int found, const char *what, const char *why, const char *cost,
		const struct grant *grant)
{
	static const char *const words[] = { "ok", "MISSING", "without", "none" };
	struct buf *out = &saying->out;
	bool good = found == FOUND_OK;

	if (!saying->json) {
		buf_addf(out, "%-7s %s", words[found], what);
		for (int i = 0; i < 2 && !good; i++)
			if ((i == 0 ? why : cost) != NULL)
				buf_addf(out, ": %s", i == 0 ? why : cost);
		buf_add_char(out, '\n');
		if (!good && grant != NULL)
			add_grant(saying, grant);
		return;
	}
	buf_addf(out, "%s{\"found\":\"%s\",\"what\":", saying->count++ > 0 ? "," : "",
		 found == FOUND_MISSING ? "missing" : words[found]);
	buf_add_json(out, str_of(what));
	if (!good && why != NULL) {
		buf_add(out, STR(",\"why\":"));
		buf_add_json(out, str_of(why));
	}
	if (!good && cost != NULL) {
		buf_add(out, STR(",\"cost\":"));
		buf_add_json(out, str_of(cost));
	}
	if (!good && grant != NULL) {
		buf_add(out, STR(",\"grant\":{"));
		add_grant(saying, grant);
		buf_add_char(out, '}');
	}
	buf_add_char(out, '}');
}

static bool say_if(struct saying *saying, bool good, const char *what, const char *cost, const struct grant *grant)
{
	say(saying, good ? FOUND_OK : FOUND_MISSING, what, NULL, cost, grant);
	return good;
}

/* ---- what is looked at ---- */

#ifdef HAVE_EBPF
/* The first is what is used: no other sees the end of every call, which tests/bench/bench_hooks.c shows. The others are
 * told, because they decide what could be prevented. */
static void say_hooks(struct saying *saying)
{
	static const struct {
		const char *what, *cost;
		const struct grant *grant;
	} rows[HOOKS] = {
		[HOOK_TRACEPOINT] = { "tracepoints with BTF (tp_btf), where all calls are seen", "no eBPF probe", &grant_bpf },
		[HOOK_FENTRY] = { "fentry and fexit, not used", "nothing is lost: they do not see the end of every call", NULL },
		[HOOK_KPROBE] = { "kprobe multi, not used", "nothing is lost: calls that wait can hide all others from it", NULL },
	};

	for (size_t i = 0; i < HOOKS; i++) {
		int r;

		if (i == HOOK_LSM)
			continue;
		r = hook_try((enum hook)i);
		say(saying, r == 0 ? FOUND_OK : i == HOOK_TRACEPOINT ? FOUND_MISSING : FOUND_WITHOUT, rows[i].what,
		    strerror(-r), rows[i].cost, rows[i].grant);
	}
}

/* Programs attach also where nobody asks them. */
static void say_lsm(struct saying *saying, bool asks)
{
	static const struct grant grant = {
		.kernel = "CONFIG_BPF_LSM=y, and bpf in lsm= on the command line, behind what /sys/kernel/security/lsm has: lsm=...,bpf",
	};
	int r = asks ? 0 : hook_try(HOOK_LSM);

	say(saying, asks ? FOUND_OK : FOUND_WITHOUT, "BPF LSM, where the kernel asks before it does what a call wants",
	    r < 0 ? strerror(-r) : "bpf is not among the security modules that are asked, or a program for it is refused",
	    "under eBPF calls on names, mounts and processes are not refused that rules deny", &grant);
}

static bool try_ebpf(struct saying *saying)
{
	CLEANUP(interest_free_p) struct interest *interest = NULL;
	struct probe_settings settings = { .kills = true, .denies = true };
	const char *why = "out of memory";
	char text[256];
	void *state;
	bool kills, asks, uring;
	int r = interest_new(NULL, &interest);

	settings.interest = interest;
	if (r == 0)
		r = probe_ebpf.open(&settings, &state, &why);
	if (r < 0) {
		snprintf(text, sizeof(text), "%s: %s", why, strerror(-r));
		say(saying, FOUND_MISSING, "the eBPF programs", text, "no eBPF probe", NULL);
		return false;
	}
	kills = probe_ebpf.kill(state, NULL) == 0;
	asks = probe_ebpf.hooks(state) != 0;
	uring = hook_uring(state);
	probe_ebpf.close(state);
	say_hooks(saying);
	say_lsm(saying, asks);
	say_if(saying, kills, "the eBPF programs that kill",
	       "rules that kill are the sensor's, some milliseconds after the call", NULL);
	say_if(saying, uring, "io_urings (Linux 6.1)", "what is asked for through them is not seen", NULL);
	return say_if(saying, true, "the eBPF programs load and attach", NULL, NULL);
}
#else
static bool try_ebpf(struct saying *saying)
{
	return say_if(saying, false, "the eBPF programs", "this build has none", NULL);
}
#endif

/* What rules that respond can be promised under eBPF, beside the end of a process after the call. */
static void say_denial(struct saying *saying)
{
	static const struct grant grant_fanotify = { .caps = "SYS_ADMIN", .kernel = "CONFIG_FANOTIFY_ACCESS_PERMISSIONS=y" };
	static const struct grant grant_cgroup = { .kernel = "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified, or where it belongs" };
	const struct gate_settings settings = { .layer = NULL };
	struct gate *gate = NULL;
	const char *why;
	char path[PATH_MAX];

	say_if(saying, cgroup_mount("cgroup2", NULL, path, sizeof(path)), "a tree of cgroup2",
	       "under eBPF no connection is refused that rules deny", &grant_cgroup);
	say_if(saying, gate_new(&settings, &gate, &why) == 0, "permission events of fanotify",
	       "under eBPF neither opens nor programs are refused that rules deny", &grant_fanotify);
	gate_free(gate);
}

static int ptrace_scope(void)
{
	autofclose FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	int scope = 0;

	if (file != NULL && fscanf(file, "%d", &scope) != 1)
		scope = 0;
	return scope;
}

/* The machine's own namespace of processes has this number in every kernel. */
static bool sees_all_processes(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == 0xEFFFFFFCU;
}

static bool has_bpffs(void)
{
	struct statfs fs;

	return statfs("/sys/fs/bpf", &fs) == 0 && fs.f_type == 0xcafe4a11 && access("/sys/fs/bpf", W_OK) == 0;
}

static void found_line(const char *text, void *userdata)
{
	char what[256];

	snprintf(what, sizeof(what), "containers of %s", text);
	say(userdata, FOUND_OK, what, NULL, NULL, NULL);
}

/* Not an error: most machines have one runtime or none. */
static void say_containers(struct saying *saying, const char *root)
{
	if (ways_describe(root, found_line, saying) == 0)
		say(saying, FOUND_NONE, "no container runtime (Docker, Podman, containerd, CRI-O, runc)", NULL,
		    "containers have ids, but neither names, images nor pods; where the machine's root is mounted "
		    "elsewhere, --container-root says so",
		    NULL);
}

/* What makes what is seen fuller. */
static void say_comforts(struct saying *saying)
{
	say_if(saying, sees_all_processes(), "the machine's namespace of processes",
	       "processes that run already stay unknown, and numbers are not those that others see", &grant_pids);
	say_if(saying, has_cap(CAP_SYS_NICE), "CAP_SYS_NICE",
	       "who floods all processors may starve the sensor, which cannot raise its priority", &grant_nice);
	say_if(saying, has_cap(CAP_SYS_PTRACE), "CAP_SYS_PTRACE",
	       "arguments and environment of other users' running processes stay unknown, and results of "
	       "set-user-ID programs' calls under run as well",
	       &grant_ptrace);
	say_if(saying, has_cap(CAP_DAC_READ_SEARCH), "CAP_DAC_READ_SEARCH",
	       "paths of other users' running programs stay unknown until they exec", &grant_dac);
	say_if(saying, kernel_is_new_enough() || has_cap(CAP_SYS_RESOURCE), "CAP_SYS_RESOURCE",
	       "the rings may not be locked in memory", &grant_resource);
	say_if(saying, has_bpffs(), "a BPF file system at /sys/fs/bpf",
	       "who kills the sensor is not known to its next start", &grant_bpffs);
}

/* What a command can be run under. */
static bool say_run(struct saying *saying)
{
	if (!say_if(saying, filter_works(), "seccomp user notification (Linux 5.6)",
		    "no command can be run under the sensor", &grant_seccomp))
		return false;
	say_if(saying, filter_is_killable(), "calls that are looked at wait whatever happens (Linux 5.19)",
	       "under run, results of calls and descriptors stay unknown", &grant_5_19);
	say_if(saying, ptrace_scope() < (has_cap(CAP_SYS_PTRACE) ? 3 : 2),
	       "ptrace of a command's threads (kernel.yama.ptrace_scope)",
	       "under run, results of calls and descriptors stay unknown", &grant_yama);
	say_if(saying, kernel_is(6, 6), "synchronous wake-up of listeners (Linux 6.6)",
	       "under run, each call that is looked at costs about twice as much", &grant_6_6);
	say_if(saying, has_cap(CAP_SYS_ADMIN), "CAP_SYS_ADMIN",
	       "under run, the command gets no_new_privs: set-user-ID programs gain nothing", &grant_admin);
	return true;
}

int doctor_print(const struct options *options)
{
	struct saying saying = { .json = options->observe.json };
	const char *probe;
	bool ebpf, seccomp;

	if (saying.json)
		buf_add(&saying.out, STR("{\"findings\":["));
	say_if(&saying, kernel_is_new_enough(), "kernel 5.17 or newer", "no eBPF probe, which needs bpf_loop: run and attach serve", &grant_kernel);
	say_if(&saying, has_btf(), "BTF of the kernel", "no eBPF probe: it cannot find the kernel's structures",
	       &grant_btf);
	say_if(&saying, has_bpf_caps(), "CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN", "no eBPF probe", &grant_bpf);
	ebpf = try_ebpf(&saying);
	say_denial(&saying);
	say_comforts(&saying);
	seccomp = say_run(&saying);
	say_containers(&saying, options->container_root);
	probe = ebpf	  ? "eBPF, for the whole machine"
		: seccomp ? "seccomp, for a command: tocsin-sensor run -- COMMAND; ptrace, for what runs already: "
			    "tocsin-sensor attach PID"
			  : "none can work here";
	if (saying.json)
		buf_addf(&saying.out, "],\"probe\":\"%s\"}\n", ebpf ? "ebpf" : seccomp ? "seccomp" : "none");
	else
		buf_addf(&saying.out, "\nProbe: %s.\n", probe);
	if (buf_ok(&saying.out))
		fwrite(saying.out.at, 1, saying.out.len, stdout);
	buf_done(&saying.out);
	return ebpf || seccomp ? EXIT_SUCCESS : EXIT_FAILURE;
}
