"""Read its own output away before the init does, and block the pipe to it."""

import fcntl
import os

from attacker import tried

tried()
with open("/proc/self/fd/1", "rb", buffering=0) as other_end:
    os.set_blocking(other_end.fileno(), False)
    for _ in range(200):
        os.write(1, bytes(4096))
        try:
            other_end.read(4096)
        except OSError:
            continue
    fcntl.fcntl(1, 1031, 4096)
    os.set_blocking(1, True)
