/* Numbers of system calls, where processors differ. Those that only 32-bit programs can make here get
 * numbers of our own, which the kernel never uses. */
#ifndef SENSOR_CALL_NUMBERS_H
#define SENSOR_CALL_NUMBERS_H

#include "sensor/plan.h"

#include <linux/audit.h>
#include <sys/syscall.h>

/* Of a call by the 32-bit entry: i386's number, and ARM's. */
#if defined(__x86_64__)
#define COMPAT(i386, arm) (i386)
#define CALL_AUDIT_ARCH	  AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define COMPAT(i386, arm) (arm)
#define CALL_AUDIT_ARCH	  AUDIT_ARCH_AARCH64
#else
#error "no numbers for this processor"
#endif

#ifndef SYS_umount
#define SYS_umount (PLAN_FOREIGN + 0)
#endif
#ifndef SYS_open
#define SYS_open (PLAN_FOREIGN + 1)
#endif
#ifndef SYS_creat
#define SYS_creat (PLAN_FOREIGN + 2)
#endif
#ifndef SYS_dup2
#define SYS_dup2 (PLAN_FOREIGN + 3)
#endif
#ifndef SYS_chmod
#define SYS_chmod (PLAN_FOREIGN + 4)
#endif
#ifndef SYS_unlink
#define SYS_unlink (PLAN_FOREIGN + 5)
#endif
#ifndef SYS_rmdir
#define SYS_rmdir (PLAN_FOREIGN + 6)
#endif
#ifndef SYS_mkdir
#define SYS_mkdir (PLAN_FOREIGN + 7)
#endif
#ifndef SYS_rename
#define SYS_rename (PLAN_FOREIGN + 8)
#endif
#ifndef SYS_link
#define SYS_link (PLAN_FOREIGN + 9)
#endif
#ifndef SYS_symlink
#define SYS_symlink (PLAN_FOREIGN + 10)
#endif
#ifndef SYS_chown
#define SYS_chown (PLAN_FOREIGN + 11)
#endif
#ifndef SYS_lchown
#define SYS_lchown (PLAN_FOREIGN + 12)
#endif
#ifndef SYS_mknod
#define SYS_mknod (PLAN_FOREIGN + 13)
#endif
#ifndef SYS_fork
#define SYS_fork (PLAN_FOREIGN + 14)
#endif
#ifndef SYS_vfork
#define SYS_vfork (PLAN_FOREIGN + 15)
#endif
#ifndef SYS_pipe
#define SYS_pipe (PLAN_FOREIGN + 16)
#endif
#ifndef SYS_eventfd
#define SYS_eventfd (PLAN_FOREIGN + 17)
#endif
#ifndef SYS_epoll_create
#define SYS_epoll_create (PLAN_FOREIGN + 18)
#endif
#ifndef SYS_inotify_init
#define SYS_inotify_init (PLAN_FOREIGN + 19)
#endif
#ifndef SYS_signalfd
#define SYS_signalfd (PLAN_FOREIGN + 20)
#endif
#ifndef SYS_renameat
#define SYS_renameat (PLAN_FOREIGN + 21)
#endif
#ifndef SYS_kexec_file_load
#define SYS_kexec_file_load (PLAN_FOREIGN + 22)
#endif

#endif
