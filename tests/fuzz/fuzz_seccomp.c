/* A profile, and what it becomes; or, behind a first byte 0, instructions as they are. */
#include "sensor/seccomp/compile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_MAX = 32 << 20 };

static void run(const struct seccomp_program *program)
{
	struct seccomp_data call = { .arch = 0xc000003e };

	for (int i = 0; i < 8; i++) {
		call.nr = i * 57;
		call.args[i % 6] = 0x7fffffffULL * (unsigned)i;
		seccomp_program_run(program, &call);
	}
}

static void join(const struct seccomp_program *program)
{
	static const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	static struct seccomp_program both;

	/* What is sound stays so. */
	if (seccomp_program_join(program, SECCOMP_RET_USER_NOTIF, NULL, &allow, 1, &both) == 0 &&
	    seccomp_program_check(&both, NULL) < 0)
		abort();
}

static void read_instructions(const uint8_t *data, size_t size)
{
	static struct seccomp_program program;

	program.len = (uint32_t)(size / sizeof(program.at[0]));
	if (program.len > SECCOMP_PROGRAM_MAX)
		return;
	memcpy(program.at, data, program.len * sizeof(program.at[0]));
	if (seccomp_program_check(&program, NULL) == 0)
		join(&program);
	run(&program);
}

static void read_profile(struct str text)
{
	static const struct profile_machine machine = { .capabilities = 0x00000000a80425fb, .kernel = 6, .major = 1 };
	static struct seccomp_program program;
	struct arena arena;
	struct conf_errors errors = { .arena = &arena };
	struct conf_reader reader = { .arena = &arena, .errors = &errors };
	struct profile profile;
	struct buf said = { 0 };
	const char *why;

	arena_init(&arena, ARENA_MAX);
	if (profile_read_text(&reader, "p.json", text, &machine, &profile) < 0) {
		if (conf_errors_failed(&errors) == 0)
			abort();
	} else if (profile_compile(&profile, &program, &why) == 0) {
		join(&program);
		run(&program);
	}
	conf_errors_print(&errors, &said);
	conf_errors_json(&errors, &said);
	buf_done(&said);
	arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && data[0] == 0)
		read_instructions(data + 1, size - 1);
	else
		read_profile((struct str){ (const char *)data, size });
	return 0;
}
