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
