/* The journal on a full disk: a small tmpfs, which takes root to mount; skipped otherwise. */
#include "tests/unit/journal_rig.h"

#include "hub/journal/inner.h"

#include <fcntl.h>
#include <sys/mount.h>

static bool mount_small(struct rig *rig, const char *options)
{
	rig_close(rig);
	if (mount("tmpfs", rig->dir, "tmpfs", 0, options) != 0) {
		rig_open(rig);
		return false;
	}
	rig_open(rig);
	return true;
}

static void unmount(struct rig *rig)
{
	rig_close(rig);
	assert_int_equal(umount(rig->dir), 0);
	rig_open(rig);
}

static void fill(const struct rig *rig)
{
	static char block[1 << 16];
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/other", rig->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	memset(block, 'x', sizeof(block));
	for (size_t len = sizeof(block); len > 0; len /= 2)
		while (write(fd, block, len) > 0)
			;
	close(fd);
}

static void a_full_disk_refuses_alerts_but_takes_progress(void **state)
{
	struct rig *rig = *state;
	struct journal_output output;
	uint64_t promised = 0, seq;
	char path[128];
	int r = 0;

	if (!mount_small(rig, "size=64m"))
		skip();
	rig_output(rig, "o", true, &output);
	free(output.ahead);
	for (int i = 0; i < 20; i++)
		assert_int_equal(rig_add(rig, 100, NULL), 0);
	promised = journal_last(rig->journal);
	fill(rig);
	for (int i = 0; i < 1000 && r == 0; i++) {
		r = rig_add(rig, 100, &seq);
		promised = r == 0 ? seq + 99 : promised;
	}
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(journal_health(rig->journal), -ENOSPC);
	assert_int_equal(journal_last(rig->journal), promised);
	assert_int_equal(rig_add(rig, 1, NULL), -ENOSPC);
	for (uint64_t at = 0; at + 100 <= promised; at += 100)
		assert_int_equal(rig_settle(rig, output.id, at, at + 100, JOURNAL_DEAD), 0);
	rig_assert_holds(rig, "o");
	assert_int_equal(rig_add(rig, 1, NULL), -ENOSPC); /* nothing young goes to make room */
	assert_int_equal(journal_first(rig->journal), 1);
	snprintf(path, sizeof(path), "%s/other", rig->dir);
	unlink(path);
	rig_wait_healthy(rig);
	rig->made = promised;
	assert_int_equal(rig_add(rig, 100, NULL), 0);
	rig_assert_holds(rig, "o");
	assert_whole(rig);
	rig_close(rig);
	rig_open(rig);
	assert_int_equal(journal_last(rig->journal), promised + 100);
	assert_whole(rig);
	rig_assert_holds(rig, "o");
	unmount(rig);
}

/* As an output does: what the disk does not take is handed over again. */
static void settle_at_last(struct rig *rig, uint32_t output, uint64_t from, uint64_t to)
{
	int r = -ENOSPC;

	for (int i = 0; i < 100 && r == -ENOSPC; i++)
		r = rig_settle(rig, output, from, to, JOURNAL_DELIVERED);
	assert_int_equal(r, 0);
}

/* The journal itself fills the disk, its limit being larger: what is settled makes room again. */
static void a_journal_larger_than_its_disk_goes_on(void **state)
{
	struct rig *rig = *state;
	struct journal_output output;
	uint64_t at = 0, refused = 0;

	if (!mount_small(rig, "size=48m"))
		skip();
	rig_output(rig, "o", true, &output);
	free(output.ahead);
	for (int i = 0; i < 250; i++) { /* 112 MB */
		int r = rig_add(rig, 500, NULL);

		assert_true(r == 0 || r == -ENOSPC);
		refused += r != 0;
		if (r != 0)
			rig_wait_healthy(rig);
		if (r == 0 && i % 8 != 7)
			continue;
		settle_at_last(rig, output.id, at, journal_last(rig->journal));
		at = journal_last(rig->journal);
	}
	assert_true(refused < 50);
	assert_true(journal_first(rig->journal) > 1);
	rig_assert_holds(rig, "o");
	unmount(rig);
}

static void a_full_disk_gives_up_what_is_old_and_settled(void **state)
{
	struct rig *rig = *state;
	struct journal_output output;
	uint64_t settled;
	int r = 0;

	rig->retention_ms = 24 * 3600 * 1000;
	if (!mount_small(rig, "size=96m"))
		skip();
	rig_output(rig, "o", true, &output);
	free(output.ahead);
	rig->age_ns = 2 * 3600 * NS_PER_S;
	for (int i = 0; i < 60; i++)
		assert_int_equal(rig_add(rig, 500, NULL), 0);
	rig->age_ns = 0;
	settled = journal_last(rig->journal);
	settle_at_last(rig, output.id, 0, settled);
	fill(rig);
	for (int i = 0; i < 1000 && r == 0; i++)
		r = rig_add(rig, 500, NULL);
	assert_int_equal(r, -ENOSPC);
	rig_wait_healthy(rig);
	for (int i = 0; i < 5; i++)
		assert_int_equal(rig_add(rig, 100, NULL), 0);
	assert_true(journal_first(rig->journal) > 1);
	assert_true(journal_first(rig->journal) <= settled);
	rig_assert_holds(rig, "o");
	unmount(rig);
}

/* The copying of the WAL into the file lags behind, as on a busy machine; then the disk is full: all
 * that the WAL holds must fit into the file all the same, or nothing would ever make room again. */
static void a_disk_that_fills_before_the_wal_is_copied_recovers(void **state)
{
	struct rig *rig = *state;
	struct journal_output output;
	uint64_t settled;
	int r = 0;

	rig->retention_ms = 24 * 3600 * 1000;
	if (!mount_small(rig, "size=96m"))
		skip();
	rig_output(rig, "o", true, &output);
	free(output.ahead);
	rig->age_ns = 2 * 3600 * NS_PER_S;
	rig->journal->checkpointing = true; /* so it seems to the writer: it leaves the WAL alone */
	for (int i = 0; i < 50; i++)
		assert_int_equal(rig_add(rig, 500, NULL), 0);
	assert_true(rig->journal->wal_bytes > 2 * rig->journal->limits.reserve);
	rig->age_ns = 0;
	settled = journal_last(rig->journal);
	settle_at_last(rig, output.id, 0, settled);
	fill(rig);
	for (int i = 0; i < 1000 && r == 0; i++)
		r = rig_add(rig, 500, NULL);
	assert_int_equal(r, -ENOSPC);
	rig->journal->checkpointing = false;
	rig_wait_healthy(rig);
	assert_int_equal(rig_add(rig, 100, NULL), 0);
	assert_true(journal_first(rig->journal) > 1);
	rig_assert_holds(rig, "o");
	unmount(rig);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RIG(a_full_disk_refuses_alerts_but_takes_progress),
		WITH_RIG(a_journal_larger_than_its_disk_goes_on),
		WITH_RIG(a_full_disk_gives_up_what_is_old_and_settled),
		WITH_RIG(a_disk_that_fills_before_the_wal_is_copied_recovers),
	};

	return cmocka_run_group_tests_name("journal disk", tests, NULL, NULL);
}
