"""Leave files and folders that can't be read, to stop the collection in the middle."""

import os

from attacker import attempt

with attempt():
    os.close(os.open("/data/outputs/metrics.json", os.O_CREAT, 0))
with attempt():
    os.mkdir("/data/outputs/folder", 0)
