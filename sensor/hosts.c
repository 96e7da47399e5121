/* The thread may hang in the resolver for as long as that likes: it has copies of its own, and the last who leaves
 * frees what both share. */
#include "sensor/hosts.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>

struct address {
	char ip[INET6_ADDRSTRLEN];
	unsigned name; /* its number */
};

struct table {
	size_t count;
	struct address at[HOSTS_ADDRESSES_MAX];
};

/* Texts, one behind the other, in one block. */
struct names {
	size_t count;
	char *at[HOSTS_NAMES_MAX];
};

struct hosts {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned users; /* who makes events, and the thread */
	bool stopping, has_thread;
	unsigned generation; /* of the names */
	struct names names;
	struct table *table; /* NULL: nothing is known yet; ordered */
};

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->at[i]);
	names->count = 0;
}

static void leave(struct hosts *hosts)
{
	bool last;

	pthread_mutex_lock(&hosts->lock);
	last = --hosts->users == 0;
	pthread_mutex_unlock(&hosts->lock);
	if (!last)
		return;
	names_done(&hosts->names);
	free(hosts->table);
	pthread_cond_destroy(&hosts->changed);
	pthread_mutex_destroy(&hosts->lock);
	free(hosts);
}

/* ---- the thread ---- */

static int address_cmp(const void *a, const void *b)
{
	const struct address *x = a, *y = b;
	int r = strcmp(x->ip, y->ip);

	return r != 0 ? r : (x->name > y->name) - (x->name < y->name);
}

static void add(struct table *table, const struct addrinfo *info, unsigned name)
{
	struct address *address = &table->at[table->count];
	const void *bytes;

	if (table->count == HOSTS_ADDRESSES_MAX || (info->ai_family != AF_INET && info->ai_family != AF_INET6))
		return;
	bytes = info->ai_family == AF_INET ? (const void *)&((const struct sockaddr_in *)(const void *)info->ai_addr)->sin_addr
					   : &((const struct sockaddr_in6 *)(const void *)info->ai_addr)->sin6_addr;
	memset(address, 0, sizeof(*address));
	address->name = name;
	if (inet_ntop(info->ai_family, bytes, address->ip, sizeof(address->ip)) != NULL)
		table->count++;
}

static void resolve(const struct names *names, struct table *table)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };

	table->count = 0;
	for (unsigned i = 0; i < names->count; i++) {
		struct addrinfo *found = NULL;

		if (getaddrinfo(names->at[i], NULL, &hints, &found) != 0)
			continue;
		for (const struct addrinfo *info = found; info != NULL; info = info->ai_next)
			add(table, info, i);
		freeaddrinfo(found);
	}
	qsort(table->at, table->count, sizeof(table->at[0]), address_cmp);
}

static bool names_copy(const struct names *from, struct names *ret)
{
	for (ret->count = 0; ret->count < from->count; ret->count++) {
		ret->at[ret->count] = strdup(from->at[ret->count]);
		if (ret->at[ret->count] == NULL)
			return false;
	}
	return true;
}

static bool is_same(const struct table *a, const struct table *b)
{
	return a != NULL && a->count == b->count && memcmp(a->at, b->at, a->count * sizeof(a->at[0])) == 0;
}

/* Asks for all names once. True: the answers are others than before. Called and left with the lock held. */
static bool ask(struct hosts *hosts)
{
	unsigned generation = hosts->generation;
	struct names names = { 0 };
	bool have = names_copy(&hosts->names, &names), is_new = false;
	struct table *table = NULL;

	pthread_mutex_unlock(&hosts->lock);
	table = have ? calloc(1, sizeof(*table)) : NULL;
	if (table != NULL)
		resolve(&names, table);
	names_done(&names);
	pthread_mutex_lock(&hosts->lock);
	if (table != NULL && generation == hosts->generation && !is_same(hosts->table, table)) {
		struct table *old = hosts->table;

		hosts->table = table;
		table = old;
		is_new = true;
	}
	free(table);
	return is_new;
}

static void *run(void *userdata)
{
	struct hosts *hosts = userdata;
	unsigned generation = 0;
	int64_t wait_s = HOSTS_FIRST_S;

	pthread_mutex_lock(&hosts->lock);
	while (!hosts->stopping) {
		struct timespec until;
		bool is_new = generation != hosts->generation;

		generation = hosts->generation;
		is_new |= ask(hosts);
		wait_s = is_new ? HOSTS_FIRST_S : wait_s * 2;
		if (wait_s > HOSTS_LAST_S)
			wait_s = HOSTS_LAST_S;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += wait_s;
		while (!hosts->stopping && generation == hosts->generation &&
		       pthread_cond_timedwait(&hosts->changed, &hosts->lock, &until) != ETIMEDOUT)
			;
	}
	pthread_mutex_unlock(&hosts->lock);
	leave(hosts);
	return NULL;
}

/* ---- for who makes events ---- */

int hosts_new(struct hosts **ret)
{
	struct hosts *hosts = calloc(1, sizeof(*hosts));

	if (hosts == NULL)
		return -ENOMEM;
	pthread_mutex_init(&hosts->lock, NULL);
	pthread_cond_init(&hosts->changed, NULL);
	hosts->users = 1;
	*ret = hosts;
	return 0;
}

void hosts_free(struct hosts *hosts)
{
	if (hosts == NULL)
		return;
	pthread_mutex_lock(&hosts->lock);
	hosts->stopping = true;
	pthread_cond_signal(&hosts->changed);
	pthread_mutex_unlock(&hosts->lock);
	leave(hosts);
}

static int start(struct hosts *hosts)
{
	pthread_t thread;
	int r = thread_start(&thread, run, hosts);

	if (r == 0)
		pthread_detach(thread);
	hosts->has_thread = r == 0;
	hosts->users += hosts->has_thread;
	return r;
}

static int take_names(struct hosts *hosts, const struct str *names, size_t count)
{
	names_done(&hosts->names);
	for (size_t i = 0; i < count && hosts->names.count < HOSTS_NAMES_MAX; i++) {
		char *copy = str_dup(names[i]);

		if (copy == NULL)
			return -ENOMEM;
		hosts->names.at[hosts->names.count++] = copy;
	}
	return 0;
}

int hosts_set(struct hosts *hosts, const struct str *names, size_t count)
{
	int r;

	pthread_mutex_lock(&hosts->lock);
	r = take_names(hosts, names, count);
	hosts->generation++;
	free(hosts->table);
	hosts->table = NULL;
	if (r == 0 && count > 0 && !hosts->has_thread)
		r = start(hosts);
	pthread_cond_signal(&hosts->changed);
	pthread_mutex_unlock(&hosts->lock);
	return r;
}

struct str hosts_find(struct hosts *hosts, struct str ip)
{
	struct address key = { .name = 0 };
	struct str name = STR("");
	size_t low = 0, high;

	if (ip.len >= sizeof(key.ip))
		return name;
	memcpy(key.ip, ip.at, ip.len);
	pthread_mutex_lock(&hosts->lock);
	high = hosts->table == NULL ? 0 : hosts->table->count;
	while (low < high) { /* the first that is not below the key */
		size_t middle = (low + high) / 2;

		if (address_cmp(&hosts->table->at[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (hosts->table != NULL && low < hosts->table->count && strcmp(hosts->table->at[low].ip, key.ip) == 0)
		name = str_of(hosts->names.at[hosts->table->at[low].name]);
	pthread_mutex_unlock(&hosts->lock);
	return name;
}
