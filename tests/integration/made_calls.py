"""Makes one system call of each kind, for test_calls.py: by number, so that no library stands between."""
import ctypes
import os
import signal
import socket
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
folder = sys.argv[1]
kept = []


def call(number, *arguments):
    """Strings become addresses of their bytes."""
    values = []
    for argument in arguments:
        if isinstance(argument, str):
            argument = argument.encode() + b"\0"
        if isinstance(argument, bytes):
            kept.append(ctypes.create_string_buffer(argument, len(argument)))
            argument = ctypes.addressof(kept[-1])
        values.append(ctypes.c_ulong(argument & (1 << 64) - 1))
    return libc.syscall(ctypes.c_long(number), *values)


def memory(size):
    kept.append(ctypes.create_string_buffer(size))
    return ctypes.addressof(kept[-1])


def iovec(address, size):
    return struct.pack("QQ", address, size)


AT_FDCWD, NOWHERE = -100, f"{folder}/nowhere"
me, parent = os.getpid(), os.getppid()
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
a_file = os.open(f"{folder}/file", os.O_CREAT | os.O_RDWR, 0o600)
pair = socket.socketpair()
data = memory(16)

call(62, me, 10)                                  # kill
call(62, -1, 99)                                  # kill: no such signal
call(200, me, 10)                                 # tkill
call(234, me, me, 10)                             # tgkill
call(310, me, iovec(data, 8), 1, iovec(data, 8), 1, 0)
call(311, me, iovec(data, 8), 1, iovec(data + 8, 8), 1, 0)
call(317, 2, 0, memory(8))                        # seccomp: SECCOMP_GET_ACTION_AVAIL
pidfd = call(434, me, 0)
call(438, pidfd, a_file, 0)
call(424, pidfd, 10, 0, 0)
call(157, 15, "kworker/0:1")                      # prctl: PR_SET_NAME
call(157, 38, 1, 0, 0, 0)                         # PR_SET_NO_NEW_PRIVS
call(125, struct.pack("Ii", 0x20080522, 0), memory(24))
call(155, NOWHERE, "/nowhere/old")                # pivot_root
call(429, AT_FDCWD, NOWHERE, AT_FDCWD, "/nowhere/to", 0)
call(430, "nosuchfs", 0)
call(165, "none", NOWHERE, "tmpfs", 1 << 1 | 1, 0)
call(176, "no_such_module", 0o4000)
call(246, 0, 0, 0, 8)                             # kexec_load: bad flags
call(304, AT_FDCWD, b"\0" * 16, 1)                # open_by_handle_at
call(90, NOWHERE, 0o4755)
call(92, f"{folder}/file", os.getuid(), -1)
call(94, f"{folder}/file", os.getuid(), -1)
call(93, a_file, -1, -1)
call(260, AT_FDCWD, f"{folder}/file", -1, -1, 0x100)
call(133, f"{folder}/fifo", 0o010644, 0)
call(259, AT_FDCWD, f"{folder}/fifo2", 0o010600, 0)
call(425, 4, memory(120))
call(426, a_file, 1, 0, 1, 0)                     # io_uring_enter on what is no ring
call(427, a_file, 8, 0, 3)
call(109, 0, 0)                                   # setpgid
call(72, a_file, 1030, 100)                       # fcntl: F_DUPFD_CLOEXEC
call(22, memory(8))
call(293, memory(8), 0o2000000)
call(284, 7)
call(290, 7, 0o4000)
call(213, 5)
call(291, 0o2000000)
call(253)
call(294, 0o4000)
call(283, 1, 0)
call(282, -1, memory(8), 8)
call(289, -1, memory(8), 8, 0o4000)
call(10, 0, 4096, 0)
call(9, 0, 4096, 5, 2, a_file, 0)
call(1, a_file, "0123456789", 10)                 # write
call(18, a_file, "pwritten", 8, 10)               # pwrite64
three, four = ctypes.create_string_buffer(b"one"), ctypes.create_string_buffer(b"four")
call(20, a_file, iovec(ctypes.addressof(three), 3) + iovec(ctypes.addressof(four), 4), 2)  # writev
call(17, a_file, memory(100), 100, 0)             # pread64
call(8, a_file, 0, 0)                             # lseek, which nobody reports
call(0, a_file, memory(5), 5)                     # read
call(19, a_file, iovec(memory(2), 2) + iovec(memory(90), 90), 2)
call(40, a_file, a_file, memory(8), 4)            # sendfile
call(77, a_file, 100)                             # ftruncate
call(16, a_file, 0x5401, 0)                       # ioctl
call(21, f"{folder}/nowhere", 4)                  # access
call(303, AT_FDCWD, NOWHERE, memory(100), memory(4), 0)
call(428, AT_FDCWD, NOWHERE, 1)                   # open_tree
call(250, 0x7fff, 0)                              # keyctl: no such one
call(101, 99, 1, 0x1000, 0x2000)                  # ptrace: no such request
stream = socket.create_server(("127.0.0.1", 0))
near = socket.create_connection(stream.getsockname())
far = stream.accept()[0]
call(44, near.fileno(), "sent by a connection", 20, 0, 0, 0)
call(45, far.fileno(), memory(100), 100, 0, 0, 0)
parts = [ctypes.create_string_buffer(b"in two "), ctypes.create_string_buffer(b"parts")]
both = ctypes.create_string_buffer(iovec(ctypes.addressof(parts[0]), 7) + iovec(ctypes.addressof(parts[1]), 5))
call(46, near.fileno(), struct.pack("QIIQQQQI4x", 0, 0, 0, ctypes.addressof(both), 2, 0, 0, 0), 0)
room = ctypes.create_string_buffer(200)
into = ctypes.create_string_buffer(iovec(ctypes.addressof(room), 4) + iovec(ctypes.addressof(room) + 100, 90))
call(47, far.fileno(), struct.pack("QIIQQQQI4x", 0, 0, 0, ctypes.addressof(into), 2, 0, 0, 0), 0)
call(33, near.fileno(), 77)                       # dup2: a connection, to no standard descriptor
call(53, 1, 1, 0, memory(8))
call(48, pair[0].fileno(), 1)
call(55, pair[0].fileno(), 1, 4, memory(4), struct.pack("I", 4))
call(33, a_file, 999999)                          # dup2: refused
call(33, a_file, 0)
if os.fork() == 0:
    call(112)                                     # setsid
    os._exit(0)
os.wait()
call(126, struct.pack("Ii", 0x20080522, 0), b"\0" * 24)  # capset: the last, for nothing is allowed any more
