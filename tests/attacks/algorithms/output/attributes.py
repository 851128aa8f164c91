"""Write rows into what surrounds a file: its times, its mode, its owner, its attributes."""

import os

from attacker import attempt

descriptor = os.open("/data/outputs/metrics.json", os.O_CREAT | os.O_WRONLY)
os.write(descriptor, b"{}")
with attempt():
    os.utime(descriptor, (17_000_017, 17_000_017))
with attempt():
    os.fchmod(descriptor, 0o4657)
with attempt():
    os.setxattr(descriptor, "user.rows", b"17,malignant")
