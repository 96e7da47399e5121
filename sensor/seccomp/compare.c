/* Asking two programs the same. */
#include "sensor/seccomp/compare.h"

#include "sensor/seccomp/compile.h"

#include <linux/audit.h>

enum { ARGS = 6, VALUES_MAX = 256 };

/* What is tried as an argument. */
struct values {
	uint64_t at[VALUES_MAX];
	size_t count;
};

struct comparing {
	const struct compared *a, *b;
	compare_fn each;
	void *userdata;
	struct values of[ARGS];
	size_t found, untried;
	uint32_t kinds[COMPARE_KINDS_MAX][2]; /* of differences of the call that is looked at */
	size_t kinds_count;
};

static void add_value(struct values *values, uint64_t value)
{
	for (size_t i = 0; i < values->count; i++)
		if (values->at[i] == value)
			return;
	if (values->count < VALUES_MAX)
		values->at[values->count++] = value;
}

/* Both sides of a condition, and of a mask each bit alone. */
static void add_sides(struct values *values, const struct profile_condition *condition)
{
	const uint64_t mask = condition->value, value = condition->value_two;

	if (condition->op != PROFILE_MASKED_EQ) {
		add_value(values, condition->value - 1);
		add_value(values, condition->value);
		add_value(values, condition->value + 1);
		return;
	}
	add_value(values, value);
	add_value(values, value | ~mask);
	for (unsigned bit = 0; bit < 64; bit++)
		if (mask >> bit & 1)
			add_value(values, value ^ 1ULL << bit);
}

static void add_values_of(struct comparing *in, const struct profile *profile, struct str name)
{
	for (size_t i = 0; i < profile->rules_count; i++) {
		const struct profile_rule *rule = &profile->rules[i];
		bool named = false;

		for (size_t j = 0; rule->left_out == NULL && !named && j < rule->names_count; j++)
			named = str_eq(rule->names[j], name);
		for (size_t j = 0; named && j < rule->conditions_count; j++)
			add_sides(&in->of[rule->conditions[j].arg], &rule->conditions[j]);
	}
}

/* A pair of actions is told once a call. */
static bool is_new(struct comparing *in, uint32_t a, uint32_t b)
{
	for (size_t i = 0; i < in->kinds_count; i++)
		if (in->kinds[i][0] == a && in->kinds[i][1] == b)
			return false;
	if (in->kinds_count == COMPARE_KINDS_MAX)
		return false;
	in->kinds[in->kinds_count][0] = a;
	in->kinds[in->kinds_count++][1] = b;
	return true;
}

static void ask(struct comparing *in, struct compare_difference *difference)
{
	difference->a = seccomp_program_run(in->a->program, &difference->call);
	difference->b = seccomp_program_run(in->b->program, &difference->call);
	if (difference->a == difference->b || !is_new(in, difference->a, difference->b))
		return;
	in->found++;
	in->each(difference, in->userdata);
}

/* All combinations of what is tried, as numbers whose digits are places in the lists. */
static void ask_all(struct comparing *in, struct compare_difference *difference)
{
	size_t digits[ARGS] = { 0 }, points = 0, arg = 0;

	in->kinds_count = 0;
	while (arg < ARGS) {
		if (points++ == COMPARE_POINTS_MAX) {
			in->untried++;
			return;
		}
		for (size_t i = 0; i < ARGS; i++)
			difference->call.args[i] = in->of[i].at[digits[i]];
		ask(in, difference);
		for (arg = 0; arg < ARGS && ++digits[arg] == in->of[arg].count; arg++)
			digits[arg] = 0;
	}
}

static void compare_call(struct comparing *in, uint32_t arch, int nr, const char *name)
{
	uint32_t base;
	struct compare_difference difference = { .name = name, .arch = arch,
						 .call = { .nr = nr, .arch = profile_audit_arch(arch, &base) } };

	for (size_t i = 0; i < ARGS; i++)
		in->of[i].count = 0;
	if (name != NULL) {
		add_values_of(in, in->a->profile, str_of(name));
		add_values_of(in, in->b->profile, str_of(name));
	}
	for (size_t i = 0; i < ARGS; i++) {
		if (in->of[i].count > 0)
			difference.args |= (uint8_t)(1U << i);
		else
			add_value(&in->of[i], 0);
	}
	ask_all(in, &difference);
}

static void compare_arch(struct comparing *in, uint32_t arch)
{
	char name[COMPARE_NAME_MAX];
	uint32_t base;

	profile_audit_arch(arch, &base);
	for (int nr = 0; nr < COMPARE_CALLS_MAX; nr++)
		if (profile_call_name(arch, (int)base + nr, name, sizeof(name)))
			compare_call(in, arch, (int)base + nr, name);
	compare_call(in, arch, (int)base + COMPARE_CALLS_MAX, NULL);
}

static bool has_arch(const struct profile *profile, uint32_t arch)
{
	for (size_t i = 0; i < profile->arches_count; i++)
		if (profile->arches[i] == arch)
			return true;
	return false;
}

size_t profile_compare(const struct compared *a, const struct compared *b, compare_fn each, void *userdata,
		       size_t *ret_untried)
{
	struct comparing in = { .a = a, .b = b, .each = each, .userdata = userdata };

	for (size_t i = 0; i < a->profile->arches_count; i++)
		compare_arch(&in, a->profile->arches[i]);
	for (size_t i = 0; i < b->profile->arches_count; i++)
		if (!has_arch(a->profile, b->profile->arches[i]))
			compare_arch(&in, b->profile->arches[i]);
	*ret_untried = in.untried;
	return in.found;
}
