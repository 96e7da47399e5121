/* What is looked for, for people. */
#include "base/cleanup.h"
#include "sensor/interest.h"
#include "sensor/record.h"

#include <arpa/inet.h>

static void add_network(struct buf *out, struct str text)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	unsigned bits = (unsigned char)text.at[16];
	bool is_v4 = bits >= 96 && memcmp(text.at, mapped, sizeof(mapped)) == 0;
	char name[INET6_ADDRSTRLEN];

	buf_addf(out, "%s/%u", inet_ntop(is_v4 ? AF_INET : AF_INET6, text.at + (is_v4 ? 12 : 0), name, sizeof(name)),
		 is_v4 ? bits - 96 : bits);
}

static void add_text(struct buf *out, const struct interest_entry *entry)
{
	if (entry->kind == RULES_FACT_PORT) {
		buf_addf(out, "%u", (unsigned)(unsigned char)entry->text.at[0] << 8 | (unsigned char)entry->text.at[1]);
		return;
	}
	if (entry->kind == RULES_FACT_ADDRESS) {
		add_network(out, entry->text);
		return;
	}
	for (size_t i = 0; i < entry->text.len && entry->text.at[i] != '\0'; i++)
		buf_add_char(out, entry->text.at[entry->kind == RULES_FACT_ENDING ? entry->text.len - 1 - i : i]);
}

static bool is_whole(const struct interest_entry *entry)
{
	return entry->kind == RULES_FACT_PREFIX && entry->text.at[entry->text.len - 1] == '\0';
}

static void add_kind(struct buf *out, const struct call *call, unsigned kind)
{
	static const char *const access[] = { "read", "write", "read and write", "creat" };
	static const char *const families[] = { "ip", "unix", "other family", "no socket" };
	bool is_open = (call->plan.flags & PLAN_OPEN) != 0;

	if (is_open)
		buf_addf(out, "%s%s", access[kind & PLAN_KIND_ACCESS],
			 kind & PLAN_KIND_MAKES_EXEC ? " of a new executable" : "");
	else if (call->plan.class == RECORD_CLASS_NET)
		buf_addf(out, "%s%s", families[kind & PLAN_KIND_FAMILY],
			 kind & PLAN_KIND_SAME_PEER ? ", same peer as before" : "");
	else
		buf_addf(out, "%s", kind & PLAN_KIND_FAILED ? "" : "done");
	if (kind & PLAN_KIND_FAILED)
		buf_addf(out, "%sfailed", is_open || call->plan.class == RECORD_CLASS_NET ? ", " : "");
}

/* What is otherwise of processes that are in no container. */
static void add_place(struct buf *out, const struct plan_interest *of, unsigned kind)
{
	if (!(of->host_can & 1U << kind))
		buf_add(out, STR(", in containers only"));
	else if ((of->pass & 1U << kind) && !(of->host_pass & 1U << kind))
		buf_add(out, STR(", on the host by its names, path or ports"));
}

static void add_call(struct buf *out, const struct interest *interest, const struct call *call)
{
	const struct plan_interest *of = &interest->calls[call->nr];

	for (unsigned kind = 0; kind < 16; kind++) {
		const struct rule *rule = interest->because[call->nr][kind];

		if (!(of->can & 1U << kind) || (of->pass == UINT16_MAX && kind > 0))
			continue;
		buf_addf(out, "%s: ", call->name);
		if (of->pass == UINT16_MAX)
			buf_add(out, STR("all"));
		else
			add_kind(out, call, kind);
		if (!(of->pass & 1U << kind))
			buf_addf(out, ": by its %s", (call->plan.flags & PLAN_OPEN) ? "path" :
				 call->plan.class == RECORD_CLASS_NET ? "ports or addresses" : "names");
		else if (rule != NULL)
			buf_addf(out, ": always, for \"%.*s\"", STR_ARG(rule_name(rule)));
		if (of->pass != UINT16_MAX)
			add_place(out, of, kind);
		buf_add_char(out, '\n');
	}
}

/* Under `tocsin-sensor run` that decides most of what it costs. */
static void add_profile(struct buf *out, const struct interest *interest)
{
	const struct rule *rule = NULL;

	if (!interest_reads(interest, &rule))
		buf_add(out, STR("profile: light, no rule asks for files that are opened for reading\n"));
	else if (rule == NULL)
		buf_add(out, STR("profile: full, files that are opened for reading are looked at\n"));
	else
		buf_addf(out, "profile: full, files that are opened for reading are looked at, as \"%.*s\" asks\n",
			 STR_ARG(rule_name(rule)));
}

/* Which calls an entry lets pass. */
static void add_groups(struct buf *out, plan_bits bits)
{
	static const char *const groups[] = {
		[PLAN_GROUP_OTHER] = "other calls", [PLAN_GROUP_UNLINK] = "unlink", [PLAN_GROUP_RENAME] = "rename",
		[PLAN_GROUP_LINK] = "link", [PLAN_GROUP_SYMLINK] = "symlink", [PLAN_GROUP_MODE] = "chmod",
		[PLAN_GROUP_OWNER] = "chown", [PLAN_GROUP_MAKE] = "mkdir", [PLAN_GROUP_MOUNT] = "mount",
		[PLAN_GROUP_CONNECT] = "connect", [PLAN_GROUP_SERVE] = "bind and accept",
		[PLAN_GROUP_MESSAGE] = "messages", [PLAN_GROUP_PROCESS] = "prctl",
	};
	const plan_bits all = bits | bits >> PLAN_HOST_SHIFT;
	bool first = (all & UINT16_MAX) == 0;

	buf_addf(out, " (%s%s", bits >> PLAN_HOST_SHIFT == 0 ? "in containers: " : "", first ? "" : "opens");
	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		if (all & PLAN_BIT_OF_GROUP(i)) {
			buf_addf(out, "%s%s", first ? "" : ", ", groups[i]);
			first = false;
		}
	buf_add(out, STR(")\n"));
}

void interest_print(const struct interest *interest, struct buf *out)
{
	static const char *const names[RULES_FACT_KINDS] = {
		[RULES_FACT_PREFIX] = "path begins with",
		[RULES_FACT_LAST] = "last component is",
		[RULES_FACT_COMPONENT] = "a component is",
		[RULES_FACT_LEAD] = "last component begins with",
		[RULES_FACT_ANY_LEAD] = "a component begins with",
		[RULES_FACT_ENDING] = "path ends with",
		[RULES_FACT_PARENT] = "parent is called",
		[RULES_FACT_ANCESTOR] = "an ancestor is called",
		[RULES_FACT_DOTS] = "name as given contains",
		[RULES_FACT_COMM] = "process is called",
		[RULES_FACT_PORT] = "port is",
		[RULES_FACT_ADDRESS] = "address is in",
		[RULES_FACT_FOLLOWED] = "process is",
	};

	add_profile(out, interest);
	for (size_t i = 0; i < calls_count; i++)
		add_call(out, interest, &calls[i]);
	for (size_t i = 0; i < interest->count; i++) {
		buf_addf(out, "%s ", is_whole(&interest->entries[i]) ? "path is" : names[interest->entries[i].kind]);
		add_text(out, &interest->entries[i]);
		add_groups(out, interest->entries[i].kinds);
	}
}
