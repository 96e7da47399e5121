/* Names of bits and numbers in system calls' arguments, spelled and ordered as Falco prints them,
 * because rules look for them in text. */
#ifndef SENSOR_FLAGS_H
#define SENSOR_FLAGS_H

#include "base/buf.h"

/* One name. A row with several bits must have all of them set; the bits of a printed name are not
 * looked at again. A table ends with a NULL name. */
struct flag {
	const char *name;
	uint64_t bits;
};

extern const struct flag flags_open[], flags_openat2_resolve[], flags_chmod[], flags_clone[],
	flags_exec[], flags_memfd[], flags_unlinkat[], flags_linkat[], flags_renameat2[],
	flags_mount[], flags_umount[], flags_finit_module[], flags_userfaultfd[], flags_fchownat[],
	flags_mknod[], flags_pidfd_open[], flags_delete_module[], flags_epoll_create[], flags_prot[],
	flags_mmap[], flags_io_uring_setup[], flags_io_uring_features[], flags_io_uring_enter[];

/* Values that are one of a set rather than bits. */
extern const struct flag names_family[], names_ptrace[], names_bpf[], names_signal[], names_prctl[],
	names_fcntl[], names_shutdown[], names_socket_level[], names_socket_option[],
	names_io_uring_register[];

/* "A|B"; without any name the number in hex. */
void flags_add(struct buf *out, const struct flag *table, uint64_t value);

/* The name of the value, else the number. */
void flags_add_name(struct buf *out, const struct flag *table, uint64_t value);

/* What open(2) was called with, in Falco's terms: the access mode is three names, and O_F_CREATED
 * and the overlay layer are what the probe saw. */
void flags_add_open(struct buf *out, uint64_t flags, uint32_t record_flags);

/* Capabilities by name, separated by a blank, lowest number first. */
void flags_add_caps(struct buf *out, uint64_t caps);

/* "SUCCESS" for 0 and above, else the errno's name, or its number. */
struct str flags_errno(int64_t result);

#endif
