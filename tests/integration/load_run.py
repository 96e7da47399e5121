"""A workload that counts its calls, those that fail as no program should see them, and the slowest. Ends when the file
that it is given is gone, and leaves the account in the other one."""
import errno
import json
import os
import socket
import sys
import threading
import time

flag, account = sys.argv[1:]
lock = threading.Lock()
state = {"calls": 0, "failed": [], "slowest": 0.0}


def call(what, *args, fine=()):
    begin = time.monotonic()
    failed = None
    try:
        result = what(*args)
    except OSError as error:
        result = None
        if error.errno not in fine:
            failed = f"{what.__name__}: {errno.errorcode.get(error.errno, error.errno)}"
    took = time.monotonic() - begin
    with lock:
        state["calls"] += 1
        state["slowest"] = max(state["slowest"], took)
        if failed:
            state["failed"].append(failed)
    return result


def files():
    name = account + f".{threading.get_ident()}"
    while os.path.exists(flag):
        fd = call(os.open, name, os.O_CREAT | os.O_WRONLY, 0o600)
        if fd is not None:
            os.close(fd)
        call(os.unlink, name)


def connections():
    while os.path.exists(flag):
        with socket.socket() as client:
            call(client.connect, ("127.0.0.1", 1), fine=[errno.ECONNREFUSED])


def programs():
    while os.path.exists(flag):
        pid = call(os.posix_spawn, "/bin/true", ["true"], {})
        if pid is not None:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if status != 0:
                with lock:
                    state["failed"].append(f"true ended with {status}")


threads = [threading.Thread(target=what) for what in (files, files, connections, programs)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with open(account, "w") as out:
    json.dump(state, out)
