"""What the seal fixes so that the same training gives the same weights, and what of it a receipt states.

Fixed are the number of threads, the seed of Python's hashes, and the kind of algorithm that libraries choose where they
have a choice. Not fixed: the processor, whose instructions decide how libraries add; what an algorithm takes from the
clock or from /dev/urandom; the order in which threads of its own come. Knows no run spec.
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass
from pathlib import Path

from sandbox.guest import SITE

HASH_SEED = 0
THREAD_VARIABLES = (
    "LOKY_MAX_CPU_COUNT",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "PYTHON_CPU_COUNT",
    "RAYON_NUM_THREADS",
)
"""Each decides into how many parts a library splits a sum; unset, that would follow the host's processors."""
FIXED_VARIABLES = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it cuBLAS may add in another order each time
    "KMP_DETERMINISTIC_REDUCTION": "TRUE",
    "MKL_CBWR": "AUTO",  # the processor's best branch, and the same result however arrays are aligned
    "MKL_DYNAMIC": "FALSE",
    "OMP_DYNAMIC": "FALSE",
    "PYTHONHASHSEED": str(HASH_SEED),
    "PYTHONPATH": f"/sealroom/{SITE}",  # where PyTorch finds the guest's `deterministic.py`
    "TORCHINDUCTOR_DETERMINISTIC": "1",
}
CPUINFO = Path("/proc/cpuinfo")
UNKNOWN = "unknown"
_VENDOR = re.compile(r"^(?:vendor_id|CPU implementer)\s*:\s*([A-Za-z0-9]{1,32})$", re.MULTILINE)
_FLAGS = re.compile(r"^(?:flags|Features)\s*:(.*)$", re.MULTILINE)
_BASE = frozenset({"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"})
_AVX2 = _BASE | {"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"}
_AVX512 = _AVX2 | {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"}
LEVELS = (
    ("x86-64-v4+amx", _AVX512 | {"amx_tile"}),
    ("x86-64-v4", _AVX512),
    ("x86-64-v3", _AVX2),
    ("x86-64-v2", _BASE),
    ("armv8+sve2", frozenset({"asimd", "sve2"})),
    ("armv8+sve", frozenset({"asimd", "sve"})),
    ("armv8", frozenset({"asimd"})),
)
"""Classes of processors by the instructions that numerical libraries choose by, the best first (x86: psABI 1.0, §3.1.1)."""


@dataclass(frozen=True, slots=True)
class Processor:
    """The class of a processor: kernel's name of the architecture, maker, and level of instructions."""

    architecture: str
    vendor: str
    level: str

    @property
    def words(self) -> str:
        """All of it in one line."""
        return f"{self.architecture} {self.vendor} {self.level}"


@dataclass(frozen=True, slots=True)
class Determinism:
    """What was fixed for a run, and the class of the processor, which was as it was."""

    threads: int
    processor: Processor
    hash_seed: int = HASH_SEED
    deterministic_algorithms: bool = True


def variables(threads: int) -> dict[str, str]:
    """Return the part of an algorithm's environment that makes it repeatable."""
    return dict.fromkeys(THREAD_VARIABLES, str(threads)) | FIXED_VARIABLES


def parse_processor(cpuinfo: str, architecture: str) -> Processor:
    """Return the class of the processor that the kernel describes (proc(5), /proc/cpuinfo); what it doesn't tell is unknown."""
    vendor, flags = _VENDOR.search(cpuinfo), _FLAGS.search(cpuinfo)
    has = set(flags[1].split()) if flags else set()
    level = next((name for name, needed in LEVELS if needed <= has), UNKNOWN)
    return Processor(architecture or UNKNOWN, vendor[1] if vendor else UNKNOWN, level)


def load_processor() -> Processor:
    """Return the class of this machine's processor."""
    try:
        text = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return parse_processor(text, platform.machine())
