"""End well, and leave a daemon in a session of its own that goes on with the work."""

import os
import time

from attacker import gained, tried

tried()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1)
        gained("a life after its end")
        open("/data/outputs/late", "wb").close()
        time.sleep(60)
    os._exit(0)
os.wait()
