"""Makes, moves, links, changes and removes what is in a tree, in many ways, told by a seed: by links, roundabout, from
directories, in vain, after a chroot and in a mount namespace of its own. `made_names.py TREE SEED COUNT`."""
import ctypes
import os
import random
import sys

from made_opens import PARTS, Opener, everywhere, make, names_of

libc = ctypes.CDLL(None)
FDCWD = -100
# The call's number, and what it takes: a name, where one starts from, a text, a descriptor, or a number.
CALLS = [(87, "n"), (263, "dn0"), (84, "n"), (82, "nn"), (264, "dndn"), (316, "dndn0"), (86, "nn"), (265, "dndn0"), (88, "tn"),
         (266, "tdn"), (90, "n6"), (268, "dn6"), (91, "f6"), (92, "n00"), (93, "f00"), (94, "n00"), (260, "dn000"),
         (83, "n7"), (258, "dn7"), (133, "n60"), (259, "dn60"), (166, "n0"), (165, "tnt00"), (157, "pt"), (161, "x")]
TEXTS = ["qetc/qa", "/qetc", "../qshadow/qid.pem", "/", "", "qa/", "//qhome", None]


class Caller(Opener):
    def folder(self):
        """A descriptor, of which a name starts."""
        top = self.root + os.path.dirname(self.name())
        try:
            return os.open(top if os.path.isdir(top) else self.root or "/", os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return FDCWD

    def relative(self):
        name = self.dice.choice(["", "./", "../"]) + self.with_detour(self.name()).lstrip("/")
        return (os.path.basename(name) or "qa") if self.dice.random() < 0.5 else name

    def argument(self, kind, kept):
        dice = self.dice
        if kind in "nt":
            text = dice.choice(TEXTS) if kind == "t" else \
                dice.choice([self.relative(), self.root + self.with_detour(self.name())])
            if dice.random() < 0.02:
                text = "/qetc/" + "x" * 300
            return None if text is None else ctypes.c_char_p(text.encode())
        if kind in "df":
            kept.append(self.folder())
            return ctypes.c_long(dice.choice([kept[-1], kept[-1], FDCWD]) if kind == "d" else kept[-1])
        if kind == "p":
            return ctypes.c_long(dice.choice([16, 15, 38]))  # PR_GET_NAME writes; PR_SET_NAME; another
        if kind == "x":
            return ctypes.c_char_p(b"/qshadow/nothing")
        return ctypes.c_long({"0": 0, "6": 0o644, "7": 0o755}[kind])

    def call_one(self):
        number, kinds = self.dice.choice(CALLS)
        kept = []
        arguments = [self.argument(kind, kept) for kind in kinds]
        if number == 157:
            arguments = [ctypes.c_long(15), ctypes.c_char_p(self.dice.choice([b"made-names", b"made-names", b"made-nqa"]))]
        libc.syscall(ctypes.c_long(number), *arguments)
        for fd in kept:
            if fd != FDCWD:
                os.close(fd)


def main(tree, seed, count):
    if not os.path.exists(f"{tree}/qetc"):
        make(tree)
    names = list(names_of(tree))

    def calls(root, salt):
        libc.prctl(15, b"made-names", 0, 0, 0)
        caller = Caller(random.Random(f"{seed} {salt}"), root, names)
        os.chdir((root or "") + "/" + PARTS[0])
        for _ in range(count):
            caller.call_one()

    everywhere(tree, calls)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
