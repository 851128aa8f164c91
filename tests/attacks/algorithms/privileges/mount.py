"""Mount something: a fresh /proc, a writable copy of an input, an overlay over the init, by the old calls and the new."""

from attacker import attempt, call, gained

MS_REMOUNT, MS_BIND = 32, 4096
MOUNTS = (
    (b"none", b"/tmp", b"tmpfs", 0), (b"proc", b"/scratch", b"proc", 0), (b"sysfs", b"/scratch", b"sysfs", 0),
    (b"/data/inputs", b"/scratch", None, MS_BIND), (b"none", b"/", None, MS_REMOUNT), (b"cgroup", b"/tmp", b"cgroup", 0),
    (b"none", b"/data/inputs", None, MS_REMOUNT | MS_BIND),
)  # fmt: skip

for source, target, kind, flags in MOUNTS:
    with attempt():
        call("mount", source, target, kind, flags, None)
        gained(f"a mount on {target!r}")
with attempt():
    call("fsopen", b"tmpfs", 0)
    gained("a file system")
with attempt():
    call("open_tree", -100, b"/data/inputs", 1)
    gained("a copy of a mount")
with attempt():
    call("umount2", b"/proc/kcore", 2)
    gained("what was masked")
