"""Write docs/cli.md from the help of every command; with `--check`, fail when the file is not what would be written."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "cli.md"
WIDTH = 100
COMMON = ("--json", "--home", "--as", "--password-file", "--help")


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """Yield a command and everything below it, in the order of the help."""
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from commands(child, click.Context(child, info_name=name, parent=context))


def section(command: click.Command, context: click.Context) -> str:
    """Return the part of the page on one command; options that all commands take are told once, at the top."""
    usage = command.get_usage(context).removeprefix("Usage: ")
    lines = [
        f"## `{context.command_path}`",
        "",
        inspect.cleandoc(command.help or ""),
        "",
        f"    {' '.join(usage.split())}",
        "",
    ]
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.opts[0] not in COMMON:
            record = parameter.get_help_record(context)
            if record is not None:
                lines.append(f"- `{record[0]}`: {record[1] or 'see above'}")
    return "\n".join(lines).rstrip() + "\n"


def write_page() -> str:
    """Return the whole page."""
    from cli.errors import ExitCode  # noqa: PLC0415 - the checkout is put on the path first
    from cli.main import root  # noqa: PLC0415 - likewise

    context = click.Context(root, info_name="sealroom", terminal_width=WIDTH, max_content_width=WIDTH)
    shared = [parameter.get_help_record(context) for parameter in root.params]
    parts = [
        "# The `sealroom` command",
        "",
        "Made by `deploy/generate_cli_docs.py` from the command's own help.",
        "",
    ]
    parts += ["Every command takes:", ""]
    parts += [f"- `{record[0]}`: {record[1]}" for record in shared if record is not None]
    names = {code.value: code.name.lower() for code in ExitCode}
    parts += ["", "Exit codes: " + ", ".join(f"{value} {name}" for value, name in names.items()) + ".", ""]
    sections = [
        section(command, found) for command, found in commands(root, context) if found.parent is not None
    ]
    return "\n".join(parts) + "\n" + "\n".join(sections)


def main(arguments: list[str]) -> int:
    """Write the page, or compare it."""
    page = write_page()
    if "--check" not in arguments:
        TARGET.write_text(page, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == page:
        return 0
    print(
        "docs/cli.md is not what the command's help says: run python deploy/generate_cli_docs.py",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1:]))
