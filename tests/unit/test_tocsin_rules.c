/* The rules that we ship: each fires on what it is for, and not on what looks like it. */
#include "rules_fixture.h"

static const struct row {
	const char *name;
	const char *rule;
	bool fires;
	const char *fields;
} rows[] = {
	{ "touch of a file in /bin is told", "Write below binary dir", true,
	  "{'evt.type':'openat','evt.arg.flags':'O_CREAT|O_WRONLY','fd.name':'/bin/"
	  "surprise','fd.num':3,"
	  "'fd.typechar':'f','proc.name':'touch','proc.aname[1]':'bash','proc.aname[2]':'sshd'}" },
	{ "so is its name behind the link", "Write below binary dir", true,
	  "{'evt.type':'openat','evt.arg.flags':'O_CREAT|O_WRONLY|O_TRUNC','fd.name':'/usr/bin/"
	  "surprise',"
	  "'fd.num':3,'fd.typechar':'f','evt.is_open_write':true,'proc.name':'touch'}" },
	{ "a runtime for a parent is no excuse", "Write below binary dir", true,
	  "{'evt.type':'openat','evt.arg.flags':'O_CREAT|O_WRONLY','fd.name':'/bin/"
	  "surprise','fd.num':3,"
	  "'fd.typechar':'f','proc.name':'touch','proc.pname':'containerd-shim',"
	  "'container.id':'3f2b5c6d7e8f'}" },
	{ "a package manager may write programs", "Write below binary dir", false,
	  "{'evt.type':'openat','evt.arg.flags':'O_CREAT|O_WRONLY','fd.name':'/usr/bin/"
	  "ls.dpkg-new',"
	  "'fd.num':3,'fd.typechar':'f','proc.name':'dpkg','proc.pname':'apt-get'}" },
	{ "so may what it runs", "Write below binary dir", false,
	  "{'evt.type':'openat','evt.arg.flags':'O_CREAT|O_WRONLY','fd.name':'/usr/bin/"
	  "x','fd.num':3,"
	  "'fd.typechar':'f','proc.name':'ln','proc.aname[1]':'postinst','proc.aname[2]':'dpkg'}" },
	{ "reading a program is no write", "Write below binary dir", false,
	  "{'evt.type':'openat','evt.arg.flags':'O_RDONLY','fd.name':'/bin/ls','fd.num':3,"
	  "'fd.typechar':'f','proc.name':'bash'}" },
	{ "a write that failed wrote nothing", "Write below binary dir", false,
	  "{'evt.type':'openat','evt.arg.flags':'O_CREAT|O_WRONLY','fd.name':'/bin/x','fd.num':-1,"
	  "'fd.typechar':'f','evt.rawres':-13,'proc.name':'touch'}" },
	{ "a path that only begins alike is another", "Write below binary dir", false,
	  "{'evt.type':'openat','evt.arg.flags':'O_CREAT|O_WRONLY','fd.name':'/binary/"
	  "x','fd.num':3,"
	  "'fd.typechar':'f','proc.name':'touch'}" },

	{ "a write below /etc is told", "Write below etc", true,
	  "{'evt.type':'openat','evt.arg.flags':'O_RDWR','fd.name':'/etc/cron.d/x','fd.num':4,"
	  "'fd.typechar':'f','proc.name':'python3'}" },
	{ "useradd writes /etc/passwd", "Write below etc", false,
	  "{'evt.type':'openat','evt.arg.flags':'O_RDWR','fd.name':'/etc/passwd-','fd.num':4,"
	  "'fd.typechar':'f','proc.name':'useradd'}" },

	{ "cat of the shadow file is told", "Secret file read by untrusted program", true,
	  "{'evt.type':'openat','evt.arg.flags':'O_RDONLY','fd.name':'/etc/shadow','fd.num':3,"
	  "'fd.typechar':'f','proc.name':'cat'}" },
	{ "sudo reads its own files", "Secret file read by untrusted program", false,
	  "{'evt.type':'openat','evt.arg.flags':'O_RDONLY','fd.name':'/etc/sudoers.d/"
	  "admins','fd.num':3,"
	  "'fd.typechar':'f','proc.name':'sudo'}" },

	{ "a socket as a shell's input is told", "Reverse shell", true,
	  "{'evt.type':'dup2','evt.rawres':0,'fd.typechar':'4','fd.name':'10.0.0.5:4000->203.0.113."
	  "9:443',"
	  "'proc.name':'bash','proc.pname':'nginx'}" },
	{ "so is one that an interpreter prepares", "Reverse shell", true,
	  "{'evt.type':'dup3','evt.rawres':1,'fd.typechar':'6','proc.name':'python3'}" },
	{ "so is a shell whose parent is gone", "Reverse shell", true,
	  "{'evt.type':'dup2','evt.rawres':2,'fd.typechar':'4','proc.name':'sh','proc.pname':'"
	  "systemd'}" },
	{ "a shell that connects is told", "Reverse shell", true,
	  "{'evt.type':'connect','evt.rawres':0,'fd.typechar':'4','fd.sport':4242,'proc.name':'"
	  "bash'}" },
	{ "a pipe as a shell's input is usual", "Reverse shell", false,
	  "{'evt.type':'dup2','evt.rawres':0,'fd.typechar':'p','proc.name':'bash'}" },
	{ "a socket on another descriptor is usual", "Reverse shell", false,
	  "{'evt.type':'dup2','evt.rawres':7,'fd.typechar':'4','proc.name':'bash'}" },

	{ "a miner's name is told", "Cryptominer started", true,
	  "{'evt.type':'execve','evt.rawres':0,'proc.name':'xmrig','proc.args':['-o','pool:443']"
	  "}" },
	{ "so is its protocol under another name", "Cryptominer started", true,
	  "{'evt.type':'execve','evt.rawres':0,'proc.name':'kworker',"
	  "'proc.args':['-o','stratum+tcp://pool.example:3333']}" },
	{ "a search for miners is no miner", "Cryptominer started", false,
	  "{'evt.type':'execve','evt.rawres':0,'proc.name':'grep','proc.args':'-r stratum+tcp "
	  "/etc'}" },
	{ "a pool's port is told", "Connection to mining pool port", true,
	  "{'evt.type':'connect','evt.res':'EINPROGRESS','evt.rawres':-115,'fd.typechar':'4',"
	  "'fd.name':'10.0.0.5:40000->203.0.113.9:14444','proc.name':'kworker'}" },
	{ "https is not", "Connection to mining pool port", false,
	  "{'evt.type':'connect','evt.rawres':0,'fd.typechar':'4','fd.sport':'443','proc.name':'"
	  "curl'}" },

	{ "a user's program that becomes root is told", "Privilege escalation by setuid", true,
	  "{'evt.type':'setuid','evt.arg.uid':'root','evt.rawres':0,'user.uid':0,'user.loginuid':"
	  "1000,"
	  "'proc.name':'exploit','proc.exepath':'/tmp/exploit'}" },
	{ "so is an attempt", "Privilege escalation by setuid", true,
	  "{'evt.type':'setresuid','evt.arg.ruid':'root','evt.rawres':-1,'user.uid':33,"
	  "'user.loginuid':4294967295,'proc.name':'sh','proc.exepath':'/bin/sh'}" },
	{ "sudo may", "Privilege escalation by setuid", false,
	  "{'evt.type':'setresuid','evt.arg.ruid':'root','evt.rawres':0,'user.uid':0,'user."
	  "loginuid':1000,"
	  "'proc.name':'sudo','proc.exepath':'/usr/bin/sudo'}" },
	{ "root's own daemons may", "Privilege escalation by setuid", false,
	  "{'evt.type':'setuid','evt.arg.uid':'root','evt.rawres':0,'user.uid':0,"
	  "'user.loginuid':4294967295,'proc.name':'snmpd','proc.exepath':'/usr/sbin/snmpd'}" },
	{ "the setuid bit is told", "Setuid or setgid bit set", true,
	  "{'evt.type':'fchmodat','evt.arg.mode':'S_IXUSR|S_IRUSR|S_ISUID','evt.rawres':0,"
	  "'evt.arg.filename':'/tmp/sh','proc.name':'chmod'}" },
	{ "other modes are not", "Setuid or setgid bit set", false,
	  "{'evt.type':'fchmodat','evt.arg.mode':'S_IXUSR|S_IRUSR','evt.rawres':0,'proc.name':'"
	  "chmod'}" },

	{ "attaching to a process is told", "Process traced by another", true,
	  "{'evt.type':'ptrace','evt.arg.request':'PTRACE_ATTACH','evt.rawres':0,'proc.name':'"
	  "inject'}" },
	{ "a debugger may", "Process traced by another", false,
	  "{'evt.type':'ptrace','evt.arg.request':'PTRACE_ATTACH','evt.rawres':0,'proc.name':'gdb'"
	  "}" },
	{ "being traced on purpose is not", "Process traced by another", false,
	  "{'evt.type':'ptrace','evt.arg.request':'PTRACE_TRACEME','evt.rawres':0,'proc.name':'x'"
	  "}" },

	{ "a program that is not in the image is told", "Dropped program executed in container",
	  true,
	  "{'evt.type':'execve','evt.rawres':0,'proc.name':'x','container.id':'3f2b5c6d7e8f',"
	  "'proc.is_exe_upper_layer':true}" },
	{ "the image's own are not", "Dropped program executed in container", false,
	  "{'evt.type':'execve','evt.rawres':0,'proc.name':'x','container.id':'3f2b5c6d7e8f',"
	  "'proc.is_exe_upper_layer':false}" },
	{ "a program written a moment ago is told", "New program executed", true,
	  "{'evt.type':'execve','evt.rawres':0,'proc.name':'x','container.id':'host',"
	  "'proc.exe_ino.ctime':1700000000000000000,'proc.pid.ts':1700000005000000000}" },
	{ "an old one is not", "New program executed", false,
	  "{'evt.type':'execve','evt.rawres':0,'proc.name':'x','container.id':'host',"
	  "'proc.exe_ino.ctime_duration_proc_start':86400000000000}" },
	{ "nor is what a build has just made", "New program executed", false,
	  "{'evt.type':'execve','evt.rawres':0,'proc.name':'a.out','container.id':'host',"
	  "'proc.exe_ino.ctime_duration_proc_start':1000000,'proc.aname[1]':'sh','proc.aname[2]':'"
	  "make'}" },

	{ "a program without a file is told", "Fileless execution", true,
	  "{'evt.type':'execveat','evt.rawres':0,'proc.name':'3','evt.arg.flags':'EXE_FROM_MEMFD'"
	  "}" },
	{ "an exec that failed ran nothing", "Fileless execution", false,
	  "{'evt.type':'execveat','evt.rawres':-2,'proc.name':'3','proc.is_exe_from_memfd':true}" },

	{ "a kernel module is told", "Kernel module loaded", true,
	  "{'evt.type':'finit_module','evt.rawres':0,'proc.name':'insmod','proc.pname':'bash'}" },
	{ "the device manager may load one", "Kernel module loaded", false,
	  "{'evt.type':'finit_module','evt.rawres':0,'proc.name':'modprobe',"
	  "'proc.aname[1]':'systemd-udevd'}" },
};

static struct loaded shipped;

static int load_shipped(void **state)
{
	const char *files[] = { TEST_ROOT "/rules/tocsin_rules.yaml" };
	struct rules_settings settings = { .files = { .at = files, .count = 1 },
					   .priority_max = PRIORITY_DEBUG,
					   .match_all = true };

	(void)state;
	shipped = (struct loaded){ .fields = fields_new() };
	rules_report_init(&shipped.report);
	shipped.result = rules_load(&settings, shipped.fields, &shipped.report, &shipped.rules);
	if (shipped.result < 0 || shipped.report.warnings > 0)
		print_message("%s", report_text(&shipped));
	if (shipped.result == 0)
		shipped.scratch = rules_scratch_new(shipped.rules);
	return shipped.scratch == NULL || shipped.report.warnings > 0;
}

static int free_shipped(void **state)
{
	(void)state;
	loaded_done(&shipped);
	return 0;
}

static bool matches(const struct row *row, struct buf *output, struct buf *fields)
{
	json_t *object = json_loads(row->fields, 0, NULL);
	const struct rule *hits[32];
	struct event event;
	struct arena arena;
	bool hit = false;
	size_t count;

	arena_init(&arena, 1 << 20);
	assert_int_equal(event_init(&event, fields_count(shipped.fields)), 0);
	event_fill(&event, shipped.fields, object, &arena);
	count = rules_match(shipped.rules, shipped.scratch, &event, hits, 32);
	for (size_t i = 0; i < count; i++) {
		if (!str_eq(rule_name(hits[i]), str_of(row->rule)))
			continue;
		hit = true;
		rules_format(shipped.rules, shipped.scratch, hits[i], &event, output, fields);
	}
	event_done(&event);
	arena_done(&arena);
	json_decref(object);
	return hit;
}

static void fires(void **state)
{
	struct row row = *(const struct row *)*state;
	struct buf output = { 0 }, fields = { 0 }, quoted = { 0 };

	for (const char *c = row.fields; *c != '\0'; c++)
		buf_add_char(&quoted, *c == '\'' ? '"' : *c);
	row.fields = buf_text(&quoted);
	assert_non_null(rule_named(&shipped, row.rule));
	assert_int_equal(matches(&row, &output, &fields), row.fires);
	if (row.fires) {
		json_t *object = json_loads(buf_text(&fields), 0, NULL);

		assert_non_null(object);
		assert_non_null(json_object_get(object, "proc.name"));
		json_decref(object);
	}
	if (strcmp(row.name, rows[0].name) == 0)
		assert_non_null(
			strstr(buf_text(&output),
			       ": Error File below a known binary directory opened for writing "
			       "(file=/bin/surprise process=touch parent=bash grandparent=sshd"));
	buf_done(&output);
	buf_done(&fields);
	buf_done(&quoted);
}

static bool is_mitre(struct str tag)
{
	return tag.len > 4 && tag.at[0] == 'T' && tag.at[1] >= '0' && tag.at[1] <= '9';
}

static void all_are_described(void **state)
{
	(void)state;
	for (size_t i = 0; i < rules_count(shipped.rules); i++) {
		const struct rule *rule = rules_at(shipped.rules, i);
		bool technique = false, fired = false, quiet = false;
		const struct str *tags;
		size_t count;

		tags = rule_tags(rule, &count);
		for (size_t j = 0; j < count; j++)
			technique |= is_mitre(tags[j]);
		for (size_t j = 0; j < ARRAY_LEN(rows); j++) {
			fired |= rows[j].fires && str_eq(rule_name(rule), str_of(rows[j].rule));
			quiet |= !rows[j].fires && str_eq(rule_name(rule), str_of(rows[j].rule));
		}
		if (!technique || !fired || !quiet || rule_description(rule).len == 0)
			print_message("%.*s\n", STR_ARG(rule_name(rule)));
		assert_true(technique && fired && quiet);
		assert_true(rule_description(rule).len > 0);
	}
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(rows) + 1];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].name,
						.test_func = fires,
						.initial_state = (void *)(uintptr_t)&rows[i] };
	tests[ARRAY_LEN(rows)] = (struct CMUnitTest){
		.name = "every rule is described, names its technique, and is tried "
			"both ways",
		.test_func = all_are_described
	};
	return cmocka_run_group_tests_name("shipped rules", tests, load_shipped, free_shipped);
}
