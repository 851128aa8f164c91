"""Change what the root folder is, to climb out of it afterwards."""

import os

from attacker import attempt, call, gained

with attempt():
    os.makedirs("/scratch/jail", exist_ok=True)
    call("chroot", b"/scratch/jail")
    gained("a root folder of its own")
with attempt():
    call("pivot_root", b"/scratch", b"/scratch/jail")
    gained("another root mount")
