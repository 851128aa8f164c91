"""Hold the kernel in the middle of a copy with userfaultfd, the helper of many exploits."""

import os

from attacker import attempt, call, gained

for flags in (0, 1, os.O_CLOEXEC | os.O_NONBLOCK):
    with attempt():
        call("userfaultfd", flags)
        gained("a userfaultfd")
with attempt():
    os.open("/dev/userfaultfd", os.O_RDWR)
    gained("its device")
