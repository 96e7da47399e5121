/* Entries into maps, one by one; what is not wanted any more goes last. */
#include "sensor/ebpf/watched.h"

#include "sensor/calls.h"

#include <bpf/bpf.h>
#include <errno.h>

union key {
	struct plan_prefix prefix;
	struct plan_affix affix;
	struct plan_name name;
	struct plan_comm comm;
	char port[2];
	struct plan_far far;
};

static bool is_comm(const struct interest_entry *entry)
{
	return (RULES_FACTS_OF_PROCESSES & 1U << entry->kind) != 0;
}

/* The entry's map and its key there; -1: it has none. */
static int key_of(const struct watched *watched, const struct interest_entry *entry, union key *ret)
{
	struct str text = entry->text;

	memset(ret, 0, sizeof(*ret));
	ret->affix.bits = (uint32_t)text.len * 8;
	switch (entry->kind) {
	case RULES_FACT_PREFIX: memcpy(ret->prefix.path, text.at, text.len); return watched->prefixes;
	case RULES_FACT_ENDING: memcpy(ret->affix.text, text.at, text.len); return watched->endings;
	case RULES_FACT_LEAD:
	case RULES_FACT_ANY_LEAD: memcpy(ret->affix.text, text.at, text.len); return watched->leads;
	case RULES_FACT_DOTS:
	case RULES_FACT_FOLLOWED: return -1;
	default: break;
	}
	memset(ret, 0, sizeof(*ret));
	if (entry->kind == RULES_FACT_ADDRESS) {
		ret->far.bits = (unsigned char)text.at[sizeof(ret->far.address)];
		memcpy(ret->far.address, text.at, sizeof(ret->far.address));
		return watched->addresses;
	}
	if (entry->kind == RULES_FACT_PORT) {
		memcpy(ret->port, text.at, sizeof(ret->port));
		return watched->ports;
	}
	if (is_comm(entry)) {
		memcpy(ret->comm.text, text.at, text.len);
		return watched->comms;
	}
	memcpy(ret->name.text, text.at, text.len);
	return watched->names;
}

/* The kinds of the longest entry that the text begins with. */
static plan_bits longest(const struct interest *interest, enum rules_fact_kind kind, struct str text)
{
	plan_bits kinds = 0;

	for (; text.len > 0 && kinds == 0; text.len--)
		kinds = interest_kinds(interest, kind, text);
	return kinds;
}

static bool is_lead(const struct interest_entry *entry)
{
	return entry->kind == RULES_FACT_LEAD || entry->kind == RULES_FACT_ANY_LEAD;
}

static bool is_name(const struct interest_entry *entry)
{
	return entry->kind == RULES_FACT_LAST || entry->kind == RULES_FACT_COMPONENT;
}

/* What the table says of a component: it may stand there for both kinds of fact. */
static struct plan_name_kinds kinds_of(const struct interest *interest, const struct interest_entry *entry)
{
	if (is_lead(entry))
		return (struct plan_name_kinds){ longest(interest, RULES_FACT_LEAD, entry->text),
						 longest(interest, RULES_FACT_ANY_LEAD, entry->text) };
	return (struct plan_name_kinds){ interest_kinds(interest, RULES_FACT_LAST, entry->text),
					 interest_kinds(interest, RULES_FACT_COMPONENT, entry->text) };
}

static struct plan_comm_kinds kinds_of_comm(const struct interest *interest, struct str comm)
{
	return (struct plan_comm_kinds){ interest_kinds(interest, RULES_FACT_COMM, comm),
					 interest_kinds(interest, RULES_FACT_PARENT, comm),
					 interest_kinds(interest, RULES_FACT_ANCESTOR, comm) };
}

/* A text that begins so is in the table. An entry of one letter stands for all second ones. */
static void note_pair(__u64 *pairs, struct str text)
{
	unsigned char first = text.len > 0 ? (unsigned char)text.at[0] : 0;

	if (text.len == 0)
		memset(pairs, 0xff, sizeof(*pairs) * PLAN_PAIRS);
	else
		pairs[first % PLAN_PAIRS] |= text.len < 2 ? ~0ULL : 1ULL << (text.at[1] & 63);
}

/* By length and first letter most components are told not to be in a table; by their first two letters most
 * paths and processes. */
static void note_first(struct plan_firsts *firsts, const struct interest_entry *entry)
{
	const __u64 bit = 1ULL << (entry->text.at[0] & 63);

	switch (entry->kind) {
	case RULES_FACT_PREFIX: note_pair(firsts->pairs, str_from(entry->text, 1)); break;
	case RULES_FACT_LAST: firsts->last[entry->text.len] |= bit; break;
	case RULES_FACT_COMPONENT: firsts->any[entry->text.len] |= bit; break;
	case RULES_FACT_LEAD: firsts->last_lead |= bit; break;
	case RULES_FACT_ANY_LEAD: firsts->any_lead |= bit; break;
	default: break;
	}
}

static int put_entry(const struct watched *watched, const struct interest *interest,
		     const struct interest_entry *entry)
{
	bool is_component = is_name(entry) || is_lead(entry);
	struct plan_name_kinds kinds;
	struct plan_comm_kinds comm_kinds;
	union key key;
	int map = key_of(watched, entry, &key);

	if (map < 0)
		return 0;
	if (is_comm(entry)) {
		note_pair(watched->comm_pairs, entry->text);
		comm_kinds = kinds_of_comm(interest, entry->text);
		return bpf_map_update_elem(map, &key, &comm_kinds, BPF_ANY);
	}
	if (entry->kinds & PLAN_BITS_OF_OPENS)
		note_first(&watched->firsts[0], entry);
	if (entry->kinds & ~PLAN_BITS_OF_OPENS)
		note_first(&watched->firsts[1], entry);
	if (is_component)
		kinds = kinds_of(interest, entry);
	return bpf_map_update_elem(map, &key, is_component ? (const void *)&kinds : &entry->kinds, BPF_ANY);
}

static bool is_wanted(const struct interest *interest, const struct interest_entry *entry)
{
	if (is_lead(entry))
		return (interest_kinds(interest, RULES_FACT_LEAD, entry->text) |
			interest_kinds(interest, RULES_FACT_ANY_LEAD, entry->text)) != 0;
	if (is_name(entry))
		return (interest_kinds(interest, RULES_FACT_LAST, entry->text) |
			interest_kinds(interest, RULES_FACT_COMPONENT, entry->text)) != 0;
	if (is_comm(entry)) {
		const struct plan_comm_kinds kinds = kinds_of_comm(interest, entry->text);

		return (kinds.own | kinds.parent | kinds.ancestor) != 0;
	}
	return interest_kinds(interest, entry->kind, entry->text) != 0;
}

static void drop_entry(const struct watched *watched, const struct interest *interest,
		       const struct interest_entry *entry)
{
	union key key;
	int map = key_of(watched, entry, &key);

	if (map >= 0 && !is_wanted(interest, entry))
		(void)bpf_map_delete_elem(map, &key);
}

/* What either wants passes, whatever its path. */
static void open_wide(const struct watched *watched, const struct interest *interest)
{
	for (size_t i = 0; i < calls_count; i++) {
		struct plan_interest *at = &watched->interests[calls[i].nr];
		uint16_t can = at->can | interest->calls[calls[i].nr].can;

		__atomic_store_n(&at->host_pass, can, __ATOMIC_RELEASE);
		__atomic_store_n(&at->host_can, can, __ATOMIC_RELEASE);
		__atomic_store_n(&at->pass, can, __ATOMIC_RELEASE);
		__atomic_store_n(&at->can, can, __ATOMIC_RELEASE);
		at->bare |= interest->calls[calls[i].nr].bare;
		at->data |= interest->calls[calls[i].nr].data;
	}
}

static void narrow(const struct watched *watched, const struct interest *interest)
{
	*watched->prefix_kinds = interest->kinds[RULES_FACT_PREFIX];
	*watched->ending_kinds = interest->kinds[RULES_FACT_ENDING];
	*watched->comm_kinds = interest->kinds[RULES_FACT_COMM];
	*watched->parent_kinds = interest->kinds[RULES_FACT_PARENT];
	*watched->ancestor_kinds = interest->kinds[RULES_FACT_ANCESTOR];
	__atomic_fetch_add(watched->lineage_version, 1, __ATOMIC_SEQ_CST);
	*watched->dots_kinds = interest->kinds[RULES_FACT_DOTS];
	*watched->port_kinds = interest->kinds[RULES_FACT_PORT];
	*watched->address_kinds = interest->kinds[RULES_FACT_ADDRESS];
	*watched->follow_kinds = interest->kinds[RULES_FACT_FOLLOWED];
	/* What a failed open's name is not searched for. */
	*watched->name_kinds = interest->kinds[RULES_FACT_LAST] | interest->kinds[RULES_FACT_COMPONENT] |
			       interest->kinds[RULES_FACT_LEAD] | interest->kinds[RULES_FACT_ANY_LEAD] |
			       interest->kinds[RULES_FACT_ENDING];
	__atomic_fetch_add(watched->tables_version, 1, __ATOMIC_SEQ_CST);
	for (size_t i = 0; i < calls_count; i++) {
		const struct plan_interest *from = &interest->calls[calls[i].nr];
		struct plan_interest *at = &watched->interests[calls[i].nr];

		__atomic_store_n(&at->can, from->can, __ATOMIC_RELEASE);
		__atomic_store_n(&at->pass, from->pass, __ATOMIC_RELEASE);
		__atomic_store_n(&at->bare, from->bare, __ATOMIC_RELEASE);
		__atomic_store_n(&at->data, from->data, __ATOMIC_RELEASE);
		__atomic_store_n(&at->host_can, from->host_can, __ATOMIC_RELEASE);
		__atomic_store_n(&at->host_pass, from->host_pass, __ATOMIC_RELEASE);
	}
}

int watched_put(const struct watched *watched, const struct interest *interest, const struct interest *before)
{
	open_wide(watched, interest);
	memset(watched->firsts, 0, sizeof(struct plan_firsts) * 2);
	memset(watched->comm_pairs, 0, sizeof(uint64_t) * PLAN_PAIRS);
	for (size_t i = 0; i < interest->count; i++)
		if (put_entry(watched, interest, &interest->entries[i]) < 0)
			return -errno;
	narrow(watched, interest);
	for (size_t i = 0; before != NULL && i < before->count; i++)
		drop_entry(watched, interest, &before->entries[i]);
	__atomic_fetch_add(watched->tables_version, 1, __ATOMIC_SEQ_CST);
	return 0;
}
