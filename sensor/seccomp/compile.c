/* The only file with libseccomp. */
#include "sensor/seccomp/compile.h"

#include "base/cleanup.h"
#include "base/read.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>

_Static_assert(PROFILE_ARCH_X32 == SCMP_ARCH_X32, "libseccomp's token");

enum { API_LEVEL = 6, BINARY_TREE = 2, X32_BIT = 0x40000000 };

uint32_t profile_audit_arch(uint32_t arch, uint32_t *ret_base)
{
	*ret_base = arch == PROFILE_ARCH_X32 ? X32_BIT : 0;
	return arch == PROFILE_ARCH_X32 ? SCMP_ARCH_X86_64 : arch;
}

int profile_call_number(uint32_t arch, struct str name)
{
	return seccomp_syscall_resolve_name_arch(arch, name.at);
}

bool profile_knows_call(uint32_t arch, struct str name)
{
	return profile_call_number(arch, name) != __NR_SCMP_ERROR;
}

bool profile_call_name(uint32_t arch, int nr, char *ret, size_t size)
{
	autofree char *name = nr < 0 ? NULL : seccomp_syscall_resolve_num_arch(arch, nr);

	return name != NULL && snprintf(ret, size, "%s", name) < (int)size;
}

static struct scmp_arg_cmp condition_of(const struct profile_condition *condition)
{
	return (struct scmp_arg_cmp){ .arg = condition->arg, .op = (enum scmp_compare)condition->op,
				      .datum_a = condition->value, .datum_b = condition->value_two };
}

static int add_call(scmp_filter_ctx filter, const struct profile_rule *rule, int nr)
{
	struct scmp_arg_cmp conditions[PROFILE_CONDITIONS_MAX];
	int r = 0;

	for (size_t i = 0; i < rule->conditions_count; i++)
		conditions[i] = condition_of(&rule->conditions[i]);
	if (!rule->any)
		return seccomp_rule_add_array(filter, rule->action, nr, (unsigned)rule->conditions_count, conditions);
	for (size_t i = 0; r == 0 && i < rule->conditions_count; i++)
		r = seccomp_rule_add_array(filter, rule->action, nr, 1, &conditions[i]);
	return r;
}

/* A call of a sub-architecture alone has no number here: libseccomp has one of its own for it. */
static int add_rule(scmp_filter_ctx filter, const struct profile *profile, const struct profile_rule *rule)
{
	int r = 0;

	if (rule->left_out != NULL || rule->action == profile->action)
		return 0;
	for (size_t i = 0; r == 0 && i < rule->names_count; i++) {
		r = add_call(filter, rule, seccomp_syscall_resolve_name(rule->names[i].at));
		if (r == -EEXIST) /* said before */
			r = 0;
	}
	return r;
}

static int build(scmp_filter_ctx filter, const struct profile *profile, const char **ret_why)
{
	int r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE);

	*ret_why = "the filter's settings";
	for (size_t i = 1; r == 0 && i < profile->arches_count; i++)
		r = seccomp_arch_add(filter, profile->arches[i]);
	if (r == 0)
		*ret_why = "a rule";
	for (size_t i = 0; r == 0 && i < profile->rules_count; i++)
		r = add_rule(filter, profile, &profile->rules[i]);
	return r;
}

/* ---- newer calls ---- */

/* As in runc a tracer is trusted to know what to say of them. */
static bool is_refusal(uint32_t action)
{
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_TRACE: return false;
	default: return action != (SECCOMP_RET_ERRNO | ENOSYS);
	}
}

static int newest_call(const struct profile *profile, uint32_t arch)
{
	int newest = -1;

	for (size_t i = 0; i < profile->rules_count; i++) {
		const struct profile_rule *rule = &profile->rules[i];

		for (size_t j = 0; rule->left_out == NULL && j < rule->names_count; j++) {
			int nr = profile_call_number(arch, rule->names[j]);

			newest = nr > newest ? nr : newest;
		}
	}
	return newest;
}

static void add(struct seccomp_program *program, struct sock_filter in)
{
	program->at[program->len++] = in;
}

#define ADD_STMT(program, code, k)	   add(program, (struct sock_filter)BPF_STMT(code, k))
#define ADD_JUMP(program, code, k, yes, no) add(program, (struct sock_filter)BPF_JUMP(code, k, yes, no))

/* ENOSYS for numbers beyond the newest; of x86-64 only for those that are not x32's. */
static void add_newer(struct seccomp_program *program, uint32_t arch, int newest)
{
	uint32_t base, audit = profile_audit_arch(arch, &base);
	const bool bounded = arch == SCMP_ARCH_X86_64;

	ADD_STMT(program, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	ADD_JUMP(program, BPF_JMP | BPF_JEQ | BPF_K, audit, 0, bounded ? 4 : 3);
	ADD_STMT(program, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	if (bounded)
		ADD_JUMP(program, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 2, 0);
	ADD_JUMP(program, BPF_JMP | BPF_JGT | BPF_K, (uint32_t)newest, 0, 1);
	ADD_STMT(program, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
}

static void add_all_newer(const struct profile *profile, struct seccomp_program *program)
{
	for (size_t i = 0; i < profile->arches_count; i++) {
		int newest = newest_call(profile, profile->arches[i]);

		if (newest >= 0)
			add_newer(program, profile->arches[i], newest);
	}
}

/* ---- out of libseccomp ---- */

static int export(scmp_filter_ctx filter, struct seccomp_program *ret)
{
	autoclose int fd = memfd_create("seccomp", MFD_CLOEXEC);
	size_t room = (SECCOMP_PROGRAM_MAX - ret->len) * sizeof(ret->at[0]);
	ssize_t len;
	int r;

	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(filter, fd);
	if (r < 0)
		return r;
	if (lseek(fd, 0, SEEK_END) > (off_t)room)
		return -E2BIG;
	lseek(fd, 0, SEEK_SET);
	len = read_full(fd, (char *)&ret->at[ret->len], room);
	if (len < 0)
		return (int)len;
	ret->len += (uint32_t)((size_t)len / sizeof(ret->at[0]));
	return 0;
}

int profile_compile(const struct profile *profile, struct seccomp_program *ret, const char **ret_why)
{
	scmp_filter_ctx filter;
	int r;

	/* All actions are taken, whatever the kernel below has: most are decided in user space. */
	seccomp_api_set(API_LEVEL);
	filter = seccomp_init(profile->action);
	*ret_why = "libseccomp";
	ret->len = 0;
	if (filter == NULL)
		return -ENOMEM;
	r = build(filter, profile, ret_why);
	if (r == 0) {
		if (is_refusal(profile->action))
			add_all_newer(profile, ret);
		*ret_why = "the filter is too large";
		r = export(filter, ret);
	}
	seccomp_release(filter);
	if (r == 0 && seccomp_program_check(ret, NULL) < 0) {
		*ret_why = "the filter is not sound";
		r = -EINVAL;
	}
	return r;
}
