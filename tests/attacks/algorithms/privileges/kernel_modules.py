"""Load a module or another kernel."""

import errno
import os

from attacker import call, gained, tried

MODULE = b"\x7fELF" + bytes(1000)

for name, arguments in {
    "init_module": (MODULE, len(MODULE), b"\0"),
    "finit_module": (os.open("/usr/bin/true", os.O_RDONLY), b"\0", 0),
    "kexec_load": (0, 0, 0, 0),
}.items():
    try:
        call(name, *arguments)
        gained(name)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOSYS}:
            gained(f"the kernel's ear by {name}: {errno.errorcode[error.errno or 0]}")
    tried()
