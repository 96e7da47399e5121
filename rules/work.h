/* One rule while it is compiled, a part at a time. */
#ifndef RULES_WORK_H
#define RULES_WORK_H

#include "rules/compiler.h"
#include "rules/text.h"

static const struct str syscall_source = STR("syscall");

/* What one rule is compiled with. */
struct work {
	struct compiler *c;
	struct rule_item *item;
	struct rule rule;
	struct problem problem;
	struct text text, output_text, opa_text;
	struct text step_texts[WATCH_STEPS_MAX], by_text, of_text;
	uint32_t steps[WATCH_STEPS_MAX];
};

static inline struct place rule_place(const struct rule_item *item, const struct yaml *node)
{
	return (struct place){ .node = node, .item_kind = "rule", .item_name = item->name };
}

/* Each returns false with work->problem set, or with loader->out_of_memory. */
bool compile_rule_condition(struct work *work);
bool compile_rule_output(struct work *work);
bool compile_rule_opa(struct work *work);
bool compile_rule_watch(struct work *work);

/* By event type; once all rules are compiled. False only when out of memory. */
bool index_sources(struct compiler *c);

/* All rules of the loader, in their order. False only when out of memory. */
bool compile_rules(struct compiler *c);

#endif
