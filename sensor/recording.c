/* The form of the file: header, frames, and what is believed of them. */
#include "sensor/recording.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/log.h"
#include "sensor/record_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>

enum { FILE_BUFFER = 256 << 10, ALIGN = 8 };

static const char magic[8] = { 'T', 'O', 'C', 'S', 'I', 'N', 'R', 'C' };

struct header {
	char magic[sizeof(magic)];
	uint32_t version;
	uint32_t record_size;
	uint64_t layout;
	struct recording_host host;
};

struct frame {
	uint32_t len; /* of the payload */
	uint16_t kind;
	uint16_t zero;
};

_Static_assert(sizeof(struct header) % ALIGN == 0, "frames are aligned");
_Static_assert(sizeof(struct frame) == ALIGN, "frames are aligned");

/* Where everything lies in a record: two sensors that differ in it cannot read each other's. */
static uint64_t layout(void)
{
#define AT(member) (uint16_t)offsetof(struct record, member)
	static const uint16_t at[] = {
		sizeof(struct record), sizeof(struct record_object), sizeof(struct record_string),
		AT(len), AT(type), AT(class), AT(nr), AT(flags), AT(cpu), AT(time_ns), AT(ret), AT(args),
		AT(tid), AT(tgid), AT(ppid), AT(vtid), AT(vpid), AT(pgid), AT(vpgid), AT(sid), AT(uid),
		AT(gid), AT(euid), AT(egid), AT(loginuid), AT(tty), AT(start_ns), AT(parent_start_ns), AT(exec_id),
		AT(parent_exec_id),
		AT(cgroup_id), AT(cap_permitted), AT(cap_effective), AT(cap_inheritable), AT(exe_ino),
		AT(exe_ctime_ns), AT(exe_mtime_ns), AT(exe_mode), AT(exe_uid), AT(exe_gid),
		AT(pidns_level), AT(comm), AT(object), AT(object.fd), AT(object.kind), AT(object.state),
		AT(object.family), AT(object.protocol), AT(object.socket_type), AT(object.local_port),
		AT(object.remote_port), AT(object.local), AT(object.remote), AT(object.ino),
		AT(object.dev), AT(object.mode),
	};
#undef AT
	return hash_fnv(FNV_START, (struct str){ (const char *)at, sizeof(at) });
}

void recording_add_header(struct buf *out, const struct recording_host *host)
{
	struct header header = { .version = RECORDING_VERSION,
				 .record_size = sizeof(struct record),
				 .layout = layout(),
				 .host = *host };

	memcpy(header.magic, magic, sizeof(magic));
	buf_add(out, (struct str){ (const char *)&header, sizeof(header) });
}

/* ---- writing ---- */

struct recorder {
	FILE *file;
	char *path;
	struct recorder_stats stats;
	union { /* a process as a record */
		struct record record;
		char bytes[RECORD_MAX];
	};
};

/* The frames before stay whole: a reader ends cleanly at the last of them. */
static void fail(struct recorder *recorder, int error)
{
	if (recorder->stats.error != 0)
		return;
	recorder->stats.error = error;
	log_warning("record: %s: %s; what comes now is not recorded", recorder->path, strerror(-error));
}

static void put_bytes(struct recorder *recorder, const void *at, size_t len)
{
	if (recorder->stats.error == 0 && len > 0 && fwrite(at, 1, len, recorder->file) != len)
		fail(recorder, errno > 0 ? -errno : -EIO);
	else if (recorder->stats.error == 0)
		recorder->stats.bytes += len;
}

/* True: it was put. */
static bool put_frame(struct recorder *recorder, enum recording_kind kind, struct str payload)
{
	static const char filling[ALIGN] = { '\n', '\n', '\n', '\n', '\n', '\n', '\n', '\n' };
	size_t more = -payload.len % ALIGN;
	const struct frame frame = { .len = (uint32_t)(payload.len + more), .kind = (uint16_t)kind };

	if (recorder->stats.bytes + sizeof(frame) + frame.len > RECORDING_BYTES_MAX)
		fail(recorder, -EFBIG);
	put_bytes(recorder, &frame, sizeof(frame));
	put_bytes(recorder, payload.at, payload.len);
	put_bytes(recorder, filling, more);
	return recorder->stats.error == 0;
}

static void put_header(struct recorder *recorder, const struct recording_host *host)
{
	struct buf header = { 0 };

	recording_add_header(&header, host);
	if (buf_ok(&header))
		put_bytes(recorder, header.at, header.len);
	else
		fail(recorder, -ENOMEM);
	buf_done(&header);
	recorder_flush(recorder);
}

int recorder_open(const char *path, const struct recording_host *host, struct recorder **ret)
{
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r;

	if (recorder == NULL || fd < 0) {
		r = recorder == NULL ? -ENOMEM : -errno;
		free(recorder);
		return r;
	}
	recorder->path = str_dup(str_of(path));
	recorder->file = fdopen(fd, "w");
	if (recorder->path == NULL || recorder->file == NULL) {
		recorder_close(recorder);
		return -ENOMEM;
	}
	(void)TAKE_FD(fd);
	setvbuf(recorder->file, NULL, _IOFBF, FILE_BUFFER);
	put_header(recorder, host);
	r = recorder->stats.error;
	if (r < 0)
		recorder_close(recorder);
	else
		*ret = recorder;
	return r;
}

void recorder_put(struct recorder *recorder, const struct record *record)
{
	if (put_frame(recorder, RECORDING_RECORD, (struct str){ (const char *)record, record->len }))
		recorder->stats.records++;
	else
		recorder->stats.unwritten++;
}

void recorder_put_clock(struct recorder *recorder, int64_t boot_offset_ns)
{
	put_frame(recorder, RECORDING_CLOCK,
		  (struct str){ (const char *)&boot_offset_ns, sizeof(boot_offset_ns) });
}

void recorder_put_text(struct recorder *recorder, enum recording_kind kind, struct str text)
{
	if (text.len < RECORDING_FRAME_MAX)
		put_frame(recorder, kind, text);
}

void recorder_put_process(struct recorder *recorder, enum recording_kind kind,
			  const struct proc_facts *facts, unsigned what)
{
	struct record *record = &recorder->record;

	*record = (struct record){
		.len = sizeof(*record), .type = RECORD_CALL, .class = RECORD_CLASS_PROCESS,
		.args = { what },
		.tgid = facts->tgid, .tid = facts->tgid, .ppid = facts->ppid, .vpid = facts->vpid,
		.pgid = facts->pgid, .vpgid = facts->vpgid, .sid = facts->vsid, .tty = facts->tty,
		.uid = facts->uid, .euid = facts->euid, .gid = facts->gid, .egid = facts->egid,
		.loginuid = facts->loginuid, .start_ns = facts->start_ns,
		.cap_permitted = facts->cap_permitted, .cap_effective = facts->cap_effective,
		.cap_inheritable = facts->cap_inheritable,
	};
	memcpy(record->comm, facts->comm, sizeof(record->comm));
	if (what & PROC_READ_IMAGE) {
		record_add(record, RECORD_STRING_EXE, buf_str(&facts->exe));
		record_add(record, RECORD_STRING_CWD, buf_str(&facts->cwd));
		record_add(record, RECORD_STRING_ARGS, buf_str(&facts->args));
		record_add(record, RECORD_STRING_CGROUP, buf_str(&facts->cgroup));
	}
	put_frame(recorder, kind, (struct str){ (const char *)record, record->len });
}

void recorder_flush(struct recorder *recorder)
{
	if (recorder->stats.error == 0 && fflush(recorder->file) != 0)
		fail(recorder, -errno);
}

struct recorder_stats recorder_stats(const struct recorder *recorder)
{
	return recorder->stats;
}

void recorder_close(struct recorder *recorder)
{
	if (recorder == NULL)
		return;
	if (recorder->file != NULL)
		fclose(recorder->file);
	free(recorder->path);
	free(recorder);
}

/* ---- reading ---- */

struct recording {
	FILE *file;
	struct header header;
	struct frame frame;
	bool peeked, ended;
	enum recording_kind kind; /* with peeked */
	char *payload;		  /* as malloc() aligns */
	uint64_t at;
	struct recording_stats stats;
};

static bool is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static int header_read(struct recording *recording)
{
	struct header *header = &recording->header;

	if (fread(header, 1, sizeof(*header), recording->file) != sizeof(*header) ||
	    memcmp(header->magic, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	if (header->version != RECORDING_VERSION || header->record_size != sizeof(struct record) ||
	    header->layout != layout())
		return -EPROTO;
	if (!is_text(header->host.hostname, sizeof(header->host.hostname)) ||
	    !is_text(header->host.id, sizeof(header->host.id)) ||
	    !is_text(header->host.boot, sizeof(header->host.boot)) ||
	    !is_text(header->host.machine, sizeof(header->host.machine)) ||
	    !is_text(header->host.probe, sizeof(header->host.probe)))
		return -EBADMSG;
	recording->at = sizeof(*header);
	return 0;
}

int recording_open(FILE *file, struct recording **ret)
{
	struct recording *recording = calloc(1, sizeof(*recording));
	int r;

	if (recording == NULL) {
		fclose(file);
		return -ENOMEM;
	}
	recording->file = file;
	recording->payload = malloc(RECORDING_FRAME_MAX);
	r = recording->payload == NULL ? -ENOMEM : header_read(recording);
	if (r < 0)
		recording_close(recording);
	else
		*ret = recording;
	return r;
}

void recording_close(struct recording *recording)
{
	if (recording == NULL)
		return;
	fclose(recording->file);
	free(recording->payload);
	free(recording);
}

const struct recording_host *recording_host(const struct recording *recording)
{
	return &recording->header.host;
}

/* Whether the frame's payload was read. A length that cannot be leaves no way to find the next one. */
static bool frame_read(struct recording *recording)
{
	struct frame *frame = &recording->frame;
	size_t len;

	if (recording->ended)
		return false;
	len = fread(frame, 1, sizeof(*frame), recording->file);

	if (len == sizeof(*frame) && frame->zero == 0 && frame->len % ALIGN == 0 &&
	    frame->len <= RECORDING_FRAME_MAX &&
	    fread(recording->payload, 1, frame->len, recording->file) == frame->len)
		return true;
	recording->ended = true;
	recording->stats.cut = len > 0;
	recording->stats.cut_at = recording->at;
	return false;
}

static bool content_is_valid(const struct recording *recording)
{
	switch (recording->frame.kind) {
	case RECORDING_RECORD:
	case RECORDING_PROCESS:
	case RECORDING_LOOKED_UP:
		return recording->frame.len <= RECORD_MAX &&
		       record_is_valid(recording->payload, recording->frame.len) &&
		       recording_record(recording)->len == recording->frame.len;
	case RECORDING_USERS:
	case RECORDING_GROUPS: return true;
	case RECORDING_CLOCK: return recording->frame.len == sizeof(int64_t);
	default: return false;
	}
}

enum recording_kind recording_peek(struct recording *recording)
{
	struct recording_stats *stats = &recording->stats;

	while (!recording->peeked && frame_read(recording)) {
		uint64_t at = recording->at;

		recording->at += sizeof(recording->frame) + recording->frame.len;
		if (content_is_valid(recording)) {
			recording->kind = (enum recording_kind)recording->frame.kind;
			recording->peeked = true;
			stats->records += recording->kind == RECORDING_RECORD;
			stats->processes += recording->kind == RECORDING_PROCESS;
		} else if (stats->invalid++ == 0) {
			stats->invalid_at = at;
		}
	}
	return recording->peeked ? recording->kind : RECORDING_KINDS;
}

void recording_next(struct recording *recording)
{
	recording->peeked = false;
}

const struct record *recording_record(const struct recording *recording)
{
	return (const struct record *)(const void *)recording->payload;
}

int64_t recording_clock(const struct recording *recording)
{
	int64_t boot_offset_ns;

	memcpy(&boot_offset_ns, recording->payload, sizeof(boot_offset_ns));
	return boot_offset_ns;
}

struct str recording_text(const struct recording *recording)
{
	return (struct str){ recording->payload, recording->frame.len };
}

static void take_text(const struct record *record, enum record_string_tag tag, struct buf *ret)
{
	buf_clear(ret);
	buf_add(ret, record_text(record, tag));
}

unsigned recording_facts(const struct record *record, struct proc_facts *ret)
{
	ret->tgid = record->tgid;
	ret->ppid = record->ppid;
	ret->vpid = record->vpid;
	ret->pgid = record->pgid;
	ret->vpgid = record->vpgid;
	ret->sid = ret->vsid = record->sid;
	ret->tty = record->tty;
	ret->uid = record->uid;
	ret->euid = record->euid;
	ret->gid = record->gid;
	ret->egid = record->egid;
	ret->loginuid = record->loginuid;
	ret->start_ns = record->start_ns;
	ret->cap_permitted = record->cap_permitted;
	ret->cap_effective = record->cap_effective;
	ret->cap_inheritable = record->cap_inheritable;
	memcpy(ret->comm, record->comm, sizeof(ret->comm));
	ret->comm[sizeof(ret->comm) - 1] = '\0';
	take_text(record, RECORD_STRING_EXE, &ret->exe);
	take_text(record, RECORD_STRING_CWD, &ret->cwd);
	take_text(record, RECORD_STRING_ARGS, &ret->args);
	take_text(record, RECORD_STRING_CGROUP, &ret->cgroup);
	buf_clear(&ret->env);
	return (unsigned)record->args[0];
}

struct recording_stats recording_stats(const struct recording *recording)
{
	return recording->stats;
}
