"""A sealed container that waits for its one job, and what it is made from. Knows nothing of the pool that keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from sandbox.channel import Channel
from sandbox.collect import PROBE, WARM, parse_seen
from sandbox.engine import Engine
from sandbox.errors import StreamError
from sandbox.expectation import expect_engine, judge
from sandbox.manifest import ALGORITHM_PATH
from sandbox.spec import Limits, RunSpec, Runtime

PRELOAD_LABEL = "org.sealroom.preload"
INTERPRETERS = ("python", "python3")
NO_ALGORITHM = "0" * 64
POLL_S = 0.001


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a warm container is made from; one that differs in anything serves no other.

    `contents` stands for the staged bytes: whoever asks puts in whatever tells two states of the data apart.
    `interpreter` is the program that waits, by the name that the job has for it: an image may have several.
    """

    image: str
    runtime: Runtime
    limits: Limits
    dataset_ids: tuple[str, ...]
    contents: str
    interpreter: str = INTERPRETERS[0]


class _Stage(Enum):
    STARTED = "started"
    PROBED = "probed"
    READY = "ready"


class WarmContainer:
    """One container that waits; `inputs` is its staged root, to which the job is still to be added."""

    def __init__(self, recipe: Recipe, spec: RunSpec, channel: Channel, *, born: float) -> None:
        self.recipe = recipe
        self.spec = spec
        self.channel = channel
        self.born = born
        self._stage = _Stage.STARTED

    @property
    def inputs(self) -> Path:
        """Where the job is to be staged."""
        return self.spec.inputs

    @property
    def is_ready(self) -> bool:
        """Whether its libraries are loaded."""
        return self._stage is _Stage.READY

    def fit(self, spec: RunSpec) -> RunSpec:
        """Return `spec` for this container: its name and its staged root."""
        return replace(spec, run_id=self.spec.run_id, inputs=self.spec.inputs)

    def advance(self, timeout_s: float = POLL_S) -> None:
        """Take note of what its init has said since, or says within `timeout_s`.

        Raises:
            StreamError: it said something that it shouldn't, its probe saw something that it shouldn't, or it ended.
            EngineUnavailableError: the connection broke.
        """
        frames, goes_on = self.channel.poll(timeout_s)
        for frame in frames:
            if self._stage is _Stage.STARTED and frame.kind == PROBE:
                _check_probe(self.spec, parse_seen(frame.payload))
                self._stage = _Stage.PROBED
            elif self._stage is _Stage.PROBED and frame.kind == WARM:
                self._stage = _Stage.READY
            else:
                raise StreamError("out-of-order")
        if not goes_on:
            raise StreamError("truncated")


def start_warm(
    engine: Engine, recipe: Recipe, *, name: str, owner: str, inputs: Path, now: float
) -> WarmContainer:
    """Start a container of `recipe` that gets ready by itself; `inputs` is its staged root.

    Raises:
        EngineUnavailableError: the engine doesn't answer, or the container ended at once.
        StreamError: `not-sealed`: the engine doesn't hold it as the seal says.
    """
    spec = RunSpec(
        run_id=name,
        owner=owner,
        image=recipe.image,
        runtime=recipe.runtime,
        argv=(recipe.interpreter, ALGORITHM_PATH),
        inputs=inputs,
        dataset_ids=recipe.dataset_ids,
        algorithm_id=NO_ALGORITHM,
        limits=recipe.limits,
    )
    preload = preload_of(engine.image_labels(recipe.image))
    with ExitStack() as undo:
        channel = Channel(engine.start(spec))
        undo.callback(channel.close)
        if engine.limits_in_force(name) != expect_engine(spec):
            raise StreamError("not-sealed")
        channel.prepare(spec, preload=preload)
        undo.pop_all()
    return WarmContainer(recipe, spec, channel, born=now)


def fits(argv: Sequence[str]) -> bool:
    """Return whether a program can start in a waiting interpreter: `python $ALGO`, with arguments of its own or none."""
    return len(argv) > 1 and argv[0] in INTERPRETERS and argv[1] == ALGORITHM_PATH


def preload_of(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the modules that an image's label names for loading ahead."""
    return tuple(
        name for name in labels.get(PRELOAD_LABEL, "").split() if name.replace(".", "").isidentifier()
    )


def _check_probe(spec: RunSpec, seen: Mapping[str, str]) -> None:
    if not judge(spec, {**seen, **expect_engine(spec)}).passed:
        raise StreamError("not-sealed")
