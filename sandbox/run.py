"""One sealed run from start to end: start, hand over the orders, collect, and say exactly what happened.

The container never outlives the call. Raises only when nothing was started; from then on every end is a report with a
reason from the fixed list. Judges no output: that is the egress gate's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sandbox.channel import Channel, StoppedError
from sandbox.collect import Collection, Collector
from sandbox.determinism import Determinism, load_processor
from sandbox.engine import Engine
from sandbox.errors import (
    DeviceMissingError,
    EngineUnavailableError,
    ImageMissingError,
    RuntimeMissingError,
    StagingError,
    StreamError,
    WarmLostError,
)
from sandbox.expectation import expect, expect_engine, judge
from sandbox.seal import seal_digest
from sandbox.spec import ExitReason, ProbeReport, RunReport, RunSpec

START_GRACE_S = 60
ENDING_GRACE_S = 15
COLLECT_BYTES_PER_S = 10_000_000
ENDING_TIMEOUT_S = 10


def run_sealed(
    engine: Engine,
    spec: RunSpec,
    *,
    folder: Path,
    on_event: Callable[[str], None],
    cancelled: Callable[[], bool],
    waiting: Channel | None = None,
) -> RunReport:
    """Run `spec` sealed and collect its outputs into `folder`, which must not exist yet.

    `on_event` hears `starting`, `running` (the probe has passed), `collecting` and `ended`; `cancelled` is asked every
    quarter of a second. `waiting` is the line to a warm container of exactly this spec, which is used in place of a new
    one; it is removed afterwards too.

    Raises:
        ImageMissingError: the engine doesn't hold the image; nothing ran.
        RuntimeMissingError: the engine doesn't have the runtime; nothing ran.
        DeviceMissingError: the engine has no GPU for it; nothing ran.
        WarmLostError: the warm container was gone; nothing ran, and a new one can be started.
        EngineUnavailableError: the engine doesn't answer; nothing ran.
        StagingError: `folder` can't be made anew; nothing ran.
    """
    if waiting is None:
        _check_engine(engine, spec)
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as exc:
        raise StagingError("the folder for outputs can't be made anew: remove it first") from exc
    on_event("starting")
    collector = Collector(folder, spec.limits)
    started = int(time.time())
    try:
        if waiting is None:
            reason = _attempt(engine, spec, _start(engine, spec), collector, on_event, cancelled)
        else:
            reason = _attempt_warm(engine, spec, waiting, collector, on_event, cancelled)
    except (DeviceMissingError, EngineUnavailableError):
        folder.rmdir()  # nothing was started, so the same call can be made again
        raise
    finally:
        collector.close()
        _remove(engine, spec.run_id)
    on_event("ended")
    finished = max(started, int(time.time()))  # a clock that was set back must not make an impossible receipt
    return _report(spec, reason, collector.collection, started=started, finished=finished)


def _check_engine(engine: Engine, spec: RunSpec) -> None:
    if spec.runtime not in engine.runtimes():
        raise RuntimeMissingError(spec.runtime.value)
    if not engine.has_image(spec.image):
        raise ImageMissingError(spec.image)


def _start(engine: Engine, spec: RunSpec) -> Channel:
    channel = Channel(engine.start(spec))
    try:
        channel.prepare(spec)
    except EngineUnavailableError:
        channel.close()
        raise
    return channel


def _attempt_warm(
    engine: Engine,
    spec: RunSpec,
    channel: Channel,
    collector: Collector,
    on_event: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> ExitReason:
    """See `_attempt`; a container that ended before its probe has run nothing of the job."""
    reason = _attempt(engine, spec, channel, collector, on_event, cancelled)
    if reason is ExitReason.ENGINE_FAILED and collector.collection.seen is None:
        raise WarmLostError
    return reason


def _attempt(
    engine: Engine,
    spec: RunSpec,
    channel: Channel,
    collector: Collector,
    on_event: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> ExitReason:
    try:
        collector.collection.outside = engine.limits_in_force(spec.run_id)
        if collector.collection.outside != expect_engine(spec):
            return ExitReason.PROBE_FAILED  # without orders, nothing of the algorithm runs
        if cancelled():
            return ExitReason.CANCELLED
        collector.collection.ordered = True
        channel.order(spec)
        channel.listen_for(START_GRACE_S)
        _collect(spec, collector, channel, on_event, cancelled)
        return _reason_told(spec, collector.collection)
    except StoppedError as stop:
        return stop.reason if _probe_passed(spec, collector.collection) else _before_probe(stop.reason)
    except StreamError as error:
        return _reason_broken(engine, spec, collector.collection, error)
    except (EngineUnavailableError, OSError):
        return ExitReason.ENGINE_FAILED
    finally:
        channel.close()


def _patience_s(spec: RunSpec, event: str) -> float:
    """Return how long the host waits from an event on: somewhat longer than the init, which an algorithm may stop."""
    if event == "running":
        return spec.limits.time_s + ENDING_GRACE_S
    return (spec.limits.output_bytes + spec.limits.log_bytes) / COLLECT_BYTES_PER_S + ENDING_GRACE_S


def _collect(
    spec: RunSpec,
    collector: Collector,
    channel: Channel,
    on_event: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> None:
    known = ""
    for frame in channel.frames(cancelled=cancelled):
        collector.take(frame)
        event = "collecting" if collector.collection.result else "running"
        if event != known and _probe_passed(spec, collector.collection):
            channel.listen_for(_patience_s(spec, event))
            on_event(event)
            known = event
        if collector.collection.complete:
            return
    collector.check_complete()


def _reason_told(spec: RunSpec, collection: Collection) -> ExitReason:
    """Return the init's reason, unless the probe's table says that it should never have started the algorithm."""
    if collection.result is None or not _probe_passed(spec, collection):
        return ExitReason.PROBE_FAILED
    return ExitReason(collection.result.reason)


def _reason_broken(engine: Engine, spec: RunSpec, collection: Collection, error: StreamError) -> ExitReason:
    """Say whose doing a broken stream is.

    Before the probe has passed no algorithm exists, so it is the engine's. Afterwards the stream ends early when the
    memory limit or the algorithm ends the container, and it is forged only by something inside.
    """
    if not _probe_passed(spec, collection):
        return ExitReason.PROBE_FAILED if collection.seen is not None else ExitReason.ENGINE_FAILED
    try:
        ending = engine.get_ending(spec.run_id, timeout_s=ENDING_TIMEOUT_S)
    except EngineUnavailableError:
        return ExitReason.STREAM_BROKEN if error.reason != "truncated" else ExitReason.ENGINE_FAILED
    if ending.oom_killed:
        return ExitReason.OUT_OF_MEMORY
    return ExitReason.ALGORITHM_FAILED if error.reason == "truncated" else ExitReason.STREAM_BROKEN


def _before_probe(reason: ExitReason) -> ExitReason:
    return reason if reason is ExitReason.CANCELLED else ExitReason.ENGINE_FAILED


def _probe_passed(spec: RunSpec, collection: Collection) -> bool:
    report = _probe_report(spec, collection)
    return report is not None and report.passed


def _remove(engine: Engine, run_id: str) -> None:
    """Remove the container; an engine that doesn't answer now is asked again when its owner's containers are reaped."""
    try:
        engine.remove(run_id)
    except EngineUnavailableError:
        return


def _probe_report(spec: RunSpec, collection: Collection) -> ProbeReport | None:
    """Judge both views; a row about the outside is never taken from inside.

    None when a run ended before anyone looked inside, and nothing was wrong outside: then no probe has failed.
    """
    outside_only = collection.seen is None and collection.outside == expect_engine(spec)
    if collection.outside is None or outside_only:
        return None
    inside = {check: finding for check, finding in (collection.seen or {}).items() if check in expect(spec)}
    return judge(spec, inside | collection.outside)


def _report(
    spec: RunSpec, reason: ExitReason, collection: Collection, *, started: int, finished: int
) -> RunReport:
    result = collection.result
    cpu_ms = result.cpu_ms if result else 0
    return RunReport(
        reason=reason,
        runtime=spec.runtime,
        image=spec.image,
        seal_digest=seal_digest(spec),
        determinism=Determinism(spec.limits.threads, load_processor()),
        probe=_probe_report(spec, collection),
        ordered=collection.ordered,
        started=started,
        finished=finished,
        cpu_s=f"{cpu_ms // 1000}.{cpu_ms % 1000:03d}",
        peak_memory_bytes=result.peak_memory_bytes if result else 0,
        bytes_written=result.bytes_written if result else 0,
        log_digest=collection.log_digest,
        log=collection.log,
        outputs=tuple(collection.files) if reason is ExitReason.COMPLETED else (),
        refused=tuple(result.refused) if result else (),
    )
