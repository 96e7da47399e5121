/* Segment files "0000000000000001.seg", each a run of records: magic, length, events, checksum,
 * bytes. The cursor is a small file of its own, replaced by rename, so that reading never rewrites
 * a segment; if it is lost, batches are sent again, and the hub removes what it knows. */
#include "sensor/spool.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <zlib.h>

#define SPOOL_MAGIC 0x314e4354u /* "TCN1" */

struct spool_head {
	uint32_t magic, len, events, crc;
};

struct segment {
	uint64_t number;
	uint32_t bytes;	  /* of whole records */
	uint32_t batches; /* not yet read ones */
	uint32_t events;
};

struct spool {
	int folder; /* descriptor; also holds the lock */
	struct spool_limits limits;
	struct segment *segments; /* oldest first */
	unsigned count;
	int write_fd; /* of the last segment; -1: none open */
	int read_fd;  /* of the first segment; -1: none open */
	uint32_t read_at;
	uint64_t next_number;
	bool peeked;
	struct spool_head peeked_head;
	struct spool_stats stats;
};

static void segment_path(char *out, size_t size, uint64_t number)
{
	snprintf(out, size, "%016llx.seg", (unsigned long long)number);
}

static uint32_t head_crc(const struct spool_head *head, struct str body)
{
	uLong crc = crc32(0, (const Bytef *)head, offsetof(struct spool_head, crc));

	return (uint32_t)crc32(crc, (const Bytef *)body.at, (uInt)body.len);
}

static bool read_whole(int fd, void *to, size_t len, off_t at)
{
	char *bytes = to;

	while (len > 0) {
		ssize_t n = pread(fd, bytes, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static int write_whole(int fd, const void *from, size_t len, off_t at)
{
	const char *bytes = from;

	while (len > 0) {
		ssize_t n = pwrite(fd, bytes, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The record at `at`, if it is whole. */
static bool record_read(int fd, uint32_t at, struct spool_head *head, struct buf *body)
{
	if (!read_whole(fd, head, sizeof(*head), at) || head->magic != SPOOL_MAGIC ||
	    head->len > SPOOL_RECORD_MAX)
		return false;
	buf_clear(body);
	if (!buf_reserve(body, head->len) ||
	    !read_whole(fd, body->at, head->len, (off_t)at + (off_t)sizeof(*head)))
		return false;
	body->len = head->len;
	return head_crc(head, buf_str(body)) == head->crc;
}

/* Counts the whole records of a segment from `from` on and finds where they end. */
static void segment_check(struct spool *spool, int fd, struct segment *segment, uint32_t from)
{
	struct buf body = { 0 };
	struct spool_head head;
	struct stat st;
	uint32_t at = 0;

	while (record_read(fd, at, &head, &body)) {
		if (at >= from) {
			segment->batches++;
			segment->events += head.events;
		}
		at += (uint32_t)sizeof(head) + head.len;
	}
	segment->bytes = at;
	if (fstat(fd, &st) == 0 && st.st_size > at)
		spool->stats.corrupt_bytes += (uint64_t)st.st_size - at;
	buf_done(&body);
}

static int number_cmp(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* The numbers of the segment files; more than the limit (it was lowered) stay where they are until
 * a later start. */
static int segments_list(struct spool *spool)
{
	int fd = openat(spool->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (folder == NULL) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		return r;
	}
	while ((entry = readdir(folder)) != NULL && spool->count < spool->limits.segments) {
		unsigned long long number;
		char text[32];

		if (sscanf(entry->d_name, "%16llx.seg", &number) != 1)
			continue;
		segment_path(text, sizeof(text), number);
		if (strcmp(text, entry->d_name) == 0)
			spool->segments[spool->count++].number = number;
	}
	closedir(folder);
	qsort(spool->segments, spool->count, sizeof(spool->segments[0]), number_cmp);
	return 0;
}

static void cursor_read(struct spool *spool, uint64_t *ret_number, uint32_t *ret_at)
{
	autoclose int fd = openat(spool->folder, "cursor", O_RDONLY | O_CLOEXEC);
	unsigned long long number;
	char text[64] = { 0 };
	unsigned at;

	*ret_number = 0;
	*ret_at = 0;
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 ||
	    sscanf(text, "%llx %u", &number, &at) != 2)
		return;
	*ret_number = number;
	*ret_at = at;
}

static int cursor_write(struct spool *spool)
{
	autoclose int fd =
		openat(spool->folder, "cursor.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char text[64];
	int len, r;

	if (fd < 0)
		return -errno;
	len = snprintf(text, sizeof(text), "%llx %u\n",
		       (unsigned long long)(spool->count > 0 ? spool->segments[0].number : 0),
		       spool->count > 0 ? spool->read_at : 0);
	r = write_whole(fd, text, (size_t)len, 0);
	if (r < 0)
		return r;
	return renameat(spool->folder, "cursor.new", spool->folder, "cursor") < 0 ? -errno : 0;
}

static void segment_remove_first(struct spool *spool)
{
	char path[32];

	if (spool->read_fd >= 0)
		close(spool->read_fd);
	spool->read_fd = -1;
	spool->read_at = 0;
	spool->peeked = false;
	if (spool->count == 1 && spool->write_fd >= 0) {
		close(spool->write_fd);
		spool->write_fd = -1;
	}
	segment_path(path, sizeof(path), spool->segments[0].number);
	unlinkat(spool->folder, path, 0);
	spool->count--;
	memmove(spool->segments, spool->segments + 1, spool->count * sizeof(spool->segments[0]));
}

static void segment_count_in(struct spool *spool, const struct segment *segment)
{
	spool->stats.batches += segment->batches;
	spool->stats.events += segment->events;
	spool->stats.bytes += segment->bytes;
}

/* Takes up what is there: segments before the cursor go, the rest is checked. */
static void segments_take_up(struct spool *spool)
{
	uint64_t number;
	uint32_t at;

	cursor_read(spool, &number, &at);
	if (spool->count > 0)
		spool->next_number = spool->segments[spool->count - 1].number + 1;
	if (number >= spool->next_number)
		spool->next_number = number + 1;
	while (spool->count > 0 && spool->segments[0].number < number)
		segment_remove_first(spool);
	for (unsigned i = 0; i < spool->count; i++) {
		struct segment *segment = &spool->segments[i];
		uint32_t from = segment->number == number ? at : 0;
		char path[32];
		int fd;

		segment_path(path, sizeof(path), segment->number);
		fd = openat(spool->folder, path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		segment_check(spool, fd, segment, from);
		if (i == 0)
			spool->read_at = from < segment->bytes ? from : segment->bytes;
		segment_count_in(spool, segment);
		/* The last one is written on, without its torn end. */
		if (i == spool->count - 1 && ftruncate(fd, segment->bytes) == 0)
			spool->write_fd = fd;
		else
			close(fd);
	}
}

int spool_open(const char *folder, const struct spool_limits *limits, struct spool **ret)
{
	struct spool *spool;
	int r;

	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return -errno;
	spool = calloc(1, sizeof(*spool));
	if (spool == NULL)
		return -ENOMEM;
	spool->read_fd = spool->write_fd = -1;
	spool->next_number = 1;
	if (limits != NULL)
		spool->limits = *limits;
	if (spool->limits.segments == 0)
		spool->limits.segments = SPOOL_SEGMENTS;
	if (spool->limits.segment_bytes == 0)
		spool->limits.segment_bytes = SPOOL_SEGMENT_BYTES;
	spool->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	spool->segments = calloc(spool->limits.segments + 1, sizeof(*spool->segments));
	if (spool->folder < 0 || spool->segments == NULL)
		r = spool->folder < 0 ? -errno : -ENOMEM;
	else if (flock(spool->folder, LOCK_EX | LOCK_NB) < 0)
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else
		r = segments_list(spool);
	if (r < 0) {
		spool_close(spool);
		return r;
	}
	segments_take_up(spool);
	*ret = spool;
	return 0;
}

void spool_close(struct spool *spool)
{
	if (spool == NULL)
		return;
	if (spool->write_fd >= 0)
		close(spool->write_fd);
	if (spool->read_fd >= 0)
		close(spool->read_fd);
	if (spool->folder >= 0)
		close(spool->folder);
	free(spool->segments);
	free(spool);
}

/* Makes room by giving up the oldest segment. */
static void drop_oldest(struct spool *spool)
{
	struct segment *oldest = &spool->segments[0];

	spool->stats.lost_events += oldest->events;
	spool->stats.events -= oldest->events;
	spool->stats.batches -= oldest->batches;
	spool->stats.bytes -= oldest->bytes;
	segment_remove_first(spool);
	cursor_write(spool);
}

static int segment_begin(struct spool *spool)
{
	char path[32];
	int fd;

	segment_path(path, sizeof(path), spool->next_number);
	fd = openat(spool->folder, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (spool->write_fd >= 0) {
		fdatasync(spool->write_fd);
		close(spool->write_fd);
	}
	spool->write_fd = fd;
	spool->segments[spool->count++] = (struct segment){ .number = spool->next_number++ };
	return 0;
}

int spool_append(struct spool *spool, struct str batch, uint32_t events)
{
	struct spool_head head = { SPOOL_MAGIC, (uint32_t)batch.len, events, 0 };
	uint32_t size = (uint32_t)(sizeof(head) + batch.len);
	struct segment *last;
	int r;

	if (batch.len > SPOOL_RECORD_MAX || size > spool->limits.segment_bytes)
		return -EMSGSIZE;
	last = spool->count > 0 ? &spool->segments[spool->count - 1] : NULL;
	if (spool->write_fd < 0 || last->bytes + size > spool->limits.segment_bytes) {
		if (spool->count >= spool->limits.segments)
			drop_oldest(spool);
		r = segment_begin(spool);
		if (r < 0)
			return r;
		last = &spool->segments[spool->count - 1];
	}
	head.crc = head_crc(&head, batch);
	/* The head is written last: a crash in between leaves no record, not a wrong one. */
	r = write_whole(spool->write_fd, batch.at, batch.len,
			(off_t)last->bytes + (off_t)sizeof(head));
	if (r == 0)
		r = write_whole(spool->write_fd, &head, sizeof(head), last->bytes);
	if (r < 0)
		return r;
	last->bytes += size;
	last->batches++;
	last->events += events;
	spool->stats.bytes += size;
	spool->stats.batches++;
	spool->stats.events += events;
	return 0;
}

/* Opens the first segment for reading; an empty one that is not being written goes. */
static int reader_ready(struct spool *spool)
{
	char path[32];

	while (spool->count > 0 && spool->read_at >= spool->segments[0].bytes) {
		spool->stats.bytes -= spool->segments[0].bytes;
		segment_remove_first(spool);
	}
	if (spool->count == 0)
		return -ENOENT;
	if (spool->read_fd >= 0)
		return 0;
	segment_path(path, sizeof(path), spool->segments[0].number);
	spool->read_fd = openat(spool->folder, path, O_RDONLY | O_CLOEXEC);
	return spool->read_fd < 0 ? -errno : 0;
}

int spool_peek(struct spool *spool, struct buf *ret, uint32_t *ret_events)
{
	int r = reader_ready(spool);

	while (r == 0 && !record_read(spool->read_fd, spool->read_at, &spool->peeked_head, ret)) {
		/* Went bad since it was checked: the rest of the segment is lost. */
		struct segment *first = &spool->segments[0];

		spool->stats.corrupt_bytes += first->bytes - spool->read_at;
		spool->stats.lost_events += first->events;
		spool->stats.events -= first->events;
		spool->stats.batches -= first->batches;
		spool->stats.bytes -= first->bytes;
		segment_remove_first(spool);
		r = reader_ready(spool);
	}
	if (r < 0)
		return r;
	spool->peeked = true;
	*ret_events = spool->peeked_head.events;
	return 0;
}

int spool_pop(struct spool *spool)
{
	struct segment *first = &spool->segments[0];

	if (!spool->peeked || spool->count == 0)
		return 0;
	spool->peeked = false;
	spool->read_at += (uint32_t)sizeof(struct spool_head) + spool->peeked_head.len;
	first->batches--;
	first->events -= spool->peeked_head.events;
	spool->stats.batches--;
	spool->stats.events -= spool->peeked_head.events;
	if (spool->read_at >= first->bytes)
		reader_ready(spool);
	return cursor_write(spool);
}

bool spool_is_empty(const struct spool *spool)
{
	return spool->stats.batches == 0;
}

int spool_sync(struct spool *spool)
{
	if (spool->write_fd < 0)
		return 0;
	return fdatasync(spool->write_fd) < 0 ? -errno : 0;
}

struct spool_stats spool_stats(const struct spool *spool)
{
	return spool->stats;
}
