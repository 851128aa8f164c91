"""Do what only an administrator of the machine may: its name, its swap, its quotas, its ports."""

from attacker import attempt, call, gained

with attempt():
    call("sethostname", b"sealed", 6)
    gained("the host's name")
with attempt():
    call("swapon", b"/scratch/swap\0", 0)
    gained("swap")
with attempt():
    call("quotactl", 0x80000700, b"/dev/vda\0", 0, bytes(100))
    gained("quotas")
with attempt():
    call("iopl", 3)
    gained("ports")
with attempt():
    call("personality", 0x0040000)
    gained("addresses that can be guessed")
