"""Opens files of a tree in many ways, told by a seed: by links, roundabout, from directories, in vain, after a
chroot and in a mount namespace of its own. `made_opens.py TREE SEED COUNT`; makes the tree if it is not there."""
import ctypes
import os
import random
import sys

PARTS = ["qetc", "qshadow", ".qssh", "qhome", "qid.pem", "qa"]
CLONE_NEWNS, MS_PRIVATE_REC, MS_BIND = 0x20000, 1 << 18 | 1 << 14, 4096


def make(tree):
    """Two levels of directories, a file of each name in each, and links beside them."""
    for one in PARTS[:4]:
        for two in ("", "/qhome", "/.qssh"):
            os.makedirs(f"{tree}/{one}{two}", exist_ok=True)
            for name in ("qid.pem", "qa", "plain"):
                with open(f"{tree}/{one}{two}/{name}", "w"):
                    pass
    links = {"qlink": "plain-dir", "plain-dir/qshadow.lnk": "../qetc/plain", "plain-dir/qid.pem": "../qetc/plain",
             "plain-dir/plain.lnk": "../.qssh/qid.pem", "plain-dir/.qssh": "../qetc", "qetc/plain.lnk": "/qetc/qa",
             "plain-dir/nowhere": "/qshadow/nothing"}
    os.makedirs(f"{tree}/plain-dir")
    for name, target in links.items():
        os.symlink(target, f"{tree}/{name}")


def names_of(tree):
    """All that is there, links and directories too."""
    for folder, folders, files in os.walk(tree):
        for name in folders + files:
            yield os.path.join(folder, name)[len(tree):]


class Opener:
    def __init__(self, dice, root, names):
        self.dice, self.root, self.names = dice, root, names

    def name(self):
        """From the tree's top: a name that is there, or one that is not."""
        dice = self.dice
        if dice.random() < 0.6:
            return dice.choice(self.names)
        return "".join("/" + dice.choice(PARTS) for _ in range(dice.randint(1, 3)))

    def with_detour(self, name):
        parts = name.split("/")
        where = self.dice.randint(1, len(parts))
        return "/".join(parts[:where] + self.dice.choice([[], [], [], ["."], [""], ["plain-dir", ".."]]) + parts[where:])

    def open_one(self):
        dice, folder = self.dice, None
        name = self.root + self.with_detour(self.name())
        how = dice.randint(0, 3)
        if how > 0:  # from a directory, which is the current one or a descriptor
            top = self.root + os.path.dirname(self.name())
            try:
                folder = os.open(top if os.path.isdir(top) else self.root or "/", os.O_RDONLY | os.O_DIRECTORY)
            except OSError:
                return
            name = dice.choice(["", "./", "../"]) + self.with_detour(self.name()).lstrip("/")
            if dice.random() < 0.5:
                name = os.path.basename(name) or "qa"
        try:
            if how == 1:
                os.fchdir(folder)
            os.close(os.open(name, dice.choice([os.O_RDONLY, os.O_RDONLY, os.O_WRONLY]),
                             dir_fd=folder if how > 1 else None))
        except OSError:
            pass
        finally:
            if folder is not None:
                os.close(folder)


def in_child(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def everywhere(tree, work):
    """work(root of names, salt): here, after a chroot, and in a mount namespace of its own."""
    libc = ctypes.CDLL(None)

    def jailed():
        os.chroot(tree)
        os.chdir("/")
        work("", "chroot")

    def moved():
        if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(None, b"/", None, MS_PRIVATE_REC, None) != 0:
            return
        libc.mount(f"{tree}/.qssh".encode(), f"{tree}/qetc/qhome".encode(), None, MS_BIND, None)
        work(tree, "mounts")

    in_child(lambda: work(tree, "here"))
    in_child(jailed)
    in_child(moved)


def main(tree, seed, count):
    libc = ctypes.CDLL(None)
    if not os.path.exists(f"{tree}/qetc"):
        make(tree)
    names = list(names_of(tree))
    libc.prctl(15, b"made-opens", 0, 0, 0)

    def opens(root, salt):
        opener = Opener(random.Random(f"{seed} {salt}"), root, names)
        for _ in range(count):
            opener.open_one()

    everywhere(tree, opens)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
