/* Loads the rules as a start would, and prints the interest. */
#include "sensor/explain.h"

#include "sensor/prefilter.h"

#include <errno.h>

int explain_interest(const struct options *options)
{
	CLEANUP(interest_free_p) struct interest *interest = NULL;
	struct prefilter *prefilter = NULL;
	struct fields *fields = fields_new();
	struct buf out = { 0 };
	int r = fields == NULL ? -ENOMEM
			       : prefilter_new(options->rules, options->rules_count, fields, &out, &prefilter);

	if (out.len > 0)
		fwrite(out.at, 1, out.len, stderr);
	buf_clear(&out);
	if (r == 0)
		r = prefilter_interest(prefilter, &interest);
	if (r == 0)
		interest_print(interest, &out);
	if (out.len > 0)
		fwrite(out.at, 1, out.len, stdout);
	buf_done(&out);
	prefilter_free(prefilter);
	fields_free(fields);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
