"""Take capabilities back: by capset, as ambient ones, by the bounding set, by giving up no_new_privs."""

import ctypes
import struct

from attacker import attempt, call, capabilities, gained, libc, tried

PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, PR_SET_SECUREBITS, PR_CAPBSET_READ = (
    38,
    47,
    2,
    28,
    23,
)
ALL = 0xFFFFFFFF

if capabilities():
    gained(f"capabilities {capabilities():x}")
with attempt():
    header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0))
    wanted = ctypes.create_string_buffer(struct.pack("=6I", ALL, ALL, ALL, ALL, ALL, ALL))
    call("capset", ctypes.byref(header), ctypes.byref(wanted))
    gained("every capability")
for number in range(41):
    if libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) == 0:
        gained(f"ambient capability {number}")
    if libc.prctl(PR_CAPBSET_READ, number, 0, 0, 0) > 0:
        gained(f"capability {number} within its bounds")
if libc.prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0:
    gained("new privileges")
if libc.prctl(PR_SET_SECUREBITS, 0x2F, 0, 0, 0) == 0:
    gained("secure bits")
tried()
