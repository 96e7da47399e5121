/* tocsin seccomp record: the smallest profile under which a command runs again. */
#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/seccomp_load.h"
#include "sensor/seccomp/compile.h"
#include "sensor/seccomp/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

static const char *path;
static bool adds, for_runc;

static const struct cli_option options[] = {
	{ "file", 'f', "FILE", "seccomp.json", "where the profile goes; - is standard output", &path, NULL },
	{ "add", 0, NULL, NULL, "keep what FILE allows already: several runs make one profile", NULL, &adds },
	{ "runc", 0, NULL, NULL, "also what runc itself calls before it starts the command", NULL, &for_runc },
	{ 0 },
};

/* Not every run shows these, and every program may need them. */
static const char *const always[] = {
	"clock_getres", "clock_gettime", "execve", "exit", "exit_group", "getcpu", "gettimeofday", "restart_syscall",
	"rt_sigreturn", "time",
};

/* Between installing the profile and the command's execve, as runc 1.1 makes them. */
static const char *const runc[] = {
	"capget", "capset", "chdir", "close", "dup3", "epoll_create1", "epoll_ctl", "epoll_pwait", "eventfd2", "faccessat2",
	"fchdir", "fchown", "fcntl", "fstat", "fstatfs", "futex", "getcwd", "getdents64", "getegid", "geteuid", "getgid",
	"getpid", "getppid", "gettid", "getuid", "ioctl", "lseek", "lstat", "madvise", "mmap", "mprotect", "munmap",
	"nanosleep", "newfstatat", "openat", "openat2", "pipe2", "prctl", "pread64", "read", "readlinkat", "rt_sigaction",
	"rt_sigprocmask", "sched_getaffinity", "sched_yield", "seccomp", "setgid", "setgroups", "setuid", "sigaltstack",
	"stat", "statfs", "tgkill", "timer_create", "timer_delete", "timer_settime", "uname", "write",
};

enum { NAME_MAX_ = 64, NAMES_MAX = 4096 };

struct names {
	char at[NAMES_MAX][NAME_MAX_];
	size_t count;
};

static bool has(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->at[i], name) == 0)
			return true;
	return false;
}

static void add(struct names *names, const char *name)
{
	if (names->count < NAMES_MAX && !has(names, name))
		snprintf(names->at[names->count++], NAME_MAX_, "%s", name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void add_seen(struct names *names, const struct watched *watched)
{
	for (size_t i = 0; i < WATCH_ARCHES_MAX; i++) {
		const struct watched_arch *arch = &watched->arches[i];
		uint32_t base;

		profile_audit_arch(arch->arch, &base);
		for (int nr = 0; arch->arch != 0 && nr < WATCH_CALLS_MAX; nr++) {
			char name[NAME_MAX_];

			if (!arch->seen[nr])
				continue;
			if (profile_call_name(arch->arch, (int)base + nr, name, sizeof(name)))
				add(names, name);
			else
				cli_complain("call %d of %s has no name here and is left out", nr,
					     profile_arch_name(arch->arch));
		}
	}
}

/* What the file allows without conditions. */
static bool add_earlier(struct names *names, struct watched *watched)
{
	struct seccomp_loaded *loaded = NULL;
	bool ok;

	if (strcmp(path, "-") == 0 || access(path, F_OK) < 0)
		return true;
	if (!seccomp_load(path, NULL, &loaded))
		return false;
	ok = loaded->ok;
	for (size_t i = 0; ok && i < loaded->profile.rules_count; i++)
		for (size_t j = 0; j < loaded->profile.rules[i].names_count; j++)
			if (loaded->profile.rules[i].action == SECCOMP_RET_ALLOW &&
			    loaded->profile.rules[i].conditions_count == 0)
				add(names, loaded->profile.rules[i].names[j].at);
	for (size_t i = 0; ok && i < loaded->profile.arches_count; i++)
		for (size_t j = 0; j < WATCH_ARCHES_MAX; j++)
			if (watched->arches[j].arch == 0 || watched->arches[j].arch == loaded->profile.arches[i]) {
				watched->arches[j].arch = loaded->profile.arches[i];
				break;
			}
	if (!ok) {
		struct buf text = { 0 };

		conf_errors_print(&loaded->errors, &text);
		cli_tell(&text);
	}
	seccomp_loaded_free(loaded);
	return ok;
}

/* ---- writing ---- */

static void add_entry(struct names *names, const char *comment, bool is_last, struct buf *out)
{
	qsort(names->at, names->count, NAME_MAX_, by_name);
	buf_add(out, STR("\t\t{\n\t\t\t\"names\": [\n"));
	for (size_t i = 0; i < names->count; i++)
		buf_addf(out, "\t\t\t\t\"%s\"%s\n", names->at[i], i + 1 < names->count ? "," : "");
	buf_add(out, STR("\t\t\t],\n\t\t\t\"action\": \"SCMP_ACT_ALLOW\""));
	if (comment != NULL)
		buf_addf(out, ",\n\t\t\t\"comment\": \"%s\"", comment);
	buf_addf(out, "\n\t\t}%s\n", is_last ? "" : ",");
}

static void add_unseen(const struct names *seen, const char *const *list, size_t count, struct names *ret)
{
	for (size_t i = 0; i < count; i++)
		if (!has(seen, list[i]))
			add(ret, list[i]);
}

static void add_profile(struct names *seen, const struct watched *watched, struct buf *out)
{
	static struct names unseen, runtime;
	bool first = true;

	add_unseen(seen, always, ARRAY_LEN(always), &unseen);
	for (size_t i = 0; for_runc && i < ARRAY_LEN(runc); i++)
		if (!has(seen, runc[i]) && !has(&unseen, runc[i]))
			add(&runtime, runc[i]);
	buf_add(out, STR("{\n\t\"defaultAction\": \"SCMP_ACT_ERRNO\",\n\t\"defaultErrnoRet\": 1,\n\t\"architectures\": ["));
	for (size_t i = 0; i < WATCH_ARCHES_MAX; i++) {
		if (watched->arches[i].arch == 0)
			continue;
		buf_addf(out, "%s\n\t\t\"%s\"", first ? "" : ",", profile_arch_name(watched->arches[i].arch));
		first = false;
	}
	buf_add(out, STR("\n\t],\n\t\"syscalls\": [\n"));
	add_entry(seen, NULL, unseen.count + runtime.count == 0, out);
	if (unseen.count > 0)
		add_entry(&unseen, "not seen, but any program may need them: its end, signals, the clock", runtime.count == 0,
			  out);
	if (runtime.count > 0)
		add_entry(&runtime, "what runc calls before it starts the command", true, out);
	buf_add(out, STR("\t]\n}\n"));
}

static int write_profile(struct buf *out)
{
	char temporary[4096];
	autoclose int fd = -1;
	bool good;

	if (strcmp(path, "-") == 0)
		return cli_print(out);
	if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
		return cli_usage("-f: the name is too long");
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	good = fd >= 0 && buf_ok(out) && write(fd, out->at, out->len) == (ssize_t)out->len && fsync(fd) == 0 &&
	       rename(temporary, path) == 0;
	if (!good)
		cli_complain("%s: %s", path, strerror(errno));
	return good ? CLI_YES : CLI_NO;
}

static void tell_end(const struct watched *watched, const struct names *seen)
{
	if (WIFSIGNALED(watched->status))
		cli_complain("the command was ended by signal %d", WTERMSIG(watched->status));
	else if (WEXITSTATUS(watched->status) != 0)
		cli_complain("the command ended with status %d", WEXITSTATUS(watched->status));
	cli_complain("%llu calls, %zu of them different%s", (unsigned long long)watched->calls, seen->count,
		     watched->unknown > 0 ? "; some of an unknown kind are left out" : "");
}

static int run(int argc, char **argv)
{
	static struct watched watched;
	static struct names seen;
	struct buf out = { 0 };
	const char *why;
	int status;

	if (argc == 0)
		return cli_usage("seccomp record wants a command behind --");
	path = path == NULL ? "seccomp.json" : path;
	status = watch_command(argv, &watched, &why);
	if (status < 0) {
		cli_complain("%s: %s: %s", argv[0], why, strerror(-status));
		return CLI_NO;
	}
	add_seen(&seen, &watched);
	tell_end(&watched, &seen);
	if (adds && !add_earlier(&seen, &watched))
		return CLI_NO;
	add_profile(&seen, &watched, &out);
	status = write_profile(&out);
	buf_done(&out);
	return status;
}

const struct cli_verb verb_seccomp_record = {
	.name = "seccomp record",
	.arguments = "-- COMMAND [ARGUMENT]...",
	.summary = "run a command and write the smallest profile of system calls with which it runs again",
	.examples = "  tocsin seccomp record -f web.json -- ./web --port 8080\n"
		    "  tocsin seccomp record -f web.json --add -- ./web --selftest   what other runs need comes to it\n"
		    "  tocsin seccomp record -f web.json --runc -- ./web             for docker run --security-opt seccomp=",
	.options = options,
	.run = run,
};
