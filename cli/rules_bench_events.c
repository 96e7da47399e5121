/* A mix of events: mostly files opened and programs run, connections now and then. */
#include "cli/rules_bench.h"

#include "base/cleanup.h"

static const char *const names[] = { "bash", "sh", "python3", "nginx", "java", "postgres", "sshd", "cron", "cat", "curl" };
static const char *const parents[] = { "systemd", "bash", "sshd", "containerd-shim", "cron", "nginx" };
static const char *const paths[] = {
	"/etc/ld.so.cache", "/usr/lib/x86_64-linux-gnu/libc.so.6", "/proc/self/stat", "/var/log/syslog", "/etc/passwd",
	"/tmp/session", "/var/lib/postgresql/data/base/1/2", "/srv/www/index.html", "/etc/shadow", "/root/.ssh/id_rsa",
};

static uint32_t next(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static const char *pick(uint32_t *state, const char *const *from, size_t count)
{
	return from[next(state) % count];
}

static void add_process(struct buf *out, uint32_t *state, size_t number)
{
	const char *name = pick(state, names, ARRAY_LEN(names)), *parent = pick(state, parents, ARRAY_LEN(parents));
	const bool contained = next(state) % 3 == 0, root = next(state) % 4 == 0;

	buf_addf(out, "\"evt.num\":%zu,\"proc.name\":\"%s\",\"proc.exepath\":\"/usr/bin/%s\",\"proc.exe\":\"%s\","
	         "\"proc.cmdline\":\"%s -c run %zu\",\"proc.args\":\"-c run %zu\",\"proc.pid\":%u,\"proc.vpid\":%u,",
	         number, name, name, name, name, number, number, 1000 + next(state) % 30000, 1000 + next(state) % 30000);
	buf_addf(out, "\"proc.pname\":\"%s\",\"proc.pcmdline\":\"%s\",\"proc.ppid\":%u,\"proc.aname[2]\":\"systemd\","
	         "\"proc.tty\":0,\"proc.sid\":1,\"user.name\":\"%s\",\"user.uid\":%d,\"user.loginuid\":%d,", parent, parent,
	         1 + next(state) % 1000, root ? "root" : "www-data", root ? 0 : 33, root ? 0 : -1);
	buf_addf(out, "\"container.id\":\"%s\"", contained ? "3ad7b26ded6d" : "host");
	if (contained)
		buf_add(out, STR(",\"container.image.repository\":\"docker.io/library/nginx\",\"container.name\":\"web\""));
}

static void add_open(struct buf *out, uint32_t *state)
{
	const bool write = next(state) % 8 == 0;

	buf_addf(out, "\"evt.type\":\"openat\",\"fd.name\":\"%s\",\"fd.typechar\":\"f\",\"fd.num\":%u,"
	         "\"evt.is_open_read\":%s,\"evt.is_open_write\":%s,\"evt.rawres\":3,",
	         pick(state, paths, ARRAY_LEN(paths)), 3 + next(state) % 60, write ? "false" : "true", write ? "true" : "false");
}

static void add_connect(struct buf *out, uint32_t *state)
{
	buf_addf(out, "\"evt.type\":\"connect\",\"fd.name\":\"10.0.0.1:%u->10.0.0.2:443\",\"fd.typechar\":\"4\",\"fd.num\":7,"
	         "\"fd.l4proto\":\"tcp\",\"fd.cip\":\"10.0.0.1\",\"fd.sip\":\"10.0.0.2\",\"fd.sport\":443,\"evt.rawres\":0,",
	         32768 + next(state) % 20000);
}

void bench_events(size_t count, struct buf *out)
{
	uint32_t state = 1;

	for (size_t i = 0; i < count; i++) {
		uint32_t kind = next(&state) % 100;

		buf_addf(out, "{\"time\":%zu,\"hostname\":\"bench\",\"fields\":{", (size_t)1767225600000 + i);
		if (kind < 60)
			add_open(out, &state);
		else if (kind < 80)
			buf_add(out, STR("\"evt.type\":\"execve\",\"evt.rawres\":0,"));
		else if (kind < 90)
			add_connect(out, &state);
		else
			buf_addf(out, "\"evt.type\":\"%s\",\"evt.rawres\":0,", kind < 95 ? "unlinkat" : "chmod");
		add_process(out, &state, i + 1);
		buf_add(out, STR("}}\n"));
	}
}
