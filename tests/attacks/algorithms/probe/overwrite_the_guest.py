"""Overwrite the init and the probe where they lie, for the next run."""

import os

from attacker import attempt, gained

for path in ("/sealroom/init.py", "/sealroom/probe.py", "/sealroom"):
    for act in (
        lambda: os.close(os.open(path, os.O_WRONLY)),
        lambda: os.chmod(path, 0o777),
        lambda: os.rename(path, path + ".old"),
        lambda: os.symlink("/scratch", path + "/probe"),
        lambda: os.utime(path, (0, 0)),
    ):
        with attempt():
            act()
            gained(path)
with attempt():
    os.mkdir("/sealroom/__pycache__")
    gained("a cache of compiled code")
