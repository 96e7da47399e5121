/* kill: through a descriptor of the process, so that a number that was given to another process meanwhile
 * harms nobody. */
#include "sensor/enforce/act.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "sensor/proc_read.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TICK_NS = 10 * NS_PER_MS }; /* what /proc tells starts to */

int act_kill(uint32_t tgid, uint64_t called_ns)
{
	struct proc_facts facts = { 0 };
	autoclose int fd = -1;
	int r;

	if (tgid <= 1 || tgid == (uint32_t)getpid() || tgid == (uint32_t)getppid())
		return -EPERM;
	fd = (int)syscall(SYS_pidfd_open, tgid, 0);
	if (fd < 0)
		return -errno;
	r = proc_read("/proc", tgid, 0, &facts);
	proc_facts_done(&facts);
	if (r < 0)
		return -ESRCH;
	if (facts.start_ns > called_ns + TICK_NS)
		return -ESRCH; /* another one has the number */
	return syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0 ? -errno : 0;
}
