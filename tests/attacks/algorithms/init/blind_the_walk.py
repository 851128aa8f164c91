"""Leave the init one open file too few, so that its walk over the outputs sees less than there is."""

import os
import resource

from attacker import attempt

os.makedirs("/data/outputs/a/b/c")
os.symlink("/etc/passwd", "/data/outputs/a/b/c/link")
for limit in (9, 8, 7, 6):
    with attempt():
        resource.prlimit(1, resource.RLIMIT_NOFILE, (limit, limit))
