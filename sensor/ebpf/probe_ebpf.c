/* The eBPF probe's user side: loads and attaches the programs, writes what is wanted into their
 * maps, and empties the ring. */
#include "sensor/ebpf/ebpf_inner.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "sensor/container.h"
#include "sensor/ebpf/guard.h"
#include "sensor/ebpf/hooks.h"
#include "sensor/ebpf/said.h"
#include "sensor/ebpf/watched.h"
#include "sensor/record_text.h"

#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

enum {
	POLL_RECORDS = 4096,
	PAUSE_MS = 1,
	NICE = -10, /* of the thread that reads: who floods all processors must not also starve it */
};

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
		.tables_version = &object->bss->tables_version,
		.lineage_version = &object->bss->lineage_version,
	};
}

static void wanted_bits(const struct ebpf *ebpf, const struct probe_settings *settings, uint64_t wanted[PLAN_CALLS / 64])
{
	memset(wanted, 0, PLAN_CALLS / 8);
	for (size_t i = 0; i < calls_count; i++)
		if (settings->wanted[i] || ebpf->begins[calls[i].nr])
			ebpf_want(wanted, calls[i].nr);
}

/* By our numbers or those of i386: the quick look. */
void ebpf_either_bits(const struct tocsin_bpf *object, const uint64_t wanted[PLAN_CALLS / 64],
			uint64_t either[PLAN_CALLS / 64])
{
	memcpy(either, wanted, PLAN_CALLS / 8);
	for (size_t i = 0; i < PLAN_COMPAT; i++) {
		uint16_t nr = object->bss->compat_calls[i];

		if (i == COMPAT_SOCKETCALL || (nr < PLAN_CALLS && (wanted[nr / 64] & 1ULL << (nr % 64))))
			ebpf_want(either, i);
	}
}

/* First what the quick look lets through, so that it never stops what is wanted already. */
void ebpf_set_wanted(struct ebpf *ebpf, const struct probe_settings *settings)
{
	struct tocsin_bpf *object = ebpf->object;
	uint64_t wanted[PLAN_CALLS / 64], either[PLAN_CALLS / 64];

	wanted_bits(ebpf, settings, wanted);
	ebpf_either_bits(object, wanted, either);
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
	ebpf_set_wanted(ebpf, settings);
	object->bss->own_tgid = (uint32_t)getpid();
	object->bss->parent_tgid = (uint32_t)getppid();
	object->bss->take_environment = settings->take_environment;
}

static void ebpf_close(void *state)
{
	struct ebpf *ebpf = state;

	if (ebpf == NULL)
		return;
	if (ebpf->object != NULL && ebpf->refusing[0] != NULL)
		ebpf_stop_refusing(ebpf);
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

/* Operations of io_urings: both ends are needed, as this kernel has them. */
static void fit_uring(struct tocsin_bpf *object, const struct btf *btf)
{
	unsigned complete = tracepoint_arguments(btf, "btf_trace_io_uring_complete");
	bool begins = tracepoint_arguments(btf, "btf_trace_io_uring_submit_req") == 2, fits;

	if (!begins && tracepoint_arguments(btf, "btf_trace_io_uring_submit_sqe") == 3) /* its name from 6.0 to 6.3 */
		begins = bpf_program__set_attach_target(object->progs.on_uring_submit, 0, "io_uring_submit_sqe") == 0;
	fits = begins && complete >= 4;
	object->rodata->uring_has_cqe = complete == 4;
	bpf_program__set_autoload(object->progs.on_uring_submit, fits);
	bpf_program__set_autoload(object->progs.on_uring_complete, fits);
	bpf_program__set_autoload(object->progs.on_uring_overflow,
				  fits && tracepoint_arguments(btf, "btf_trace_io_uring_cqe_overflow") > 0);
}

/* What of the programs this kernel can run, and how. */
static void fit_to_kernel(struct ebpf *ebpf, bool denies)
{
	struct tocsin_bpf *object = ebpf->object;
	struct btf *btf = btf__load_vmlinux_btf();

	if (btf == NULL)
		return;
	ebpf->hooks = ebpf_fit_hooks(object, btf, denies);
	object->rodata->direct_reads = btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC) >= 0;
	object->rodata->has_loop = btf__find_by_name_kind(btf, "bpf_loop", BTF_KIND_FUNC) >= 0;
	fit_uring(object, btf);
	bpf_program__set_autoload(object->progs.on_moved,
				  tracepoint_arguments(btf, "btf_trace_cgroup_attach_task") >= 5);
	bpf_program__set_autoload(object->progs.on_named, tracepoint_arguments(btf, "btf_trace_task_rename") >= 3);
	bpf_program__set_autoload(object->progs.on_renamed, tracepoint_arguments(btf, "btf_trace_cgroup_rename") >= 3);
	btf__free(btf);
}

bool hook_uring(const void *probe)
{
	const struct ebpf *ebpf = probe;

	return bpf_program__autoload(ebpf->object->progs.on_uring_submit);
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

static int load_programs(struct ebpf *ebpf, const struct probe_settings *settings, bool kills, bool denies)
{
	int r;

	ebpf->object = tocsin_bpf__open();
	if (ebpf->object == NULL)
		return -errno;
	fit_to_kernel(ebpf, denies);
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

	r = load_programs(ebpf, settings, settings->kills, settings->denies);
	if (r < 0 && settings->denies && ebpf->hooks != 0) {
		tocsin_bpf__destroy(TAKE(ebpf->object));
		r = load_programs(ebpf, settings, settings->kills, false);
	}
	if (r < 0 && settings->kills) { /* what kills may be too much for an old kernel, and the rest not */
		tocsin_bpf__destroy(TAKE(ebpf->object));
		r = load_programs(ebpf, settings, false, false);
	}
	*ret_why = said_why();
	if (r < 0)
		return r;
	if (!hook_uring(ebpf))
		log_warning("probe: this kernel does not tell of what is asked for through io_urings: it is not seen");
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
	r = tocsin_bpf__attach(ebpf->object);
	if (r == 0 && ebpf->hooks != 0 && !ebpf_lsm_asks(ebpf))
		ebpf->hooks = 0;
	return r;
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
	said_listen();
	r = ebpf_load(ebpf, settings, ret_why);
	if (r < 0) {
		ebpf_close(ebpf);
		return r;
	}
	(void)setpriority(PRIO_PROCESS, 0, NICE); /* refused without CAP_SYS_NICE: then as it is */
	*ret = ebpf;
	return 0;
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
	ebpf_set_wanted(ebpf, settings);
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
	uint64_t *told = &ebpf->told[record->cgroup_id % EBPF_PLACES_TOLD];
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

static void ebpf_look(void *state, struct probe_harm *ret)
{
	struct ebpf *ebpf = state;

	*ret = (struct probe_harm){ .killer = ebpf->killer };
	recover_places(ebpf);
	(void)guard_sender(bpf_map__fd(ebpf->object->maps.senders), PLAN_SENDER_STOP, &ret->stopper);
	ebpf->restored += ebpf_restore_refusing(ebpf);
	ret->detached = guard_detached(ebpf->object->skeleton) + ebpf->restored;
	if (!ebpf->told_follows && __atomic_load_n(&ebpf->object->bss->follows_lost, __ATOMIC_RELAXED) > 0) {
		ebpf->told_follows = true;
		log_warning("probe: too many processes to know in the kernel who is followed: all of them are looked at");
	}
	ret->changed = !is_as_set(ebpf) || !ebpf_kills_as_set(ebpf) || !ebpf_denies_as_set(ebpf);
	if (!ret->changed)
		return;
	fill_plans(ebpf, &ebpf->settings);
	(void)ebpf_rearm(ebpf, &ebpf->settings);
	(void)ebpf_kill(ebpf, ebpf->kills);
	(void)ebpf_deny(ebpf, ebpf->denials);
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
	.hooks = ebpf_hooks,
	.deny = ebpf_deny,
	.denied = ebpf_denied,
	.layer = ebpf_layer,
	.poll = ebpf_poll,
	.counts = ebpf_counts,
	.look = ebpf_look,
	.detach = ebpf_detach,
	.forward = ebpf_forward,
	.exit_status = ebpf_exit_status,
	.close = ebpf_close,
};
