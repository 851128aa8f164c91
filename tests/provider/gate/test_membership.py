"""The statistics of the privacy tests against what is known of them, and scores that are read strictly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from policies.privacy import PRIVACY_TESTS, MeasuredTests
from provider.gate.candidates import AGAIN, RELEASE
from provider.gate.errors import ScoresRefusedError
from provider.gate.measured import TESTS, Evidence, Outcome, not_applicable, run_tests
from provider.gate.membership import (
    MIN_SKILL,
    Scored,
    area,
    differs_from_accuracy,
    gap,
    likelihood_area,
    loss_area,
    skill,
)
from provider.gate.sample import Sample
from provider.gate.scores import check_probabilities, parse_scores
from sandbox.bundle import ScorerDeclaration
from tests.measured_samples import Job, honest, judge, make_csv, make_ward, predict, write_scores

DRAW = np.random.default_rng(11)


def scored(members: int, others: int, *, sharper: float = 0.0, seed: int = 1) -> Scored:
    """Return two classes whose true one is probable, the more so for members by `sharper`."""
    draw = np.random.default_rng(seed)
    member = draw.permutation(np.arange(members + others) < members)
    logit = draw.normal(2, 1, members + others) + sharper * member
    labels = draw.integers(0, 2, members + others).astype(float)
    true = 1 / (1 + np.exp(-logit))
    yes = np.where(labels == 1, true, 1 - true)
    return Scored(np.stack([1 - yes, yes], axis=1), labels, member, is_classification=True)


def test_the_area_is_that_of_the_reference_with_ties_counted_half() -> None:
    signal, member = DRAW.integers(0, 9, 400).astype(float), DRAW.random(400) < 0.3
    value, upper = area(signal, member)
    assert value == pytest.approx(roc_auc_score(member, signal))
    assert upper > value


def test_the_bound_is_above_the_true_area_nine_times_in_ten() -> None:
    covered = sum(loss_area(scored(150, 100, seed=seed))[1] > 0.5 for seed in range(300))
    assert 250 <= covered <= 290


def test_an_honest_model_of_a_hundred_rows_passes_mostly_and_a_leak_does_not() -> None:
    honest_passes = sum(likelihood_area(scored(400, 100, seed=seed))[1] < 0.6 for seed in range(60))
    leaks_pass = sum(likelihood_area(scored(400, 100, sharper=1, seed=seed))[1] < 0.6 for seed in range(60))
    assert honest_passes >= 54
    assert leaks_pass == 0


@pytest.mark.parametrize(("rows", "least", "most"), [(100, 0.15, 0.35), (200, 0.03, 0.12), (500, 0, 0.01)])
def test_few_rows_make_a_test_harder_to_pass_as_the_page_says(rows: int, least: float, most: float) -> None:
    failed = [likelihood_area(scored(rows, rows, seed=seed))[1] >= 0.6 for seed in range(200)]
    assert least <= np.mean(failed) <= most


def test_one_member_far_off_does_not_hide_how_well_the_others_are_known() -> None:
    draw = np.random.default_rng(7)
    member = np.arange(1000) < 500
    labels = draw.normal(0, 1, 1000)
    scores = labels + draw.normal(0, 1, 1000) * np.where(member, 0.1, 0.3)
    known = gap(Scored(scores[:, None], labels, member, is_classification=False))
    scores[0] = 1e13
    assert known > 0.8
    assert gap(Scored(scores[:, None], labels, member, is_classification=False)) == pytest.approx(
        known, abs=0.05
    )


def test_how_small_a_target_is_hides_no_members() -> None:
    draw = np.random.default_rng(6)
    member = draw.random(1000) < 0.5
    labels = draw.normal(0, 1, 1000)
    scores = labels + draw.normal(0, 1, 1000) * np.where(member, 0.1, 0.3)
    areas = [
        likelihood_area(Scored(size * scores[:, None], size * labels, member, is_classification=False))[0]
        for size in (1, 1e-9, 1e9)
    ]
    assert areas[0] > 0.7
    assert areas == pytest.approx([areas[0]] * 3, abs=1e-6)


@pytest.mark.parametrize("far", [1e6, 1e13, 1e111])
def test_one_answer_far_from_the_truth_hides_no_other_members(far: float) -> None:
    draw = np.random.default_rng(6)
    member = draw.random(1000) < 0.5
    labels = draw.normal(0, 1, 1000)
    scores = labels + draw.normal(0, 1, 1000) * np.where(member, 0.5, 0.3)
    scores[member.argmax()] += far
    model = Scored(scores[:, None], labels, member, is_classification=False)
    assert skill(model) >= MIN_SKILL
    assert loss_area(model)[1] < 0.6
    assert likelihood_area(model)[1] > 0.63


def test_how_accurate_a_model_is_hides_no_members() -> None:
    draw = np.random.default_rng(6)
    member = draw.random(1000) < 0.5
    labels = draw.normal(0, 1, 1000)
    errors = draw.normal(0, 1e-6, 1000) * np.where(member, 0.1, 0.3)
    model = Scored((labels + errors)[:, None], labels, member, is_classification=False)
    assert likelihood_area(model)[0] > 0.7


@pytest.mark.parametrize("side", [True, False])
def test_a_label_too_large_to_compute_with_is_not_passed(*, side: bool) -> None:
    draw = np.random.default_rng(6)
    member = draw.random(600) < 0.5
    labels = draw.normal(0, 1, 600)
    labels[(member == side).argmax()] = 1e200
    rows = tuple(["0", repr(float(label))] for label in labels)
    scores = write_scores(np.where(abs(labels) < 100, labels, 0)[:, None])
    evidence = Evidence(
        outputs=Job({"slope": np.zeros(8, np.float32)}, {"r2": "0.5"}).outputs(),
        mantissa_bits=None,
        tests=MeasuredTests(),
        sample=Sample(
            ["value", "dose"], rows, tuple(member.tolist()), (), (), int(member.sum()), int((~member).sum())
        ),
        scorer=ScorerDeclaration(
            entrypoint="python $ALGO --score", target="dose", task="regression", classes=[]
        ),
        unit=None,
        weights=None,
        metrics={},
        scores={RELEASE: scores, AGAIN: scores},
    )
    with np.errstate(all="ignore"):  # as where warnings are not errors
        outcomes = {result.name: result.outcome.value for result in run_tests(evidence)}
    assert (outcomes["scores-useful"], outcomes["membership-likelihood"]) == ("not-applicable",) * 2


def test_scores_that_are_no_number_know_nothing(tmp_path: Path) -> None:
    ward = make_ward(tmp_path)
    judged = judge(tmp_path, ward, honest(ward, scorer=lambda _, rows: np.full((len(rows), 2), np.nan)))
    assert judged.outcomes["scores-useful"] == "not-applicable"


def test_the_likelihood_ratio_sees_members_whose_losses_are_larger() -> None:
    inverted = scored(400, 200, sharper=-1)
    assert loss_area(inverted)[1] < 0.5
    assert likelihood_area(inverted)[0] > 0.65


def test_the_likelihood_ratio_sees_members_that_differ_in_neither_mean_nor_spread() -> None:
    plain = scored(1500, 500, seed=4)
    side = np.where(np.random.default_rng(3).random(2000) < 0.5, -1.0, 1.0)
    logit = np.where(plain.member, 2 + side, plain.confidence)
    true = 1 / (1 + np.exp(-logit))
    yes = np.where(plain.labels == 1, true, 1 - true)
    two_points = Scored(np.stack([1 - yes, yes], axis=1), plain.labels, plain.member, is_classification=True)
    assert loss_area(two_points)[1] < 0.6
    assert likelihood_area(two_points)[0] > 0.95
    assert likelihood_area(plain)[1] < 0.56


def test_gap_and_skill_of_known_scores() -> None:
    scores = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    labels, member = np.array([0.0, 0.0, 1.0, 1.0]), np.array([True, True, False, False])
    known = Scored(scores, labels, member, is_classification=True)
    assert gap(known) == 0.5
    perfect = Scored(
        np.array([[1.0], [2.0], [3.0], [5.0]]), np.array([1.0, 2, 3, 5]), member, is_classification=False
    )
    assert (skill(perfect), gap(perfect)) == (1.0, 0.0)


def test_a_constant_has_no_skill_and_a_false_accuracy_is_noticed() -> None:
    held = scored(300, 300)
    constant = Scored(np.full_like(held.scores, 0.5), held.labels, held.member, is_classification=True)
    assert skill(constant) <= 0.01
    assert skill(held) > 0.3
    true = float(held.correct[~held.member].mean())
    assert not differs_from_accuracy(held, true, 0.1)
    assert differs_from_accuracy(held, true - 0.3, 0.1)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"0.5,0.5\n",
        b"0.5,0.5\n0.5,0.5",
        b"0.5,0.5\n0.5,0.5\n\n",
        b"0.5,0.5\n0.5\n",
        b"0.5,0.5\nnan,0.5\n",
        b"0.5,0.5\n0.5, 0.5\n",
        b"0.5,0.5\n0x1,0.5\n",
        b"0.5,0.5\n\xd9\xa1,0.5\n",
        b"0.5,0.5\r\n0.5,0.5\r\n",
        b"0.5,0.5\n" + b"0" * 10_000 + b",1\n",
    ],
)
def test_scores_in_any_other_form_are_refused(text: bytes) -> None:
    with pytest.raises(ScoresRefusedError):
        parse_scores(text, rows=2, columns=2)


@pytest.mark.parametrize("row", [[0.5, 0.6], [-0.1, 1.1], [1.2, -0.2]])
def test_numbers_that_are_no_probabilities_are_refused(row: list[float]) -> None:
    with pytest.raises(ScoresRefusedError):
        check_probabilities(np.array([row]))


def test_the_tests_have_the_names_that_policies_and_receipts_know() -> None:
    assert tuple(name for name, _ in TESTS) == PRIVACY_TESTS
    nothing = not_applicable(MeasuredTests())
    assert {result.outcome for result in nothing} == {Outcome.NOT_APPLICABLE}


def test_hole_17_too_few_rows_are_not_passed(tmp_path: Path) -> None:
    ward = make_ward(tmp_path, make_csv(300))
    judged = judge(tmp_path, ward, honest(ward))
    assert judged.report.rule == "rows-held-back"
    assert judged.outcomes["membership-loss"] == "not-applicable"


def test_hole_17_a_scorer_that_crashed_or_answers_differently_each_time_is_not_passed(tmp_path: Path) -> None:
    ward = make_ward(tmp_path)

    def fickle(tensors: dict[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
        scores = predict(tensors, rows)
        faint = 1 - DRAW.random() * 1e-3
        return np.stack([1 - faint * scores[:, 1], faint * scores[:, 1]], axis=1)

    judged = judge(tmp_path, ward, honest(ward, scorer=fickle))
    assert judged.report.rule == "scores-useful"
    assert judged.outcomes["spare-tensors"] == "not-applicable"


def test_a_failed_test_goes_to_people_where_there_is_a_review(tmp_path: Path) -> None:
    ward = make_ward(tmp_path)
    job: Job = honest(ward, metrics={"accuracy": "0.100"})
    judged = judge(tmp_path, ward, job, review=True)
    assert (judged.report.verdict.value, judged.report.rule) == ("WITHHELD-FOR-REVIEW", "scores-useful")
    assert len(judged.report.released) == 2
    assert RELEASE != AGAIN
