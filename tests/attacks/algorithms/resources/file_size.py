"""Make one file larger than allowed, by writing, by cutting it long, by reserving."""

import os
import signal

from attacker import PLAN, attempt, gained

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = PLAN["limits"]["file_bytes"]
descriptor = os.open("/tmp/large", os.O_CREAT | os.O_RDWR)
with attempt():
    os.ftruncate(descriptor, 2 * limit)
    gained(f"{os.fstat(descriptor).st_size} bytes by truncate")
with attempt():
    os.posix_fallocate(descriptor, 0, 2 * limit)
    gained(f"{os.fstat(descriptor).st_size} bytes by fallocate")
with attempt():
    os.ftruncate(descriptor, 0)
    while os.lseek(descriptor, 0, os.SEEK_CUR) <= limit:
        os.write(descriptor, bytes(1 << 20))
    gained(f"{os.fstat(descriptor).st_size} bytes by writing")
