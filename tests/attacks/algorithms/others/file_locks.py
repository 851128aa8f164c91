"""Signal to another job by a lock on a file that both can open: the image's, the guest's programs, the devices."""

import fcntl

from attacker import PLAN, gained, tried

# The neighbour holds a lock on each of these; whoever shares its files can tell.
for path in PLAN["locked_files"]:
    with open(path, "rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            gained(f"a bit through {path}")
        except OSError:
            continue
tried()
