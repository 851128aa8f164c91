"""End well, but leave children that hold the pipe that the init reads from, so that it never sees its end."""

import os
import time

from attacker import gained, tried

tried()
for _ in range(4):
    if os.fork() == 0:
        time.sleep(1)
        gained("an init that waits")
        time.sleep(60)
