"""Where things stand in a home folder, and the client's own settings in it.

Writes are atomic and private (0600): a kill leaves the old file or the new one. Never deletes a key.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cli.errors import InputError

DEFAULT_HOME = "~/.sealroom"
DEFAULT_PORT = 8830
DEFAULT_RPC_PORT = 8545
DEFAULT_PROVIDER_URL = f"http://127.0.0.1:{DEFAULT_PORT}"


@dataclass(frozen=True, slots=True)
class Home:
    """The paths of one home folder; creating it makes nothing on disk."""

    root: Path

    @property
    def keys(self) -> Path:
        """V3 keystores, NAME.json."""
        return self.root / "keys"

    @property
    def deployment_file(self) -> Path:
        """The contracts that this home believes in."""
        return self.root / "chain" / "deployment.json"

    def manifest_file(self, chain_id: int) -> Path:
        """Return where the manifest of a chain that was deployed to is kept."""
        return self.root / "chain" / "deployments" / f"{chain_id}.json"

    @property
    def chain_history(self) -> Path:
        """What was read of old events, to be read once only."""
        return self.root / "chain" / "history"

    @property
    def audits(self) -> Path:
        """Copies of providers' logs, with what was audited of them."""
        return self.root / "audits"

    @property
    def chain_state(self) -> Path:
        """What the local chain keeps between runs."""
        return self.root / "chain" / "state.json"

    @property
    def provider(self) -> Path:
        """The provider's own folder."""
        return self.root / "provider"

    @property
    def settings_file(self) -> Path:
        """The provider's settings."""
        return self.provider / "settings.yaml"

    @property
    def signing_keys(self) -> Path:
        """The keys that sign receipts."""
        return self.provider / "keys"

    @property
    def data(self) -> Path:
        """The data root: datasets stand under it."""
        return self.root / "data"

    @property
    def run(self) -> Path:
        """Process records and logs."""
        return self.root / "run"

    @property
    def jobs(self) -> Path:
        """A scientist's requests and result keys, one folder per job id."""
        return self.root / "jobs"

    @property
    def credentials(self) -> Path:
        """What issuers signed about the accounts of this home."""
        return self.root / "credentials"

    @property
    def witness_key(self) -> Path:
        """The key that this home cosigns other people's logs with."""
        return self.root / "witness" / "key.json"

    @property
    def witnessed_logs(self) -> Path:
        """What the witness has seen: a checkpoint for each log."""
        return self.root / "witness" / "logs"

    @property
    def evidence(self) -> Path:
        """Evidence of logs that showed two histories."""
        return self.root / "witness" / "evidence"

    @property
    def client_file(self) -> Path:
        """Where the chain and the provider are, and who the provider is."""
        return self.root / "client.json"


def write_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace `path` by `data` in one step, creating its folder (0700) when missing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Have a name that was just put there outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_file(path: Path, *, what: str, max_bytes: int) -> bytes:
    """Read a file that somebody named.

    Raises:
        InputError: it is missing, not a file, unreadable, or larger than `max_bytes`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as exc:
        raise InputError(f"{what}: {path} can't be read: {exc.strerror}", code="file-unreadable") from exc
    if len(data) > max_bytes:
        raise InputError(f"{what}: {path} is larger than {max_bytes} bytes", code="file-too-large")
    return data
