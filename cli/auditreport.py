"""The report of an audit as one HTML file that needs nothing else: no script, no network, no font. It is read and printed.

Everything that stands in it is escaped: names and words in a log are whatever its writers chose.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from cli.auditcharts import DAY_S, OUTCOMES, Point, bar_chart, line_chart, share_chart
from cli.auditstyle import STYLE
from cli.errors import InputError
from cli.times import format_time
from provider.audit.findings import KINDS, Finding, Severity
from provider.audit.report import CheckLine, Report

MEANINGS = {
    "released": "the result passed the gate and left",
    "withheld": "the job ran, and the gate kept its result back",
    "failed": "the job ended with an error",
    "refused": "a rule said no, and nothing ran",
    "cancelled": "somebody stopped it",
}
RESULTS = {"passed": "held", "skipped": "not checked"}
LIMITS = (
    "That what was signed is what the machine did: an audit reads the provider's records and the chain.",
    "That the data were what their owner says, that a model is any good, or that nobody was harmed.",
    "What was never recorded anywhere: a job that was neither ordered on chain nor logged leaves no trace.",
    "That the trust root, or the node that was asked about the chain, told the truth.",
)


def write_report(path: Path, report: Report) -> None:
    """Write the page.

    Raises:
        InputError: the file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render_report(report), encoding="utf-8")
    except OSError as exc:
        raise InputError(f"the report {path} can't be written: {exc.strerror}") from exc


def render_report(report: Report) -> str:
    """Return the page."""
    parts = [
        _head(report),
        _summary(report),
        _findings(report),
        _jobs(report),
        _privacy(report),
        _gas(report),
        _checks(report),
        _limits(),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Audit of {escape(report.origin)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _head(report: Report) -> str:
    gravest = report.findings[0] if report.findings else None
    if report.is_clean or gravest is None:
        verdict, told = "clean", "Nothing was found that the checks below look for."
    else:
        verdict = gravest.severity.word
        told = f"{_sentence(gravest.text)}"
    word = "Clean" if report.is_clean else f"Not clean: {report.verdict}"
    return (
        f'<header><p class="kind">Audit of a receipt log</p><h1>{escape(report.origin)}</h1>'
        f'<div class="verdict {verdict}"><strong>{escape(word)}</strong><p>{escape(told)}</p></div></header>'
    )


def _summary(report: Report) -> str:
    counts = dict.fromkeys(reversed(Severity), 0)
    for code, count in report.counts.items():
        counts[KINDS[code].severity] += count
    pairs = [
        ("Provider", report.provider),
        ("Chain", str(report.chain_id)),
        ("Audited", format_time(report.time)),
        ("Receipts", f"{report.size:,} in all, {report.new:,} of them new since the last audit"),
        ("Anchored", f"{report.anchored:,} receipts, in {report.anchors:,} anchors"),
        ("Findings", ", ".join(f"{count:,} {severity.word}" for severity, count in counts.items())),
        ("Root", report.root.hex()),
    ]
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f'<section><h2>What was audited</h2><dl class="facts">{rows}</dl></section>'


def _findings(report: Report) -> str:
    if not report.findings:
        return '<section><h2>Findings</h2><p class="none">None.</p></section>'
    listed = "".join(_finding(finding) for finding in report.findings)
    hidden = sum(report.counts.values()) - len(report.findings)
    more = f'<p class="none">{hidden:,} more of the same kinds are not listed.</p>' if hidden else ""
    return f"<section><h2>Findings</h2>{listed}{more}</section>"


def _finding(finding: Finding) -> str:
    place = [] if finding.index is None else [f"entry {finding.index}"]
    place += [] if finding.job_id is None else [f"job {finding.job_id}"]
    evidence = "".join(
        f"<dt>{escape(name)}</dt><dd><pre>{escape(value)}</pre></dd>"
        for name, value in finding.evidence.items()
    )
    shown = f'<dl class="evidence">{evidence}</dl>' if evidence else ""
    return (
        f'<article class="finding {finding.severity.word}"><h3><span class="mark">{finding.severity.word}</span> '
        f"{escape(finding.code.value)}</h3><p>{escape(_sentence(finding.text))}</p>"
        f'<p class="place">{escape(", ".join(place))}</p>{shown}</article>'
    )


def _jobs(report: Report) -> str:
    days: dict[int, dict[str, int]] = {}
    totals: dict[str, int] = {}
    for item in report.days:
        days.setdefault(item.day, {})[item.outcome] = item.jobs
        totals[item.outcome] = totals.get(item.outcome, 0) + item.jobs
    if not totals:
        return ""
    legend = "".join(
        f'<tr><td><span class="key {outcome}"></span>{outcome}</td><td class="number">{totals[outcome]:,}</td>'
        f"<td>{MEANINGS[outcome]}</td></tr>"
        for outcome in OUTCOMES
        if outcome in totals
    )
    return (
        f"<section><h2>Jobs over time</h2><figure>{bar_chart(days, title='Jobs by the day they ended')}"
        "<figcaption>Jobs by the day on which they ended (UTC)</figcaption></figure></section>"
        f'<section class="whole"><h2>How jobs ended</h2><figure>{share_chart(totals, title="How jobs ended")}</figure>'
        f'<table><thead><tr><th>End</th><th class="number">Jobs</th><th>Meaning</th></tr></thead>'
        f"<tbody>{legend}</tbody></table></section>"
    )


def _privacy(report: Report) -> str:
    datasets = dict.fromkeys(item.asset_id for item in report.spending)
    if not datasets:
        return (
            '<section><h2>Privacy spent</h2><p class="none">No receipt states a privacy ledger: '
            "the policies of these datasets account for none.</p></section>"
        )
    return f"<section><h2>Privacy spent</h2>{''.join(_ledger(report, item) for item in datasets)}</section>"


def _ledger(report: Report, asset_id: str) -> str:
    items = [item for item in report.spending if item.asset_id == asset_id]
    points = [Point(item.day * DAY_S, float(item.spent)) for item in items]
    cap = items[-1].cap
    title = f"Epsilon spent on dataset {asset_id}"
    chart = line_chart(points, title=title, cap=None if cap is None else float(cap), stepped=True)
    left = "no cap is stated" if cap is None else f"of at most {cap}"
    return (
        f"<figure>{chart}<figcaption>Dataset <code>{escape(asset_id)}</code>: epsilon {escape(items[-1].spent)} spent, "
        f"{escape(left)}</figcaption></figure>"
    )


def _gas(report: Report) -> str:
    if not report.gas:
        return ""
    points = [Point(item.time, float(item.gas)) for item in report.gas]
    entries = sum(item.entries for item in report.gas)
    each = sum(item.gas for item in report.gas) / max(entries, 1)
    return (
        f"<section><h2>Gas of anchors</h2><figure>{line_chart(points, title='Gas of each anchor')}"
        f"<figcaption>Gas of the newest {len(report.gas):,} anchoring transactions, settlements included: "
        f"{each:,.0f} for each receipt</figcaption></figure></section>"
    )


def _checks(report: Report) -> str:
    rows = "".join(
        f'<tr class="{line.result}"><td>{escape(_sentence(KINDS[line.code].rule))}</td>'
        f"<td><code>{escape(line.code.value)}</code></td><td>{_result(line)}</td></tr>"
        for line in report.checks
    )
    return (
        "<section><h2>What was checked</h2><table><thead><tr><th>What has to hold</th><th>Code</th><th>Result</th>"
        f"</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def _result(line: CheckLine) -> str:
    if line.result != "failed":
        return RESULTS[line.result]
    word = "noted" if KINDS[line.code].severity is Severity.NOTE else "broken"
    return f"{word} once" if line.count == 1 else f"{word} {line.count:,} times"


def _limits() -> str:
    return f"<section><h2>What no audit shows</h2><ul>{_items(LIMITS)}</ul></section>"


def _items(texts: Iterable[str]) -> str:
    return "".join(f"<li>{escape(text)}</li>" for text in texts)


def _sentence(text: str) -> str:
    """Write words as a sentence."""
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")
