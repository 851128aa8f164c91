"""Leave a file in every folder of the tree, or change one that is there, so that the next run finds it."""

import os

from attacker import attempt, gained, tried

OWN = ("/scratch", "/tmp", "/dev/shm", "/dev/mqueue", "/data/outputs", "/data/logs")
SKIPPED = ("/proc", "/sys/devices", "/sys/kernel", "/sys/class", "/sys/bus")

for folder, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in (*OWN, *SKIPPED)]
    place = os.path.join(folder, "sitecustomize.py")
    for act in (lambda: os.close(os.open(place, os.O_CREAT | os.O_WRONLY)), lambda: os.chmod(folder, 0o777)):
        try:
            act()
            gained(folder)
        except OSError:
            continue
    for name in names[:20]:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.W_OK) and not os.path.islink(path):
            with attempt():
                os.close(os.open(path, os.O_WRONLY))
                gained(path)
tried()
