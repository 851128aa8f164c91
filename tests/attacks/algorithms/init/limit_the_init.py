"""Set limits on the init: no files, no memory, no time, so that it can't do its work."""

import resource

from attacker import attempt, tried

open("/data/outputs/metrics.json", "wb").close()
tried()
for kind in (
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_AS,
    resource.RLIMIT_DATA,
    resource.RLIMIT_CPU,
):
    with attempt():
        resource.prlimit(1, kind, (1, 1))
