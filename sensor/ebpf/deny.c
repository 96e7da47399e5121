/* What the kernel denies by itself where it asks first (BPF LSM): which of its hooks there are, and what is denied there. A
 * program is attached only where a rule needs it. */
#include "sensor/ebpf/ebpf_inner.h"

#include "base/cleanup.h"
#include "sensor/enforce/denials.h"

#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>

enum { DENY_SLOTS = 2 /* the last ones of the scratches */ };

#define ROW(hook, name, of) { 1U << PLAN_HOOK_##hook, name, offsetof(struct tocsin_bpf, progs.of), offsetof(struct tocsin_bpf, links.of) }

/* By the kernel's name of the hook. */
static const struct {
	uint32_t hooks;
	const char *name;
	size_t program, link;
} rows[] = {
	ROW(OPEN, "file_open", lsm_open),
	ROW(EXEC, "bprm_check_security", lsm_exec),
	ROW(UNLINK, "path_unlink", lsm_unlink),
	ROW(RMDIR, "path_rmdir", lsm_rmdir),
	ROW(MKDIR, "path_mkdir", lsm_mkdir),
	ROW(MKNOD, "path_mknod", lsm_mknod),
	ROW(RENAME, "path_rename", lsm_rename),
	ROW(LINK, "path_link", lsm_link),
	ROW(SYMLINK, "path_symlink", lsm_symlink),
	ROW(CHMOD, "path_chmod", lsm_chmod),
	ROW(CHOWN, "path_chown", lsm_chown),
	ROW(TRUNCATE, "path_truncate", lsm_truncate),
	ROW(FTRUNCATE, "file_truncate", lsm_ftruncate),
	ROW(CHROOT, "path_chroot", lsm_chroot),
	ROW(MOUNT, "sb_mount", lsm_mount),
	ROW(MOVE_MOUNT, "move_mount", lsm_move_mount),
	ROW(UMOUNT, "sb_umount", lsm_umount),
	ROW(PIVOT, "sb_pivotroot", lsm_pivot),
	ROW(PTRACE, "ptrace_access_check", lsm_ptrace),
	ROW(TRACEME, "ptrace_traceme", lsm_traceme),
	ROW(LOAD_DATA, "kernel_load_data", lsm_load_data),
	ROW(READ_FILE, "kernel_read_file", lsm_read_file),
	ROW(BPF, "bpf", lsm_bpf),
	ROW(SIGNAL, "task_kill", lsm_signal),
	ROW(SOCKET, "socket_create", lsm_socket),
	ROW(CONNECT, "socket_connect", lsm_connect),
	ROW(BIND, "socket_bind", lsm_bind),
	ROW(LISTEN, "socket_listen", lsm_listen),
};

static struct bpf_program *program_of(const struct tocsin_bpf *object, size_t row)
{
	return *(struct bpf_program *const *)((const char *)object + rows[row].program);
}

static struct bpf_link **link_of(struct tocsin_bpf *object, size_t row)
{
	return (struct bpf_link **)((char *)object + rows[row].link);
}

/* Files are made at the hook of mknod(2). */
static uint32_t hooks_at(size_t row)
{
	return rows[row].hooks | (rows[row].hooks == 1U << PLAN_HOOK_MKNOD ? 1U << PLAN_HOOK_CREATE : 0);
}

static bool has_hook(const struct btf *btf, const char *name)
{
	char function[64];

	snprintf(function, sizeof(function), "bpf_lsm_%s", name);
	return btf__find_by_name_kind(btf, function, BTF_KIND_FUNC) > 0;
}

/* False: they are not asked. Where the list cannot be read they may be. */
static bool are_listed(void)
{
	autofclose FILE *file = fopen("/sys/kernel/security/lsm", "re");
	char list[512];

	if (file == NULL || fgets(list, sizeof(list), file) == NULL)
		return true;
	for (char *rest = list, *name; (name = strsep(&rest, ",\n")) != NULL;)
		if (strcmp(name, "bpf") == 0)
			return true;
	return false;
}

/* Whether the kernel takes programs of this kind, tried with one that does nothing: where it does not, the others must not
 * be loaded with them. */
static bool may_load(const struct btf *btf)
{
	static const struct bpf_insn nothing[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
						   { .code = BPF_JMP | BPF_EXIT } };
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_LSM_MAC);
	int id = btf__find_by_name_kind(btf, "bpf_lsm_file_open", BTF_KIND_FUNC), program;

	if (id <= 0 || !are_listed())
		return false;
	options.attach_btf_id = (uint32_t)id;
	program = bpf_prog_load(BPF_PROG_TYPE_LSM, "tocsin_try", "Dual BSD/GPL", nothing, ARRAY_LEN(nothing), &options);
	if (program >= 0)
		close(program);
	return program >= 0;
}

uint32_t ebpf_fit_hooks(struct tocsin_bpf *object, const struct btf *btf, bool denies)
{
	uint32_t hooks = 0;

	denies = denies && may_load(btf);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool is_there = denies && has_hook(btf, rows[i].name);

		bpf_program__set_autoload(program_of(object, i), is_there);
		bpf_program__set_autoattach(program_of(object, i), false);
		hooks |= is_there ? hooks_at(i) : 0;
	}
	if (hooks == 0) { /* no memory for nothing */
		(void)bpf_map__set_max_entries(object->maps.denied_calls, 1);
		(void)bpf_map__set_max_entries(object->maps.scratches,
					       bpf_map__max_entries(object->maps.scratches) - DENY_SLOTS);
	}
	return hooks;
}

static int attach(struct ebpf *ebpf, size_t row)
{
	struct bpf_link **link = link_of(ebpf->object, row);

	if (*link == NULL)
		*link = bpf_program__attach(program_of(ebpf->object, row));
	return *link == NULL ? -errno : 0;
}

/* Kernels attach programs also where they are not among the security modules that are asked. */
bool ebpf_lsm_asks(struct ebpf *ebpf)
{
	int fd, r = ebpf->hooks & 1U << PLAN_HOOK_OPEN ? attach(ebpf, 0) : -EOPNOTSUPP;

	if (r < 0)
		return false;
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(TAKE(*link_of(ebpf->object, 0)));
	return __atomic_load_n(&ebpf->object->bss->lsm_asks, __ATOMIC_RELAXED);
}

uint32_t ebpf_hooks(const void *state)
{
	const struct ebpf *ebpf = state;

	return ebpf->hooks;
}

/* ---- what is denied ---- */

/* What the bits mean changes: who has begun to look at clauses finds another version. */
static void deny_nothing(struct ebpf *ebpf)
{
	struct tocsin_bpf__bss *bss = ebpf->object->bss;

	__atomic_store_n(&bss->denies_here, false, __ATOMIC_SEQ_CST);
	memset(bss->deny_calls, 0, sizeof(bss->deny_calls));
	__atomic_add_fetch(&bss->deny_version, 1, __ATOMIC_SEQ_CST);
	ebpf_empty_map(ebpf->object->maps.deny_paths);
	ebpf_empty_map(ebpf->object->maps.deny_comms);
}

static void set_clauses(struct ebpf *ebpf, const struct denials *denials)
{
	struct tocsin_bpf__bss *bss = ebpf->object->bss;

	memcpy(bss->deny_clauses, denials->clauses, sizeof(bss->deny_clauses));
	memcpy(bss->deny_args, denials->args, sizeof(bss->deny_args));
	memcpy(bss->deny_by_uring, denials->by_uring, sizeof(bss->deny_by_uring));
	bss->deny_args_count = (uint32_t)denials->args_count;
	bss->deny_arg_bits = 0;
	for (size_t i = 0; i < denials->args_count; i++)
		bss->deny_arg_bits |= denials->args[i].bit;
	bss->deny_object_bits = denials->facts.of[FACT_OBJECT];
	bss->deny_exe_bits = denials->facts.of[FACT_EXE];
	bss->deny_comm_bits = denials->facts.of[FACT_COMM];
	bss->deny_name_bits = denials->facts.of[FACT_NAME];
	bss->deny_name2_bits = denials->facts.of[FACT_NAME2];
	bss->deny_text_bits = denials->facts.of[FACT_TEXT];
	__sync_synchronize(); /* what calls point to is there before they do */
	memcpy(bss->deny_calls, denials->calls, sizeof(bss->deny_calls));
}

static int attach_hooks(struct ebpf *ebpf, uint32_t needed)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows) && r == 0; i++)
		if (hooks_at(i) & needed)
			r = attach(ebpf, i);
		else
			bpf_link__destroy(TAKE(*link_of(ebpf->object, i)));
	return r;
}

int ebpf_deny(void *state, const struct denials *denials)
{
	struct ebpf *ebpf = state;
	int r = 0;

	if (ebpf->hooks == 0)
		return denials == NULL || denials->hooks == 0 ? 0 : -EOPNOTSUPP;
	deny_nothing(ebpf);
	ebpf->denials = NULL;
	for (size_t i = 0; denials != NULL && i < denials->facts.texts_count && r == 0; i++)
		r = ebpf_put_text(ebpf->object->maps.deny_paths, ebpf->object->maps.deny_comms, &denials->facts.texts[i]);
	if (r == 0)
		r = attach_hooks(ebpf, denials == NULL ? 0 : denials->hooks);
	if (r < 0) {
		(void)attach_hooks(ebpf, 0);
		return r;
	}
	if (denials == NULL || denials->hooks == 0)
		return 0;
	set_clauses(ebpf, denials);
	__atomic_store_n(&ebpf->object->bss->denies_here, true, __ATOMIC_SEQ_CST);
	ebpf->denials = denials;
	return 0;
}

bool ebpf_denies_as_set(const struct ebpf *ebpf)
{
	const struct tocsin_bpf__bss *bss = ebpf->object->bss;

	return ebpf->denials == NULL ||
	       (bss->denies_here && memcmp(bss->deny_calls, ebpf->denials->calls, sizeof(bss->deny_calls)) == 0 &&
		memcmp(bss->deny_clauses, ebpf->denials->clauses, sizeof(bss->deny_clauses)) == 0);
}

void ebpf_denied(const void *state, struct plan_denied *ret)
{
	const struct ebpf *ebpf = state;

	*ret = ebpf->object->bss->denied;
}
