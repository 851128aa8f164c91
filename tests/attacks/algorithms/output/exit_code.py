"""Say a number by the way it ends: exit codes, and signals of its choice."""

import os

from attacker import tried

tried()
open("/data/outputs/metrics.json", "wb").close()
os._exit(77)
