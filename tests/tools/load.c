/* A load generator: N keep-alive connections that post Falco alerts of about 900 bytes, one under way
 * on each, every alert different (number, time) and each connection a host of its own. Prints one JSON
 * line of figures; can write the numbers that were acknowledged to a file, for checking that none of
 * them is lost. Linux, loopback only. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { LATENCIES_MAX = 1 << 23, REQUEST_SPACE = 1200, ANSWER_SPACE = 1 << 16 };

struct connection {
	int fd, index;
	char *out;
	size_t out_len, sent;
	char in[ANSWER_SPACE];
	size_t in_len;
	uint64_t first;      /* number of the first alert under way */
	int64_t started_ns;
	bool waiting;
};

static const char *path = "/", *acked_path, *token;
static int port = 2801, connections = 64, batch = 1;
static double seconds = 5;
static uint64_t count_max, rate;

static struct connection *all;
static int epoll_fd;
static uint64_t first_number = 1, next_number, accepted, refused, broken;
static uint32_t *latencies;
static size_t latencies_count;
static FILE *acked;
static volatile sig_atomic_t stop;
static int64_t begin_ns, last_ack_ns, longest_gap_ns;

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static size_t write_alert(char *to, size_t size, uint64_t number, int host, int64_t wall_ns)
{
	time_t s = (time_t)(wall_ns / 1000000000);
	struct tm tm;

	gmtime_r(&s, &tm);
	return (size_t)snprintf(to, size,
		"{\"hostname\":\"node-%d\",\"output\":\"12:00:00.000000000: Warning Sensitive file opened for "
		"reading by non-trusted program (file=/etc/shadow gparent=sshd ggparent=systemd gggparent=<NA> "
		"evt_type=openat user=root user_uid=0 user_loginuid=-1 process=cat proc_exepath=/usr/bin/cat)\","
		"\"output_fields\":{\"evt.time\":%" PRId64 ",\"evt.num\":%" PRIu64 ",\"evt.type\":\"openat\","
		"\"fd.name\":\"/etc/shadow\",\"proc.name\":\"cat\",\"proc.exepath\":\"/usr/bin/cat\","
		"\"proc.pname\":\"bash\",\"proc.cmdline\":\"cat /etc/shadow\",\"proc.tty\":34816,"
		"\"proc.aname[2]\":\"sshd\",\"container.id\":\"host\",\"user.name\":\"root\",\"user.uid\":0},"
		"\"priority\":\"Warning\",\"rule\":\"Read sensitive file untrusted\",\"source\":\"syscall\","
		"\"tags\":[\"T1555\",\"container\",\"filesystem\",\"host\",\"maturity_stable\","
		"\"mitre_credential_access\"],\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%09dZ\"}",
		host, wall_ns, number, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		tm.tm_sec, (int)(wall_ns % 1000000000));
}

static void connect_to(struct connection *c)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };
	int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->waiting = false;
	c->in_len = 0;
	if (connect(c->fd, (struct sockaddr *)&address, sizeof(address)) < 0 && errno != EINPROGRESS) {
		close(c->fd);
		c->fd = -1;
		return;
	}
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

static void drop(struct connection *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	broken += c->waiting;
	c->waiting = false;
}

static void fill(struct connection *c)
{
	struct timespec wall;
	size_t body_max = (size_t)batch * REQUEST_SPACE, len = 0, head;
	char *body = c->out + 512;
	int64_t ns;

	clock_gettime(CLOCK_REALTIME, &wall);
	ns = wall.tv_sec * 1000000000LL + wall.tv_nsec;
	c->first = next_number;
	for (int i = 0; i < batch; i++) {
		if (i > 0)
			body[len++] = '\n';
		len += write_alert(body + len, body_max - len, next_number++, c->index, ns + i);
	}
	head = (size_t)snprintf(c->out, 512, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: "
	                        "falcosecurity/falco\r\nContent-Type: application/json\r\n%s%s%sContent-Length: "
	                        "%zu\r\n\r\n", path, token ? "Authorization: Bearer " : "", token ? token : "",
	                        token ? "\r\n" : "", len);
	memmove(c->out + head, body, len);
	c->out_len = head + len;
	c->sent = 0;
	c->waiting = true;
	c->started_ns = now_ns();
}

static bool may_send(void)
{
	uint64_t sent = next_number - first_number;

	if (stop || (count_max > 0 && sent >= count_max))
		return false;
	return rate == 0 || (double)sent < (double)rate * (double)(now_ns() - begin_ns) / 1e9;
}

static void push(struct connection *c)
{
	while (c->sent < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->sent, c->out_len - c->sent, MSG_NOSIGNAL);

		if (n < 0) {
			if (errno != EAGAIN)
				drop(c);
			return;
		}
		c->sent += (size_t)n;
	}
}

static void start(struct connection *c)
{
	if (c->fd >= 0 && !c->waiting && may_send()) {
		fill(c);
		push(c);
	}
}

static void take_answer(struct connection *c, int status)
{
	int64_t now = now_ns();

	if (status >= 200 && status < 300) {
		accepted += (uint64_t)batch;
		if (latencies_count < LATENCIES_MAX)
			latencies[latencies_count++] = (uint32_t)((now - c->started_ns) / 1000);
		if (last_ack_ns != 0 && now - last_ack_ns > longest_gap_ns)
			longest_gap_ns = now - last_ack_ns;
		last_ack_ns = now;
		for (int i = 0; acked != NULL && i < batch; i++)
			fprintf(acked, "%" PRIu64 "\n", c->first + (uint64_t)i);
	} else {
		refused += (uint64_t)batch;
	}
	c->waiting = false;
}

/* True when a whole answer is there. */
static bool parse(struct connection *c)
{
	char *end, *length;
	size_t head, body = 0;

	c->in[c->in_len] = '\0';
	end = strstr(c->in, "\r\n\r\n");
	if (end == NULL)
		return false;
	head = (size_t)(end + 4 - c->in);
	length = strcasestr(c->in, "content-length:");
	if (length != NULL && length < end)
		body = (size_t)strtoul(length + 15, NULL, 10);
	if (c->in_len < head + body && head + body < ANSWER_SPACE)
		return false;
	take_answer(c, atoi(c->in + 9));
	c->in_len = 0;
	return true;
}

static void pull(struct connection *c)
{
	while (c->fd >= 0) {
		ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - 1 - c->in_len, 0);

		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			drop(c);
			return;
		}
		if (n < 0)
			return;
		c->in_len += (size_t)n;
		if (parse(c))
			start(c);
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static double percentile(double p)
{
	return latencies_count == 0 ? 0 : latencies[(size_t)((double)(latencies_count - 1) * p)] / 1000.0;
}

static void report(double took)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	qsort(latencies, latencies_count, sizeof(*latencies), compare);
	printf("{\"connections\":%d,\"batch\":%d,\"seconds\":%.3f,\"accepted\":%" PRIu64 ",\"refused\":%" PRIu64
	       ",\"broken\":%" PRIu64 ",\"accepted_per_s\":%.0f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,"
	       "\"longest_gap_ms\":%.1f,\"cpu_s\":%.3f}\n",
	       connections, batch, took, accepted, refused, broken, (double)accepted / took, percentile(0.5),
	       percentile(0.99), percentile(1), (double)longest_gap_ns / 1e6,
	       (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

static bool arguments(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "p:u:c:b:s:n:r:a:k:f:")) != -1) {
		switch (option) {
		case 'p': port = atoi(optarg); break;
		case 'u': path = optarg; break;
		case 'c': connections = atoi(optarg); break;
		case 'b': batch = atoi(optarg); break;
		case 's': seconds = atof(optarg); break;
		case 'n': count_max = strtoull(optarg, NULL, 10); break;
		case 'r': rate = strtoull(optarg, NULL, 10); break;
		case 'a': acked_path = optarg; break;
		case 'k': token = optarg; break;
		case 'f': first_number = strtoull(optarg, NULL, 10); break;
		default:
			fprintf(stderr, "load [-p port] [-u path] [-c connections] [-b batch] [-s seconds] [-n count] "
			                "[-r rate] [-a file of acknowledged numbers] [-k token] [-f first number]\n");
			return false;
		}
	}
	return true;
}

static void loop(int64_t end)
{
	struct epoll_event events[256];

	while (now_ns() < end && !stop) {
		int count = epoll_wait(epoll_fd, events, 256, rate > 0 || broken > 0 ? 1 : 50);
		bool busy = false;

		for (int i = 0; i < count; i++) {
			struct connection *c = events[i].data.ptr;

			if (c->fd >= 0 && c->waiting && c->sent < c->out_len)
				push(c);
			if (c->fd >= 0)
				pull(c);
			start(c);
		}
		for (int i = 0; i < connections; i++) {
			if (all[i].fd < 0)
				connect_to(&all[i]);
			else if (rate > 0)
				start(&all[i]);
			busy |= all[i].waiting;
		}
		if (!busy && count_max > 0 && next_number - first_number >= count_max)
			break;
		if (acked != NULL)
			fflush(acked);
	}
}

int main(int argc, char **argv)
{
	struct rlimit limit;

	if (!arguments(argc, argv))
		return 2;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	epoll_fd = epoll_create1(0);
	latencies = malloc(sizeof(*latencies) * LATENCIES_MAX);
	all = calloc((size_t)connections, sizeof(*all));
	if (acked_path != NULL)
		acked = fopen(acked_path, "ae");
	begin_ns = now_ns();
	next_number = first_number;
	for (int i = 0; i < connections; i++) {
		all[i].index = i;
		all[i].out = malloc(512 + (size_t)batch * REQUEST_SPACE);
		connect_to(&all[i]);
	}
	loop(begin_ns + (int64_t)(seconds * 1e9));
	report((double)(now_ns() - begin_ns) / 1e9);
	if (acked != NULL)
		fclose(acked);
	return 0;
}
