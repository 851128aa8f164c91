"""Leave more files of output than allowed, each empty."""

from attacker import tried

tried()
for number in range(50):
    open(f"/data/outputs/{number}", "wb").close()
