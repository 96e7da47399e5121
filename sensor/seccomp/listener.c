#include "sensor/seccomp/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

/* The argument outlives interruptions: the kernel writes nothing into it. */
static int ask(int listener, unsigned long what, void *argument)
{
	int r;

	do
		r = ioctl(listener, what, argument);
	while (r < 0 && errno == EINTR);
	return r;
}

bool listener_answer(int listener, const struct seccomp_notif_resp *answer)
{
	union {
		struct seccomp_notif_resp answer;
		char room[LISTENER_ANSWER_MAX];
	} out = { .room = { 0 } };

	memcpy(&out.answer, answer, sizeof(*answer));
	return ask(listener, SECCOMP_IOCTL_NOTIF_SEND, &out) == 0;
}

bool listener_waits(int listener, uint64_t id)
{
	return ask(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}
