"""Leave a pipe, a socket and a device, on which whoever reads them waits or worse."""

import os
import socket

from attacker import attempt

with attempt():
    os.mkfifo("/data/outputs/metrics.json")
with attempt():
    socket.socket(socket.AF_UNIX).bind("/data/outputs/model.safetensors")
with attempt():
    os.mknod("/data/outputs/zero", 0o20666, os.makedev(1, 5))
