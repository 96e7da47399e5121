/* The sentences. What they say was measured: the kernel looks for a deadly signal only where it waits, so that
 * a kill alone stops neither an unlink nor a connect. */
#include "sensor/enforce/promise.h"

#include "sensor/calls.h"
#include "sensor/enforce/denials.h"
#include "sensor/enforce/kills.h"

#include <errno.h>

const char *promise_name(enum promise promise)
{
	static const char *const names[] = { "none", "some", "after", "before" };

	return names[promise];
}

/* How the kernel can be asked to refuse a call, under eBPF. */
enum way { WAY_NONE, WAY_CONNECT, WAY_MESSAGE, WAY_OPEN, WAY_EXEC };

/* What of the rule's calls the kernel denies where it asks. */
static enum denial denial_of(const struct promise_kernel *kernel, const struct call *call)
{
	return kernel->denials == NULL ? DENIAL_NO : (enum denial)kernel->denials[call - calls];
}

static enum way way_of(const struct call *call)
{
	struct str name = str_of(call->name);

	if (str_eq(name, STR("connect")))
		return WAY_CONNECT;
	if (str_eq(name, STR("sendto")) || str_eq(name, STR("sendmsg")) || str_eq(name, STR("sendmmsg")))
		return WAY_MESSAGE;
	if (call->plan.flags & PLAN_OPEN)
		return WAY_OPEN;
	return str_starts(name, STR("execve")) ? WAY_EXEC : WAY_NONE;
}

/* Otherwise than there. */
static bool is_refused_by_way(const struct promise_kernel *kernel, const struct call *call)
{
	const enum way way = way_of(call);

	return (way == WAY_CONNECT && kernel->connects) || (way == WAY_MESSAGE && kernel->messages) ||
	       (way == WAY_OPEN && kernel->opens) || (way == WAY_EXEC && kernel->execs);
}

static bool is_refused(const struct promise_kernel *kernel, const struct call *call)
{
	return denial_of(kernel, call) == DENIAL_ALL || is_refused_by_way(kernel, call);
}

static const char *why_not(const struct promise_kernel *kernel, const struct call *call)
{
	const enum way way = way_of(call);
	const char *why = way == WAY_CONNECT || way == WAY_MESSAGE ? kernel->connects_why
			  : way == WAY_OPEN || way == WAY_EXEC	   ? kernel->opens_why
								   : NULL;

	if (why == NULL && kernel->denials != NULL)
		return "its condition needs more than the kernel can tell by itself, or it does not ask about the call";
	return why != NULL ? why : "this kernel lets no eBPF program refuse it";
}

/* What is done about a call. */
enum done { DONE_NOT, DONE_BY_WAY, DONE_BY_LSM };

static enum done done_about(const struct promise_kernel *kernel, const struct call *call)
{
	if (denial_of(kernel, call) == DENIAL_ALL)
		return DONE_BY_LSM;
	return is_refused_by_way(kernel, call) ? DONE_BY_WAY : DONE_NOT;
}

/* Some of the rule's calls by name, each once, at most four. False: there is none. */
static bool add_names(const struct rule *rule, const struct promise_kernel *kernel, enum done done, struct buf *out)
{
	const char *last = "";
	size_t count = 0;

	for (size_t i = 0; i < calls_count; i++) {
		if (!rule_wants_type(rule, str_of(calls[i].name)) || strcmp(last, calls[i].name) == 0 ||
		    done_about(kernel, &calls[i]) != done)
			continue;
		last = calls[i].name;
		if (count < 4)
			buf_addf(out, "%s%s", count == 0 ? "" : ", ", calls[i].name);
		else if (count == 4)
			buf_add(out, STR(", ..."));
		count++;
	}
	return count > 0;
}

/* How many of the rule's calls the kernel refuses; *ret_left is the first that it does not, NULL: none. */
static size_t count_refused(const struct rule *rule, const struct promise_kernel *kernel, const struct call **ret_left)
{
	size_t refused = 0;

	*ret_left = NULL;
	for (size_t i = 0; i < calls_count; i++) {
		if (!rule_wants_type(rule, str_of(calls[i].name)))
			continue;
		if (is_refused(kernel, &calls[i]))
			refused++;
		else if (*ret_left == NULL)
			*ret_left = &calls[i];
	}
	return refused;
}

static void add_limits(const struct promise_kernel *kernel, struct buf *out)
{
	if (kernel->opens)
		buf_add(out, STR("; a file that an open makes stays, empty, and one that is moved there is asked about "
				 "some milliseconds later"));
	if (kernel->execs && kernel->of_containers)
		buf_add(out, STR("; in containers whose file system is their own, from some milliseconds after they begin, "
				 "and not what is on volumes"));
}

/* At the hooks the error is the rule's, elsewhere the kernel knows one only. */
static void add_refused(const struct rule *rule, const struct promise_kernel *kernel, struct buf *out)
{
	bool by_lsm = add_names(rule, kernel, DONE_BY_LSM, out);
	size_t before;

	if (by_lsm)
		buf_add(out, STR(": the kernel itself denies the call (BPF LSM), before it has any effect"));
	if (by_lsm && rule_wants_type(rule, STR("ptrace")))
		buf_add(out, STR("; of ptrace what attaches"));
	before = out->len;
	if (by_lsm)
		buf_add(out, STR("; "));
	if (!add_names(rule, kernel, DONE_BY_WAY, out)) {
		buf_cut(out, before);
		return;
	}
	buf_add(out, STR(": the kernel refuses the call, before it has any effect"));
	if (rule_respond(rule).error != EPERM)
		buf_add(out, STR(", with EPERM"));
	add_limits(kernel, out);
}

static enum promise deny_by_kernel(const struct rule *rule, const struct promise_kernel *kernel, struct buf *out)
{
	const struct call *left;
	size_t refused = count_refused(rule, kernel, &left);

	if (refused > 0)
		add_refused(rule, kernel, out);
	if (left == NULL)
		return refused > 0 ? PROMISE_BEFORE : PROMISE_NONE;
	buf_add(out, refused > 0 ? STR("; deny of ") : STR("deny of "));
	(void)add_names(rule, kernel, DONE_NOT, out);
	if (denial_of(kernel, left) == DENIAL_SOME)
		buf_addf(out, " is possible of some only: %s", why_not(kernel, left));
	else
		buf_addf(out, " is not possible under eBPF: %s", why_not(kernel, left));
	return refused > 0 || denial_of(kernel, left) == DENIAL_SOME ? PROMISE_SOME : PROMISE_NONE;
}

/* New processes are known only once they are there. */
static bool is_judged(const struct call *call)
{
	return !call_is_traced(call);
}

/* What becomes of the rule's calls that do not wait. */
static enum promise not_judged(const struct rule *rule, enum respond_action action, struct buf *out)
{
	static const char *const texts[RESPOND_ACTIONS] = { "", "is not possible", "comes after the call",
							    "comes after the call" };
	bool some = false, all = true;

	for (size_t i = 0; i < calls_count; i++) {
		bool wanted = rule_wants_type(rule, str_of(calls[i].name));

		some |= wanted && !is_judged(&calls[i]);
		all &= !wanted || !is_judged(&calls[i]);
	}
	if (some)
		buf_addf(out, "%s of new processes %s%s", respond_action_name(action), texts[action],
			 all ? "" : "; of the other calls: ");
	if (!some)
		return PROMISE_BEFORE;
	return action != RESPOND_DENY ? PROMISE_AFTER : all ? PROMISE_NONE : PROMISE_SOME;
}

/* Where each call waits for an answer. */
static enum promise by_judge(const struct rule *rule, struct buf *out)
{
	enum respond_action action = rule_respond(rule).action;
	enum promise promise = not_judged(rule, action, out);

	if (promise == PROMISE_NONE || (promise == PROMISE_AFTER && !str_ends(buf_str(out), STR(": "))))
		return promise;
	buf_add(out, action == RESPOND_DENY ? STR("the call is refused before it has any effect") :
		     action == RESPOND_KILL ? STR("the process is killed before the call has any effect") :
					      STR("the container is frozen and the call refused, before it has any effect"));
	buf_add(out, STR("; where the decision is by a path, an address or arguments in memory, another thread can change "
			 "that between the decision and the call"));
	return promise;
}

/* ---- killing under eBPF ---- */

/* At the gate, by the kernel, or by the sensor when it reads the event. */
static enum kill_when when_of(const struct promise_kernel *kernel, size_t row)
{
	return kernel->kills == NULL || kernel->kills_why != NULL ? KILL_LATER : (enum kill_when)kernel->kills[row];
}

/* The rule's calls that this is said of, by name and once each; at most six. True: there are some. */
static bool add_killed(const struct rule *rule, const struct promise_kernel *kernel, bool at_gate, enum kill_when when,
		       struct buf *out)
{
	const char *last = "";
	size_t count = 0;

	for (size_t i = 0; i < calls_count; i++) {
		if (!rule_wants_type(rule, str_of(calls[i].name)) || strcmp(last, calls[i].name) == 0 ||
		    is_refused(kernel, &calls[i]) != at_gate || (!at_gate && when_of(kernel, i) != when))
			continue;
		last = calls[i].name;
		if (count == 0 && out->len > 0)
			buf_add(out, STR("; "));
		if (count < 6)
			buf_addf(out, "%s%s", count == 0 ? "" : ", ", calls[i].name);
		else if (count == 6)
			buf_add(out, STR(", ..."));
		count++;
	}
	return count > 0;
}

static enum promise kill_by_kernel(const struct rule *rule, const struct promise_kernel *kernel, struct buf *out)
{
	bool before = false, after = false;

	if (add_killed(rule, kernel, true, KILL_LATER, out)) {
		buf_add(out, STR(": before the call has any effect"));
		add_limits(kernel, out);
		before = true;
	}
	if (add_killed(rule, kernel, false, KILL_PROGRAM, out)) {
		buf_add(out, STR(": the kernel kills the process before the program's first instruction"));
		before = true;
	}
	if (add_killed(rule, kernel, false, KILL_BEFORE, out)) {
		buf_add(out, STR(": the kernel kills the process before the call has any effect on a file or makes a process; "
				 "what is written to a pipe, a socket, a file of the kernel's or past the page cache arrives"));
		before = true;
	}
	if (add_killed(rule, kernel, false, KILL_AT_END, out)) {
		buf_add(out, STR(": the kernel kills the process at the end of the call, which has its effect"));
		after = true;
	}
	if (add_killed(rule, kernel, false, KILL_LATER, out)) {
		buf_add(out, STR(": the process is killed when the sensor has read the event, some milliseconds after the call, "
				 "which has its effect"));
		if (kernel->kills_why != NULL)
			buf_addf(out, " (%s)", kernel->kills_why);
		after = true;
	}
	return after || !before ? PROMISE_AFTER : PROMISE_BEFORE;
}

enum promise promise_of(const struct rule *rule, const struct probe_ops *probe, const struct promise_kernel *kernel,
			struct buf *ret_text)
{
	enum respond_action action = rule_respond(rule).action;
	const struct call *left;

	if (probe->judges)
		return by_judge(rule, ret_text);
	if (action == RESPOND_DENY && strcmp(probe->name, "ebpf") == 0)
		return deny_by_kernel(rule, kernel, ret_text);
	if (action == RESPOND_DENY) {
		buf_addf(ret_text, "deny is not possible with the %s probe", probe->name);
		return PROMISE_NONE;
	}
	if (action == RESPOND_KILL && strcmp(probe->name, "ebpf") == 0)
		return kill_by_kernel(rule, kernel, ret_text);
	if (strcmp(probe->name, "ebpf") == 0 && count_refused(rule, kernel, &left) > 0) {
		(void)add_names(rule, kernel, DONE_BY_WAY, ret_text);
		buf_add(ret_text, STR(": before the call has any effect"));
		add_limits(kernel, ret_text);
		if (left == NULL)
			return PROMISE_BEFORE;
		buf_add(ret_text, STR("; of other calls "));
	}
	buf_add(ret_text, action == RESPOND_KILL ? STR("the process is killed") : STR("the container is frozen"));
	buf_add(ret_text, STR(" when the sensor has read the event, some milliseconds after the call, which has its effect"));
	return PROMISE_AFTER;
}
