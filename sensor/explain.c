/* Loads the rules as a start would, and prints the interest. */
#include "sensor/explain.h"

#include "sensor/doctor.h"
#include "sensor/enforce/enforce.h"
#include "sensor/prefilter.h"

#include <errno.h>

/* What rules that respond would be promised, under the probe that these options would take. */
static void add_promises(const struct options *options, struct prefilter *prefilter, struct buf *out)
{
	const struct probe_ops *probe = options->attaches ? &probe_attach : &probe_notify;
	char why[200];
	size_t before;

#ifdef HAVE_EBPF
	if (options->command == NULL && !options->attaches && options->probe != PROBE_PTRACE &&
	    (doctor_ebpf(why, sizeof(why)) || options->probe == PROBE_EBPF))
		probe = &probe_ebpf;
#endif
	(void)why;
	if (prefilter_responders(prefilter) == NULL)
		return;
	buf_addf(out, "\nWhat rules respond with, under %s:\n", probe == &probe_notify ? "run (seccomp)" : probe->name);
	before = out->len;
	if (enforce_explain(probe, prefilter, out) < 0 || out->len == before)
		buf_add(out, STR("not known: out of memory\n"));
}

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
	if (r == 0)
		add_promises(options, prefilter, &out);
	if (out.len > 0)
		fwrite(out.at, 1, out.len, stdout);
	buf_done(&out);
	prefilter_free(prefilter);
	fields_free(fields);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
