"""Divides a dataset's units into members, which algorithms see, and those held back, which none ever sees.

The division is a public hash of the dataset's commitment and the unit, so that it is the same for every job, and whoever
has the data can repeat a run: SHA-256 over a tag, the commitment and the unit's key, of which the first 8 bytes, as a
fraction of 2^64, are below the part that is held back. A row's key is its file's name and number in it; that of a unit
named by a column is the column's value, so that all rows of a patient are on one side.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path

from policies.model import Policy
from policies.privacy import ColumnUnit
from provider.errors import DatasetError
from provider.gate.tables import Table, Values, is_table, keep_rows, read_header

TAG = b"sealroom-hold-back-v1\n"
HASH_BYTES = 8
NUMBER_BYTES = 8


class Side(Enum):
    """Where a row belongs; one over a unit's number of rows belongs nowhere."""

    MEMBER = "member"
    HELD_BACK = "held-back"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class HoldBack:
    """What part of the units is held back (decimal text), and what a unit is: a row, or a column's value."""

    part: str
    unit: ColumnUnit | None = None


def hold_back_of(policy: Policy) -> HoldBack | None:
    """Return what a policy holds back; None in every other mode than `measured`."""
    tests, unit = policy.privacy.tests, policy.privacy.unit
    if tests is None:
        return None
    return HoldBack(tests.hold_back, unit if isinstance(unit, ColumnUnit) else None)


class Division:
    """One dataset's division. Ask for the files and rows in their order: it counts what each unit has used."""

    def __init__(self, commitment: bytes, rule: HoldBack) -> None:
        self._commitment = commitment
        self._unit = rule.unit
        self._limit = int(Fraction(rule.part) * 2 ** (8 * HASH_BYTES))
        self._used: Counter[bytes] = Counter()
        self._name = b""
        self._column: int | None = None

    def begin(self, table: Table) -> None:
        """Turn to the next file.

        Raises:
            DatasetError: `dataset-unreadable`: it has no column of the unit's name.
        """
        self._name = table.name.encode()
        if self._unit is not None:
            header = read_header(table)
            if self._unit.column not in header:
                raise DatasetError("dataset: a table lacks the unit's column", code="dataset-unreadable")
            self._column = header.index(self._unit.column)

    def place(self, number: int, values: Values) -> Side:
        """Say where row `number` of the file belongs."""
        key = self.key_of(number, values)
        if self._unit is not None:
            self._used[key] += 1
            if self._used[key] > self._unit.max_rows:
                return Side.UNUSED
        digest = hashlib.sha256(TAG + self._commitment + key).digest()
        held = int.from_bytes(digest[:HASH_BYTES]) < self._limit
        return Side.HELD_BACK if held else Side.MEMBER

    def is_first(self, number: int, values: Values) -> bool:
        """Tell whether the row that was placed last is the first of its unit."""
        return self._unit is None or self._used[self.key_of(number, values)] == 1

    def key_of(self, number: int, values: Values) -> bytes:
        """Return the key of the row's unit."""
        if self._column is None:
            return b"row\x00" + self._name + b"\x00" + number.to_bytes(NUMBER_BYTES)
        return b"unit\x00" + values[self._column].encode()


class MembersOnly:
    """Rewrites a dataset's staged tables, one after the other, so that members alone are left."""

    def __init__(self, commitment: bytes, rule: HoldBack) -> None:
        self._division = Division(commitment, rule)

    def __call__(self, path: Path, name: str) -> None:
        """Replace the staged file at `path`.

        Raises:
            DatasetError: `dataset-unreadable`: it is no table, or can't be read as one.
        """
        if not is_table(name):
            raise DatasetError(
                "dataset: the mode measured holds rows back, and a file is not a table",
                code="dataset-unreadable",
                remedy="offer a dataset of .csv or .parquet files alone under this policy",
            )
        table, part = Table(path, name), path.with_name(f"{path.name}.part")
        self._division.begin(table)
        keep_rows(table, part, lambda number, values: self._division.place(number, values) is Side.MEMBER)
        part.replace(path)


def check_same_columns(tables: Sequence[Table]) -> Values:
    """Return the columns that all tables have.

    Raises:
        DatasetError: `dataset-unreadable`: they differ, or there is no table.
    """
    headers = [read_header(table) for table in tables]
    if not headers or any(header != headers[0] for header in headers):
        raise DatasetError("dataset: its tables have different columns", code="dataset-unreadable")
    return headers[0]
