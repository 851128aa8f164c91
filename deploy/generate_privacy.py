"""Writes docs/privacy.md from the code's own tables, from what the planted exfiltrators got, and from the measured figures.

A test that the page names has to exist: without it nothing is written.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from policies.egress import ENDING_BITS
from policies.privacy import PRIVACY_TESTS
from policies.purposes import TERMS
from provider.gate.sample import MAX_SCANNED, MAX_SCORED
from provider.privacy.calibration import MAX_EPSILON

ROOT = Path(__file__).resolve().parent.parent
EXFILTRATION = ROOT / "tests" / "attacks" / "exfiltration.json"
FIGURES = ROOT / "bench" / "results" / "privacy.json"
EPSILONS = (1, 3, 8)
SCORES = ("acc_", "r2_")
FIGURES_SAY: dict[str, str] = {
    "dp_speedup_mlp": "rows a second with privacy, ours ÷ Opacus, a network on a table",
    "dp_speedup_conv": "the same, a convolutional network on images",
    "dp_over_plain_mlp": "time with privacy ÷ without, our trainer, the network on a table",
    "dp_over_plain_conv": "the same, the network on images",
    "policy_ms": "one decision of the rules",
    "gate_ratio": "the gate over a file of 100 MB ÷ reading and hashing it",
    "gate_peak_mb": "the memory that the gate takes for it",
    "gate_scans_ratio": "the scans of the mode `measured` over it ÷ reading and hashing it",
    "audited_epsilon_full": "the epsilon that an attacker could show, every unit in each step (target: below the claim)",
    "audited_epsilon_sampled": "the same, a sample of the units in each step",
}
INTRODUCTION = """\
# What may leave, for whoever answers for the data

A policy has one of three modes. Each says something else of a release, and nothing more than that:

| mode | what may run | what is said of a release |
|---|---|---|
| `none` | code that the owner read and approved | at most so many bits leave |
| `measured` | the same, with a scorer | the same, and tests found no memory of single rows |
| `differential` | recipes alone, run by our own trainer | whether one unit (a row, a patient) is in the data changes the odds of anything by at most e^epsilon, whatever else is known |

Made by `deploy/generate_privacy.py` from the code's own tables, from `tests/attacks/exfiltration.json` and from
`bench/results/privacy.json`; `make check` fails when this page is not what its sources say, or names a test that isn't there.
How a policy says all this: [policies](policy.md). How data to develop on is made: [datasets](datasets.md).
"""
GUARANTEES: tuple[tuple[str, str, str], ...] = (
    (
        "In the mode `differential` no code of a stranger runs on the data",
        "a recipe is a declaration; the trainer is ours and part of the seal's digest",
        "test_a_recipe_has_no_code_beside_it",
    ),
    (
        "Our trainer runs in no image but those that the owner listed by digest",
        "a policy of the mode `differential` without `settings.images` is refused, and nothing runs under it",
        "test_a_policy_of_the_mode_differential_lists_its_images",
    ),
    (
        "Nothing is scaled, encoded or sized by the data",
        "bounds and categories come from the schema that stands on chain by digest",
        "test_a_row_is_encoded_by_the_recipe_alone",
    ),
    (
        "How a row is read depends on no other row",
        "values are read as text or in the type of their column, a missing one as none",
        "test_a_row_of_a_parquet_file_is_read_as_if_it_stood_alone",
    ),
    (
        "No unit moves a sum by more than the clipping norm, however many rows it has",
        "the gradient of all of a unit's rows is clipped as one (Abadi et al. 2016)",
        "test_no_unit_moves_a_sum_by_more_than_the_norm",
    ),
    (
        "What is computed of a row is the same to the last bit whoever else is in the batch",
        "the seal fixes how matrix products are computed, and batches are filled up to sizes at which they treat rows alike",
        "test_what_is_computed_of_a_row_is_the_same_to_the_last_bit_whoever_else_is_in_the_batch",
    ),
    (
        "The noise is Gaussian, unpredictable, and its last bits tell nothing",
        "AES-256 in counter mode under a key of the kernel's generator; sums leave on a grid that the noise alone decides (Mironov 2012)",
        "test_rounding_is_the_one_of_real_numbers",
    ),
    (
        "The noise follows from epsilon and delta, and is never the client's to choose",
        "privacy loss distributions of dp-accounting, on the host, from public counts",
        "test_dp_accounting_agrees_within_one_percent_that_calibrated_noise_gives_the_target",
    ),
    (
        "What an attacker can show of the real trainer is below the claim",
        "an audit with canaries, wrong at most once in a million (Nasr et al. 2021; Steinke et al. 2023)",
        "test_the_least_epsilon_that_an_attacker_can_show_is_below_the_claim",
    ),
    (
        "That audit finds noise left out or halved, clipping per batch or per row, sampling without replacement, and a reset generator",
        "each planted in the real trainer",
        "test_a_bug_that_is_planted_in_the_trainer_is_found_out",
    ),
    (
        "All jobs on a dataset together stay within its budget, whatever is killed in between",
        "reserved before a run and spent when it starts; what may have been spent is never returned",
        "test_whatever_happens_in_whatever_order_the_ledger_stays_within_its_cap_and_forgets_nothing",
    ),
    (
        "They do so too when each is chosen by what earlier ones released",
        "a Rényi filter at one order, which budget and delta decide",
        "test_jobs_that_are_let_in_one_by_one_stay_within_the_budget_at_one_order_that_no_job_decides",
    ),
    (
        "When the budget is gone, jobs are refused before they are paid",
        "one rule, asked before the order",
        "test_a_recipe_with_privacy_is_foreseen_trained_accounted_for_and_refused_unpaid_once_the_budget_is_spent",
    ),
    (
        "An auditor finds a receipt that says less than its mechanisms cost",
        "everything is composed again from the receipts",
        "test_one_dishonest_change_is_named_for_what_it_is",
    ),
    (
        "In the mode `measured` no algorithm sees a row that is held back",
        "units are held back by a hash over the commitment; only the others are staged",
        "test_no_row_that_is_held_back_and_no_label_is_seen",
    ),
    (
        "A test that fails, crashes, or can't be made withholds, or is for people to look at",
        "only `passed` is passed",
        "test_what_the_tests_do_not_let_pass_is_withheld_and_only_a_rule_s_name_leaves",
    ),
    (
        "No more different values leave than the bits that are counted",
        "rounding, half to even, in the pass that copies",
        "test_no_more_values_are_left_than_the_bits_that_are_counted",
    ),
    (
        "Where people look first, nothing leaves that they did not sign, and none hears of another's decision before",
        "signed decisions over the digest of exactly what was shown",
        "test_what_two_reviewers_let_out_is_what_they_saw_and_the_receipt_shows_that_they_signed",
    ),
)
TESTS_SAY: dict[str, tuple[str, str]] = {
    "rows-held-back": (
        "that there are rows enough on both sides to tell them apart",
        "the model at all",
    ),
    "scores-useful": (
        "that the scorer knows labels it was not given, answers alike when asked twice, and fits the released accuracy",
        "that what was scored are the weights: a scorer is the algorithm's own code, and chooses which column it tells unless the policy says it",
    ),
    "generalisation-gap": (
        "that the model is not much better on rows that it was trained on",
        "single rows that are remembered among many that are not",
    ),
    "membership-loss": (
        "that the loss of a row doesn't tell whether it was trained on (Yeom et al. 2018)",
        "an attacker who knows how hard each row is, or looks at more than which loss is smaller",
    ),
    "membership-likelihood": (
        "the same by a ratio of likelihoods of the confidence (Carlini et al. 2022)",
        "the attack at its strongest, which trains shadow models, or knows how hard each row is",
    ),
    "rows-verbatim": (
        (
            "that no run of a row's or column's values stands in a tensor, as it is, scaled or shifted, nor rows as text in bytes, bits "
            "or values, nor a value in a metric"
        ),
        (
            "rows that are shuffled, mixed, encoded, compressed or encrypted; columns scaled by numbers of the algorithm's own; codes in "
            "place of words; a few rows of more than the 20,000 it samples"
        ),
    ),
    "low-bits": (
        "that the low bits of the floating-point weights that leave have no structure of their own",
        "what is encrypted or compressed: it looks like noise",
    ),
    "spare-tensors": (
        "that each tensor changes the scores when it is overwritten",
        "a part of a tensor that changes nothing",
    ),
}
LEDGER = """\
## The ledger

Each dataset has one, for its life; `sealroom dataset privacy ASSET` shows it, added up on your machine from every job's mechanisms.

- **Reserved** in the transaction that queues a paid job, on the very ledger that its sum was computed from; else it is computed again.
- **Spent** in the transaction that starts its run. A job that is run again after a crash has spent once: one attempt's output leaves.
- **Returned** only when a run ended before its container was told what to run. Other runs have spent, whether
  they were withheld, failed or were cancelled.
- **Settled** in the transaction that ends the job: its receipt says mechanisms, epsilon, delta, and the ledger before and after.

The ledger counts everybody's jobs; `consumer_budget` counts each account's for itself. Epsilons compose as privacy loss
distributions do, not as a sum, and are rounded up. That holds for jobs which were fixed beforehand; for whoever chooses the next
job by what the last one released, jobs must besides pass a filter at one Rényi order that budget and delta decide (Feldman and Zrnic
2021), which admits up to a fifth fewer of them. A ledger stands at the larger of both; receipts say what the jobs compose to. `sealroom job
preflight` says what a job would cost before anything is signed.
"""
LIMITS = """\
## What is not said

- **In the modes `none` and `measured` nothing is said of one person** that holds against every attacker. Bits are bounded, and tests were
  passed. Only `differential` bounds what a release says of a unit, whatever else is known and whoever looks.
- **Epsilon is about one unit.** Units are rows, or what a policy's column names, such as patients. A family of two, or a patient with two
  numbers, is protected by twice the epsilon, and delta grows with it (Dwork and Roth 2014, theorem 2.2, and for delta
  Vadhan 2017, lemma 2.2): {pairs}.
- **How many units there are is public**, and with it whether one came or went between two registrations.
- **A budget belongs to a registration.** The same data registered twice has two. The owner registers, and can see it.
- **A budget holds while it stays as it is.** Whoever chooses the next job by the last result is held to it by a filter, whose order follows
  from budget and delta. An owner who changes those in view of what was released makes that argument anew.
- **Choosing hyper-parameters by results** costs what the jobs cost that it took. Those in `examples/recipes` were found on these public
  datasets, where it costs nobody anything.
- **The tests of the mode `measured` are tests.** They find honest mistakes and crude theft, on a sample of rows, on average: a single row
  that stands out can be remembered unseen.
- **A scorer can lie.** It is the algorithm's own code. One that brings a second, honest model in its source can pass for weights that say
  something else; what those can carry is the bound in bits, and the owner who reads the code is who can see it.
- **Bits are not harm.** A kilobyte can be noise, or forty diagnoses. The bound is of one job: nothing adds it up over jobs.
- **Reviewers see what would leave**, before it does; a run that has to be repeated because held files were damaged shows them a second one.
- **What can be seen from outside**, such as how long a run took or that it failed, is not in epsilon: [covert channels](covert-channels.md)
  bounds it in bits. No claim is made that our trainer takes the same time and memory whatever the rows are: one unit with very many rows
  takes more of both, up to what `max_rows` rows take.
- **Arithmetic is in single precision.** That no row's numbers depend on who else is in its batch is tested to the last bit for every kind
  of layer, on the processor that runs the tests; for others it is not proved. A unit is clipped to 1/128 less than the norm, to leave
  room for what rounding could make of the others' gradients there.
- **The image is part of the trainer.** Our trainer's files come from the provider, but Python and the libraries that it loads are those
  of an image. The mode `differential` runs none but those that `settings.images` lists by digest: list images that you trust.
- **The provider is trusted to add the noise.** It has the data. The receipt says which software and which seal; no hardware attests it.
"""


def write_privacy_page() -> str:
    """Return the page."""
    known = _known_tests()
    missing = [test for _, _, test in GUARANTEES if test not in known]
    if missing:
        raise SystemExit(f"generate: docs/privacy.md names tests that there aren't: {', '.join(missing)}")
    parts = [
        INTRODUCTION,
        "## What is guaranteed\n\n" + _table(("guarantee", "by", "shown by"), _guarantee_rows()),
        _epsilon_section(),
        _tests_section(),
        _bits_section(),
        _exfiltration_section(json.loads(EXFILTRATION.read_text())),
        LEDGER,
        _figures_section(),
        "## What is only promised\n\nThe scientist signs these, and nothing here checks them, but where a policy asks for an issuer's"
        " credential with the term:\n\n" + _table(("term", "promise"), _promise_rows()),
        LIMITS.format(pairs=_pairs()),
    ]
    return "\n".join(part for part in parts if part)


def _known_tests() -> set[str]:
    text = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    return set(re.findall(r"^def (test_\w+)\(", text, re.MULTILINE))


def _guarantee_rows() -> Iterator[tuple[str, str, str]]:
    for claim, mechanism, test in GUARANTEES:
        yield claim, mechanism, f"`{test}`"


def _promise_rows() -> Iterator[tuple[str, str]]:
    for term in TERMS.values():
        if term.force == "promise":
            yield f"`{term.curie}`", term.label


def _epsilon_section() -> str:
    rows = [
        (str(epsilon), f"{math.exp(epsilon):.1f}", f"{1 / (1 + math.exp(-epsilon)):.2%}")
        for epsilon in EPSILONS
    ]
    return (
        "## What epsilon means\n\n"
        "Somebody who knows all other units and would take it for even odds that one person is in the data looks at everything that was\n"
        "released. They then are at most so sure of it, but for a chance of delta that the bound doesn't hold:\n\n"
        + _table(("epsilon", "odds change by at most", "sure at most"), rows)
        + f"\nDelta has to be below one in the number of units, and a job's epsilon at most {MAX_EPSILON}.\n"
    )


def _pairs() -> str:
    """Say what two units together are protected by: epsilon twice, delta times 1 + e^epsilon."""
    growths = ", ".join(f"{1 + math.exp(epsilon):,.0f} times at epsilon {epsilon}" for epsilon in EPSILONS)
    return f"for two units it is {growths}"


def _tests_section() -> str:
    if set(TESTS_SAY) != set(PRIVACY_TESTS):
        odd = ", ".join(sorted(set(TESTS_SAY) ^ set(PRIVACY_TESTS)))
        raise SystemExit(f"generate: docs/privacy.md and the gate differ in the tests that they know: {odd}")
    rows = [(f"`{name}`", *TESTS_SAY[name]) for name in PRIVACY_TESTS]
    return (
        "## What is measured\n\n"
        f"Of each side up to {MAX_SCORED} rows are scored, and {MAX_SCANNED} rows are looked for. How: "
        "[the measured gate](measured-gate.md). Each test asks:\n\n"
        + _table(("test", "what has to hold", "what it can't see"), rows)
    )


def _bits_section() -> str:
    return (
        "## What is bounded in bits\n\n"
        "Every receipt states how much its release can say at most, and a policy can cap it: for each number its sign, its exponent and the\n"
        "bits of fraction that rounding leaves (`mantissa_bits`), for each metric the logarithm of how many values it can take, for an open\n"
        f"log its whole length, and {ENDING_BITS} bits for how the job ended. Nothing is taken off for values that training would not give.\n"
    )


def _exfiltration_section(outcomes: dict[str, dict[str, Any]]) -> str:
    rows = [
        (
            outcome["tries"],
            f"`{outcome['caught_by']}`" if outcome["caught_by"] else "nothing",
            str(outcome["information_bits"]),
        )
        for outcome in outcomes.values()
    ]
    return (
        "## What was tried against the mode measured\n\n"
        "Each of these was truly made, against a policy of that mode. What nothing caught is bounded by the bits that left:\n\n"
        + _table(("what was tried", "caught by", "bits that left at most"), rows)
    )


def _figures_section() -> str:
    results = json.loads(FIGURES.read_text())
    rows: dict[str, dict[str, Any]] = {row["name"]: row for row in results["rows"]}
    scores = [name for name in rows if name.startswith(SCORES)]
    figures = [_figure(row) for name, row in rows.items() if name not in scores]
    left_out = results["conditions"]["missing"]
    return (
        "## What privacy costs\n\n"
        "Measured by `make bench-privacy`; the conditions are in `bench/results/privacy.json`.\n"
        + (
            f"Parts that were left out when it was last measured: {', '.join(left_out)}.\n"
            if left_out
            else ""
        )
        + "\nWhat it costs in accuracy: the score on held-out rows (accuracy; R2 for diabetes) at delta 1e-5, mean of five splits with five\n"
        "draws of noise each, of linear recipes as in `examples/recipes`, and of Opacus on the same splits, models and rows, at whichever\n"
        "of three learning rates is best for it:\n\n"
        + _table(("data", "epsilon", "ours", "Opacus"), list(_score_rows(scores, rows)))
        + "\nAnd in time, and what an audit of the trainer could show:\n\n"
        + _table(("figure", "what", "value", "target"), figures)
    )


def _score_rows(scores: Sequence[str], rows: dict[str, dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for name in scores:
        task, _, setting = name.partition("_eps") if "_eps" in name else name.rpartition("_")
        if setting.endswith("_opacus"):
            continue
        baseline = rows.get(f"{name}_opacus")
        yield (
            task.partition("_")[2].replace("_", " "),
            setting,
            f"{rows[name]['value']:.3f}",
            f"{baseline['value']:.3f}" if baseline else "-",
        )


def _figure(row: dict[str, Any]) -> tuple[str, ...]:
    unit, target = row["unit"], row["target"]
    missed = ", missed" if row["holds"] is False else ""
    return (
        f"`{row['name']}`",
        FIGURES_SAY[row["name"]],
        f"{row['value']:.4g}" + (f" {unit}" if unit not in {"", "ratio"} else ""),
        "-" if target is None else f"{target:g}{missed}",
    )


def _table(heads: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    head = f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n"
    return head + "".join(f"| {' | '.join(line)} |\n" for line in rows)
