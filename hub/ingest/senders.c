/* Token buckets in a small set-associative table: an address has four places where it can be. */
#include "hub/ingest/senders.h"

#include "base/clock.h"
#include "base/hash.h"

#include <stdlib.h>

enum { SETS = 1024, WAYS = 4, ADDRESS_MAX = 48 };

struct bucket {
	char address[ADDRESS_MAX];
	double tokens;
	int64_t at_ns; /* when tokens was right; 0: free */
};

struct senders {
	double rate, burst;
	struct bucket buckets[SETS][WAYS];
};

struct senders *senders_new(int64_t rate, int64_t burst)
{
	struct senders *senders = calloc(1, sizeof(*senders));

	if (senders == NULL)
		return NULL;
	senders->rate = (double)rate;
	senders->burst = (double)(burst > 0 ? burst : rate * 2);
	return senders;
}

void senders_free(struct senders *senders)
{
	free(senders);
}

static struct bucket *bucket_of(struct senders *senders, const char *address, int64_t now_ns)
{
	struct bucket *set, *oldest;
	double gained;

	set = senders->buckets[hash_fnv(FNV_START, str_of(address)) % SETS];
	oldest = set;
	for (int i = 0; i < WAYS; i++) {
		if (set[i].at_ns != 0 && strcmp(set[i].address, address) == 0) {
			gained = (double)(now_ns - set[i].at_ns) / 1e9 * senders->rate;
			set[i].tokens += gained > 0 ? gained : 0;
			if (set[i].tokens > senders->burst)
				set[i].tokens = senders->burst;
			set[i].at_ns = now_ns;
			return &set[i];
		}
		if (set[i].at_ns < oldest->at_ns)
			oldest = &set[i];
	}
	*oldest = (struct bucket){ .tokens = senders->burst, .at_ns = now_ns };
	strncpy(oldest->address, address, ADDRESS_MAX - 1);
	return oldest;
}

bool senders_may(struct senders *senders, const char *address, int64_t now_ns, int64_t *ret_wait_ms)
{
	const struct bucket *bucket = bucket_of(senders, address, now_ns);

	if (bucket->tokens >= 1)
		return true;
	*ret_wait_ms = (int64_t)((1 - bucket->tokens) / senders->rate * 1000) + 1;
	return false;
}

void senders_charge(struct senders *senders, const char *address, size_t events, int64_t now_ns)
{
	bucket_of(senders, address, now_ns)->tokens -= (double)events;
}
