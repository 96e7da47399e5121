/* Reading the files, and keeping what connections still hold. */
#include "hub/tls.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_EVERY_NS (1 * NS_PER_S)
#define KEPT_NS (3600 * NS_PER_S)

struct pair {
	struct pair *next; /* one that was replaced before it */
	int64_t replaced;  /* on the monotonic clock; 0: in force */
	gnutls_pcert_st chain[TLS_CHAIN_MAX];
	unsigned count;
	gnutls_privkey_t key;
	int64_t expires; /* seconds since 1970 */
};

/* What stat(2) tells of both files. */
struct stamp {
	struct timespec changed[2];
	ino_t inode[2];
};

struct tls {
	struct config_tls settings;
	struct pair *pairs; /* the first is in force */
	struct stamp stamp; /* of the last attempt */
	int64_t looked;
	_Atomic int64_t expires; /* of the first pair */
	gnutls_datum_t client_ca;
};

static void pair_free(struct pair *pair)
{
	if (pair == NULL)
		return;
	for (unsigned i = 0; i < pair->count; i++)
		gnutls_pcert_deinit(&pair->chain[i]);
	if (pair->key != NULL)
		gnutls_privkey_deinit(pair->key);
	free(pair);
}
DEFINE_CLEANUP(struct pair *, pair_free);

static int refuse(char *error, const char *path, int code)
{
	snprintf(error, 256, "%s: %s", path, code == GNUTLS_E_FILE_ERROR ? strerror(errno) : gnutls_strerror(code));
	return -EINVAL;
}

static int read_chain(struct pair *pair, const char *path, char *error)
{
	unsigned count = TLS_CHAIN_MAX;
	gnutls_x509_crt_t first;
	int r = gnutls_pcert_list_import_x509_file(pair->chain, &count, path, GNUTLS_X509_FMT_PEM, NULL, NULL, 0);

	if (r < 0)
		return refuse(error, path, r);
	pair->count = count;
	r = gnutls_pcert_export_x509(&pair->chain[0], &first);
	if (r < 0)
		return refuse(error, path, r);
	pair->expires = gnutls_x509_crt_get_expiration_time(first);
	gnutls_x509_crt_deinit(first);
	return 0;
}

static int read_key(struct pair *pair, const char *path, char *error)
{
	gnutls_datum_t text;
	int r = gnutls_load_file(path, &text);

	if (r < 0)
		return refuse(error, path, r);
	r = gnutls_privkey_init(&pair->key);
	if (r == 0)
		r = gnutls_privkey_import_x509_raw(pair->key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
	gnutls_memset(text.data, 0, text.size);
	gnutls_free(text.data);
	return r < 0 ? refuse(error, path, r) : 0;
}

/* A key that is not the certificate's would fail every connection. */
static int check_match(const struct pair *pair, const char *path, char *error)
{
	unsigned char ids[2][64];
	size_t lens[2] = { sizeof(ids[0]), sizeof(ids[1]) };
	gnutls_pubkey_t own;
	int r = gnutls_pubkey_init(&own);

	if (r < 0)
		return -ENOMEM;
	r = gnutls_pubkey_import_privkey(own, pair->key, 0, 0);
	if (r == 0)
		r = gnutls_pubkey_get_key_id(own, 0, ids[0], &lens[0]);
	if (r == 0)
		r = gnutls_pubkey_get_key_id(pair->chain[0].pubkey, 0, ids[1], &lens[1]);
	if (r == 0 && (lens[0] != lens[1] || memcmp(ids[0], ids[1], lens[0]) != 0))
		r = GNUTLS_E_CERTIFICATE_KEY_MISMATCH;
	gnutls_pubkey_deinit(own);
	return r < 0 ? refuse(error, path, r) : 0;
}

static int pair_new(const struct config_tls *settings, struct pair **ret, char *error)
{
	CLEANUP(pair_free_p) struct pair *pair = calloc(1, sizeof(*pair));
	int r;

	if (pair == NULL)
		return -ENOMEM;
	r = read_chain(pair, settings->cert_file, error);
	if (r == 0)
		r = read_key(pair, settings->key_file, error);
	if (r == 0)
		r = check_match(pair, settings->key_file, error);
	if (r < 0)
		return r;
	*ret = TAKE(pair);
	return 0;
}

static int read_client_ca(struct tls *tls, char *error)
{
	const char *path = tls->settings.client_ca_file;
	gnutls_x509_crt_t *found;
	unsigned count;
	int r;

	if (path == NULL)
		return 0;
	r = gnutls_load_file(path, &tls->client_ca);
	if (r == 0 && tls->client_ca.size > TLS_CA_FILE_MAX) {
		snprintf(error, 256, "%s: is larger than %d bytes", path, TLS_CA_FILE_MAX);
		return -EFBIG;
	}
	if (r == 0)
		r = gnutls_x509_crt_list_import2(&found, &count, &tls->client_ca, GNUTLS_X509_FMT_PEM, 0);
	if (r < 0)
		return refuse(error, path, r);
	for (unsigned i = 0; i < count; i++)
		gnutls_x509_crt_deinit(found[i]);
	gnutls_free(found);
	return 0;
}

static struct stamp look(const struct config_tls *settings)
{
	const char *const paths[] = { settings->cert_file, settings->key_file };
	struct stamp stamp = { 0 };
	struct stat st;

	for (int i = 0; i < 2; i++) {
		if (stat(paths[i], &st) < 0)
			continue;
		stamp.changed[i] = st.st_mtim;
		stamp.inode[i] = st.st_ino;
	}
	return stamp;
}

static bool same(const struct stamp *a, const struct stamp *b)
{
	for (int i = 0; i < 2; i++)
		if (a->inode[i] != b->inode[i] || a->changed[i].tv_sec != b->changed[i].tv_sec ||
		    a->changed[i].tv_nsec != b->changed[i].tv_nsec)
			return false;
	return true;
}

/* A handshake may hold what it was given while it waits for its client. */
static void drop_old(struct tls *tls, int64_t now)
{
	for (struct pair **link = &tls->pairs->next; *link != NULL;) {
		struct pair *old = *link;

		if (now - old->replaced < KEPT_NS) {
			link = &old->next;
			continue;
		}
		*link = old->next;
		pair_free(old);
	}
}

static void refresh(struct tls *tls)
{
	int64_t now = clock_mono();
	struct stamp stamp;
	struct pair *pair;
	char error[256] = "out of memory";

	if (now - tls->looked < LOOK_EVERY_NS)
		return;
	tls->looked = now;
	stamp = look(&tls->settings);
	if (same(&stamp, &tls->stamp))
		return;
	tls->stamp = stamp;
	if (pair_new(&tls->settings, &pair, error) < 0) {
		log_err("%s; the certificate from before stays in force", error);
		return;
	}
	tls->pairs->replaced = now;
	pair->next = tls->pairs;
	tls->pairs = pair;
	tls->expires = pair->expires;
	drop_old(tls, now);
	log_notice("%s: the certificate was taken anew", tls->settings.cert_file);
}

int tls_new(const struct config_tls *settings, struct tls **ret, char *error)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int r;

	if (tls == NULL)
		return -ENOMEM;
	tls->settings = *settings;
	tls->stamp = look(settings);
	r = pair_new(settings, &tls->pairs, error);
	if (r == 0)
		r = read_client_ca(tls, error);
	if (r < 0) {
		tls_free(tls);
		return r;
	}
	tls->expires = tls->pairs->expires;
	*ret = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	for (struct pair *pair = tls->pairs, *next; pair != NULL; pair = next) {
		next = pair->next;
		pair_free(pair);
	}
	gnutls_free(tls->client_ca.data);
	free(tls);
}

const char *tls_client_ca(const struct tls *tls)
{
	return (const char *)tls->client_ca.data;
}

void tls_pair(struct tls *tls, gnutls_pcert_st **ret_chain, unsigned *ret_count, gnutls_privkey_t *ret_key)
{
	refresh(tls);
	*ret_chain = tls->pairs->chain;
	*ret_count = tls->pairs->count;
	*ret_key = tls->pairs->key;
}

int64_t tls_expires(const struct tls *tls)
{
	return tls->expires;
}

const char *tls_refusal(gnutls_session_t session)
{
	gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
		                          .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT };
	unsigned status = 0;
	int r = gnutls_certificate_verify_peers(session, &purpose, 1, &status);

	if (r == GNUTLS_E_NO_CERTIFICATE_FOUND)
		return "a client certificate is needed";
	if (r < 0)
		return "the client certificate cannot be read";
	if (status & GNUTLS_CERT_EXPIRED)
		return "the client certificate has expired";
	if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
		return "the client certificate is not for clients (extendedKeyUsage clientAuth)";
	return status == 0 ? NULL : "the client certificate is not signed by an authority in ingest.client_ca_file";
}
