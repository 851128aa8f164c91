"""Loosen its own system-call filter: switch it off, add one that allows all, listen to its notices."""

import ctypes
import struct

from attacker import CLONE_NEWUSER, attempt, call, gained, libc, tried

PR_SET_SECCOMP, MODE_NONE, MODE_FILTER, SECCOMP_SET_MODE_FILTER, NEW_LISTENER = 22, 0, 2, 1, 8

allow_all = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000))
program = ctypes.create_string_buffer(struct.pack("@HP", 1, ctypes.addressof(allow_all)))
if libc.prctl(PR_SET_SECCOMP, MODE_NONE, 0, 0, 0) == 0:
    gained("no filter")
libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0)
for flags in (0, NEW_LISTENER):
    with attempt():
        call("seccomp", SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(program))
with attempt():
    call("unshare", CLONE_NEWUSER)
    gained("a call that was refused before")
tried()
