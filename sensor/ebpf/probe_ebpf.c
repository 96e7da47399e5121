/* The eBPF probe's user side: loads and attaches the programs, writes what is wanted into their
 * maps, and empties the ring. The only file that knows libbpf. */
#include "sensor/probe.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "sensor/container.h"
#include "sensor/ebpf/guard.h"
#include "sensor/ebpf/ring.h"
#include "sensor/enforce/act.h"
#include "sensor/enforce/kills.h"
#include "sensor/enforce/refusals.h"
#include "sensor/ebpf/watched.h"
#include "sensor/record_text.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

/* Generated code, not held to our warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wshadow"
#include "tocsin.skel.h"
#pragma GCC diagnostic pop

enum {
	POLL_RECORDS = 4096,
	PAUSE_MS = 1,
	SLOTS = 7, /* of counters: maps.bpf.h */
	PLACES_TOLD = 256, /* a power of two */
	NICE = -10, /* of the thread that reads: who floods all processors must not also starve it */
};

struct ebpf {
	struct tocsin_bpf *object;
	struct ring urgent, bulk;
	struct probe_settings settings; /* in force; the interest is the sensor's */
	struct plan_sender killer; /* of the run before */
	uint64_t told[PLACES_TOLD]; /* cgroups whose place the programs were told last, by their number */
	struct bpf_link *refusing[4]; /* NULL: nothing is refused */
	int epoll;
	bool busy; /* the last look found something: more will come */
	bool tells_layers, tells_places;
	bool begins[PLAN_CALLS]; /* calls that are looked at before they begin */
	const struct kills *kills; /* in force; NULL: none */
	bool told_follows; /* ... that not everybody who is followed is known in the kernel */
	size_t restored; /* programs that refuse, found detached and attached again */
	uint64_t invalid; /* records that failed the check: cannot happen, hence counted */
};

static int no_print(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* Operations of an io_uring, and the calls that they stand for. */
static const struct {
	uint8_t op;
	const char *name;
} uring_calls[] = {
	{ 9, "sendmsg" },   { 13, "accept4" },  { 16, "connect" },   { 18, "openat" },  { 26, "sendto" },
	{ 28, "openat2" },  { 34, "shutdown" }, { 35, "renameat2" }, { 36, "unlinkat" }, { 37, "mkdirat" },
	{ 38, "symlinkat" }, { 39, "linkat" },  { 45, "socket" },    { 47, "sendto" },  { 48, "sendmsg" },
	{ 56, "bind" },	    { 57, "listen" },  { 1, "readv" },	  { 2, "writev" },   { 4, "read" },
	{ 5, "write" },	    { 10, "recvmsg" }, { 22, "read" },	  { 23, "write" },   { 27, "recvfrom" },
};

/* Where the tables are that say what passes. */
static struct watched tables(const struct tocsin_bpf *object)
{
	return (struct watched){
		.prefixes = bpf_map__fd(object->maps.watched_prefixes),
		.endings = bpf_map__fd(object->maps.watched_endings),
		.leads = bpf_map__fd(object->maps.watched_leads),
		.names = bpf_map__fd(object->maps.watched_names),
		.comms = bpf_map__fd(object->maps.watched_comms),
		.ports = bpf_map__fd(object->maps.watched_ports),
		.addresses = bpf_map__fd(object->maps.watched_addresses),
		.interests = object->bss->interests,
		.firsts = object->bss->firsts,
		.comm_pairs = object->bss->comm_pairs,
		.prefix_kinds = &object->bss->prefix_kinds,
		.ending_kinds = &object->bss->ending_kinds,
		.name_kinds = &object->bss->name_kinds,
		.comm_kinds = &object->bss->comm_kinds,
		.parent_kinds = &object->bss->parent_kinds,
		.ancestor_kinds = &object->bss->ancestor_kinds,
		.dots_kinds = &object->bss->dots_kinds,
		.port_kinds = &object->bss->port_kinds,
		.address_kinds = &object->bss->address_kinds,
		.follow_kinds = &object->bss->follow_kinds,
		.lineage_version = &object->bss->lineage_version,
	};
}

static void want(uint64_t bits[PLAN_CALLS / 64], size_t nr)
{
	bits[nr / 64] |= 1ULL << (nr % 64);
}

static void wanted_bits(const struct ebpf *ebpf, const struct probe_settings *settings, uint64_t wanted[PLAN_CALLS / 64])
{
	memset(wanted, 0, PLAN_CALLS / 8);
	for (size_t i = 0; i < calls_count; i++)
		if (settings->wanted[i] || ebpf->begins[calls[i].nr])
			want(wanted, calls[i].nr);
}

/* By our numbers or those of i386: the quick look. */
static void either_bits(const struct tocsin_bpf *object, const uint64_t wanted[PLAN_CALLS / 64],
			uint64_t either[PLAN_CALLS / 64])
{
	memcpy(either, wanted, PLAN_CALLS / 8);
	for (size_t i = 0; i < PLAN_COMPAT; i++) {
		uint16_t nr = object->bss->compat_calls[i];

		if (i == COMPAT_SOCKETCALL || (nr < PLAN_CALLS && (wanted[nr / 64] & 1ULL << (nr % 64))))
			want(either, i);
	}
}

/* First what the quick look lets through, so that it never stops what is wanted already. */
static void set_wanted(struct ebpf *ebpf, const struct probe_settings *settings)
{
	struct tocsin_bpf *object = ebpf->object;
	uint64_t wanted[PLAN_CALLS / 64], either[PLAN_CALLS / 64];

	wanted_bits(ebpf, settings, wanted);
	either_bits(object, wanted, either);
	for (size_t i = 0; i < ARRAY_LEN(either); i++)
		__atomic_store_n(&object->bss->either[i], either[i], __ATOMIC_RELEASE);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		__atomic_store_n(&object->bss->wanted[i], wanted[i], __ATOMIC_RELEASE);
}

static void fill_plans(struct ebpf *ebpf, const struct probe_settings *settings)
{
	struct tocsin_bpf *object = ebpf->object;

	for (size_t i = 0; i < PLAN_COMPAT; i++)
		object->bss->compat_calls[i] = PLAN_CALLS;
	for (size_t i = 0; i < calls_count; i++) {
		const struct call *call = &calls[i];

		object->bss->plans[call->nr] = call->plan;
		if (call->compat < PLAN_COMPAT)
			object->bss->compat_calls[call->compat] = call->nr;
	}
	for (size_t i = 0; i < call_aliases_count; i++)
		object->bss->compat_calls[call_aliases[i].compat] = call_aliases[i].nr;
	for (size_t i = 0; i < PLAN_URING; i++)
		object->bss->uring_calls[i] = PLAN_CALLS;
	for (size_t i = 0; i < ARRAY_LEN(uring_calls); i++)
		object->bss->uring_calls[uring_calls[i].op] = call_find_name(str_of(uring_calls[i].name))->nr;
	set_wanted(ebpf, settings);
	object->bss->own_tgid = (uint32_t)getpid();
	object->bss->parent_tgid = (uint32_t)getppid();
	object->bss->take_environment = settings->take_environment;
}

static void stop_refusing(struct ebpf *ebpf)
{
	for (size_t i = 0; i < ARRAY_LEN(ebpf->refusing); i++)
		bpf_link__destroy(TAKE(ebpf->refusing[i]));
	__atomic_store_n(&ebpf->object->bss->refuses, false, __ATOMIC_RELAXED);
}

static void ebpf_close(void *state)
{
	struct ebpf *ebpf = state;

	if (ebpf == NULL)
		return;
	if (ebpf->object != NULL && ebpf->refusing[0] != NULL)
		stop_refusing(ebpf);
	ring_close(&ebpf->urgent);
	ring_close(&ebpf->bulk);
	if (ebpf->epoll >= 0)
		close(ebpf->epoll);
	tocsin_bpf__destroy(ebpf->object);
	free(ebpf);
}

/* What a tracepoint hands over, its own first argument included; 0: there is no such tracepoint. */
static unsigned tracepoint_arguments(const struct btf *btf, const char *type_name)
{
	const struct btf_type *type;
	int id = btf__find_by_name_kind(btf, type_name, BTF_KIND_TYPEDEF);

	type = id < 0 ? NULL : btf__type_by_id(btf, (uint32_t)id);
	if (type != NULL)
		type = btf__type_by_id(btf, type->type); /* a pointer to ... */
	if (type != NULL)
		type = btf__type_by_id(btf, type->type);
	return type == NULL ? 0 : btf_vlen(type);
}

/* What of the programs this kernel can run, and how. */
static void fit_to_kernel(struct tocsin_bpf *object)
{
	struct btf *btf = btf__load_vmlinux_btf();
	unsigned submit, complete;

	if (btf == NULL)
		return;
	object->rodata->direct_reads = btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC) >= 0;
	submit = tracepoint_arguments(btf, "btf_trace_io_uring_submit_req");
	complete = tracepoint_arguments(btf, "btf_trace_io_uring_complete");
	object->rodata->uring_has_cqe = complete == 4;
	bpf_program__set_autoload(object->progs.on_uring_submit, submit == 2 && complete >= 4);
	bpf_program__set_autoload(object->progs.on_uring_complete, submit == 2 && complete >= 4);
	bpf_program__set_autoload(object->progs.on_uring_overflow,
				  submit == 2 && complete >= 4 &&
					  tracepoint_arguments(btf, "btf_trace_io_uring_cqe_overflow") > 0);
	bpf_program__set_autoload(object->progs.on_moved,
				  tracepoint_arguments(btf, "btf_trace_cgroup_attach_task") >= 5);
	bpf_program__set_autoload(object->progs.on_named, tracepoint_arguments(btf, "btf_trace_task_rename") >= 3);
	bpf_program__set_autoload(object->progs.on_renamed, tracepoint_arguments(btf, "btf_trace_cgroup_rename") >= 3);
	btf__free(btf);
}

static int watch_ring(const struct ebpf *ebpf, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(ebpf->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_rings(struct ebpf *ebpf)
{
	const struct bpf_map *urgent = ebpf->object->maps.urgent, *bulk = ebpf->object->maps.bulk;
	int r = ring_open(&ebpf->urgent, bpf_map__fd(urgent), bpf_map__max_entries(urgent));

	if (r == 0)
		r = ring_open(&ebpf->bulk, bpf_map__fd(bulk), bpf_map__max_entries(bulk));
	if (r < 0)
		return r;
	ebpf->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (ebpf->epoll < 0)
		return -errno;
	r = watch_ring(ebpf, bpf_map__fd(urgent));
	if (r == 0)
		r = watch_ring(ebpf, bpf_map__fd(bulk));
	return r < 0 || ebpf->settings.wake <= 0 ? r : watch_ring(ebpf, ebpf->settings.wake);
}

static bool can_tell_layers(const struct probe_settings *settings)
{
	return settings->asks_layers && libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SYSCALL, NULL) == 1;
}

static uint32_t ebpf_layer(void *state, int fd)
{
	const struct ebpf *ebpf = state;
	struct plan_layer of = { .fd = fd };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &of, .ctx_size_in = sizeof(of)); /* and out */

	if (!ebpf->tells_layers || bpf_prog_test_run_opts(bpf_program__fd(ebpf->object->progs.layer_of), &opts) < 0)
		return 0;
	return of.flags;
}

/* Before the programs are loaded. */
static int size_rings(struct tocsin_bpf *object, const struct probe_settings *settings)
{
	int r = 0;

	if (settings->urgent_bytes != 0)
		r = bpf_map__set_max_entries(object->maps.urgent, settings->urgent_bytes);
	if (r == 0 && settings->bulk_bytes != 0)
		r = bpf_map__set_max_entries(object->maps.bulk, settings->bulk_bytes);
	object->rodata->urgent_bytes = bpf_map__max_entries(object->maps.urgent);
	object->rodata->bulk_bytes = bpf_map__max_entries(object->maps.bulk);
	return r;
}

static int load_programs(struct ebpf *ebpf, const struct probe_settings *settings, bool kills)
{
	int r;

	ebpf->object = tocsin_bpf__open();
	if (ebpf->object == NULL)
		return -errno;
	fit_to_kernel(ebpf->object);
	ebpf->object->rodata->kills_here = kills;
	bpf_program__set_autoload(ebpf->object->progs.on_sys_enter, kills);
	bpf_program__set_autoattach(ebpf->object->progs.on_sys_enter, false);
	ebpf->tells_layers = can_tell_layers(settings);
	bpf_program__set_autoload(ebpf->object->progs.layer_of, ebpf->tells_layers);
	r = size_rings(ebpf->object, settings);
	return r == 0 ? tocsin_bpf__load(ebpf->object) : r;
}

static int ebpf_load(struct ebpf *ebpf, const struct probe_settings *settings, const char **ret_why)
{
	struct watched watched;
	int r;

	*ret_why = "the kernel does not load the programs";
	r = load_programs(ebpf, settings, settings->kills);
	if (r < 0 && settings->kills) { /* what kills may be too much for an old kernel, and the rest not */
		tocsin_bpf__destroy(TAKE(ebpf->object));
		r = load_programs(ebpf, settings, false);
	}
	if (r < 0)
		return r;
	*ret_why = "the watched paths could not be set";
	fill_plans(ebpf, settings);
	watched = tables(ebpf->object);
	r = watched_put(&watched, settings->interest, NULL);
	ebpf->settings = *settings;
	if (r < 0)
		return r;
	ebpf->tells_places = bpf_program__autoload(ebpf->object->progs.on_moved);
	ebpf->object->bss->places_are_known = ebpf->tells_places;
	ebpf->object->bss->lineage_is_known = bpf_program__autoload(ebpf->object->progs.on_named);
	guard_keep(bpf_map__fd(ebpf->object->maps.senders), settings->pin, &ebpf->killer);
	*ret_why = "the rings could not be mapped";
	r = open_rings(ebpf);
	if (r < 0)
		return r;
	*ret_why = "the programs could not be attached to their tracepoints";
	return tocsin_bpf__attach(ebpf->object);
}

static int ebpf_open(const struct probe_settings *settings, void **ret, const char **ret_why)
{
	struct ebpf *ebpf = calloc(1, sizeof(*ebpf));
	int r;

	*ret_why = "out of memory";
	if (ebpf == NULL)
		return -ENOMEM;
	ebpf->epoll = -1;
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(no_print);
	r = ebpf_load(ebpf, settings, ret_why);
	if (r < 0) {
		ebpf_close(ebpf);
		return r;
	}
	(void)setpriority(PRIO_PROCESS, 0, NICE); /* refused without CAP_SYS_NICE: then as it is */
	*ret = ebpf;
	return 0;
}

/* ---- refusing connections ---- */

/* On the root of the v2 tree: for every process, whatever its container. */
static int start_refusing(struct ebpf *ebpf)
{
	struct bpf_program *const programs[] = { ebpf->object->progs.on_connect4, ebpf->object->progs.on_connect6,
						 ebpf->object->progs.on_sendmsg4, ebpf->object->progs.on_sendmsg6 };
	char mount[PATH_MAX];
	autoclose int root = cgroup_mount("cgroup2", NULL, mount, sizeof(mount))
				     ? open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
				     : -1;

	if (root < 0)
		return -ENOENT;
	__atomic_store_n(&ebpf->object->bss->refuses, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		ebpf->refusing[i] = bpf_program__attach_cgroup(programs[i], root);
		if (ebpf->refusing[i] == NULL) {
			int r = -errno;

			stop_refusing(ebpf);
			return r;
		}
	}
	return 0;
}

static bool is_among(const struct refusal *refusals, size_t count, const struct plan_far *far)
{
	for (size_t i = 0; i < count; i++)
		if (memcmp(&refusals[i].far, far, sizeof(*far)) == 0)
			return true;
	return false;
}

/* What is no longer refused goes last, so that nothing is let through in between. */
static void forget_others(int map, const struct refusal *refusals, size_t count)
{
	struct plan_far far, *before = NULL, next;

	while (bpf_map_get_next_key(map, before, &next) == 0) {
		if (before != NULL && !is_among(refusals, count, before))
			bpf_map_delete_elem(map, before);
		far = next;
		before = &far;
	}
	if (before != NULL && !is_among(refusals, count, before))
		bpf_map_delete_elem(map, before);
}

static int ebpf_refuse(void *state, const struct refusal *refusals, size_t count)
{
	struct ebpf *ebpf = state;
	int map = bpf_map__fd(ebpf->object->maps.far_ends), r;

	if (count == 0) {
		stop_refusing(ebpf);
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		if (bpf_map_update_elem(map, &refusals[i].far, &refusals[i].ranges, BPF_ANY) < 0)
			return -errno;
	forget_others(map, refusals, count);
	r = ebpf->refusing[0] != NULL ? 0 : start_refusing(ebpf);
	return r;
}

/* ---- killing ---- */

static int put_text(struct ebpf *ebpf, const struct kill_text *text)
{
	struct plan_prefix prefix = { .bits = (uint32_t)text->text.len * 8 };
	struct plan_comm comm = { .text = "" };

	if (!text->is_comm) {
		memcpy(prefix.path, text->text.at, text->text.len);
		return bpf_map_update_elem(bpf_map__fd(ebpf->object->maps.kill_paths), &prefix, &text->bits, BPF_ANY);
	}
	memcpy(comm.text, text->text.at, text->text.len);
	return bpf_map_update_elem(bpf_map__fd(ebpf->object->maps.kill_comms), &comm, &text->bits, BPF_ANY);
}

/* Of any map whose keys are no longer than a prefix's. */
static void empty_map(const struct bpf_map *map)
{
	struct plan_prefix key;

	while (bpf_map_get_next_key(bpf_map__fd(map), NULL, &key) == 0)
		if (bpf_map_delete_elem(bpf_map__fd(map), &key) < 0)
			return;
}

/* What the bits mean changes: nobody begins to look at clauses meanwhile, and who has begun finds another version. */
static void kill_nobody(struct ebpf *ebpf)
{
	struct tocsin_bpf__bss *bss = ebpf->object->bss;

	memset(bss->kill_begins, 0, sizeof(bss->kill_begins));
	memset(bss->kill_calls, 0, sizeof(bss->kill_calls));
	memset(ebpf->begins, 0, sizeof(ebpf->begins));
	__atomic_add_fetch(&bss->kill_version, 1, __ATOMIC_SEQ_CST);
	bss->kill_path_bits = bss->kill_exe_bits = bss->kill_comm_bits = 0;
	empty_map(ebpf->object->maps.kill_paths);
	empty_map(ebpf->object->maps.kill_comms);
}

/* Before calls a program of its own looks at each, which is not there for nothing. */
static int look_before(struct ebpf *ebpf, bool begins)
{
	struct bpf_link **link = &ebpf->object->links.on_sys_enter;

	__atomic_store_n(&ebpf->object->bss->kills_begin, begins, __ATOMIC_RELAXED);
	if (!begins)
		bpf_link__destroy(TAKE(*link));
	else if (*link == NULL)
		*link = bpf_program__attach(ebpf->object->progs.on_sys_enter);
	return begins && *link == NULL ? -errno : 0;
}

static void set_calls(struct ebpf *ebpf, const struct kills *kills)
{
	struct tocsin_bpf__bss *bss = ebpf->object->bss;
	uint64_t begins[PLAN_CALLS / 64] = { 0 }, either[PLAN_CALLS / 64];

	for (size_t i = 0; i < calls_count; i++)
		if (kills->calls[calls[i].nr].begin != 0) {
			ebpf->begins[calls[i].nr] = true;
			want(begins, calls[i].nr);
		}
	memcpy(bss->kill_clauses, kills->clauses, sizeof(bss->kill_clauses));
	bss->kill_path_bits = kills->paths;
	bss->kill_exe_bits = kills->exes;
	bss->kill_comm_bits = kills->comms;
	__sync_synchronize(); /* what calls point to is there before they do */
	memcpy(bss->kill_calls, kills->calls, sizeof(bss->kill_calls));
	either_bits(ebpf->object, begins, either);
	memcpy(bss->kill_begins, either, sizeof(bss->kill_begins));
}

static int ebpf_kill(void *state, const struct kills *kills)
{
	struct ebpf *ebpf = state;
	int r = 0;

	if (!ebpf->object->rodata->kills_here)
		return -EOPNOTSUPP;
	kill_nobody(ebpf);
	ebpf->kills = NULL;
	for (size_t i = 0; kills != NULL && i < kills->texts_count && r == 0; i++)
		r = put_text(ebpf, &kills->texts[i]) < 0 ? -errno : 0;
	if (r == 0)
		r = look_before(ebpf, kills != NULL && kills->begins);
	if (r == 0 && kills != NULL) {
		set_calls(ebpf, kills);
		ebpf->kills = kills;
	}
	set_wanted(ebpf, &ebpf->settings);
	return r;
}

static bool kills_as_set(const struct ebpf *ebpf)
{
	const struct tocsin_bpf__bss *bss = ebpf->object->bss;

	return ebpf->kills == NULL || (memcmp(bss->kill_calls, ebpf->kills->calls, sizeof(bss->kill_calls)) == 0 &&
				       memcmp(bss->kill_clauses, ebpf->kills->clauses, sizeof(bss->kill_clauses)) == 0);
}

static void ebpf_killed(const void *state, struct plan_killed *ret)
{
	const struct ebpf *ebpf = state;

	*ret = ebpf->object->bss->kills;
}

/* ---- the probe ---- */

static size_t ebpf_rearm(void *state, const struct probe_settings *settings)
{
	struct ebpf *ebpf = state;
	const struct watched watched = tables(ebpf->object);
	int r = watched_put(&watched, settings->interest, ebpf->settings.interest);

	if (r < 0)
		log_warning("probe: the kernel's tables of paths could not be set (%s): more opens than rules "
			    "can match are reported", strerror(-r));
	ebpf->settings = *settings;
	set_wanted(ebpf, settings);
	__atomic_store_n(&ebpf->object->bss->take_environment, settings->take_environment, __ATOMIC_RELAXED);
	return 0;
}

static void ebpf_follow(void *state, uint32_t tgid, enum probe_follow what, uint64_t until_ns)
{
	struct ebpf *ebpf = state;
	int followed = bpf_map__fd(ebpf->object->maps.followed), unfollowed = bpf_map__fd(ebpf->object->maps.unfollowed);
	const uint64_t on = PLAN_FOLLOWED;

	switch (what) {
	case PROBE_FOLLOW:
		if (bpf_map_update_elem(followed, &tgid, &on, BPF_ANY) < 0)
			__atomic_fetch_add(&ebpf->object->bss->follows_lost, 1, __ATOMIC_RELAXED);
		break;
	case PROBE_FOLLOW_NOT: (void)bpf_map_update_elem(unfollowed, &tgid, &until_ns, BPF_ANY); break;
	case PROBE_FOLLOW_ENDED:
		(void)bpf_map_delete_elem(followed, &tgid);
		(void)bpf_map_delete_elem(unfollowed, &tgid);
		break;
	case PROBE_FOLLOW_AS_BEFORE: break;
	}
}

/* Which ring has what happened first. A record of one process that was made before another one is seen
 * before it: the urgent ring is looked at once more after the bulk ring showed something, so what
 * happened before that cannot hide. */
static struct ring *next_ring(struct ebpf *ebpf, const struct record **ret, size_t *ret_len)
{
	size_t urgent_len, bulk_len;
	const struct record *urgent = ring_peek(&ebpf->urgent, &urgent_len);
	const struct record *bulk = ring_peek(&ebpf->bulk, &bulk_len);

	if (urgent == NULL && bulk != NULL)
		urgent = ring_peek(&ebpf->urgent, &urgent_len);
	if (urgent == NULL && bulk == NULL)
		return NULL;
	if (urgent != NULL && (bulk == NULL || urgent->time_ns <= bulk->time_ns)) {
		*ret = urgent;
		*ret_len = urgent_len;
		return &ebpf->urgent;
	}
	*ret = bulk;
	*ret_len = bulk_len;
	return &ebpf->bulk;
}

/* Says to the programs where the processes of a cgroup are. Every exec and fork tells of its own, again and
 * again; other calls only when the programs do not know. */
static void tell_place(struct ebpf *ebpf, const struct record *record)
{
	struct str cgroup = record_text(record, RECORD_STRING_CGROUP);
	uint64_t *told = &ebpf->told[record->cgroup_id % PLACES_TOLD];
	uint32_t place;

	/* A path from before a cgroup was renamed says nothing any more. */
	if (cgroup.at == NULL || record_is_cut(record, RECORD_STRING_CGROUP) ||
	    record->time_ns <= __atomic_load_n(&ebpf->object->bss->uncertain_ns, __ATOMIC_RELAXED) ||
	    (*told == record->cgroup_id && record->type != RECORD_CALL))
		return;
	place = container_of_cgroup(cgroup).len == 0 ? PLAN_PLACE_HOST : PLAN_PLACE_CONTAINER;
	if (bpf_map_update_elem(bpf_map__fd(ebpf->object->maps.places), &record->cgroup_id, &place, BPF_ANY) == 0)
		*told = record->cgroup_id;
}

/* Who moved before everybody was taken to be anywhere needs no entry. */
static void make_room_for_moved(int map, uint64_t uncertain_ns)
{
	uint32_t tgid, next;
	uint64_t when;
	bool has = bpf_map_get_next_key(map, NULL, &tgid) == 0, more;

	for (unsigned i = 0; has && i < 2 * PLAN_MOVED_MAX; i++, tgid = next, has = more) {
		more = bpf_map_get_next_key(map, &tgid, &next) == 0;
		if (bpf_map_lookup_elem(map, &tgid, &when) == 0 && when <= uncertain_ns)
			bpf_map_delete_elem(map, &tgid);
	}
}

static void forget_places(struct ebpf *ebpf)
{
	int map = bpf_map__fd(ebpf->object->maps.places);
	uint64_t cgroup;

	memset(ebpf->told, 0, sizeof(ebpf->told));
	for (unsigned i = 0; i < 2 * PLAN_PLACES_MAX && bpf_map_get_next_key(map, NULL, &cgroup) == 0; i++)
		bpf_map_delete_elem(map, &cgroup);
}

/* The programs do not look any more where processes are, or did not have room for those that moved: what they have to
 * know is told anew, of processes that begin from now on. */
static void recover_places(struct ebpf *ebpf)
{
	struct tocsin_bpf__bss *bss = ebpf->object->bss;

	if (!ebpf->tells_places)
		return;
	if (__atomic_exchange_n(&bss->moved_is_full, false, __ATOMIC_ACQ_REL))
		make_room_for_moved(bpf_map__fd(ebpf->object->maps.moved), __atomic_load_n(&bss->uncertain_ns, __ATOMIC_ACQUIRE));
	if (__atomic_load_n(&bss->places_are_known, __ATOMIC_ACQUIRE))
		return;
	forget_places(ebpf);
	__atomic_store_n(&bss->places_are_known, true, __ATOMIC_RELEASE);
}

/* A full batch ends the round, so that batches and signals get their turn under load. */
static int ebpf_drain(struct ebpf *ebpf, probe_take_fn take, void *userdata)
{
	const struct record *record;
	struct ring *ring;
	size_t len;
	int taken = 0;

	while (taken < POLL_RECORDS && (ring = next_ring(ebpf, &record, &len)) != NULL) {
		if (record_is_valid(record, len)) {
			take(record, userdata);
			tell_place(ebpf, record);
		} else {
			ebpf->invalid++;
		}
		ring_take(ring);
		taken++;
	}
	ring_tell(&ebpf->urgent);
	ring_tell(&ebpf->bulk);
	return taken;
}

/* Until the programs have something; a signal ends it, too. */
static void sleep_long(struct ebpf *ebpf, int wait_ms)
{
	uint32_t *asleep = &ebpf->object->bss->reader.asleep;
	struct epoll_event event;

	__atomic_store_n(asleep, 1, __ATOMIC_SEQ_CST);
	(void)epoll_wait(ebpf->epoll, &event, 1, wait_ms);
	__atomic_store_n(asleep, 0, __ATOMIC_SEQ_CST);
}

/* While there is something the programs do not wake us, which would cost each event more than the event
 * itself: we look every millisecond. When there was nothing they do. */
static int ebpf_poll(void *state, int wait_ms, probe_take_fn take, void *userdata)
{
	const struct timespec pause = { 0, PAUSE_MS * NS_PER_MS };
	struct ebpf *ebpf = state;
	int n;

	if (ebpf->busy)
		nanosleep(&pause, NULL);
	n = ebpf_drain(ebpf, take, userdata);
	if (n == 0) {
		sleep_long(ebpf, wait_ms);
		n = ebpf_drain(ebpf, take, userdata);
	}
	ebpf->busy = n > 0 && n < POLL_RECORDS;
	return n;
}

/* A tracepoint that hits while its program runs on the same processor is skipped by the kernel;
 * only it knows how often. Seen and dropped, for the equation's sake. */
static void add_misses(struct tocsin_bpf *object, struct probe_counts *ret)
{
	const struct {
		struct bpf_program *program;
		enum record_class class;
	} programs[] = {
		{ object->progs.on_sys_exit, RECORD_CLASS_OTHER },
		{ object->progs.on_exec, RECORD_CLASS_PROCESS },
		{ object->progs.on_fork, RECORD_CLASS_PROCESS },
		{ object->progs.on_exit, RECORD_CLASS_PROCESS },
		{ object->progs.on_named, RECORD_CLASS_PRIVILEGE },
		{ object->progs.on_uring_submit, RECORD_CLASS_OTHER },
		{ object->progs.on_uring_complete, RECORD_CLASS_OTHER },
		{ object->progs.on_uring_overflow, RECORD_CLASS_OTHER },
	};

	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		struct bpf_prog_info info = { 0 };
		uint32_t len = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(programs[i].program), &info, &len) < 0)
			continue;
		ret->of[programs[i].class].seen += info.recursion_misses;
		ret->of[programs[i].class].dropped += info.recursion_misses;
		ret->skipped += info.recursion_misses;
	}
}

/* By call and cause, of all processors. */
static void add_losses(struct tocsin_bpf *object, int cpus, struct probe_counts *ret)
{
	autofree struct plan_losses *losses = calloc((size_t)cpus, sizeof(*losses));
	uint32_t zero = 0;

	if (losses == NULL || bpf_map__lookup_elem(object->maps.losses, &zero, sizeof(zero), losses,
						   sizeof(*losses) * (size_t)cpus, 0) < 0)
		return;
	for (int cpu = 0; cpu < cpus; cpu++) {
		for (size_t i = 0; i < PLAN_LOST_ROWS; i++) {
			ret->by_call.at[i][PROBE_RING] += losses[cpu].of[i].ring;
			ret->by_call.at[i][PROBE_BUDGET] += losses[cpu].of[i].budget;
		}
		ret->budgets_full += losses[cpu].budgets_full;
	}
}

/* The newest second in which something was lost, and in it the processor that lost most. */
static void add_flood(struct tocsin_bpf *object, int cpus, struct probe_counts *ret)
{
	autofree struct plan_flood *floods = calloc((size_t)cpus, sizeof(*floods));
	uint32_t zero = 0;

	if (floods == NULL || bpf_map__lookup_elem(object->maps.floods, &zero, sizeof(zero), floods,
						   sizeof(*floods) * (size_t)cpus, 0) < 0)
		return;
	for (int cpu = 0; cpu < cpus; cpu++)
		if (floods[cpu].window > ret->flood.window ||
		    (floods[cpu].window == ret->flood.window && floods[cpu].votes > ret->flood.votes))
			ret->flood = floods[cpu];
	ret->flood.comm[sizeof(ret->flood.comm) - 1] = '\0';
}

static void ebpf_counts(void *state, struct probe_counts *ret)
{
	struct ebpf *ebpf = state;
	int cpus = libbpf_num_possible_cpus();
	size_t size = sizeof(struct plan_counters) * PLAN_CLASS_SLOTS;
	autofree struct plan_counters *rows = calloc((size_t)(cpus > 0 ? cpus : 1), size);

	*ret = (struct probe_counts){ 0 };
	for (uint32_t slot = 0; rows != NULL && cpus > 0 && slot < SLOTS; slot++) {
		if (bpf_map__lookup_elem(ebpf->object->maps.counts, &slot, sizeof(slot), rows,
					 size * (size_t)cpus, 0) < 0)
			continue;
		for (int cpu = 0; cpu < cpus; cpu++)
			for (size_t class = 0; class < RECORD_CLASSES; class ++) {
				const struct plan_counters *row =
					&rows[cpu * PLAN_CLASS_SLOTS + (int)class];

				ret->of[class].seen += row->seen;
				ret->of[class].filtered += row->filtered;
				ret->of[class].emitted += row->emitted;
				ret->of[class].dropped += row->dropped;
				ret->of[class].shed += row->shed;
			}
	}
	add_misses(ebpf->object, ret);
	ret->invalid = ebpf->invalid;
	if (cpus <= 0)
		return;
	add_losses(ebpf->object, cpus, ret);
	add_flood(ebpf->object, cpus, ret);
}

/* Who may write the programs' memory can tell them to look away. */
static bool is_as_set(const struct ebpf *ebpf)
{
	const struct tocsin_bpf__bss *bss = ebpf->object->bss;
	uint64_t wanted[PLAN_CALLS / 64];

	wanted_bits(ebpf, &ebpf->settings, wanted);
	if (memcmp(wanted, bss->wanted, sizeof(wanted)) != 0 || bss->own_tgid != (uint32_t)getpid())
		return false;
	for (size_t i = 0; i < calls_count; i++)
		if (memcmp(&bss->interests[calls[i].nr], &ebpf->settings.interest->calls[calls[i].nr],
			   sizeof(bss->interests[0])) != 0 ||
		    memcmp(&bss->plans[calls[i].nr], &calls[i].plan, sizeof(calls[i].plan)) != 0)
			return false;
	return true;
}

/* Who may can detach what refuses connections: it is attached again. */
static size_t restore_refusing(struct ebpf *ebpf)
{
	size_t lost = 0;

	for (size_t i = 0; i < ARRAY_LEN(ebpf->refusing); i++)
		lost += ebpf->refusing[i] != NULL && !guard_refuses(ebpf->refusing[i]);
	if (lost == 0)
		return 0;
	stop_refusing(ebpf);
	if (start_refusing(ebpf) < 0)
		log_err("probe: what refuses connections was detached, and cannot be attached again");
	return lost;
}

static void ebpf_look(void *state, struct probe_harm *ret)
{
	struct ebpf *ebpf = state;

	*ret = (struct probe_harm){ .killer = ebpf->killer };
	recover_places(ebpf);
	(void)guard_sender(bpf_map__fd(ebpf->object->maps.senders), PLAN_SENDER_STOP, &ret->stopper);
	ebpf->restored += restore_refusing(ebpf);
	ret->detached = guard_detached(ebpf->object->skeleton) + ebpf->restored;
	if (!ebpf->told_follows && __atomic_load_n(&ebpf->object->bss->follows_lost, __ATOMIC_RELAXED) > 0) {
		ebpf->told_follows = true;
		log_warning("probe: too many processes to know in the kernel who is followed: all of them are looked at");
	}
	ret->changed = !is_as_set(ebpf) || !kills_as_set(ebpf);
	if (!ret->changed)
		return;
	fill_plans(ebpf, &ebpf->settings);
	(void)ebpf_rearm(ebpf, &ebpf->settings);
	(void)ebpf_kill(ebpf, ebpf->kills);
}

static void ebpf_detach(void *state, probe_take_fn take, void *userdata)
{
	struct ebpf *ebpf = state;

	tocsin_bpf__detach(ebpf->object);
	guard_forget(ebpf->settings.pin);
	while (ebpf_drain(ebpf, take, userdata) > 0)
		;
}

static bool ebpf_forward(void *state, int signal)
{
	(void)state;
	(void)signal;
	return false;
}

static int ebpf_exit_status(const void *state)
{
	(void)state;
	return 0;
}

const struct probe_ops probe_ebpf = {
	.name = "ebpf",
	.sees_itself = true,
	.open = ebpf_open,
	.rearm = ebpf_rearm,
	.follow = ebpf_follow,
	.refuse = ebpf_refuse,
	.kill = ebpf_kill,
	.killed = ebpf_killed,
	.layer = ebpf_layer,
	.poll = ebpf_poll,
	.counts = ebpf_counts,
	.look = ebpf_look,
	.detach = ebpf_detach,
	.forward = ebpf_forward,
	.exit_status = ebpf_exit_status,
	.close = ebpf_close,
};
