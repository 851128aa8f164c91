"""Leave more bytes of output than allowed."""

from attacker import PLAN, gained, tried

tried()
limit = PLAN["limits"]["output_bytes"]
for number in range(4):
    with open(f"/data/outputs/{number}", "wb", buffering=0) as stream:
        for _ in range(max(1, limit >> 20)):
            stream.write(bytes(1 << 20))
gained(f"{4 * limit} bytes of output")
