"""Read the messages that another job left in the kernel's queues, POSIX and System V."""

import os

from attacker import PLAN, attempt, call, gained

with attempt():
    call("mq_open", PLAN["shared_name"].encode() + b"\0", os.O_RDWR, 0, 0)
    gained("a POSIX queue")
with attempt():
    call("msgget", PLAN["shared_key"], 0)
    gained("a System V queue")
with attempt():
    gained("queues by file") if os.listdir("/dev/mqueue") else None
