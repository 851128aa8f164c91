"""Become root of a new user namespace, where the kernel trusts it with code meant for root."""

import os

from attacker import CLONE_NEWNS, CLONE_NEWUSER, attempt, call, capabilities, gained

for flags in (CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWNS, CLONE_NEWUSER | 0x40000000):
    child = os.fork()
    if child == 0:
        with attempt():
            call("unshare", flags)
            gained(f"a user namespace with capabilities {capabilities():x}")
        os._exit(0)
    os.waitpid(child, 0)
