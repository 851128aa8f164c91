"""Write more bytes to the scratch folder than it may hold."""

from attacker import PLAN, attempt, gained

written = 0
limit = PLAN["limits"]["scratch_bytes"]
with attempt():
    for number in range(8):
        with open(f"/scratch/{number}", "wb", buffering=0) as stream:
            while written < 4 * limit and stream.tell() < limit:
                written += stream.write(bytes(1 << 20))
if written > limit:
    gained(f"{written} bytes")
