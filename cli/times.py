"""Writes the times of a chain as people read them, and reads a moment as people name it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from provider.times import format_time

__all__ = ["MOMENT", "Moment", "format_time"]
_NUMBER = re.compile(r"(block:)?(0|[1-9][0-9]{0,11})")


@dataclass(frozen=True, slots=True)
class Moment:
    """A unix time, or the number of a block, which has one."""

    number: int
    is_block: bool = False


class _Moment(click.ParamType[Moment]):
    """A date, a unix time or a block."""

    name = "time or block"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Moment:  # noqa: ANN401 - click's
        """Return the moment, or fail with the forms that are read; a date without a zone is in UTC."""
        number = _NUMBER.fullmatch(str(value))
        if number is not None:
            return Moment(int(number[2]), is_block=number[1] is not None)
        try:
            date = datetime.fromisoformat(str(value))
            return Moment(int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()))
        except (ValueError, OverflowError):
            self.fail(
                f"expected 2027-01-31, 2027-01-31T09:00:00Z, a unix time or block:NUMBER, got {str(value)[:80]!r}",
                param,
                ctx,
            )


MOMENT = _Moment()
