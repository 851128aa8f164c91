"""Leave outputs and then fail in every way, in the hope that what is there is kept."""

import ctypes

from attacker import tried

for name in ("metrics.json", "model.safetensors"):
    with open(f"/data/outputs/{name}", "wb") as stream:
        stream.write(b"{}")
tried()
ctypes.string_at(0)
