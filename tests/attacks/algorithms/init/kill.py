"""Kill the init by every signal and every call that sends one."""

import os
import signal

from attacker import attempt, call, libc, tried

open("/data/outputs/metrics.json", "wb").close()
tried()
for number in sorted(signal.valid_signals() - {signal.SIGKILL}):
    with attempt():
        os.kill(1, number)
    libc.sigqueue(1, int(number), None)
with attempt():
    handle = os.pidfd_open(1)
    call("pidfd_send_signal", handle, int(signal.SIGKILL), None, 0)
with attempt():
    os.kill(1, signal.SIGKILL)
