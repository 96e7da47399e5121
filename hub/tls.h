/* What a server shows of itself over TLS: a certificate and its key from files, taken anew when the
 * files change, and the authorities whose certificates its clients must show. Only tls.c and server.c
 * know GnuTLS, which libmicrohttpd speaks TLS with. One thread, the server's. */
#ifndef HUB_TLS_H
#define HUB_TLS_H

#include "hub/config.h"

#include <gnutls/abstract.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	TLS_CHAIN_MAX = 16,        /* certificates of a cert_file */
	TLS_CA_FILE_MAX = 1 << 20, /* bytes of a client_ca_file */
};

struct tls;

/* 0, or -errno with a text for people in `error` (256 bytes). The settings' strings must outlive it. */
int tls_new(const struct config_tls *settings, struct tls **ret, char *error);
void tls_free(struct tls *tls); /* accepts NULL; no connection may be left */

/* PEM; NULL: clients show none. Lives as long as tls. */
const char *tls_client_ca(const struct tls *tls);

/* For a new connection: the certificate and key as the files are now. Files that do not load leave
 * those from before in force, and are told in the log once. What is handed out stays valid for an hour
 * after it was replaced. */
void tls_pair(struct tls *tls, gnutls_pcert_st **ret_chain, unsigned *ret_count, gnutls_privkey_t *ret_key);

/* When the certificate ends to be valid, seconds since 1970. From any thread. */
int64_t tls_expires(const struct tls *tls);

/* NULL: the client showed a certificate that client_ca_file vouches for; else why it is not let in. */
const char *tls_refusal(gnutls_session_t session);

#endif
