/* A rule's `respond`: what a sensor that enforces does about a call that the rule matches. Read strictly:
 * what is misspelt here would not be prevented, and nobody would notice. */
#include "rules/load.h"

#include "rules/near.h"

#include <errno.h>

enum { ERROR_MAX = 133 }; /* the highest of Linux */

static const char *const action_names[RESPOND_ACTIONS] = {
	[RESPOND_NONE] = "none",
	[RESPOND_DENY] = "deny",
	[RESPOND_KILL] = "kill",
	[RESPOND_FREEZE] = "freeze",
};

const char *respond_action_name(enum respond_action action)
{
	return action_names[action];
}

void respond_add(struct rule_respond respond, struct buf *out)
{
	if (respond.action == RESPOND_NONE)
		return;
	buf_add(out, str_of(action_names[respond.action]));
	if (respond.action == RESPOND_DENY)
		buf_addf(out, " with %s", strerrorname_np(respond.error));
}

static struct rules_note *refuse(struct loader *loader, const struct place *place, const struct yaml *node,
				 const char *text)
{
	struct place here = *place;

	here.node = node;
	return report_add(loader->report, RULES_ERR_YAML_VALIDATE, &here, "%s", text);
}

static bool take_action(struct loader *loader, const struct place *place, const struct yaml *value,
			enum respond_action *ret)
{
	struct near near = near_to(value->text);

	for (enum respond_action i = RESPOND_NONE; i < RESPOND_ACTIONS; i++) {
		if (str_eq(value->text, str_of(action_names[i]))) {
			*ret = i;
			return true;
		}
		near_try(&near, str_of(action_names[i]));
	}
	report_suggest(loader->report,
		       refuse(loader, place, value, "unknown action: respond is deny, kill, freeze or none"),
		       near.best);
	return false;
}

static bool take_error(struct loader *loader, const struct place *place, const struct yaml *value, int *ret)
{
	struct near near = near_to(value->text);

	for (int i = 1; i <= ERROR_MAX; i++) {
		const char *name = strerrorname_np(i);

		if (name == NULL)
			continue;
		if (str_eq(value->text, str_of(name))) {
			*ret = i;
			return true;
		}
		near_try(&near, str_of(name));
	}
	report_suggest(loader->report,
		       refuse(loader, place, value, "respond.errno is the name of an error, like EPERM or EACCES"),
		       near.best);
	return false;
}

static bool take_mapping(struct loader *loader, const struct place *place, const struct yaml *mapping,
			 struct rule_respond *ret)
{
	const struct str action = STR("action"), error = STR("errno");
	const struct yaml *value;

	for (size_t i = 0; i < mapping->count; i += 2) {
		value = mapping->items[i];
		if (str_eq(value->text, action) || str_eq(value->text, error))
			continue;
		refuse(loader, place, value, "unknown key in 'respond': it has action, and may have errno");
		return false;
	}
	if (!item_text(loader, place, mapping, action, false, &value) ||
	    !take_action(loader, place, value, &ret->action))
		return false;
	if (yaml_get(mapping, error) == NULL)
		return true;
	if (!item_text(loader, place, mapping, error, false, &value) ||
	    !take_error(loader, place, value, &ret->error))
		return false;
	if (ret->action != RESPOND_DENY)
		refuse(loader, place, value, "respond.errno is for deny: with the other actions no call fails");
	return ret->action == RESPOND_DENY;
}

bool load_respond(struct loader *loader, const struct place *place, const struct yaml *item,
		  struct rule_item *rule)
{
	const struct yaml *value = yaml_get(item, STR("respond"));
	struct rule_respond respond = { .error = EPERM };
	bool ok;

	if (value->kind == YAML_SEQUENCE) {
		refuse(loader, place, value, "Value of 'respond' is neither an action nor a mapping with action and errno");
		return false;
	}
	ok = value->kind == YAML_MAPPING ? take_mapping(loader, place, value, &respond)
					 : item_text(loader, place, item, STR("respond"), false, &value) &&
						   take_action(loader, place, value, &respond.action);
	if (ok && respond.action != RESPOND_NONE && !str_eq(rule->source, STR("syscall"))) {
		refuse(loader, place, value, "only a rule on system calls (source: syscall) can respond");
		ok = false;
	}
	rule->respond = respond;
	rule->respond_node = value;
	return ok;
}

/* Nobody waits for an answer with a call that is not let go yet. */
bool load_respond_agrees(struct loader *loader, const struct rule_item *rule)
{
	const struct place place = { .node = rule->respond_node, .item_kind = "rule", .item_name = rule->name };

	if (rule->respond.action == RESPOND_NONE || rule->opa == NULL)
		return true;
	report_add(loader->report, RULES_ERR_VALIDATE, &place,
		   "a rule that asks an Open Policy Agent ('opa') cannot respond: its verdict comes too late");
	return false;
}
