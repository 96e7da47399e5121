/* Which rule responds, what is done, and the account of it. */
#include "sensor/enforce/enforce.h"

#include "base/clock.h"
#include "base/log.h"
#include "sensor/enforce/act.h"
#include "sensor/enforce/denials.h"
#include "sensor/enforce/kills.h"
#include "sensor/enforce/places.h"
#include "sensor/enforce/promise.h"
#include "sensor/enforce/refusals.h"
#include "sensor/gate/gate.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* A rule that responds. */
struct responder {
	const struct rule *rule;
	enum promise promise;
	struct buf text; /* for people */
};

/* What was decided about one call. */
struct decision {
	const struct rule *rule; /* NULL: nothing */
	char result[64];
	char error[24]; /* "": none */
	const char *effect; /* whether the call had its effect; NULL: it is not known, or nothing was done */
};

enum outcome { OUTCOME_DONE, OUTCOME_FAILED, OUTCOME_DRY, OUTCOMES };

struct enforce {
	struct enforce_settings settings;
	void *probe_state; /* NULL: not open yet */
	struct refusals refusals;
	const char *refuses_not; /* why the kernel refuses no connection; NULL: it does */
	struct kills *kills;	 /* whom the kernel kills; NULL: of no rule */
	const char *kills_not;	 /* why it kills nobody; NULL: it does */
	struct denials *denials; /* what the kernel denies where it asks; NULL: nothing of any rule */
	const char *denies_not;	 /* why it does not; NULL: it does */
	uint64_t unclaimed;	 /* killed or denied by the kernel in the name of no rule that is in force */
	struct gate *gate;	 /* NULL: the kernel asks about no file */
	const char *asks_not;	 /* ... why; NULL: it does */
	struct gate_stats gate_stats; /* its last */
	bool had_gate;
	struct places *places;	 /* NULL: of no rule */
	struct prefilter *prefilter;
	struct responder *responders;
	size_t count;
	struct decision last;
	uint64_t counts[RESPOND_ACTIONS][OUTCOMES];
	uint64_t slowest_kill_ns; /* from the call to the signal */
};

static uint32_t layer_of(void *userdata, int fd)
{
	const struct enforce *enforce = userdata;

	return enforce->settings.probe->layer(enforce->probe_state, fd);
}

/* Where calls wait for an answer anyway, files need no gate. */
static void make_gate(struct enforce *enforce)
{
	const struct gate_settings settings = { .layer = layer_of, .userdata = enforce };
	int r;

	enforce->asks_not = "this probe has no means";
	if (enforce->settings.probe->layer == NULL)
		return;
	r = gate_new(&settings, &enforce->gate, &enforce->asks_not);
	if (r == 0)
		enforce->asks_not = NULL;
	else
		log_warning("enforce: %s: %s", enforce->asks_not, strerror(-r));
}

int enforce_new(const struct enforce_settings *settings, struct enforce **ret)
{
	struct enforce *enforce = calloc(1, sizeof(*enforce));

	if (enforce == NULL)
		return -ENOMEM;
	enforce->settings = *settings;
	make_gate(enforce);
	*ret = enforce;
	return 0;
}

struct gate *enforce_gate(const struct enforce *enforce)
{
	return enforce == NULL ? NULL : enforce->gate;
}

void enforce_end(struct enforce *enforce)
{
	if (enforce == NULL || enforce->gate == NULL)
		return;
	enforce->gate_stats = gate_stats(enforce->gate);
	enforce->had_gate = true;
	gate_free(TAKE(enforce->gate));
}

static void free_places(struct places *places)
{
	if (places != NULL)
		places_done(places);
	free(places);
}

static void forget_rules(struct enforce *enforce)
{
	for (size_t i = 0; i < enforce->count; i++)
		buf_done(&enforce->responders[i].text);
	free(enforce->responders);
	enforce->responders = NULL;
	enforce->count = 0;
	enforce->last = (struct decision){ 0 };
}

void enforce_free(struct enforce *enforce)
{
	if (enforce == NULL)
		return;
	forget_rules(enforce);
	refusals_done(&enforce->refusals);
	gate_free(enforce->gate);
	free_places(enforce->places);
	kills_free(enforce->kills);
	denials_free(enforce->denials);
	free(enforce);
}

/* ---- promises ---- */

static void add_places(const struct enforce *enforce, size_t index, struct promise_kernel *kernel)
{
	const struct places_rule *of = enforce->places == NULL ? NULL : &enforce->places->rules[index];

	kernel->opens_why = enforce->asks_not;
	if (of == NULL || enforce->gate == NULL)
		return;
	kernel->opens = of->opens;
	kernel->execs = of->execs;
	kernel->of_containers = of->only_containers;
	kernel->opens_why = enforce->places->too_many ? "rules that respond name too many files"
						      : "its condition pins no files down";
}

static struct promise_kernel kernel_for(const struct enforce *enforce, const struct rule *rule, size_t index)
{
	const struct refusals_rule *of = enforce->refusals.rules == NULL ? NULL : &enforce->refusals.rules[index];
	struct promise_kernel kernel = { .connects_why = enforce->refuses_not };

	if (enforce->kills != NULL)
		kernel.kills = enforce->kills->when[index];
	kernel.kills_why = enforce->kills_not;
	if (enforce->denials != NULL && enforce->denies_not == NULL && rule_respond(rule).action == RESPOND_DENY)
		kernel.denials = enforce->denials->what[index];
	add_places(enforce, index, &kernel);
	if (kernel.connects_why != NULL || of == NULL)
		return kernel;
	kernel.connects = of->any && of->connects;
	kernel.messages = of->any && of->messages;
	kernel.connects_why = enforce->refusals.too_many ? "rules that deny name too many addresses and ports"
							  : "its condition needs more than address and port";
	return kernel;
}

static void promise(struct enforce *enforce, const struct rule *rule, size_t index)
{
	struct responder *responder = &enforce->responders[enforce->count++];
	const struct promise_kernel kernel = kernel_for(enforce, rule, index);

	responder->rule = rule;
	responder->promise = promise_of(rule, enforce->settings.probe, &kernel, &responder->text);
}

static void log_promise(struct responder *responder)
{
	const struct rule *rule = responder->rule;
	struct buf what = { 0 };

	respond_add(rule_respond(rule), &what);
	log_line(responder->promise == PROMISE_NONE || responder->promise == PROMISE_SOME ? LOG_LEVEL_WARNING
											    : LOG_LEVEL_INFO,
		  "enforce: %.*s: %s: %s", STR_ARG(rule_name(rule)), buf_text(&what), buf_text(&responder->text));
	buf_done(&what);
}

/* Has the kernel refuse what rules surely deny, and keeps why it does not. */
static void set_refusals(struct enforce *enforce)
{
	const struct probe_ops *probe = enforce->settings.probe;
	int r = 0;

	enforce->refuses_not = probe->refuse == NULL ? "this probe has no means" : NULL;
	if (probe->refuse != NULL && enforce->settings.mode == ENFORCE_ON)
		r = probe->refuse(enforce->probe_state, enforce->refusals.at, enforce->refusals.count);
	if (r < 0)
		enforce->refuses_not = r == -ENOENT ? "no cgroup2 tree is mounted"
						    : "the kernel does not attach programs to connect";
}

static void take_refusals(struct enforce *enforce, const struct rules *rules)
{
	refusals_done(&enforce->refusals);
	if (rules != NULL && refusals_new(rules, &enforce->refusals) < 0)
		log_err("enforce: out of memory: no connection is refused");
	set_refusals(enforce);
}

/* Has the kernel kill where it can tell that a rule matches; the tables of before stay until it has the new ones. */
static void take_kills(struct enforce *enforce, const struct rules *rules)
{
	const struct probe_ops *probe = enforce->settings.probe;
	struct kills *kills = NULL;
	int r = rules == NULL || probe->kill == NULL ? 0 : kills_new(rules, &kills);

	if (r < 0)
		log_err("enforce: out of memory: the kernel kills nobody");
	if (probe->kill != NULL && enforce->settings.mode == ENFORCE_ON)
		r = probe->kill(enforce->probe_state, kills);
	enforce->kills_not = r < 0 ? "this kernel does not take the programs that kill" : NULL;
	kills_free(enforce->kills);
	enforce->kills = kills;
}

/* Has the kernel deny where it asks and can tell that a rule matches; the tables of before stay until it has the new ones.
 * In a dry run, too, it is known what it could. */
static void take_denials(struct enforce *enforce, const struct rules *rules)
{
	const struct probe_ops *probe = enforce->settings.probe;
	uint32_t hooks = probe->hooks == NULL || enforce->probe_state == NULL ? 0 : probe->hooks(enforce->probe_state);
	struct denials *denials = NULL;
	int r = rules == NULL || hooks == 0 ? 0 : denials_new(rules, hooks, &denials);

	if (r < 0)
		log_err("enforce: out of memory: the kernel denies nothing where it asks");
	enforce->denies_not = hooks == 0 ? "BPF LSM is not granted here" : NULL;
	if (probe->deny != NULL && enforce->probe_state != NULL && enforce->settings.mode == ENFORCE_ON)
		r = probe->deny(enforce->probe_state, denials);
	if (r < 0)
		enforce->denies_not = "this kernel does not take the programs that deny";
	denials_free(enforce->denials);
	enforce->denials = denials;
}

/* Has the kernel ask about the files that rules pin down. */
static void take_places(struct enforce *enforce, const struct rules *rules)
{
	struct places *places = rules == NULL ? NULL : calloc(1, sizeof(*places));
	struct interest *judged = NULL;
	int r = rules == NULL ? 0 : places == NULL ? -ENOMEM : places_new(rules, enforce->denies_not == NULL ? enforce->denials : NULL, places);

	if (r == 0 && rules != NULL)
		r = prefilter_judged(enforce->prefilter, &judged);
	if (r < 0)
		free_places(TAKE(places));
	if (enforce->gate != NULL && enforce->settings.mode == ENFORCE_ON && r == 0) {
		r = gate_set(enforce->gate, places, judged);
		judged = NULL;
	}
	interest_free(judged);
	if (r < 0)
		log_err("enforce: %s: no file is asked about", strerror(-r));
	free_places(enforce->places);
	enforce->places = places;
}

void enforce_probe(struct enforce *enforce, void *probe_state)
{
	enforce->probe_state = probe_state;
	enforce_rules(enforce, enforce->prefilter);
}

static void set_promises(struct enforce *enforce, const struct rules *rules)
{
	size_t count = rules == NULL ? 0 : rules_count(rules);

	enforce->responders = calloc(count + 1, sizeof(*enforce->responders));
	for (size_t i = 0; i < count && enforce->responders != NULL; i++)
		if (rule_is_enabled(rules_at(rules, i)))
			promise(enforce, rules_at(rules, i), i);
}

/* In a dry run nothing is set, neither in the probe nor at the gate. */
int enforce_explain(const struct probe_ops *probe, struct prefilter *prefilter, struct buf *out)
{
	const struct enforce_settings settings = { .mode = ENFORCE_DRY_RUN, .probe = probe };
	const struct rules *rules = prefilter_responders(prefilter);
	struct enforce *enforce = NULL;
	int r = rules == NULL ? 0 : enforce_new(&settings, &enforce);

	if (enforce == NULL)
		return r;
	enforce->prefilter = prefilter;
	take_refusals(enforce, rules);
	take_kills(enforce, rules);
	take_denials(enforce, rules);
	take_places(enforce, rules);
	set_promises(enforce, rules);
	enforce_print(enforce, out);
	enforce_free(enforce);
	return 0;
}

void enforce_rules(struct enforce *enforce, struct prefilter *prefilter)
{
	const struct rules *rules = prefilter_responders(prefilter);

	forget_rules(enforce);
	enforce->prefilter = prefilter;
	if (enforce->probe_state == NULL)
		return; /* enforce_probe() will */
	take_refusals(enforce, rules);
	take_kills(enforce, rules);
	take_denials(enforce, rules);
	take_places(enforce, rules);
	set_promises(enforce, rules);
	for (size_t i = 0; i < enforce->count; i++)
		log_promise(&enforce->responders[i]);
	if (enforce->count > 0)
		log_notice("enforce: %zu rules respond%s", enforce->count,
			   enforce->settings.mode == ENFORCE_DRY_RUN ? "; in a dry run: nothing is done" : "");
}

static enum promise promise_for(const struct enforce *enforce, const struct rule *rule)
{
	for (size_t i = 0; i < enforce->count; i++)
		if (enforce->responders[i].rule == rule)
			return enforce->responders[i].promise;
	return PROMISE_NONE;
}

void enforce_print(const struct enforce *enforce, struct buf *out)
{
	for (size_t i = 0; i < enforce->count; i++) {
		const struct responder *responder = &enforce->responders[i];

		buf_add(out, rule_name(responder->rule));
		buf_add(out, STR(": "));
		respond_add(rule_respond(responder->rule), out);
		buf_add(out, STR(": "));
		buf_add(out, buf_str(&responder->text));
		buf_add_char(out, '\n');
	}
}

/* ---- responding ---- */

static const char *done_name(enum respond_action action)
{
	static const char *const names[RESPOND_ACTIONS] = { "", "denied", "killed", "frozen" };

	return names[action];
}

static void set_error(struct decision *decision, int error)
{
	const char *name = strerrorname_np(error);

	snprintf(decision->error, sizeof(decision->error), "%s", name == NULL ? "" : name);
}

static void note_effect(struct enforce *enforce, bool prevented)
{
	enforce->last.effect = prevented ? "prevented" : "happened";
}

static void note(struct enforce *enforce, enum outcome outcome, const char *result)
{
	enforce->counts[rule_respond(enforce->last.rule).action][outcome]++;
	snprintf(enforce->last.result, sizeof(enforce->last.result), "%s", result);
}

/* Why an action failed, in words that say what to do about it. */
static void note_failure(struct enforce *enforce, int error)
{
	char text[64];
	const char *why = error == -ESRCH  ? "the process has ended"
			  : error == -ENOENT ? "not in a container"
			  : error == -EBUSY  ? "the sensor is in the same container"
			  : error == -EXDEV  ? "its cgroup is not mounted here"
					     : strerror(-error);

	snprintf(text, sizeof(text), "failed: %s", why);
	note(enforce, OUTCOME_FAILED, text);
}

static uint32_t process_of(const struct event *event)
{
	const struct value *pid = event_get(event, FIELD_PROC_PID);

	return pid->kind == VALUE_INT ? (uint32_t)pid->i : 0;
}

static uint64_t since_boot(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)(now.tv_sec * NS_PER_S + now.tv_nsec);
}

static void kill_it(struct enforce *enforce, uint32_t pid, uint64_t called_ns)
{
	int r = act_kill(pid, called_ns);
	uint64_t took = since_boot() - called_ns;

	if (r < 0) {
		note_failure(enforce, r);
		return;
	}
	note(enforce, OUTCOME_DONE, done_name(RESPOND_KILL));
	if (took > enforce->slowest_kill_ns)
		enforce->slowest_kill_ns = took;
	log_notice("enforce: %.*s: process %u killed, %llu us after the call", STR_ARG(rule_name(enforce->last.rule)),
		   pid, (unsigned long long)took / 1000);
}

/* A process that has ended leaves its container behind, and mostly its parent in it. */
static int freeze_by(const struct event *event, struct buf *ret_thaw)
{
	const struct value *id = event_get(event, FIELD_CONTAINER_FULL_ID), *parent = event_get(event, FIELD_PROC_PPID);
	int r = act_freeze(process_of(event), STR(""), ret_thaw);

	if (r == -ESRCH && id->kind == VALUE_STR && id->len > 0 && parent->kind == VALUE_INT &&
	    act_freeze((uint32_t)parent->i, value_as_str(id), ret_thaw) == 0)
		return 0;
	return r;
}

static void freeze_it(struct enforce *enforce, const struct event *event)
{
	struct buf thaw = { 0 };
	uint32_t pid = process_of(event);
	int r = freeze_by(event, &thaw);

	if (r < 0) {
		note_failure(enforce, r);
	} else {
		note(enforce, OUTCOME_DONE, done_name(RESPOND_FREEZE));
		log_notice("enforce: %.*s: the container of process %u is frozen; to let it go on: %s",
			   STR_ARG(rule_name(enforce->last.rule)), pid, buf_text(&thaw));
	}
	buf_done(&thaw);
}

static bool decide(struct enforce *enforce, const struct event *event)
{
	enforce->last = (struct decision){ .rule = prefilter_judge(enforce->prefilter, event) };
	return enforce->last.rule != NULL;
}

static void note_dry(struct enforce *enforce, enum promise can)
{
	static const char *const names[RESPOND_ACTIONS] = { "", "would deny", "would kill", "would freeze" };

	note(enforce, OUTCOME_DRY,
	     can == PROMISE_NONE ? "not possible" : names[rule_respond(enforce->last.rule).action]);
}

void enforce_put(const struct enforce *enforce, struct event *event)
{
	const struct decision *last = &enforce->last;

	if (last->rule == NULL)
		return;
	event_set(event, FIELD_RESPOND_RULE, value_str(rule_name(last->rule)));
	event_set(event, FIELD_RESPOND_ACTION, value_str(str_of(respond_action_name(rule_respond(last->rule).action))));
	event_set(event, FIELD_RESPOND_RESULT, value_str(str_of(last->result)));
	if (last->error[0] != '\0')
		event_set(event, FIELD_RESPOND_ERRNO, value_str(str_of(last->error)));
	if (last->effect != NULL)
		event_set(event, FIELD_RESPOND_EFFECT, value_str(str_of(last->effect)));
}

/* What a profile said of a call that goes on is told by itself. The call is asked about all the same, and that is where
 * a rule responds that asks for nothing of the profile's. */
static bool is_asked_itself(struct enforce *enforce, struct event *event)
{
	struct value said[FIELD_SECCOMP_ARGS - FIELD_SECCOMP_ACTION + 1];
	bool asked;

	if (!enforce->settings.probe->judges || enforce->settings.mode != ENFORCE_ON ||
	    event_get(event, FIELD_SECCOMP_ACTION)->kind != VALUE_STR || event_get(event, FIELD_EVT_RES)->kind == VALUE_STR)
		return false;
	for (field_id i = FIELD_SECCOMP_ACTION; i <= FIELD_SECCOMP_ARGS; i++) {
		said[i - FIELD_SECCOMP_ACTION] = *event_get(event, i);
		event_set(event, i, (struct value){ 0 });
	}
	asked = enforce_would(enforce, event);
	for (field_id i = FIELD_SECCOMP_ACTION; i <= FIELD_SECCOMP_ARGS; i++)
		event_set(event, i, said[i - FIELD_SECCOMP_ACTION]);
	return asked;
}

void enforce_after(struct enforce *enforce, struct event *event, uint64_t called_ns)
{
	enum promise can;

	if (!decide(enforce, event) || is_asked_itself(enforce, event))
		return;
	can = promise_for(enforce, enforce->last.rule);
	if (enforce->settings.mode != ENFORCE_DRY_RUN)
		note_effect(enforce, false);
	if (enforce->settings.mode == ENFORCE_DRY_RUN)
		note_dry(enforce, can);
	else if (rule_respond(enforce->last.rule).action == RESPOND_KILL)
		kill_it(enforce, process_of(event), called_ns);
	else if (rule_respond(enforce->last.rule).action == RESPOND_FREEZE)
		freeze_it(enforce, event);
	else
		note(enforce, OUTCOME_FAILED, can == PROMISE_NONE ? "not possible" : "not denied");
	enforce_put(enforce, event);
}

int enforce_before(struct enforce *enforce, const struct event *event, uint64_t called_ns)
{
	struct rule_respond respond;

	if (!decide(enforce, event))
		return 0;
	respond = rule_respond(enforce->last.rule);
	switch (respond.action) {
	case RESPOND_KILL: kill_it(enforce, process_of(event), called_ns); break;
	case RESPOND_FREEZE: freeze_it(enforce, event); break;
	default: note(enforce, OUTCOME_DONE, done_name(RESPOND_DENY)); break;
	}
	note_effect(enforce, true);
	set_error(&enforce->last, respond.error);
	return -respond.error;
}

int enforce_at_gate(struct enforce *enforce, const struct event *event, uint64_t called_ns)
{
	int r = enforce_before(enforce, event, called_ns);

	if (r == 0)
		return 0;
	set_error(&enforce->last, EPERM);
	return -EPERM;
}

bool enforce_would(const struct enforce *enforce, const struct event *event)
{
	return prefilter_judge(enforce->prefilter, event) != NULL;
}

bool enforce_refused(struct enforce *enforce, const struct event *event, int error)
{
	if (!decide(enforce, event))
		return false;
	note(enforce, OUTCOME_DONE, done_name(RESPOND_DENY));
	note_effect(enforce, true);
	set_error(&enforce->last, error);
	return true;
}

bool enforce_killed(struct enforce *enforce, const struct event *event, bool prevented, int error)
{
	if (!decide(enforce, event) || rule_respond(enforce->last.rule).action != RESPOND_KILL)
		return false;
	note(enforce, OUTCOME_DONE, done_name(RESPOND_KILL));
	note_effect(enforce, prevented);
	if (error != 0)
		set_error(&enforce->last, error);
	log_notice("enforce: %.*s: process %u killed by the kernel%s", STR_ARG(rule_name(enforce->last.rule)),
		   process_of(event), prevented ? ", before the call had an effect" : " at the end of the call");
	return true;
}

void enforce_unclaimed(struct enforce *enforce, uint32_t tgid)
{
	enforce->unclaimed++;
	log_warning("enforce: process %u was killed by the kernel for a rule that is no longer in force", tgid);
}

/* ---- the account ---- */

static void add_counts(const struct enforce *enforce, enum outcome outcome, const char *name, struct buf *out)
{
	buf_addf(out, ",\"%s\":{", name);
	for (enum respond_action i = RESPOND_DENY; i < RESPOND_ACTIONS; i++)
		buf_addf(out, "%s\"%s\":%llu", i == RESPOND_DENY ? "" : ",", respond_action_name(i),
			 (unsigned long long)enforce->counts[i][outcome]);
	buf_add_char(out, '}');
}

static void add_gate(const struct enforce *enforce, struct buf *out)
{
	const struct gate_stats stats = enforce->gate == NULL ? enforce->gate_stats : gate_stats(enforce->gate);

	if (enforce->gate == NULL && !enforce->had_gate)
		return;
	buf_addf(out,
		 ",\"files\":{\"asked\":%llu,\"judged\":%llu,\"denied\":%llu,\"late\":%llu,\"full\":%llu,\"unknown\":%llu,"
		 "\"marks\":%llu,\"unmarked\":%llu,\"roots\":%llu,\"open\":%s}",
		 (unsigned long long)stats.asked, (unsigned long long)stats.judged, (unsigned long long)stats.denied,
		 (unsigned long long)stats.late, (unsigned long long)stats.full, (unsigned long long)stats.unknown,
		 (unsigned long long)stats.marks, (unsigned long long)stats.unmarked, (unsigned long long)stats.roots,
		 enforce->gate != NULL && gate_is_open(enforce->gate) ? "true" : "false");
}

static void add_kills(const struct enforce *enforce, struct buf *out)
{
	struct plan_killed killed = { 0 };

	if (enforce->settings.probe->killed == NULL || enforce->probe_state == NULL)
		return;
	enforce->settings.probe->killed(enforce->probe_state, &killed);
	buf_addf(out,
		 ",\"kernel_kills\":{\"before\":%llu,\"at_end\":%llu,\"programs\":%llu,\"unsure\":%llu,\"over\":%llu,"
		 "\"untold\":%llu,\"unclaimed\":%llu}",
		 (unsigned long long)killed.at_begin, (unsigned long long)killed.at_end, (unsigned long long)killed.programs,
		 (unsigned long long)killed.unsure, (unsigned long long)killed.over, (unsigned long long)killed.untold,
		 (unsigned long long)enforce->unclaimed);
}

static void add_denials(const struct enforce *enforce, struct buf *out)
{
	struct plan_denied denied = { 0 };
	bool is_granted;

	if (enforce->settings.probe->denied == NULL || enforce->probe_state == NULL)
		return;
	is_granted = enforce->settings.probe->hooks(enforce->probe_state) != 0;
	enforce->settings.probe->denied(enforce->probe_state, &denied);
	buf_addf(out, ",\"lsm\":{\"granted\":%s,\"denied\":%llu,\"unsure\":%llu,\"busy\":%llu,\"untold\":%llu}",
		 is_granted ? "true" : "false", (unsigned long long)denied.denied, (unsigned long long)denied.unsure,
		 (unsigned long long)denied.busy, (unsigned long long)denied.untold);
}

void enforce_add_json(const struct enforce *enforce, struct buf *out)
{
	buf_addf(out, "\"enforce\":{\"mode\":\"%s\"",
		 enforce->settings.mode == ENFORCE_ON ? "on" : "dry-run");
	add_counts(enforce, OUTCOME_DONE, "done", out);
	add_counts(enforce, OUTCOME_FAILED, "failed", out);
	add_counts(enforce, OUTCOME_DRY, "dry", out);
	add_gate(enforce, out);
	add_kills(enforce, out);
	add_denials(enforce, out);
	buf_addf(out, ",\"slowest_kill_us\":%llu,\"rules\":[", (unsigned long long)enforce->slowest_kill_ns / 1000);
	for (size_t i = 0; i < enforce->count && i < ENFORCE_RULES_SHOWN; i++) {
		const struct responder *responder = &enforce->responders[i];

		buf_add(out, i == 0 ? STR("{\"rule\":") : STR(",{\"rule\":"));
		buf_add_json(out, rule_name(responder->rule));
		buf_addf(out, ",\"action\":\"%s\",\"promise\":\"%s\",\"text\":",
			 respond_action_name(rule_respond(responder->rule).action), promise_name(responder->promise));
		buf_add_json(out, buf_str(&responder->text));
		buf_add_char(out, '}');
	}
	buf_add(out, STR("]}"));
}
