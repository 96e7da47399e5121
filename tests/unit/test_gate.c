/* Which files are asked about for which rules; and the gate against the kernel, where it grants one. */
#include "sensor/gate/gate.h"

#include "base/cleanup.h"
#include "sensor/enforce/places.h"
#include "sensor/prefilter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct loaded {
	struct fields *fields;
	struct prefilter *prefilter;
	struct places places;
};

static void load(struct loaded *to, const char *condition)
{
	const struct rules_settings settings = { .priority_max = PRIORITY_DEBUG };
	struct buf text = { 0 }, report = { 0 };
	struct rules_text file;

	buf_addf(&text, "- rule: A\n  desc: a\n  condition: %s\n  output: a\n  priority: WARNING\n  respond: deny\n", condition);
	file = (struct rules_text){ .name = "a.yaml", .text = buf_str(&text) };
	to->fields = fields_new();
	if (prefilter_new_texts(&settings, &file, 1, to->fields, &report, &to->prefilter) < 0)
		fail_msg("%s", buf_text(&report));
	assert_int_equal(places_new(prefilter_responders(to->prefilter), NULL, &to->places), 0);
	buf_done(&text);
	buf_done(&report);
}

static void unload(struct loaded *loaded)
{
	places_done(&loaded->places);
	prefilter_free(loaded->prefilter);
	fields_free(loaded->fields);
}

static void add_paths(const struct places *places, struct buf *out)
{
	for (size_t i = 0; i < places->count; i++)
		buf_addf(out, "%s%.*s%s%s", i == 0 ? "" : " ", STR_ARG(places->at[i].path), places->at[i].opens ? "" : "!",
			 places->at[i].execs ? "x" : "");
	if (places->programs)
		buf_addf(out, " programs%s", places->only_upper ? " of the upper layer" : "");
}

/* What is asked about for a condition: "-" where it pins nothing down. */
static void test_places(void **state)
{
	static const struct {
		const char *condition, *places;
	} rows[] = {
		{ "evt.type = openat and fd.name = /etc/shadow", "/etc/shadow" },
		{ "evt.type in (open, openat, openat2) and fd.name in (/b, /a, /b)", "/a /b" },
		{ "evt.type = openat and evt.is_open_write = true and fd.name startswith /etc/ and proc.name != vipw", "/etc/" },
		{ "evt.type = openat and (fd.name = /a or fd.directory = /etc)", "/a /etc" },
		{ "evt.type = openat and fd.name glob \"/home/*/.ssh/id_rsa\"", "/home/" },
		{ "evt.type = openat and (fd.name = /a or fd.name endswith .key)", "-" },
		{ "evt.type = openat and fd.name endswith .key", "-" },
		{ "evt.type = openat and proc.name = nc", "-" },
		{ "evt.type = openat and not fd.name startswith /usr", "-" },
		{ "evt.type = openat and fd.name = /proc/kcore", "-" },
		{ "evt.type = openat and fd.name startswith /", "-" },
		{ "evt.type = unlink and evt.arg.path = /a", "" },
		{ "evt.type in (openat, execve) and (fd.name = /a or proc.exepath = /b)", "-" },
		{ "evt.type in (execve, execveat) and proc.exepath = /usr/bin/nc", "/usr/bin/nc!x" },
		{ "evt.type = execve and proc.exepath startswith /tmp/ and proc.args contains -e", "/tmp/!x" },
		{ "evt.type = execve and proc.is_exe_upper_layer = true", " programs of the upper layer" },
		{ "evt.type = execve and container.id != host", " programs" },
		{ "evt.type = execve and container.id != host and proc.exepath = /bin/sh", "/bin/sh!x" },
		{ "evt.type = execve and proc.name = nc", "-" },
		{ "evt.type = execve and evt.res != SUCCESS", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct loaded loaded = { 0 };
		struct buf paths = { 0 };
		bool any, none = strcmp(rows[i].places, "-") == 0;

		load(&loaded, rows[i].condition);
		add_paths(&loaded.places, &paths);
		any = loaded.places.rules[0].opens || loaded.places.rules[0].execs;
		if (none && (any || !loaded.places.rules[0].unpinned))
			fail_msg("%s: is promised", rows[i].condition);
		if (!none && strcmp(buf_text(&paths), rows[i].places) != 0)
			fail_msg("%s: '%s'", rows[i].condition, buf_text(&paths));
		if (!none && (any != (rows[i].places[0] != '\0') || loaded.places.rules[0].unpinned))
			fail_msg("%s: is not promised", rows[i].condition);
		buf_done(&paths);
		unload(&loaded);
	}
}

static void test_too_many_places_are_none(void **state)
{
	struct loaded loaded = { 0 };
	struct buf condition = { 0 };

	(void)state;
	buf_add(&condition, STR("evt.type = openat and fd.name in (/a"));
	for (int i = 0; i <= PLACES_MAX; i++)
		buf_addf(&condition, ", /a/%d", i);
	buf_add(&condition, STR(")"));
	load(&loaded, buf_text(&condition));
	assert_true(loaded.places.too_many && places_are_none(&loaded.places) && !loaded.places.rules[0].opens);
	unload(&loaded);
	buf_done(&condition);
}

/* ---- against the kernel ---- */

static uint32_t no_layer(void *userdata, int fd)
{
	(void)userdata;
	(void)fd;
	return 0;
}

/* A process that opens the file for writing: its exit status is 0 or errno. */
static pid_t start_open(const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(60);
		_exit(open(path, O_WRONLY | O_CLOEXEC) < 0 ? errno : 0);
	}
	return pid;
}

static int end_of(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct rig {
	char path[64];
	struct loaded loaded;
	struct gate *gate;
};

static void begin(struct rig *rig)
{
	const struct gate_settings settings = { .layer = no_layer };
	char condition[160];
	struct interest *judged;
	const char *why;
	int fd;

	snprintf(rig->path, sizeof(rig->path), "/tmp/tocsin-gate-XXXXXX");
	fd = mkstemp(rig->path);
	assert_true(fd >= 0);
	close(fd);
	if (gate_new(&settings, &rig->gate, &why) < 0) {
		unlink(rig->path);
		skip();
	}
	snprintf(condition, sizeof(condition), "evt.type in (open, openat) and fd.name = %s", rig->path);
	load(&rig->loaded, condition);
	assert_int_equal(prefilter_judged(rig->loaded.prefilter, &judged), 0);
	assert_int_equal(gate_set(rig->gate, &rig->loaded.places, judged), 0);
	while (gate_stats(rig->gate).roots == 0 || gate_stats(rig->gate).marks == 0)
		usleep(1000);
}

static void end(struct rig *rig)
{
	gate_free(rig->gate);
	unload(&rig->loaded);
	unlink(rig->path);
}

static int refuse(struct record *record, bool either, void *userdata)
{
	uint32_t *tgid = userdata;

	assert_false(either);
	*tgid = record->tgid;
	return -EPERM;
}

static void test_who_is_refused_has_not_opened_it(void **state)
{
	struct rig rig = { 0 };
	struct pollfd fd;
	uint32_t tgid = 0;
	int error = 0;
	pid_t pid = 0;

	(void)state;
	begin(&rig);
	fd = (struct pollfd){ gate_fd(rig.gate), POLLIN, 0 };
	for (int i = 0; i < 10 && error == 0; i++) { /* on a machine that stands still the answer can be late */
		pid = start_open(rig.path);
		assert_int_equal(poll(&fd, 1, 30000), 1);
		gate_poll(rig.gate, refuse, &tgid);
		error = end_of(pid);
	}
	assert_int_equal(error, EPERM);
	assert_int_equal(tgid, pid);
	assert_int_equal(gate_stats(rig.gate).denied, 1);
	end(&rig);
}

static void test_who_sets_the_gate_passes_it(void **state)
{
	struct rig rig = { 0 };
	int fd;

	(void)state;
	begin(&rig);
	fd = open(rig.path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	end(&rig);
}

static void test_who_is_not_answered_opens_it(void **state)
{
	struct rig rig = { 0 };

	(void)state;
	begin(&rig);
	assert_int_equal(end_of(start_open(rig.path)), 0);
	assert_int_equal(gate_stats(rig.gate).late, 1);
	end(&rig);
}

static void test_who_waits_when_the_gate_ends_opens_it(void **state)
{
	struct rig rig = { 0 };
	struct pollfd fd;
	pid_t pid;

	(void)state;
	begin(&rig);
	fd = (struct pollfd){ gate_fd(rig.gate), POLLIN, 0 };
	pid = start_open(rig.path);
	assert_int_equal(poll(&fd, 1, 30000), 1);
	end(&rig);
	assert_int_equal(end_of(pid), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_too_many_places_are_none),
		cmocka_unit_test(test_who_is_refused_has_not_opened_it),
		cmocka_unit_test(test_who_sets_the_gate_passes_it),
		cmocka_unit_test(test_who_is_not_answered_opens_it),
		cmocka_unit_test(test_who_waits_when_the_gate_ends_opens_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
