/* The rule library, asked three questions: which calls, which fields, this event? */
#include "sensor/prefilter.h"

#include "base/cleanup.h"
#include "rules/watch.h"
#include "sensor/calls.h"

#include <errno.h>

struct prefilter {
	struct rules *rules; /* NULL: no rules, everything passes */
	struct rules_scratch *scratch;
	struct rules *responders; /* those of them that respond; NULL: none does */
	struct rules_scratch *judge;
};

static bool responds(const struct rules *rules)
{
	for (size_t i = 0; i < rules_count(rules); i++)
		if (rule_is_enabled(rules_at(rules, i)) &&
		    rule_respond(rules_at(rules, i)).action != RESPOND_NONE)
			return true;
	return false;
}

/* The same texts once more, for those of the rules that respond. Every field that they read is known. */
static int load_responders(struct prefilter *prefilter, const struct rules_settings *settings, struct fields *fields)
{
	struct rules_settings some = *settings;
	struct rules_text texts[RULES_FILES_MAX];
	struct rules_report *report;
	size_t count = rules_files_count(prefilter->rules);
	int r;

	if (!responds(prefilter->rules))
		return 0;
	some.responding = true;
	some.match_all = false;
	some.description = NULL;
	for (size_t i = 0; i < count; i++) {
		const struct rules_text text = rules_file_at(prefilter->rules, i);

		texts[i] = (struct rules_text){ .name = text.name, .text = text.text };
	}
	report = malloc(sizeof(*report));
	if (report == NULL)
		return -ENOMEM;
	rules_report_init(report);
	r = rules_load_text(&some, texts, count, fields, report, &prefilter->responders);
	rules_report_done(report);
	free(report);
	if (r < 0)
		return r;
	prefilter->judge = rules_scratch_new(prefilter->responders);
	return prefilter->judge == NULL ? -ENOMEM : 0;
}


/* Files when `texts` is NULL. */
static int load(const struct rules_settings *settings, const struct rules_text *texts, size_t count,
		struct fields *fields, struct buf *ret_report, struct prefilter **ret)
{
	struct prefilter *prefilter = calloc(1, sizeof(*prefilter));
	struct rules_report *report = malloc(sizeof(*report));
	int r = -ENOMEM;

	if (prefilter != NULL && report != NULL) {
		rules_report_init(report);
		r = texts == NULL ? rules_load(settings, fields, report, &prefilter->rules)
				  : rules_load_text(settings, texts, count, fields, report,
						    &prefilter->rules);
		rules_report_print(report, ret_report);
		rules_report_done(report);
	}
	free(report);
	if (r == 0) {
		prefilter->scratch = rules_scratch_new(prefilter->rules);
		r = prefilter->scratch == NULL ? -ENOMEM : load_responders(prefilter, settings, fields);
	}
	if (r < 0)
		prefilter_free(prefilter);
	else
		*ret = prefilter;
	return r;
}

int prefilter_new(const char *const *files, size_t files_count, struct fields *fields,
		  struct buf *ret_report, struct prefilter **ret)
{
	const struct rules_settings settings = {
		.files = { .at = files, .count = files_count },
		.priority_max = PRIORITY_DEBUG,
		.sources = rules_hub_sources, /* their rules read fields of our events, too */
	};

	if (files_count > 0)
		return load(&settings, NULL, 0, fields, ret_report, ret);
	*ret = calloc(1, sizeof(**ret));
	return *ret == NULL ? -ENOMEM : 0;
}

int prefilter_new_texts(const struct rules_settings *settings, const struct rules_text *texts,
			size_t count, struct fields *fields, struct buf *ret_report,
			struct prefilter **ret)
{
	return load(settings, texts, count, fields, ret_report, ret);
}

void prefilter_free(struct prefilter *prefilter)
{
	if (prefilter == NULL)
		return;
	rules_scratch_free(prefilter->judge);
	rules_free(prefilter->responders);
	rules_scratch_free(prefilter->scratch);
	rules_free(prefilter->rules);
	free(prefilter);
}

bool prefilter_wants_type(const struct prefilter *prefilter, struct str type)
{
	return prefilter->rules == NULL || rules_wants_all_types(prefilter->rules) ||
	       rules_wants_type(prefilter->rules, type);
}

int prefilter_interest(const struct prefilter *prefilter, struct interest **ret)
{
	return interest_new(prefilter->rules, ret);
}

int prefilter_interest_following(const struct prefilter *prefilter, struct str of_followed, struct interest **ret)
{
	return interest_new_following(prefilter->rules, of_followed, ret);
}

const struct rules *prefilter_responders(const struct prefilter *prefilter)
{
	return prefilter->responders;
}

const struct rule *prefilter_judge(struct prefilter *prefilter, const struct event *event)
{
	const struct rule *hit;

	return prefilter->responders != NULL &&
			       rules_match(prefilter->responders, prefilter->judge, event, &hit, 1) > 0
		       ? hit
		       : NULL;
}

int prefilter_judged(const struct prefilter *prefilter, struct interest **ret)
{
	return interest_new(prefilter->responders, ret);
}

void prefilter_calls(const struct interest *interest, struct probe_settings *settings)
{
	for (size_t i = 0; i < calls_count; i++)
		settings->wanted[i] = !call_is_traced(&calls[i]) && interest->calls[calls[i].nr].can != 0;
}

void prefilter_fields(const struct prefilter *prefilter, struct enrich *enrich)
{
	size_t cursor = 0;
	field_id id;

	if (prefilter->rules == NULL)
		return;
	while (rules_next_field(prefilter->rules, &cursor, &id))
		enrich_want(enrich, id);
}

static bool is_among(const struct str *names, size_t count, struct str name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(names[i], name))
			return true;
	return false;
}

int prefilter_hosts(const struct prefilter *prefilter, struct hosts *hosts)
{
	static const field_id fields[] = { FIELD_FD_SIP_NAME, FIELD_FD_CIP_NAME, FIELD_FD_LIP_NAME,
					   FIELD_FD_RIP_NAME };
	struct str names[HOSTS_NAMES_MAX], name;
	size_t count = 0;

	for (size_t i = 0; prefilter->rules != NULL && i < ARRAY_LEN(fields); i++)
		for (uint64_t cursor = 0; rules_next_text(prefilter->rules, fields[i], &cursor, &name);)
			if (count < HOSTS_NAMES_MAX && !is_among(names, count, name))
				names[count++] = name;
	return hosts_set(hosts, names, count);
}

bool prefilter_wants_environment(const struct prefilter *prefilter)
{
	return prefilter->rules != NULL && rules_wants_environment(prefilter->rules);
}

bool prefilter_wants_standard(const struct prefilter *prefilter)
{
	return prefilter->rules != NULL && rules_wants_standard(prefilter->rules);
}

bool prefilter_feeds(struct prefilter *prefilter, const struct event *event)
{
	struct watch_hit fed;

	return prefilter->rules != NULL &&
	       rules_match_watches(prefilter->rules, prefilter->scratch, event, &fed, 1) > 0;
}

bool prefilter_match(struct prefilter *prefilter, const struct event *event)
{
	const struct rule *hit;

	return prefilter->rules == NULL || prefilter_hits(prefilter, event, &hit, 1) > 0 ||
	       prefilter_feeds(prefilter, event);
}

size_t prefilter_hits(struct prefilter *prefilter, const struct event *event, const struct rule **hits,
		      size_t max)
{
	return prefilter->rules == NULL ? 0 : rules_match(prefilter->rules, prefilter->scratch, event, hits, max);
}

size_t prefilter_rules_count(const struct prefilter *prefilter)
{
	return prefilter->rules == NULL ? 0 : rules_enabled_count(prefilter->rules);
}
