"""The container engine, and the only module that imports docker.

`Engine` says what the rest of the sandbox needs of an engine; `DockerEngine` does it through the Docker Engine API.
Every call has a time limit. Nothing is ever pulled, and only containers that carry our label are touched.
"""

from __future__ import annotations

import re
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import docker
import docker.errors
import requests.exceptions

from sandbox.enforcement import read_cgroup, read_figures, read_memory, read_record
from sandbox.errors import (
    DeviceMissingError,
    EngineUnavailableError,
    ImageMissingError,
    RuntimeMissingError,
    SandboxError,
)
from sandbox.seal import LABEL_OWNER, container_name, container_options
from sandbox.session import CALL_TIMEOUT_S, DockerSession, Session
from sandbox.spec import RunSpec, Runtime

UNIX_SCHEME = "unix://"
DEFAULT_URL = "unix:///var/run/docker.sock"
NO_RUNTIME = re.compile("unknown (or invalid )?runtime")
"""Only this: "OCI runtime" stands before every failure to start a container."""
NOT_FOUND = 404
CONFLICT = 409
KILLED = 128 + signal.SIGKILL
HEARSAY_S = 2
GPU_WORDS = ("device driver", "nvidia")
"""How an engine that can't give a GPU says so: it knows no driver for it, or the driver's own hook failed."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a container ended, as its engine tells it."""

    exit_code: int
    oom_killed: bool


class Engine(Protocol):
    """Runs sealed containers. Every method may raise EngineUnavailableError; every method may be repeated."""

    def check(self) -> None:
        """Check that the engine answers.

        Raises:
            EngineUnavailableError: it doesn't, with the remedy.
        """

    def runtimes(self) -> frozenset[Runtime]:
        """Return the runtimes that the engine has and we know."""

    def has_image(self, image: str) -> bool:
        """Return whether the engine holds the image with this id, `sha256:…`."""

    def image_digests(self) -> frozenset[str]:
        """Return the ids of all images that the engine holds."""

    def image_labels(self, image: str) -> Mapping[str, str]:
        """Return the labels of the image with this id, `sha256:…`.

        Raises:
            ImageMissingError: the image is not there.
        """

    def start(self, spec: RunSpec) -> Session:
        """Create, attach to and start the container of `spec`.

        Before: image and runtime are there. After: the container runs and its stdin is open.
        A container left by an earlier attempt at the same run is removed first, so a repeat leaves only one.

        Raises:
            ImageMissingError: the image is not there.
            RuntimeMissingError: the runtime is not there.
            DeviceMissingError: the GPUs asked for are not there.
        """

    def limits_in_force(self, run_id: str) -> dict[str, str]:
        """Return what holds the run's container from outside, by the names of `expectation.expect_engine`.

        Before: it runs. The limits are those of its cgroup, whatever was asked for.

        Raises:
            EngineUnavailableError: it doesn't run.
        """

    def memory_bytes(self, run_id: str) -> int:
        """Return the memory that the run's container holds now; 0 when it doesn't run or the engine is too far to see."""

    def get_ending(self, run_id: str, *, timeout_s: float) -> Ending:
        """Return how the run's container ended, waiting for at most `timeout_s`.

        Raises:
            EngineUnavailableError: it still runs, or is gone.
        """

    def remove(self, run_id: str) -> None:
        """Kill and remove the run's container. After: it doesn't exist. One that doesn't exist is fine.

        One that could not be removed, because the engine was away, is removed at a later call for any run.
        """

    def reap(self, owner: str) -> list[str]:
        """Kill and remove every container that carries `owner`'s label; return their ids."""


class DockerEngine:
    """An `Engine` over the Docker Engine API, 1.41 or newer."""

    def __init__(self, base_url: str | None = None, *, call_timeout_s: int = CALL_TIMEOUT_S) -> None:
        self._base_url = base_url
        self._call_timeout_s = call_timeout_s
        self._client: docker.APIClient | None = None
        self._unremoved: set[str] = set()

    def check(self) -> None:
        """See `Engine.check`."""
        with _translated():
            self._api.ping()

    def runtimes(self) -> frozenset[Runtime]:
        """See `Engine.runtimes`."""
        with _translated():
            names = self._api.info().get("Runtimes", {})
        return frozenset(runtime for runtime in Runtime if runtime.value in names)

    def has_image(self, image: str) -> bool:
        """See `Engine.has_image`."""
        try:
            with _translated():
                found: dict[str, Any] = self._api.inspect_image(image)  # type: ignore[no-untyped-call] # the stubs leave it out
            return bool(found["Id"] == image)
        except ImageMissingError:
            return False

    def image_digests(self) -> frozenset[str]:
        """See `Engine.image_digests`."""
        with _translated():
            return frozenset(str(image["Id"]) for image in self._api.images())

    def image_labels(self, image: str) -> Mapping[str, str]:
        """See `Engine.image_labels`."""
        with _translated(image=image):
            found: dict[str, Any] = self._api.inspect_image(image)  # type: ignore[no-untyped-call] # the stubs leave it out
        if found["Id"] != image:  # the engine also finds images by name and by part of an id
            raise ImageMissingError(image)
        return dict(found["Config"].get("Labels") or {})

    def start(self, spec: RunSpec) -> Session:
        """See `Engine.start`."""
        self.remove(spec.run_id)
        name = container_name(spec.run_id)
        try:
            with _translated(image=spec.image, runtime=spec.runtime.value, gpus=spec.gpus):
                self._api.create_container_from_config(self.options(spec), name)  # type: ignore[no-untyped-call] # the stubs leave it out
                streams = self._api.attach_socket(name, {"stdin": 1, "stdout": 1, "stderr": 0, "stream": 1})
                with ExitStack() as undo:
                    session = DockerSession(getattr(streams, "_sock", streams), streams)
                    undo.callback(session.close)
                    self._api.start(name)
                    undo.pop_all()
        except SandboxError:
            self.remove(spec.run_id)
            raise
        return session

    def options(self, spec: RunSpec) -> dict[str, Any]:
        """Return what the engine is asked for: the seal, and nothing else."""
        return container_options(spec)

    def limits_in_force(self, run_id: str) -> dict[str, str]:
        """See `Engine.limits_in_force`. The engine's statistics take up to a second, the kernel's files nothing."""
        name = container_name(run_id)
        with _translated():
            record: dict[str, Any] = self._api.inspect_container(name)
            if not record["State"]["Running"]:
                raise EngineUnavailableError("the container ended before it had anything to do")
            limits = read_cgroup(int(record["State"]["Pid"]), record["Id"])
            if not limits:
                limits = read_figures(record, self._api.stats(name, stream=False, one_shot=True))
        return read_record(record) | limits

    def memory_bytes(self, run_id: str) -> int:
        """See `Engine.memory_bytes`."""
        try:
            with _translated():
                record: dict[str, Any] = self._api.inspect_container(container_name(run_id))
        except EngineUnavailableError:
            return 0
        return read_memory(int(record["State"]["Pid"]), record["Id"])

    def get_ending(self, run_id: str, *, timeout_s: float) -> Ending:
        """See `Engine.get_ending`."""
        name = container_name(run_id)
        with _translated():
            exit_code = int(self._api.wait(name, timeout=max(1, int(timeout_s)))["StatusCode"])
            record = self._api.inspect_container(name)
            killed = bool(record["State"].get("OOMKilled"))
            if exit_code == KILLED and not killed:
                killed = self._heard_of_memory(record["Id"])
        return Ending(exit_code, killed)

    def _heard_of_memory(self, container_id: str) -> bool:
        """Return whether the memory limit killed it: the engine may hear of that after its end, and then only tells."""
        events = self._api.events(
            since=0,
            until=int(time.time()) + HEARSAY_S,
            filters={"container": container_id, "event": "oom"},
            decode=True,
        )
        return any(events)

    def remove(self, run_id: str) -> None:
        """See `Engine.remove`."""
        name = container_name(run_id)
        self._unremoved.add(name)
        self._remove(name)
        self._unremoved.discard(name)
        self._catch_up()

    def reap(self, owner: str) -> list[str]:
        """See `Engine.reap`."""
        with _translated():
            found = self._api.containers(all=True, filters={"label": f"{LABEL_OWNER}={owner}"})
        ids = [str(container["Id"]) for container in found]
        for container in ids:
            self._remove(container)
        return ids

    def _catch_up(self) -> None:
        """Remove what could not be removed when it was to be; another failure holds up nobody else's call."""
        with suppress(EngineUnavailableError):
            for name in sorted(self._unremoved):
                self._remove(name)
                self._unremoved.discard(name)

    def _remove(self, container: str) -> None:
        with _translated():
            try:
                self._api.remove_container(container, v=True, force=True)
            except docker.errors.APIError as exc:
                if exc.status_code not in (NOT_FOUND, CONFLICT):  # gone, or on its way
                    raise

    @contextmanager
    def calls(self, *, image: str = "") -> Iterator[docker.APIClient]:
        """Lend the client for calls that run nothing, with its errors turned into ours; `image` is the one asked for."""
        with _translated(image=image):
            yield self._api

    def close(self) -> None:
        """Let go of the connection; the next call makes a new one."""
        if self._client is not None:
            self._client.close()
            self._client = None

    @property
    def _api(self) -> docker.APIClient:
        _knock(self._base_url or DEFAULT_URL)
        if self._client is None:
            self._client = docker.APIClient(
                base_url=self._base_url or DEFAULT_URL, version="auto", timeout=self._call_timeout_s
            )
        return self._client


def _knock(base_url: str) -> None:
    """Connect to a local engine and hang up: the SDK never closes a socket that it couldn't connect.

    Raises:
        OSError: nobody listens there.
    """
    if base_url.startswith(UNIX_SCHEME):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(CALL_TIMEOUT_S)
            connection.connect(base_url.removeprefix(UNIX_SCHEME))


@contextmanager
def _translated(*, image: str = "", runtime: str = "", gpus: int = 0) -> Iterator[None]:
    """Turn the client's errors into ours, without the engine's own words: they name host paths."""
    try:
        yield
    except docker.errors.ImageNotFound as exc:
        raise ImageMissingError(image) from exc
    except docker.errors.APIError as exc:
        words = str(exc.explanation).lower()
        if gpus and any(name in words for name in GPU_WORDS):
            raise DeviceMissingError(gpus) from exc
        if runtime and NO_RUNTIME.search(words):
            raise RuntimeMissingError(runtime) from exc
        if image and exc.status_code == NOT_FOUND:
            raise ImageMissingError(image) from exc
        raise EngineUnavailableError(
            f"the container engine refused a call (status {exc.status_code}): look at its log"
        ) from exc
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as exc:
        raise EngineUnavailableError(
            "the container engine doesn't answer: start it, or run deploy/setup/engine.sh"
        ) from exc
