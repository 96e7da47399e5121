"""Grows a tree of processes that change their names, programs and parents, told by a seed. Each makes folders, named so
that it can be told which one it was: `made_kin.py FOLDER SEED COUNT`. Orphans stay until FOLDER/over is there."""
import ctypes
import os
import random
import sys
import threading
import time

libc = ctypes.CDLL(None)
NAMES = ["kin-a", "kin-b", "kin-c", "other-a", "other-b"]
SET_NAME, SET_SUBREAPER = 15, 36


def name_thread(name):
    libc.prctl(SET_NAME, name.encode(), 0, 0, 0)


class Kin:
    def __init__(self, folder, seed, count, depth=0):
        self.folder, self.dice, self.left, self.depth = folder, random.Random(seed), count, depth
        self.made = 0

    def make(self):
        self.made += 1
        os.mkdir(f"{self.folder}/{os.getpid()}-{self.made}-{self.depth}")

    def name(self):
        name = self.dice.choice(NAMES)
        if self.dice.random() < 0.5:
            name_thread(name)
        else:
            with open("/proc/self/comm", "w") as comm:
                comm.write(name)

    def below(self, act):
        """A child that does so, and ends."""
        pid = os.fork()
        if pid == 0:
            self.dice = random.Random(self.dice.random() + 1)
            self.depth += 1
            self.made = 0
            act()
            os._exit(0)
        return pid

    def child(self):
        left = self.left // 2
        pid = self.below(lambda: self.go_on(left))
        self.left -= left
        os.waitpid(pid, 0)

    def child_of_thread(self):
        def begin():
            name_thread(self.dice.choice(NAMES))
            os.waitpid(self.below(lambda: self.go_on(2)), 0)

        thread = threading.Thread(target=begin)
        thread.start()
        thread.join()

    def program(self):
        """Another one, which goes on in the child's place."""
        name = self.dice.choice(NAMES)
        os.waitpid(self.below(lambda: self.execute(name, 3)), 0)

    def execute(self, name, count, *more):
        os.execv(f"{self.folder}/bin/{name}", [name, "-ES", __file__, self.folder, str(self.dice.random()), str(count),
                                               str(self.depth), *more])

    def program_later(self):
        """The parent has another program by the time that the child makes something."""
        name = self.dice.choice(NAMES)

        def parent():
            came, told = os.pipe()
            os.set_inheritable(told, True)

            def waiting():
                os.close(told)
                os.read(came, 1)
                self.make()

            self.below(waiting)
            self.execute(name, 0, str(told))

        os.waitpid(self.below(parent), 0)

    def orphan(self):
        """Its parent ends while it goes on, and has children of its own."""
        def parent():
            self.name()
            above = os.getpid()

            def orphan():
                while os.getppid() == above:
                    time.sleep(0.001)
                self.make()
                pid = self.below(self.stay)
                self.name()
                self.stay()
                os.waitpid(pid, 0)

            self.below(orphan)

        os.waitpid(self.below(parent), 0)

    def stay(self):
        self.make()
        end = time.monotonic() + 60
        while not os.path.exists(f"{self.folder}/over") and time.monotonic() < end:
            time.sleep(0.02)

    def reaper(self):
        libc.prctl(SET_SUBREAPER, 1, 0, 0, 0)

    def go_on(self, count):
        self.left = count
        acts = [self.make] * 4 + [self.name] * 3 + [self.child] * 4 + [self.child_of_thread, self.program, self.program_later]
        self.make()
        while self.left > 0:
            self.left -= 1
            self.dice.choice(acts)()
        self.make()


def main():
    folder, seed, count = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    depth = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    kin = Kin(folder, seed, count, depth)
    if len(sys.argv) > 5:
        os.write(int(sys.argv[5]), b"x")
        os.wait()
    if depth == 0:
        os.mkdir(f"{folder}/bin")
        for name in NAMES:
            os.symlink(sys.executable, f"{folder}/bin/{name}")
        kin.name()
        kin.orphan()
        kin.reaper()
        kin.orphan()
    kin.go_on(count)
    if depth == 0:
        name_thread("made-kin")


if __name__ == "__main__":
    main()
