"""Have the host's kernel start a program of the attacker's: by a core pattern, a helper, a hot-plug event."""

from attacker import attempt, gained

SETTINGS = (
    "kernel/core_pattern", "kernel/modprobe", "kernel/hotplug", "kernel/poweroff_cmd", "fs/binfmt_misc/register",
    "vm/overcommit_memory", "kernel/randomize_va_space", "kernel/hostname",
)  # fmt: skip

for setting in SETTINGS:
    with attempt(), open(f"/proc/sys/{setting}", "r+", encoding="ascii") as stream:
        value = stream.read()
        stream.seek(0)
        stream.write(value)
        stream.flush()
        gained(setting)
