"""Lay modules beside itself that are named like those that the init and the probe import."""

import importlib
import os

from attacker import gained, tried

for name in ("probe", "init", "hmac"):
    importlib.import_module(name)
if os.path.exists("/scratch/loaded-by-1"):
    gained("a module in the init")
tried()
