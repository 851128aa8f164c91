"""Go before everybody else: a higher priority, real time, a better chance to survive a lack of memory."""

import os

from attacker import attempt, gained, hold, in_gvisor

# gVisor keeps these numbers for whoever asks; the host schedules its threads, and ends it, by the host's own.
with attempt():
    os.setpriority(os.PRIO_PROCESS, 0, -5)
    if os.getpriority(os.PRIO_PROCESS, 0) < 0 and not in_gvisor():
        gained("a priority")
with attempt():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    gained("real time")
with attempt(), open("/proc/self/oom_score_adj", "r+", encoding="ascii") as score:
    before = int(score.read())
    score.write("-1000")
    score.flush()
    if not in_gvisor():
        gained(f"another's death instead of {before}")
hold()
