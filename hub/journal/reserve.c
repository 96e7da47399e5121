/* The limits of size, and the reserve: disk space set aside while there is plenty and given back when
 * the disk is full. It then takes outputs' progress and the deletion of old alerts, which is how room
 * comes back; new alerts are refused until it does. */
#include "hub/journal/inner.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
	TRY_MS = 1000,
	GROUND_STEP = 1 << 20, /* taken ahead where the disk has it: one call serves many commits */
};

static uint64_t free_wanted(const struct journal *journal)
{
	return journal->limits.reserve / 2;
}

bool reserve_has_room(const struct journal *journal)
{
	if (journal->used_bytes >= journal->limits.max_size ||
	    journal->wal_bytes >= journal->limits.wal_max)
		return false;
	/* The disk is full, but pages of the file that deletion freed can be written again. */
	return journal->reserve_held || journal->free_bytes >= free_wanted(journal);
}

bool reserve_is_used_up(const struct journal *journal)
{
	return !journal->reserve_held && journal->free_bytes < 2 * free_wanted(journal);
}

uint64_t reserve_size_limit(const char *dir, uint64_t max_size)
{
	struct statvfs status;
	uint64_t whole;

	if (statvfs(dir, &status) < 0)
		return max_size;
	whole = (uint64_t)status.f_blocks * status.f_frsize;
	return whole == 0 || max_size < whole / 4 * 3 ? max_size : whole / 4 * 3;
}

bool reserve_disk_is_low(const struct journal *journal)
{
	struct statvfs status;

	return statvfs(journal->path, &status) == 0 &&
	       (uint64_t)status.f_bavail * status.f_frsize < 4 * journal->limits.reserve;
}

/* Room for two is asked for and one kept, so that a disk on the brink does not flap. */
static bool allocate(const struct journal *journal)
{
	off_t size = (off_t)journal->limits.reserve;
	autoclose int fd =
		open(journal->reserve_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return false;
	if (fallocate(fd, 0, 0, 2 * size) < 0)
		return errno ==
		       EOPNOTSUPP; /* then there is none, and a full disk is met as it comes */
	return ftruncate(fd, size) == 0;
}

void reserve_make(struct journal *journal)
{
	int64_t now = clock_mono();

	if (journal->reserve_held || now < journal->reserve_try_ns)
		return;
	journal->reserve_try_ns = now + TRY_MS * NS_PER_MS;
	journal->reserve_held = allocate(journal);
	if (!journal->reserve_held)
		unlink(journal->reserve_path);
}

void reserve_drop(struct journal *journal)
{
	unlink(journal->reserve_path);
	journal->reserve_held = false;
	journal->reserve_try_ns = clock_mono() + TRY_MS * NS_PER_MS;
}

/* Only blocks: the file's length stays SQLite's. */
static int take_blocks(const struct journal *journal, uint64_t from, uint64_t to)
{
	int r;

	do
		r = fallocate(journal->file_fd, FALLOC_FL_KEEP_SIZE, (off_t)from,
			      (off_t)(to - from));
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int reserve_ground(struct journal *journal, uint64_t pages)
{
	uint64_t length = pages * STORE_PAGE, ahead = length + GROUND_STEP;
	struct stat status;
	int r;

	if (length <= journal->grounded || fstat(journal->file_fd, &status) < 0)
		return 0;
	journal->grounded = (uint64_t)status.st_size;
	if (length <= journal->grounded)
		return 0;
	r = take_blocks(journal, journal->grounded, ahead);
	if (r == -ENOSPC) {
		ahead = length;
		r = take_blocks(journal, journal->grounded, ahead);
	}
	if (r == 0)
		journal->grounded = ahead;
	return r == -ENOSPC || r == -EDQUOT ? -ENOSPC : 0; /* else: a file system without it */
}
