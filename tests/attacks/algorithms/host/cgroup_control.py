"""Loosen its own limits, or leave its group, by writing to the control group's files."""

import os

from attacker import attempt, gained

for folder, _, names in os.walk("/sys/fs/cgroup"):
    for name in names:
        if name in {
            "cgroup.procs",
            "tasks",
            "pids.max",
            "memory.max",
            "memory.limit_in_bytes",
            "release_agent",
            "cpu.max",
        }:
            with attempt():
                os.close(os.open(os.path.join(folder, name), os.O_WRONLY))
                gained(f"{folder}/{name}")
with attempt():
    os.mkdir("/sys/fs/cgroup/mine")
    gained("a group of its own")
    os.rmdir("/sys/fs/cgroup/mine")
