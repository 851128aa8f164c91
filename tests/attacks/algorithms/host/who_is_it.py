"""Learn the host's name and addresses from what a container inherits of its configuration."""

import os

from attacker import PLAN, attempt, gained, read

FILES = (
    "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname",
    "/proc/net/fib_trie", "/proc/net/arp", "/proc/1/environ", "/proc/1/mountinfo",
)  # fmt: skip

for path in FILES:
    with attempt():
        content = read(path, 65536).decode(errors="replace")
        for fact in PLAN["host_identity"]:
            if fact in content.split() or f"{fact}." in content:
                gained(f"{fact} in {path}")
if os.uname().nodename in PLAN["host_identity"]:
    gained("the host's name")
