"""Ask the kernel over netlink for the host's interfaces, and to make a new one."""

import contextlib
import re
import socket
import struct

from attacker import attempt, gained

RTM_NEWLINK, RTM_GETLINK, NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_CREATE = 16, 18, 1, 4, 0x300, 0x400
IFLA_IFNAME, IFLA_LINKINFO, IFLA_INFO_KIND, NLMSG_ERROR = 3, 18, 1, 2


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def ask(kind: int, flags: int, attributes: bytes = b"") -> bytes:
    body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, 0, 0) + attributes
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.settimeout(0.5)
        kernel.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        answer = kernel.recv(1 << 20)
        with contextlib.suppress(TimeoutError):
            for _ in range(3 if kind == RTM_GETLINK else 0):
                answer += kernel.recv(1 << 20)
        return answer


with attempt():
    answer = ask(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP)
    for name in re.findall(rb"\x03\x00([a-z][a-z0-9.-]{2,14})\x00", answer):
        gained(f"the host's interface {name.decode()}")
with attempt():
    dummy = attribute(IFLA_IFNAME, b"sealroom0\0") + attribute(
        IFLA_LINKINFO, attribute(IFLA_INFO_KIND, b"dummy")
    )
    answer = ask(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, dummy)
    if (
        struct.unpack_from("=IHHIIi", answer)[1] == NLMSG_ERROR
        and struct.unpack_from("=IHHIIi", answer)[5] == 0
    ):
        gained("a new interface")
