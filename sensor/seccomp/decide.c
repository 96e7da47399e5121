/* Decisions, and how they are carried out from outside of the process. */
#include "sensor/seccomp/decide.h"

#include "sensor/seccomp/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TRIES = 4, ERRNO_MAX = 4095 };

struct decider *decider_new(void)
{
	void *at = mmap(NULL, sizeof(struct decider), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

void decider_free(struct decider *decider)
{
	if (decider != NULL)
		munmap(decider, sizeof(*decider));
}

void decider_change(struct decider *decider, const struct seccomp_program *program, enum decide_mode mode)
{
	uint32_t turn = atomic_load(&decider->turn) + 1;

	turn += turn == 0; /* which is for none */
	decider->programs[turn % 2].len = program->len;
	memcpy(decider->programs[turn % 2].at, program->at, program->len * sizeof(program->at[0]));
	atomic_store(&decider->mode, mode);
	atomic_store(&decider->turn, turn);
}

bool decider_is_refusal(uint32_t action)
{
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_USER_NOTIF: return false;
	default: return true;
	}
}

/* Whoever changes the program writes to the other one; only two changes at once could disturb. */
struct decided decider_ask(const struct decider *decider, const struct seccomp_data *data)
{
	struct decided decision = { .said = SECCOMP_RET_ALLOW };
	uint32_t turn = atomic_load(&decider->turn);

	for (int i = 0; turn != 0 && i < TRIES; i++) {
		uint32_t before = turn;

		decision.said = seccomp_program_run(&decider->programs[turn % 2], data);
		turn = atomic_load(&decider->turn);
		if (turn == before)
			break;
	}
	decision.goes_on = !decider_is_refusal(decision.said) || atomic_load(&decider->mode) == DECIDE_AUDIT;
	return decision;
}

/* ---- signals ---- */

/* The hexadecimal mask behind a key of /proc/TID/status. */
static uint64_t mask_of(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	uint64_t mask = 0;

	for (at = at == NULL ? "" : at + strlen(key); *at == '\t' || *at == ' '; at++)
		;
	for (; (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'f'); at++)
		mask = mask << 4 | (uint64_t)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
	return mask;
}

/* The first process of a pid namespace is not ended by a signal that it does not handle. */
static bool is_init(const char *text)
{
	const char *at = strstr(text, "\nNSpid:"), *end = at == NULL ? NULL : strchr(at + 1, '\n');

	return end != NULL && end[-1] == '1' && end[-2] == '\t';
}

static void read_status(uint32_t tid, char *text, size_t size)
{
	char path[32] = "/proc/", digits[12];
	size_t at = strlen(path), count = 0;
	ssize_t len;
	int fd;

	do
		digits[count++] = (char)('0' + tid % 10);
	while ((tid /= 10) > 0);
	while (count > 0)
		path[at++] = digits[--count];
	memcpy(path + at, "/status", sizeof("/status"));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? 0 : read(fd, text, size - 1);
	text[len > 0 ? len : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

/* The kernel would end the process by SIGSYS; where that is handled, or blocked, only SIGKILL is sure. */
static void set_end(struct decide_answer *answer, const char *status)
{
	const uint64_t bit = 1ULL << (SIGSYS - 1);
	uint64_t handled = mask_of(status, "\nSigCgt:") | mask_of(status, "\nSigIgn:") | mask_of(status, "\nSigBlk:");

	answer->signal = (handled & bit) != 0 || is_init(status) || status[0] == '\0' ? SIGKILL : SIGSYS;
	answer->error = -ENOSYS;
}

/* A trap that is not handled ends the process. */
static void set_trap(struct decide_answer *answer, const struct seccomp_data *data, const char *status)
{
	const uint64_t bit = 1ULL << (SIGSYS - 1);

	if (!(mask_of(status, "\nSigCgt:") & bit) || (mask_of(status, "\nSigBlk:") & bit)) {
		set_end(answer, status);
		return;
	}
	answer->signal = SIGSYS;
	answer->traps = true;
	answer->value = data->nr; /* what the register has in a handler */
}

struct decide_answer decider_answer(const struct decided *decision, const struct seccomp_data *data, uint32_t tid)
{
	struct decide_answer answer = { .goes_on = decision->goes_on };
	uint32_t more = decision->said & SECCOMP_RET_DATA;
	char status[4096] = "";

	if (answer.goes_on)
		return answer;
	switch (decision->said & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ERRNO: answer.error = -(int)(more > ERRNO_MAX ? ERRNO_MAX : more); break;
	case SECCOMP_RET_TRACE: answer.error = -ENOSYS; break; /* as the kernel says where nobody traces */
	case SECCOMP_RET_TRAP:
		read_status(tid, status, sizeof(status));
		set_trap(&answer, data, status);
		break;
	default: /* of one thread too: a process without one of its threads would only hang */
		read_status(tid, status, sizeof(status));
		set_end(&answer, status);
		break;
	}
	return answer;
}

bool decider_settle(const struct decider *decider, int listener, const struct seccomp_notif *asked)
{
	const struct decided decision = decider_ask(decider, &asked->data);
	const struct decide_answer answer = decider_answer(&decision, &asked->data, asked->pid);
	const struct seccomp_notif_resp out = {
		.id = asked->id,
		.val = answer.value,
		.error = answer.error,
		.flags = answer.goes_on ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0,
	};

	if (answer.signal != 0 && listener_waits(listener, asked->id))
		kill((pid_t)asked->pid, answer.signal);
	return listener_answer(listener, &out);
}
