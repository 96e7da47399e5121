/* The stream of events for benchmarks of rules. */
#include "tests/bench/events.h"

#include "base/cleanup.h"

enum { MATCH_ONE_IN = 250 };

static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15; /* SplitMix64 (Steele, Lea, Flood 2014) */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* The first of `count` are frequent, the last are rare. */
static uint64_t rare_of(uint64_t *state, uint64_t count)
{
	uint64_t a = draw(state) % count, b = draw(state) % count, c = draw(state) % count;

	a = a < b ? a : b;
	return a < c ? a : c;
}

static bool chance(uint64_t *state, unsigned percent)
{
	return draw(state) % 100 < percent;
}

static const char *const programs[] = {
	"nginx", "postgres", "java", "python3", "node", "redis-server", "php-fpm", "envoy", "containerd", "kubelet",
	"systemd", "sshd", "cron", "dockerd", "prometheus", "grafana", "rsyslogd", "bash", "sh", "grep", "sed", "awk",
	"find", "git", "make", "cc1", "ld", "dbus-daemon", "systemd-journal", "systemd-logind", "mysqld", "mongod",
	"etcd", "coredns", "kube-proxy", "haproxy", "varnishd", "ruby", "perl", "tar", "gzip", "rsync", "curl", "vim",
};
static const char *const folders[] = {
	"/usr/lib/x86_64-linux-gnu", "/proc/self", "/var/lib/postgresql/15/main/base/16384", "/srv/app/node_modules/lodash",
	"/usr/lib/python3/dist-packages/yaml", "/sys/fs/cgroup/system.slice/app.service", "/var/log/nginx", "/tmp",
	"/etc/nginx/conf.d", "/usr/share/zoneinfo/Europe", "/home/app/.cache/pip/http/4/a", "/opt/java/openjdk/lib",
	"/var/lib/docker/overlay2/3f2b9c/diff/usr/lib", "/run/systemd/journal/streams", "/var/cache/fontconfig", "/var/tmp/build",
	"/etc/ssl/certs", "/var/lib/dpkg/info", "/usr/include/linux", "/home/app/src/project/internal/handlers",
};
static const char *const files[] = {
	"libc.so.6", "stat", "index.js", "data", "access.log", "libcrypto.so.3", "__init__.cpython-311.pyc", "cpu.max",
	"default.conf", "Berlin", "cacert.pem", "memory.current", "package.json", "libz.so.1", "locale-archive", "ld.so.cache",
	"main.go", "types.h", "status", "lock",
};
static const char *const users[] = { "root", "www-data", "postgres", "app", "nobody" };

#define PICK(table) (table)[rare_of(state, ARRAY_LEN(table))]

static void add_process(uint64_t *state, const char *name, struct buf *out)
{
	const char *parent = PICK(programs);
	bool inside = chance(state, 30);

	buf_addf(out, "\"proc.name\":\"%s\",\"proc.exe\":\"%s\",\"proc.exepath\":\"/usr/bin/%s\",\"proc.pid\":%llu,", name, name,
	         name, (unsigned long long)(draw(state) % 30000 + 2));
	buf_addf(out, "\"proc.args\":\"-c /etc/%s/%s.conf --workers %llu\",", name, name, (unsigned long long)(draw(state) % 64));
	buf_addf(out, "\"proc.cmdline\":\"%s -c /etc/%s/%s.conf\",\"proc.pname\":\"%s\",\"proc.ppid\":%llu,", name, name, name,
	         parent, (unsigned long long)(draw(state) % 3000 + 1));
	buf_addf(out, "\"proc.pcmdline\":\"%s\",\"proc.aname[1]\":\"%s\",\"proc.aname[2]\":\"%s\",\"proc.aname[3]\":\"systemd\",",
	         parent, parent, PICK(programs));
	buf_addf(out, "\"proc.tty\":0,\"proc.cwd\":\"/\",\"user.name\":\"%s\",\"user.uid\":%llu,\"user.loginuid\":-1,", PICK(users),
	         (unsigned long long)(draw(state) % 1000));
	if (inside)
		buf_addf(out, "\"container.id\":\"%012llx\",\"container.image.repository\":\"docker.io/library/%s\"",
		         (unsigned long long)(draw(state) % 200), name);
	else
		buf_add(out, STR("\"container.id\":\"host\""));
}

static void add_open(uint64_t *state, bool write, const char *path, struct buf *out)
{
	buf_addf(out, ",\"evt.type\":\"openat\",\"evt.is_open_read\":%s,\"evt.is_open_write\":%s,\"evt.arg.flags\":\"%s\",",
	         write ? "false" : "true", write ? "true" : "false", write ? "O_WRONLY|O_CREAT|O_TRUNC" : "O_RDONLY|O_CLOEXEC");
	buf_addf(out, "\"fd.num\":%llu,\"fd.typechar\":\"f\",\"fd.type\":\"file\",\"evt.rawres\":3,\"evt.res\":\"SUCCESS\",\"fd.name\":",
	         (unsigned long long)(draw(state) % 60 + 3));
	if (path != NULL)
		buf_add_json(out, str_of(path));
	else
		buf_addf(out, "\"%s/%llu/%s\"", PICK(folders), (unsigned long long)rare_of(state, 5000), PICK(files));
}

static void add_exec(uint64_t *state, struct buf *out)
{
	buf_addf(out, ",\"evt.type\":\"execve\",\"evt.rawres\":0,\"evt.res\":\"SUCCESS\",\"proc.is_exe_upper_layer\":false,"
	         "\"proc.is_exe_from_memfd\":false,\"proc.is_exe_writable\":false,\"proc.sid\":%llu",
	         (unsigned long long)(draw(state) % 3000));
}

static void add_connect(uint64_t *state, struct buf *out)
{
	unsigned a = (unsigned)(draw(state) % 250), b = (unsigned)(draw(state) % 250);

	buf_addf(out, ",\"evt.type\":\"%s\",\"evt.rawres\":0,\"evt.res\":\"SUCCESS\",\"fd.num\":9,\"fd.typechar\":\"4\",\"fd.type\":\"ipv4\","
	         "\"fd.l4proto\":\"tcp\",\"fd.sip\":\"10.1.%u.%u\",\"fd.sport\":%u,\"fd.cip\":\"10.0.0.9\",\"fd.cport\":%llu,",
	         chance(state, 70) ? "connect" : "accept4", a, b, chance(state, 60) ? 443 : 5432,
	         (unsigned long long)(draw(state) % 30000 + 32768));
	buf_addf(out, "\"fd.name\":\"10.0.0.9:50000->10.1.%u.%u:443\"", a, b);
}

static void add_sendto(uint64_t *state, struct buf *out)
{
	buf_addf(out, ",\"evt.type\":\"sendto\",\"evt.rawres\":64,\"evt.res\":\"SUCCESS\",\"fd.num\":7,\"fd.typechar\":\"4\","
	         "\"fd.type\":\"ipv4\",\"fd.l4proto\":\"udp\",\"fd.sip\":\"10.96.0.10\",\"fd.sport\":53,\"fd.cip\":\"10.0.0.9\","
	         "\"fd.cport\":%llu,\"fd.name\":\"10.0.0.9:40000->10.96.0.10:53\",\"evt.arg.size\":%llu",
	         (unsigned long long)(draw(state) % 30000 + 32768), (unsigned long long)(draw(state) % 90 + 30));
}

static void add_other(uint64_t *state, struct buf *out)
{
	static const char *const types[] = { "unlinkat", "mkdirat", "renameat2", "fchmodat", "clone", "setuid", "dup2",
	                                     "ptrace", "kill", "socket", "mount", "symlinkat" };

	buf_addf(out, ",\"evt.type\":\"%s\",\"evt.rawres\":0,\"evt.res\":\"SUCCESS\",\"evt.arg.path\":\"%s/%s\",\"evt.arg.mode\":\"S_IRUSR\"",
	         PICK(types), PICK(folders), PICK(files));
}

void bench_event(uint64_t number, struct buf *out)
{
	uint64_t seed = number * 7919 + 1, *state = &seed;
	unsigned kind = (unsigned)(draw(state) % 100);
	bool match = draw(state) % MATCH_ONE_IN == 0;

	buf_addf(out, "{\"time\":%llu,\"source\":\"syscall\",\"hostname\":\"node-1\",\"sensor\":{\"id\":\"s\",\"boot\":\"b\",\"seq\":%llu},"
	         "\"fields\":{", 1790000000000000000ull + number, (unsigned long long)number + 1);
	add_process(state, match ? "cat" : PICK(programs), out);
	if (match)
		add_open(state, false, "/etc/shadow", out);
	else if (kind < 62)
		add_open(state, false, NULL, out);
	else if (kind < 77)
		add_open(state, true, NULL, out);
	else if (kind < 82)
		add_exec(state, out);
	else if (kind < 90)
		add_connect(state, out);
	else if (kind < 94)
		add_sendto(state, out);
	else
		add_other(state, out);
	buf_add(out, STR("}}\n"));
}
