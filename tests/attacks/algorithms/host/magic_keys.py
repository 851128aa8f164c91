"""Reach the host's kernel through its magic files: SysRq, its memory, its log."""

from attacker import attempt, call, gained, read

with attempt(), open("/proc/sysrq-trigger", "wb", buffering=0) as trigger:
    trigger.write(b"h")
    gained("SysRq")
for place in ("/dev/mem", "/dev/kmem", "/dev/kmsg", "/proc/kcore", "/proc/kmsg"):
    with attempt():
        if read(place, 16):
            gained(place)
with attempt():
    call("syslog", 3, bytes(1000), 1000)
    gained("the kernel's log")
