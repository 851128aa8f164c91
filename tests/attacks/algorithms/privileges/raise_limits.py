"""Raise its own hard limits on core files, file sizes and open files."""

import resource

from attacker import attempt, gained

KINDS = {"core": resource.RLIMIT_CORE, "fsize": resource.RLIMIT_FSIZE, "nofile": resource.RLIMIT_NOFILE}

for name, kind in KINDS.items():
    hard = resource.getrlimit(kind)[1]
    with attempt():
        try:
            resource.setrlimit(kind, (hard + 1, hard + 1))
            gained(name)
        except ValueError:
            pass
