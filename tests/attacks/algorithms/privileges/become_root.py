"""Become root, or join root's group, by asking."""

import os

from attacker import attempt, gained

for act in (
    lambda: os.setuid(0), lambda: os.setreuid(0, 0), lambda: os.setresuid(0, 0, 0), lambda: os.seteuid(0),
    lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.setresgid(0, 0, 0),
):  # fmt: skip
    with attempt():
        act()
        gained(f"user {os.geteuid()} group {os.getegid()} {os.getgroups()}")
