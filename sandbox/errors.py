"""What can go wrong around a sealed container.

SandboxError
├── BundleInvalidError       a bundle, its algorithm.yaml or its parameters are not what they must be
├── ImageInvalidError        an image, or the archive that it came in, is not what it must be
├── StagingError             an input can't be copied into place as a plain file
├── DeviceMissingError       the engine has no GPU to give
├── EngineUnavailableError   the container engine doesn't answer, or not as it should
│   ├── ImageMissingError    the engine doesn't hold the image; nothing is ever pulled
│   ├── WarmLostError        a warm container was gone before its job reached it
│   └── RuntimeMissingError  the engine doesn't have the runtime asked for
└── StreamError              the bytes that came out are not a whole, authentic output stream
"""

from __future__ import annotations


class SandboxError(Exception):
    """Base of every error that this package raises on purpose."""

    code = "sandbox-error"


class BundleInvalidError(SandboxError):
    """A bundle is malformed; `path` names the file or the key."""

    code = "bundle-invalid"

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"algorithm bundle: {path}: {problem}" if path else f"algorithm bundle: {problem}")


class StagingError(SandboxError):
    """An input can't be copied into place as a plain file."""

    code = "staging-failed"


class ImageInvalidError(SandboxError):
    """An image, or the archive that it came in, is not what it must be."""

    code = "image-invalid"


class EngineUnavailableError(SandboxError):
    """The container engine doesn't answer in time, or refuses what it was asked."""

    code = "engine-unavailable"


class ImageMissingError(EngineUnavailableError):
    """The engine doesn't hold the image; nothing is ever pulled."""

    code = "image-missing"

    def __init__(self, image: str) -> None:
        self.image = image
        super().__init__(f"the engine has no image {image}; build it with deploy/image/build.sh or load it")


class WarmLostError(EngineUnavailableError):
    """A warm container was gone before its job reached it; nothing ran, and a new container can be started."""

    code = "warm-lost"

    def __init__(self) -> None:
        super().__init__("the warm container ended before its job reached it: start a new one")


class RuntimeMissingError(EngineUnavailableError):
    """The engine doesn't have the runtime that the run asks for."""

    code = "runtime-missing"

    def __init__(self, runtime: str) -> None:
        self.runtime = runtime
        super().__init__(
            f"the engine has no runtime {runtime!r}; install it and register it with deploy/setup/engine.sh"
        )


class DeviceMissingError(SandboxError):
    """The engine has no GPU for a run that asks for one. It answers well, so waiting for it would change nothing."""

    code = "device-missing"

    def __init__(self, gpus: int) -> None:
        self.gpus = gpus
        super().__init__(
            f"the engine can't give the GPUs asked for ({gpus}): install the driver and the NVIDIA container toolkit, "
            "or set the policy's limits.gpus to 0"
        )


class StreamError(SandboxError):
    """The output stream broke a rule; `reason` is the rule's fixed name, never the stream's own words."""

    code = "stream-broken"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the output stream was refused: {reason}")
