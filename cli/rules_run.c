/* tocsin rules run: events in, alerts out. */
#include "base/read.h"
#include "cli/rules_alert.h"
#include "cli/rules_play.h"

#include <errno.h>
#include <fcntl.h>

enum { READ_SIZE = 256 << 10, OUT_SIZE = 64 << 10 };

static const char *time_format;
static bool line_buffered;

static const struct cli_option options[] = {
	{ "time-format", 0, "FORMAT", "local", "local or iso: how an output begins", &time_format, NULL },
	{ "line-buffered", 0, NULL, NULL, "write each alert at once, also while events wait", NULL, &line_buffered },
	{ 0 },
};

struct job {
	struct rules_set set;
	struct play play;
	const char *name; /* of the events */
	struct buf in, out;
	uint64_t line;
	bool iso, skipping; /* the rest of a line that was too long */
	bool failed, bad_lines;
};

static void refuse(struct job *job, size_t column, const char *reason)
{
	cli_complain("%s:%llu:%zu: %s", job->name, (unsigned long long)job->line, column + 1, reason);
	job->bad_lines = true;
}

static void take_fired(void *userdata, const struct rule *rule)
{
	struct job *job = userdata;

	if (job->failed)
		return;
	job->failed = !alert_add(&job->set, rule, job->iso, &job->out);
	if (line_buffered || job->out.len >= OUT_SIZE)
		job->failed |= cli_print(&job->out) != CLI_YES;
}

/* One line may hold several events; after a bad one the rest of it is not looked at. */
static void take_line(struct job *job, struct str line)
{
	size_t at = json_blanks(line, 0);
	struct reject reject = { 0 };

	job->line++;
	while (at < line.len && !job->failed) {
		int r = set_read(&job->set, line, at, &at, &reject);

		if (r == -EBADMSG) {
			refuse(job, reject.offset, reject.reason);
			return;
		}
		if (r < 0) {
			cli_complain("out of memory");
			job->failed = true;
			return;
		}
		play_event(&job->play);
		job->failed |= job->play.failed;
		at = json_blanks(line, at);
	}
}

/* The whole lines of what was read; what is left of the last one moves to the front. */
static void take_lines(struct job *job, bool is_end)
{
	struct str left = buf_str(&job->in);
	const char *newline;

	while (!job->failed && left.len > 0 && ((newline = memchr(left.at, '\n', left.len)) != NULL || is_end)) {
		size_t len = newline == NULL ? left.len : (size_t)(newline - left.at);

		if (!job->skipping)
			take_line(job, str_cut(left, len));
		job->skipping = false;
		left = str_from(left, len + 1);
	}
	if (left.len > SET_EVENT_MAX) {
		if (!job->skipping) {
			job->line++;
			refuse(job, 0, "a line of more than 8 MiB");
		}
		job->skipping = true;
		left.len = 0;
	}
	if (left.len > 0)
		memmove(job->in.at, left.at, left.len);
	buf_cut(&job->in, left.len);
}

/* Alerts are written before each wait for more events, so that nothing lingers. */
static int follow(struct job *job, int fd)
{
	ssize_t n;

	do {
		if (!buf_reserve(&job->in, READ_SIZE)) {
			cli_complain("out of memory");
			return CLI_NO;
		}
		n = read(fd, job->in.at + job->in.len, READ_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			cli_complain("%s: %s", job->name, strerror(errno));
			job->failed = true;
		}
		job->in.len += n > 0 ? (size_t)n : 0;
		take_lines(job, n == 0);
		if (job->out.len > 0)
			job->failed |= cli_print(&job->out) != CLI_YES;
	} while (n != 0 && !job->failed);
	return job->failed || job->bad_lines ? CLI_NO : CLI_YES;
}

static int run_on(const struct rules_settings *settings, struct job *job)
{
	const bool standard = strcmp(job->name, "-") == 0;
	int fd = STDIN_FILENO, status;

	status = set_load(settings, &job->set);
	if (status != CLI_YES) {
		set_tell(&job->set, false);
		return status;
	}
	if (!standard)
		fd = open(job->name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		cli_complain("%s: %s", job->name, strerror(errno));
		return CLI_NO;
	}
	status = play_begin(&job->play, &job->set, take_fired, job) ? follow(job, fd) : CLI_NO;
	play_end(&job->play);
	if (!standard)
		close(fd);
	return status;
}

static int run(int argc, char **argv)
{
	struct rules_settings settings;
	static struct job job;
	int status;

	if (!set_all_settings(&settings) || !set_operands(&settings, argc, argv, &job.name))
		return CLI_USAGE;
	if (time_format != NULL && strcmp(time_format, "local") != 0 && strcmp(time_format, "iso") != 0)
		return cli_usage("--time-format: \"%s\" is not local or iso", time_format);
	job.iso = time_format != NULL && strcmp(time_format, "iso") == 0;
	if (job.name == NULL)
		job.name = "-";
	status = run_on(&settings, &job);
	set_free(&job.set);
	buf_done(&job.in);
	buf_done(&job.out);
	return status;
}

const struct cli_verb verb_rules_run = {
	.name = "rules run",
	.arguments = "--rules FILE... [EVENTS|-]",
	.summary = "evaluate rules on events, one JSON object a line, and print the alerts as Falco does",
	.examples = "  tocsin rules run --rules falco_rules.yaml --rules local.yaml events.ndjson\n"
	            "  tail -f events.ndjson | tocsin rules run --rules /etc/tocsin/rules -\n"
	            "  tocsin rules run -r rules.yaml -t mitre_execution --match all - < events.ndjson | jq .rule",
	.needs = CLI_RULES,
	.options = options,
	.run = run,
};
