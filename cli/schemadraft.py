"""Writes the draft of a schema: names and kinds of columns, and gaps where only the owner knows what to say. Pure.

Bounds and categories are never computed: the smallest value of a column is some patient's, and what is scaled by it spends
privacy that nobody accounts for. So the draft has a gap for each, which no reader takes until it is filled in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from policies.schema import Kind
from provider.columns import ColumnKind, ColumnProfile

HEADING = """\
# What each column holds, for whoever trains on data they can't see. All of it is published, and its digest stands on chain.
# Write bounds and categories from what is known of the domain (the range of the instrument, the code book), never from the
# smallest and largest value of the data: those are somebody's. Values outside the bounds count as the nearest bound.
# kind: number, integer (both with min and max), boolean, category (with categories), date, identifier, text.
# Identifiers and text can be no feature of a model. Add `nullable: true` where values may be missing.
version: 1
columns:
"""
GAP = "FILL-IN"
KINDS: Mapping[ColumnKind, Kind] = {
    "boolean": "boolean",
    "integer": "integer",
    "float": "number",
    "text": "text",
    "date": "date",
    "time": "date",
    "other": "text",
}
HINTS: Mapping[ColumnKind, str] = {
    "integer": "or identifier, or category",
    "text": "or category, date, identifier; or boolean with nullable: true",
    "other": "a schema has no kind for what stands in this column",
}


def draft_schema(columns: Sequence[ColumnProfile]) -> str:
    """Return a draft of the schema document (YAML); it is refused as long as a gap is in it."""
    return HEADING + "".join(_draft_column(column) for column in columns)


def _draft_column(column: ColumnProfile) -> str:
    kind = KINDS[column.kind]
    hint = f"  # {HINTS[column.kind]}" if column.kind in HINTS else ""
    bounds = f"    min: {GAP}\n    max: {GAP}\n" if kind in {"number", "integer"} else ""
    return f"  - name: {json.dumps(column.name)}\n    kind: {kind}{hint}\n{bounds}"
