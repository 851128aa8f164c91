"""Ask the container engine for a container without a seal, through every socket that one may listen on."""

import socket

from attacker import attempt, gained

PLACES = (
    "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock",
    "/run/crio/crio.sock", "/run/systemd/private", "/run/dbus/system_bus_socket",
)  # fmt: skip

for place in PLACES:
    with attempt(), socket.socket(socket.AF_UNIX) as engine:
        engine.settimeout(3)
        engine.connect(place)
        engine.sendall(b"GET /version HTTP/1.0\r\n\r\n")
        gained(engine.recv(100))
