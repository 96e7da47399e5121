/* Classic BPF as the kernel takes it for seccomp: net/core/filter.c and kernel/seccomp.c say what is valid. */
#include "sensor/seccomp/program.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

enum { SLOTS = BPF_MEMWORDS, DATA_WORDS = sizeof(struct seccomp_data) / 4 };

/* ---- the checker ---- */

static bool is_operation(uint16_t code)
{
	switch (BPF_OP(code)) {
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_DIV:
	case BPF_AND:
	case BPF_OR:
	case BPF_XOR:
	case BPF_LSH:
	case BPF_RSH: return code == (BPF_ALU | BPF_OP(code) | BPF_SRC(code));
	case BPF_NEG: return code == (BPF_ALU | BPF_NEG);
	default: return false;
	}
}

static bool is_alu_sound(const struct sock_filter *in)
{
	if (!is_operation(in->code))
		return false;
	if (in->code == (BPF_ALU | BPF_DIV | BPF_K))
		return in->k != 0;
	if (in->code == (BPF_ALU | BPF_LSH | BPF_K) || in->code == (BPF_ALU | BPF_RSH | BPF_K))
		return in->k < 32;
	return true;
}

/* `left`: instructions behind this one. */
static bool is_jump_sound(const struct sock_filter *in, uint32_t left)
{
	switch (in->code) {
	case BPF_JMP | BPF_JA: return in->k < left;
	case BPF_JMP | BPF_JEQ | BPF_K:
	case BPF_JMP | BPF_JEQ | BPF_X:
	case BPF_JMP | BPF_JGE | BPF_K:
	case BPF_JMP | BPF_JGE | BPF_X:
	case BPF_JMP | BPF_JGT | BPF_K:
	case BPF_JMP | BPF_JGT | BPF_X:
	case BPF_JMP | BPF_JSET | BPF_K:
	case BPF_JMP | BPF_JSET | BPF_X: return in->jt < left && in->jf < left;
	default: return false;
	}
}

static bool is_sound(const struct sock_filter *in, uint32_t left)
{
	switch (in->code) {
	case BPF_LD | BPF_W | BPF_ABS: return in->k < sizeof(struct seccomp_data) && in->k % 4 == 0;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX: return in->k < SLOTS;
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_W | BPF_LEN:
	case BPF_LD | BPF_IMM:
	case BPF_LDX | BPF_IMM:
	case BPF_MISC | BPF_TAX:
	case BPF_MISC | BPF_TXA:
	case BPF_RET | BPF_K:
	case BPF_RET | BPF_A: return true;
	default: break;
	}
	return BPF_CLASS(in->code) == BPF_ALU ? is_alu_sound(in) : is_jump_sound(in, left);
}

/* Every way to a load has stored there first. As the kernel does: what comes in over jumps is kept for each
 * instruction, what falls through is carried along. 0 or -EINVAL. */
static int check_slots(const struct seccomp_program *program, uint32_t *ret_at)
{
	static const uint16_t all = (uint16_t)((1U << SLOTS) - 1);
	uint16_t masks[SECCOMP_PROGRAM_MAX], valid = 0;

	for (uint32_t i = 0; i < program->len; i++)
		masks[i] = all;
	for (uint32_t i = 0; i < program->len; i++) {
		const struct sock_filter *in = &program->at[i];

		valid &= masks[i];
		if (in->code == BPF_ST || in->code == BPF_STX) {
			valid |= (uint16_t)(1U << in->k);
		} else if (in->code == (BPF_LD | BPF_MEM) || in->code == (BPF_LDX | BPF_MEM)) {
			*ret_at = i;
			if (!(valid & (1U << in->k)))
				return -EINVAL;
		} else if (in->code == (BPF_JMP | BPF_JA)) {
			masks[i + 1 + in->k] &= valid;
			valid = all;
		} else if (BPF_CLASS(in->code) == BPF_JMP) {
			masks[i + 1 + in->jt] &= valid;
			masks[i + 1 + in->jf] &= valid;
			valid = all;
		}
	}
	return 0;
}

int seccomp_program_check(const struct seccomp_program *program, uint32_t *ret_at)
{
	uint32_t unused, *at = ret_at == NULL ? &unused : ret_at, last = program->len - 1;

	*at = 0;
	if (program->len == 0 || program->len > SECCOMP_PROGRAM_MAX)
		return -EINVAL;
	for (*at = 0; *at < program->len; (*at)++)
		if (!is_sound(&program->at[*at], last - *at))
			return -EINVAL;
	*at = last;
	if (program->at[last].code != (BPF_RET | BPF_K) && program->at[last].code != (BPF_RET | BPF_A))
		return -EINVAL;
	return check_slots(program, at);
}

/* ---- the interpreter ---- */

struct machine {
	uint32_t a, x;
	uint32_t slots[SLOTS];
};

static uint32_t word_of(const struct seccomp_data *data, uint32_t k)
{
	uint64_t arg;

	switch (k / 4) {
	case offsetof(struct seccomp_data, nr) / 4: return (uint32_t)data->nr;
	case offsetof(struct seccomp_data, arch) / 4: return data->arch;
	case offsetof(struct seccomp_data, instruction_pointer) / 4:
	case offsetof(struct seccomp_data, instruction_pointer) / 4 + 1: arg = data->instruction_pointer; break;
	default:
		if (k / 4 >= DATA_WORDS)
			return 0;
		arg = data->args[(k - offsetof(struct seccomp_data, args)) / 8];
		break;
	}
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return (uint32_t)(k % 8 == 0 ? arg >> 32 : arg);
#else
	return (uint32_t)(k % 8 == 0 ? arg : arg >> 32);
#endif
}

/* False: division by zero, which ends a program with 0. */
static bool compute(uint16_t code, uint32_t *a, uint32_t by)
{
	switch (BPF_OP(code)) {
	case BPF_ADD: *a += by; break;
	case BPF_SUB: *a -= by; break;
	case BPF_MUL: *a *= by; break;
	case BPF_DIV:
		if (by == 0)
			return false;
		*a /= by;
		break;
	case BPF_AND: *a &= by; break;
	case BPF_OR: *a |= by; break;
	case BPF_XOR: *a ^= by; break;
	case BPF_LSH: *a <<= by & 31; break;
	case BPF_RSH: *a >>= by & 31; break;
	case BPF_NEG: *a = 0 - *a; break;
	default: break;
	}
	return true;
}

static uint32_t jump(const struct sock_filter *in, uint32_t a, uint32_t x)
{
	uint32_t by = BPF_SRC(in->code) == BPF_X ? x : in->k;

	switch (BPF_OP(in->code)) {
	case BPF_JA: return in->k;
	case BPF_JEQ: return a == by ? in->jt : in->jf;
	case BPF_JGE: return a >= by ? in->jt : in->jf;
	case BPF_JGT: return a > by ? in->jt : in->jf;
	case BPF_JSET: return (a & by) != 0 ? in->jt : in->jf;
	default: return 0;
	}
}

static void load(struct machine *machine, const struct sock_filter *in, const struct seccomp_data *data)
{
	uint32_t *to = BPF_CLASS(in->code) == BPF_LDX ? &machine->x : &machine->a;

	switch (BPF_MODE(in->code)) {
	case BPF_ABS: *to = word_of(data, in->k); break;
	case BPF_IMM: *to = in->k; break;
	case BPF_MEM: *to = machine->slots[in->k % SLOTS]; break;
	case BPF_LEN: *to = sizeof(struct seccomp_data); break;
	default: break;
	}
}

uint32_t seccomp_program_run(const struct seccomp_program *program, const struct seccomp_data *data)
{
	struct machine machine = { 0 };
	uint32_t len = program->len < SECCOMP_PROGRAM_MAX ? program->len : SECCOMP_PROGRAM_MAX, at = 0;

	/* Checked programs only jump ahead; the bound is for those that somebody writes to. */
	for (uint32_t steps = 0; at < len && steps < SECCOMP_PROGRAM_MAX; steps++) {
		const struct sock_filter in = program->at[at++];

		switch (BPF_CLASS(in.code)) {
		case BPF_LD:
		case BPF_LDX: load(&machine, &in, data); break;
		case BPF_ST: machine.slots[in.k % SLOTS] = machine.a; break;
		case BPF_STX: machine.slots[in.k % SLOTS] = machine.x; break;
		case BPF_ALU:
			if (!compute(in.code, &machine.a, BPF_SRC(in.code) == BPF_X ? machine.x : in.k))
				return SECCOMP_RET_KILL_THREAD;
			break;
		case BPF_JMP: at += jump(&in, machine.a, machine.x); break;
		case BPF_RET: return BPF_RVAL(in.code) == BPF_A ? machine.a : in.k;
		default:
			if (BPF_MISCOP(in.code) == BPF_TAX)
				machine.x = machine.a;
			else
				machine.a = machine.x;
			break;
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}

/* ---- two as one ---- */

int seccomp_program_join(const struct seccomp_program *first, uint32_t notify, _Bool (*keeps)(uint32_t action),
			 const struct sock_filter *then, uint32_t then_len, struct seccomp_program *ret)
{
	if (first->len > SECCOMP_PROGRAM_MAX || then_len > SECCOMP_PROGRAM_MAX - first->len)
		return -E2BIG;
	for (uint32_t i = 0; i < first->len; i++) {
		const struct sock_filter *in = &first->at[i];

		ret->at[i] = *in;
		if (BPF_CLASS(in->code) != BPF_RET)
			continue;
		if (in->code != (BPF_RET | BPF_K))
			return -ENOTSUP;
		if ((in->k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW)
			ret->at[i] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, first->len - i - 1);
		else if (keeps == NULL || !keeps(in->k))
			ret->at[i].k = notify;
	}
	for (uint32_t i = 0; i < then_len; i++)
		ret->at[first->len + i] = then[i];
	ret->len = first->len + then_len;
	return 0;
}
