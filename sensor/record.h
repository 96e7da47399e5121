/* The record: what a probe says about one happening, before anything is looked up or named. It is
 * the border between any probe and the rest of the sensor: the eBPF program fills it in the kernel,
 * the ptrace probe in user space, and nothing above knows which. Included by both sides, hence no
 * libc types.
 *
 * A record is this header followed by strings, each a struct record_string at an offset that is a
 * multiple of 8. */
#ifndef SENSOR_RECORD_H
#define SENSOR_RECORD_H

#include <linux/types.h>

#define RECORD_STRING_MAX 4096	/* bytes of one string; longer is cut and flagged */
#define RECORD_MAX	  20480 /* bytes of a whole record */
#define RECORD_COMM	  16
#define RECORD_NR_NONE	  0xffff /* a call without a row in calls[] */

enum record_type {
	RECORD_CALL = 1, /* a system call has returned */
	RECORD_EXEC,	 /* a new image runs; `nr` says execve or execveat */
	RECORD_FORK,	 /* a new process; written from the parent, about the child */
	RECORD_EXIT,	 /* the last thread is gone; `ret` is the wait status */
};

/* Drops are counted by class. The first two have a ring of their own. Of it a process that begins, runs a program or ends is never
 * shed; calls, also those that fail to run a program, only where one process makes such a heap of them that it would fill the ring. */
enum record_class {
	RECORD_CLASS_PROCESS = 0, /* exec, fork, exit */
	RECORD_CLASS_PRIVILEGE,	  /* identities, namespaces, modules, ptrace, bpf */
	RECORD_CLASS_OPEN,
	RECORD_CLASS_PATH, /* names made, moved, removed, modes changed */
	RECORD_CLASS_NET,
	RECORD_CLASS_OTHER,
	RECORD_CLASSES,
};

enum record_flag {
	RECORD_COMPAT = 1 << 0,	   /* 32-bit entry; `nr` and `args` are the 64-bit ones */
	RECORD_CUT_ARGS = 1 << 1,  /* a text was longer than RECORD_STRING_MAX: arguments, environment */
	RECORD_CUT_PATH = 1 << 2,  /* a path was deeper or longer than can be walked */
	RECORD_FAULT = 1 << 3,	   /* a string in user memory could not be read */
	RECORD_NO_RESULT = 1 << 4, /* `ret` is not known */
	RECORD_EXE_UPPER = 1 << 5, /* the executable is in an overlay's upper layer */
	RECORD_EXE_LOWER = 1 << 6, /* it is in a lower one */
	RECORD_EXE_MEMFD = 1 << 7, /* it has no name in any file system that a user can see */
	RECORD_HAS_EXE = 1 << 8,   /* exe_* are set */
	RECORD_HAS_OBJECT = 1 << 9,   /* object is set */
	RECORD_SECURE_EXEC = 1 << 10, /* the exec gained privileges (set-user-ID and the like) */
	RECORD_CREATED = 1 << 11,     /* the open made the file */
	RECORD_FD_UPPER = 1 << 12,    /* the object is in an overlay's upper layer */
	RECORD_FD_LOWER = 1 << 13,
	RECORD_SAME_PEER = 1 << 14, /* the message's other end is that of the socket's last one */
	RECORD_URING = 1 << 15,	    /* asked for through an io_uring */
	RECORD_REFUSED = 1 << 16,   /* the kernel refused it in the name of a rule */
	RECORD_KILLED = 1 << 18,    /* the kernel killed the process for it in the name of a rule, as it ended ... */
	RECORD_KILLED_BEFORE = 1 << 19, /* ... or before it began: RECORD_KILLED is set, too */
	RECORD_PRESUMED = 1 << 17,  /* nobody saw how it ended: `ret` and the object are as if it had worked */
};

enum record_object_kind {
	RECORD_OBJECT_NONE = 0,
	RECORD_OBJECT_FILE,
	RECORD_OBJECT_DIRECTORY,
	RECORD_OBJECT_DEVICE,
	RECORD_OBJECT_PIPE,
	RECORD_OBJECT_SOCKET,
	RECORD_OBJECT_ANONYMOUS, /* eventfd, memfd and the like: RECORD_STRING_PATH has the kernel's
				    name */
};

/* What a descriptor meant at the moment of the call. */
struct record_object {
	__s32 fd;
	__u8 kind;  /* enum record_object_kind */
	__u8 state; /* TCP state */
	__u16 family;
	__u16 protocol;
	__u16 socket_type;
	__u16 local_port; /* host order */
	__u16 remote_port;
	__u8 local[16]; /* IPv4: the first four bytes */
	__u8 remote[16];
	__u64 ino;
	__u32 dev;
	__u32 mode;
};

enum record_string_tag {
	RECORD_STRING_PATH = 1, /* of the object, as the process sees it, resolved */
	RECORD_STRING_NAME,	/* first name argument as given */
	RECORD_STRING_NAME2,	/* second */
	RECORD_STRING_DIR,	/* the directory a relative first name starts from */
	RECORD_STRING_DIR2,	/* ... a relative second name */
	RECORD_STRING_EXE,	/* path of the executable */
	RECORD_STRING_ARGS,	/* NUL after each */
	RECORD_STRING_ENV,	/* NUL after each */
	RECORD_STRING_CWD,
	RECORD_STRING_CGROUP,  /* path below the hierarchy's mount */
	RECORD_STRING_ADDRESS, /* a struct sockaddr argument */
	RECORD_STRING_UNIX,    /* sun_path of the object's own or its peer's address */
	RECORD_STRING_TEXT,    /* a third text argument */
	RECORD_STRING_DATA,    /* bytes of the process's memory, at most PLAN_DATA_MAX */
	RECORD_STRING_ACTION,  /* the command's profile refused or logged the call: this was said */
	RECORD_STRING_MODE,    /* ... and so it was taken: "enforce", "audit", "strict" */
	RECORD_STRING_PROFILE, /* its name */
	RECORD_STRING_CALL,    /* the call's, if `nr` is RECORD_NR_NONE */
	RECORD_STRING_CALL_ARGS, /* all six as numbers */
};

/* In a tag: the text is not whole. Of a path that was walked the beginning is missing, and "/..." stands
 * for it; of other texts the end. */
#define RECORD_STRING_CUT 0x8000

struct record_string {
	__u16 tag; /* enum record_string_tag, perhaps with RECORD_STRING_CUT */
	__u16 len; /* bytes of text, no NUL counted */
	char text[];
};

struct record {
	__u32 len;  /* of the whole, strings included */
	__u8 type;  /* enum record_type */
	__u8 class; /* enum record_class */
	__u16 nr;   /* x86-64 call number */
	__u32 flags;
	__u32 cpu;
	__u64 time_ns; /* since boot, suspend included */
	__s64 ret;
	__u64 args[6];

	__u32 tid, tgid, ppid;
	__u32 vtid, vpid; /* in the process's own pid namespace */
	__u32 pgid, vpgid, sid;
	__u32 uid, gid, euid, egid;
	__u32 loginuid; /* (u32)-1: none */
	__u32 tty;	/* device number, 0: none */
	__u64 start_ns; /* of the process, since boot */
	__u64 parent_start_ns;		 /* 0: not known */
	__u64 exec_id, parent_exec_id; /* programs it and its forebears have run: each exec adds one */
	__u64 cgroup_id; /* of the directory that RECORD_STRING_CGROUP is, with its hierarchy in the upper bits */
	__u64 cap_permitted, cap_effective, cap_inheritable;

	__u64 exe_ino;
	__u64 exe_ctime_ns, exe_mtime_ns; /* since the epoch */
	__u32 exe_mode, exe_uid, exe_gid;
	__u32 pidns_level;
	char comm[RECORD_COMM];

	struct record_object
		object; /* of the call; of an exec: standard input, if it is a socket */
};

/* The step from a string to the next one. */
#define RECORD_STRING_SIZE(len) ((sizeof(struct record_string) + (len) + 7) & ~7UL)

#endif
