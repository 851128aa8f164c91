"""What stands on the host for attackers to reach, and what the host itself saw of them, whatever they say.

Everything is this machine's own: servers on its loopback and bridge addresses, files in a folder of the tests, a process
that sleeps, a segment of shared memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

IPC_CREAT, IPC_RMID = 0o1000, 0
LOOPBACK = ("127.0.0.1", "::1")
ESCAPES = ("/", "/tmp", "/var/tmp", "/root", "/dev/shm", "/run")  # noqa: S108 - places on the host where nothing may appear


class Servers:
    """Listen on TCP, UDP and an abstract Unix address, answer whoever comes, and remember that somebody came."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.abstract = f"sealroom-tests-{secrets.token_hex(8)}"
        self._open: list[socket.socket] = []
        self.loopback = [self._tcp(host) for host in LOOPBACK if _has_address(host)]
        self.bridge = [self._tcp(host) for host in bridge_addresses()]
        self.datagram = [self._udp(host) for host, _ in self.loopback + self.bridge if ":" not in host]
        hidden = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        hidden.bind("\0" + self.abstract)
        self._serve(hidden, self._accept)

    def close(self) -> None:
        """Stop listening."""
        for server in self._open:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()

    def _tcp(self, host: str) -> tuple[str, int]:
        server = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        server.bind((host, 0))
        self._serve(server, self._accept)
        return host, int(server.getsockname()[1])

    def _udp(self, host: str) -> tuple[str, int]:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((host, 0))
        self._serve(server, self._receive)
        return host, int(server.getsockname()[1])

    def _serve(self, server: socket.socket, attend: Callable[[socket.socket], None]) -> None:
        if server.type == socket.SOCK_STREAM:
            server.listen()
        self._open.append(server)
        threading.Thread(target=self._attend, args=(server, attend), daemon=True).start()

    def _attend(self, server: socket.socket, attend: Callable[[socket.socket], None]) -> None:
        with contextlib.suppress(OSError):
            while True:
                attend(server)

    def _accept(self, server: socket.socket) -> None:
        connection, _ = server.accept()
        self.heard.append(f"connection to {server.getsockname()!r}")
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"hello")

    def _receive(self, server: socket.socket) -> None:
        message, sender = server.recvfrom(2048)
        if sender is None:
            raise ConnectionAbortedError("no longer listening")
        self.heard.append(f"datagram {message!r}")
        server.sendto(b"hello", sender)


class Host:
    """Everything on the host that must stay out of reach. `secret` stands in each thing that could be read."""

    def __init__(self, folder: Path) -> None:
        self.secret = f"CANARY-{secrets.token_hex(16)}"
        self.mark = f"sealroom-escape-{secrets.token_hex(8)}"
        self.servers = Servers()
        self.folder = folder / "host"
        self.file = self.folder / "secret"
        self.folder.mkdir()
        self.file.write_text(self.secret)
        self.bystander = subprocess.Popen(
            ["sleep", "3600"], env={"SECRET": self.secret}, start_new_session=True
        )
        self.shared = Path("/dev/shm") / f"shared-{self.mark}"  # noqa: S108 - where shared memory is
        self.shared.write_text(self.secret)
        self.shared_key = secrets.randbelow(2**30) + 1
        self._segment = _share(self.shared_key, self.secret.encode())

    def close(self) -> None:
        """Take everything away again."""
        self.servers.close()
        self.bystander.kill()
        self.bystander.wait()
        self.shared.unlink(missing_ok=True)  # whether an attacker took it is asked elsewhere
        ctypes.CDLL(None).shmctl(self._segment, IPC_RMID, None)

    def plan(self) -> dict[str, Any]:
        """Return what attackers are told of it: all but the secret."""
        return {
            "loopback_servers": self.servers.loopback,
            "bridge_servers": self.servers.bridge,
            "datagram_servers": self.servers.datagram,
            "abstract_server": self.servers.abstract,
            "host_file": str(self.file),
            "host_identity": _identity(),
            "bystander": self.bystander.pid,
            "shared_name": self.shared.name,
            "shared_key": self.shared_key,
            "locked_files": ["/usr/bin/python3", "/etc/hosts", "/etc/passwd", "/dev/null"],
            "escape": [f"{place.rstrip('/')}/{self.mark}" for place in ESCAPES],
        }

    def damage(self) -> list[str]:
        """Return what the host saw that it must not see."""
        found = list(self.servers.heard)
        if self.bystander.poll() is not None:
            found.append("a process of the host was killed")
        if [path.name for path in self.folder.iterdir()] != [
            self.file.name
        ] or self.file.read_text() != self.secret:
            found.append("files of the host were changed")
        for place in ESCAPES:
            found += [f"{place} has {name}" for name in _names(place) if name == self.mark]
        return found


def bridge_addresses() -> list[str]:
    """Return this machine's own addresses in the engine's default network: the first there, where a new engine names none."""
    done = subprocess.run(
        ["docker", "network", "inspect", "bridge"], check=True, capture_output=True, text=True, timeout=60
    )
    configured = json.loads(done.stdout)[0]["IPAM"]["Config"]
    gateways = [entry.get("Gateway") or str(ip_network(entry["Subnet"])[1]) for entry in configured]
    return [gateway for gateway in gateways if _has_address(gateway)]


def _has_address(host: str) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as tried:
        try:
            tried.bind((host, 0))
        except OSError:
            return False
        return True


def _identity() -> list[str]:
    """Return words that tell this host from others, if anyone read them: its name, and whom it asks for names."""
    words = {socket.gethostname()}
    for line in Path("/etc/resolv.conf").read_text().splitlines():
        if line.startswith(("nameserver", "search", "domain")):
            words.update(line.split()[1:])
    return sorted(words - {"localhost", "127.0.0.1", "127.0.0.11", "127.0.0.53", "."})


def _share(key: int, content: bytes) -> int:
    """Make a System V segment with this content."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    libc.shmdt.argtypes = [ctypes.c_void_p]
    segment = int(libc.shmget(key, 4096, IPC_CREAT | 0o644))
    if segment < 0:
        raise OSError(ctypes.get_errno(), "no segment of shared memory")
    address = libc.shmat(segment, None, 0)
    ctypes.memmove(address, content, len(content))
    libc.shmdt(address)
    return segment


def _names(place: str) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listdir(place)  # noqa: PTH208 - names are all that is wanted
    return []
