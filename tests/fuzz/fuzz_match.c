/* The input's bytes choose rules and events; the fast evaluator must agree with the plain one. */
#include "tests/random_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dice dice = { .at = data, .left = size };
	struct buf text = { 0 }, why = { 0 };
	struct random_set set;

	random_rules(&dice, &text);
	if (random_set_load(&set, buf_str(&text), &why)) {
		for (int i = 0; i < RANDOM_EVENTS && dice.left > 0; i++) {
			size_t hits;

			random_event(&dice, &set.event, set.fields);
			if (!random_agrees(&set, &hits))
				abort();
		}
		random_set_done(&set);
	}
	buf_done(&text);
	buf_done(&why);
	return 0;
}
