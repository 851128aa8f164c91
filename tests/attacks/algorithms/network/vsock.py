"""Make a socket to the hypervisor, which no network namespace holds back."""

import socket

from attacker import attempt, gained

for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    with attempt(), socket.socket(socket.AF_VSOCK, kind):
        gained("a vsock socket")
