"""Have more threads at once than allowed."""

import threading

from attacker import PLAN, gained, in_gvisor, tried

done = threading.Event()
threads: list[threading.Thread] = []
try:
    while len(threads) < 2 * PLAN["limits"]["pids"]:
        thread = threading.Thread(target=done.wait, daemon=True)
        thread.start()
        threads.append(thread)
except RuntimeError:
    pass
tried()
# gVisor counts no processes of its own; the host counts the threads that gVisor takes for them.
if len(threads) >= PLAN["limits"]["pids"] and not in_gvisor():
    gained(f"{len(threads)} threads")
done.set()
