"""Open more files at once than allowed, in one process and in many."""

import os

from attacker import PLAN, attempt, gained

for _ in range(4):
    child = os.fork()
    if child == 0:
        opened = 0
        with attempt():
            while opened <= 2 * PLAN["limits"]["open_files"]:
                os.open("/dev/null", os.O_RDONLY)
                opened += 1
        if opened > PLAN["limits"]["open_files"]:
            gained(f"{opened} open files")
        os._exit(0)
    os.waitpid(child, 0)
