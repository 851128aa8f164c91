"""Runs a hostile algorithm without the seal: the proof that it would get something, were it not for the seal."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sandbox.seal import LABEL_OWNER, READ_ONLY_MOUNTS, USER_ID, writable_places
from sandbox.staging import cleanup, stage
from tests.attacks.arena import NEIGHBOUR_ASSET, OWN_ROWS
from tests.attacks.catalogue import Attack
from tests.attacks.host_side import Host
from tests.sandbox_fixtures import ASSET, LIMITS, OWNER, Bench

Arguments = Callable[[Host, Path], Sequence[str]]
TIME_S = 120
ALGORITHM = "python3 -B /data/transformations/algorithm"
ROOT = ("--user", "0")
UNFILTERED = ("--security-opt", "seccomp=unconfined")
# Nearly `--privileged`, which asks for capabilities that not every host has to give.
PRIVILEGED = (
    *(
        f"--cap-add={name}"
        for name in ("SYS_ADMIN", "SYS_PTRACE", "SYS_NICE", "SYS_RAWIO", "SYSLOG", "NET_ADMIN")
    ),
    *(
        "--security-opt",
        "apparmor=unconfined",
        "--security-opt",
        "systempaths=unconfined",
        *UNFILTERED,
        *ROOT,
    ),
)
LINGERING = {"deadline/daemon", "deadline/hold_the_pipe"}


def _always(*arguments: str) -> Arguments:
    return lambda _host, _folder: arguments


def _with_the_host_file(host: Host, _folder: Path) -> Sequence[str]:
    return ("--volume", f"{host.folder}:{host.folder}:ro")


def _with_left_files(host: Host, _folder: Path) -> Sequence[str]:
    return ("--volume", f"{host.folder}:/var/tmp:ro")


def _with_other_inputs(_host: Host, folder: Path) -> Sequence[str]:
    return ("--volume", f"{folder}/neighbour:{folder}/neighbour:ro")


def _with_a_secret(host: Host, _folder: Path) -> Sequence[str]:
    return ("--env", f"DEPLOY_TOKEN={host.secret}")


# What is left out of the seal: the least that opens the way which the attack takes.
WITHOUT: dict[str, Arguments] = {
    "network/tcp_to_loopback": _always("--network", "host"),
    "network/tcp_to_bridge": _always("--network", "bridge"),
    "network/udp_to_host": _always("--network", "host"),
    "network/dns_tunnel": _always("--network", "host"),
    "network/raw_socket": _always("--network", "bridge", *ROOT),
    "network/packet_socket": _always(*ROOT),
    "network/netlink_interfaces": _always("--network", "host"),
    "network/abstract_socket": _always("--network", "host"),
    "network/connection_tables": _always("--network", "host"),
    "network/tap_device": _always("--device", "/dev/net/tun", "--cap-add", "NET_ADMIN", *ROOT),
    "host/engine_socket": _always("--volume", "/var/run/docker.sock:/var/run/docker.sock", *ROOT),
    "host/files_by_path": _with_the_host_file,
    "host/files_by_handle": _always("--cap-add", "DAC_READ_SEARCH", *UNFILTERED, *ROOT),
    "host/disks": _always("--device-cgroup-rule", "b *:* r", *ROOT),
    "host/core_pattern": _always(*PRIVILEGED),
    "host/magic_keys": _always(*PRIVILEGED),
    "host/cgroup_control": _always("--volume", "/sys/fs/cgroup:/sys/fs/cgroup", *ROOT),
    "host/who_is_it": _always("--network", "host", "--uts", "host"),
    "host/write_everywhere": _always(*ROOT),
    "host/secrets": _with_a_secret,
    "host/overwrite_runtime": _always(*ROOT),
    "others/other_processes": _always("--pid", "host"),
    "others/kill_others": _always("--pid", "host", *ROOT),
    "others/other_inputs": _with_other_inputs,
    "others/other_root": _always("--pid", "host", *PRIVILEGED),
    "others/shared_memory": _always("--ipc", "host"),
    "others/left_behind": _with_left_files,
    "others/keyrings": _always(*UNFILTERED),
    "others/abstract_neighbour": _always("--network", "host"),
    "privileges/become_root": _always(*ROOT),
    "privileges/setuid_programs": _always(),
    "privileges/user_namespace": _always(*PRIVILEGED),
    "privileges/clone_namespaces": _always(*PRIVILEGED),
    "privileges/join_namespaces": _always(*PRIVILEGED),
    "privileges/mount": _always(*PRIVILEGED),
    "privileges/change_root": _always(*ROOT),
    "privileges/raise_capabilities": _always(*ROOT),
    "privileges/kernel_programs": _always(*PRIVILEGED),
    "privileges/io_uring": _always(*PRIVILEGED),
    "privileges/userfaultfd": _always(*PRIVILEGED),
    "privileges/loosen_filter": _always(*PRIVILEGED),
    "privileges/raise_priority": _always(*PRIVILEGED),
    "privileges/administer": _always(*PRIVILEGED),
    "resources/memory": _always(),
    "resources/many_processes": _always(),
    "resources/many_threads": _always(),
    "resources/zombies": _always(),
    "resources/scratch_bytes": _always(),
    "resources/output_bytes": _always(),
    "resources/open_files": _always(),
    "resources/file_size": _always(),
    "resources/core_dump": _always("--ulimit", "core=-1"),
    "deadline/ignore_signals": _always(),
    "deadline/daemon": _always(),
    "deadline/hold_the_pipe": _always(),
    "deadline/run_of_programs": _always(),
    "probe/loosen_afterwards": _always(*PRIVILEGED),
    "probe/look_again": _always(),
    "probe/start_up_hooks": _always(*ROOT),
    "init/read_memory": _always(),
    "init/write_memory": _always(),
    "init/steal_descriptors": _always(*PRIVILEGED),
}


def run_unsealed(attack: Attack, host: Host, *, image: str, folder: Path, **told: Any) -> str:
    """Run the same bundle in a container without the seal; return what it printed."""
    bundle = attack.bundle(image)
    bench = Bench.__new__(Bench)
    bench._folder = folder
    limits = asdict(LIMITS) | {"time_s": 1} | dict(attack.limits)
    neighbour = folder / "neighbour" / NEIGHBOUR_ASSET
    neighbour.mkdir(parents=True)
    (neighbour / "0").write_text(host.secret)
    plan = host.plan() | {
        "own_dataset": ASSET,
        "neighbour_pid": host.bystander.pid,
        "neighbour_dataset": NEIGHBOUR_ASSET,
        "neighbour_files": [str(neighbour / "0")],
        "neighbour_address": host.servers.abstract,
        "limits": limits,
        **told,
    }
    staged = stage(folder / "inputs", [bench.dataset(OWN_ROWS)], bundle, plan)
    try:
        return _run(image, staged.root, WITHOUT[attack.name](host, folder), linger=attack.name in LINGERING)
    finally:
        cleanup(staged.root)


def _run(image: str, inputs: Path, without: Sequence[str], *, linger: bool) -> str:
    """Run it under a shell, which may stay for two seconds so that what an algorithm leaves behind can speak."""
    mounts = [f"--volume={inputs / source}:{target}:ro" for target, source in READ_ONLY_MOUNTS.items()]
    places = [
        f"--tmpfs={place}:rw,exec,dev,suid,uid={USER_ID},gid={USER_ID},mode=0777"
        for place in writable_places(LIMITS)
    ]
    network = () if "--network" in without else ("--network", "none")
    command = [
        "docker",
        "run",
        "--rm",
        "--label",
        f"{LABEL_OWNER}={OWNER}",
        "--entrypoint",
        "sh",
        *mounts,
        *places,
    ]
    command += [
        *network,
        *without,
        "--workdir",
        "/scratch",
        image,
        "-c",
        f"{ALGORITHM} 2>&1; sleep {2 if linger else 0}",
    ]
    done = subprocess.run(command, check=False, capture_output=True, timeout=TIME_S)
    return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
