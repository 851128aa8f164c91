"""The style sheet of an audit's report: light, dark, and on A4 paper."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5a6675; --paper: #ffffff; --line: #d6dce3; --tint: #f4f6f8;
  --released: #2b7a5b; --withheld: #c98a1b; --failed: #a8443a; --refused: #6b7a8f; --cancelled: #b3bcc7;
  --critical: #a3261d; --serious: #b35c00; --warning: #8a6d00; --note: #4a6785; --clean: #1f6b4c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa6b5; --paper: #14181e; --line: #333c47;
  --tint: #1c222a; --released: #4fae88; --withheld: #e0ac4a; --failed: #d4756b; --refused: #8595aa; --cancelled: #5d6876;
  --critical: #f08a80; --serious: #eba35a; --warning: #d9bf57; --note: #8fb0d3; --clean: #62bd95; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Liberation Sans", "Noto Sans", Arial, sans-serif; }
main { max-width: 880px; margin: 0 auto; padding: 40px 28px 72px; }
h1 { font-size: 1.35rem; margin: 0 0 20px; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 44px 0 12px; padding-bottom: 6px; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 0; }
p { margin: 0.3em 0; }
.kind { color: var(--soft); margin: 0 0 2px; }
.none, .place, figcaption { color: var(--soft); }
.place { font-size: 0.85rem; overflow-wrap: anywhere; }
.verdict { border-left: 6px solid currentColor; padding: 14px 18px; background: var(--tint); }
.verdict strong { font-size: 1.25rem; }
.verdict p { color: var(--ink); }
.verdict.clean { color: var(--clean); } .critical { color: var(--critical); } .serious { color: var(--serious); }
.warning { color: var(--warning); } .note { color: var(--note); }
dl.facts { display: grid; grid-template-columns: 8.5rem 1fr; gap: 6px 16px; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.finding { border-left: 4px solid currentColor; padding: 8px 14px; margin: 12px 0; background: var(--tint); break-inside: avoid; }
.finding p, .finding dl { color: var(--ink); } .finding .place { color: var(--soft); }
.mark { text-transform: uppercase; font-size: 0.72rem; letter-spacing: 0.05em; border: 1px solid currentColor;
  border-radius: 3px; padding: 1px 6px; vertical-align: 2px; }
dl.evidence { font-size: 0.82rem; margin: 6px 0 0; display: grid; grid-template-columns: 10rem 1fr; gap: 2px 12px; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font: 0.95em/1.45 ui-monospace, "Liberation Mono", monospace; }
code { font: 0.88em ui-monospace, "Liberation Mono", monospace; overflow-wrap: anywhere; }
figure { margin: 0 0 18px; break-inside: avoid; } figcaption { font-size: 0.88rem; margin-top: 6px; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--soft); font-size: 12px; }
svg .tick { text-anchor: end; } svg .day { text-anchor: middle; } svg .grid { stroke: var(--line); }
svg .cap { stroke: var(--critical); stroke-dasharray: 6 4; stroke-width: 1.5; }
svg .line { fill: none; stroke: var(--note); stroke-width: 2; } svg .dot { fill: var(--note); }
rect.released { fill: var(--released); } rect.withheld { fill: var(--withheld); } rect.failed { fill: var(--failed); }
rect.refused { fill: var(--refused); } rect.cancelled { fill: var(--cancelled); }
.key { display: inline-block; width: 0.8em; height: 0.8em; margin-right: 0.5em; border-radius: 2px; }
.key.released { background: var(--released); } .key.withheld { background: var(--withheld); }
.key.failed { background: var(--failed); } .key.refused { background: var(--refused); }
.key.cancelled { background: var(--cancelled); }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th { text-align: left; color: var(--soft); font-weight: 600; }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th.number, td.number { text-align: right; }
tr { break-inside: avoid; } tr.failed td:last-child { color: var(--critical); font-weight: 600; }
tr.passed td:last-child { color: var(--clean); } tr.skipped td { color: var(--soft); }
td:last-child, td code { white-space: nowrap; } td { overflow-wrap: break-word; }
section.whole { break-inside: avoid; }
ul { padding-left: 1.2em; }
@page { size: A4; margin: 18mm 16mm; }
@media print { :root { --ink: #000000; --soft: #444444; --paper: #ffffff; --line: #bbbbbb; --tint: #ffffff;
  --released: #2b7a5b; --withheld: #c98a1b; --failed: #a8443a; --refused: #6b7a8f; --cancelled: #b3bcc7;
  --critical: #a3261d; --serious: #b35c00; --warning: #8a6d00; --note: #4a6785; --clean: #1f6b4c; }
  body { font-size: 10pt; } h1 { font-size: 12pt; } table { font-size: 8.5pt; } th, td { padding: 4px 10px 4px 0; } dl.facts dd, .place, dl.evidence { font-size: 8.5pt; } main { max-width: none; padding: 0; } h2 { break-after: avoid; margin-top: 26px; }
  rect, .key { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
