"""Run every program of the image that starts as another user, and one that it made itself."""

import os
import shutil
import signal
import subprocess

from attacker import attempt, gained


def run(path: str) -> None:
    with attempt():
        started = subprocess.Popen(
            [path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        users = open(f"/proc/{started.pid}/status", encoding="ascii").read().split("Uid:")[1].split()[:4]
        if "0" in users and os.getuid() != 0:
            gained(f"{path} as user 0")
        started.send_signal(signal.SIGKILL)
        started.communicate()


for folder in ("/usr/bin", "/usr/sbin", "/usr/lib/openssh", "/opt/venv/bin"):
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.stat(path).st_mode & 0o6000:
            run(path)
for place in ("/scratch", "/tmp", "/dev/shm", "/data/outputs"):
    with attempt():
        shutil.copy("/bin/sleep", f"{place}/mine")
        os.chmod(f"{place}/mine", 0o6755)
        subprocess.run([f"{place}/mine", "0"], check=True)
        gained(f"a program of its own in {place}")
