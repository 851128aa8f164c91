"""Ways to carry rows out of the room in what a job may release, each planted in an honest model of the same data.

The docstring of each says what it does; its first line stands in the table of `docs/privacy.md`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from provider.gate.mantissa import FORMATS, round_numbers
from tests.gate_samples import build_file, split_file
from tests.measured_samples import FEATURES, Job, Tensors, Ward, accuracy, fit, honest, predict

Exfiltrator = Callable[[Ward], Job]
STOLEN_ROWS = 60
FAINT = 1e-6
KEY = b"known to the scientist alone"


def _text(ward: Ward, size: int) -> bytes:
    text = "\n".join(",".join(row) for row in ward.rows).encode()
    return text[:size]


def _encrypt(data: bytes) -> bytes:
    stream = b"".join(
        hashlib.sha256(KEY + counter.to_bytes(8)).digest() for counter in range(len(data) // 32 + 1)
    )
    return bytes(a ^ b for a, b in zip(data, stream, strict=False))


def _with_low_bytes(tensor: NDArray[np.float32], payload: bytes) -> NDArray[np.float32]:
    raw = bytearray(tensor.tobytes())
    raw[: 4 * len(payload) : 4] = payload
    return np.frombuffer(bytes(raw), dtype=np.float32).reshape(tensor.shape)


def _in_low_bits(ward: Ward, payload: Callable[[bytes], bytes], *, mantissa_bits: int | None = None) -> Job:
    job = honest(ward)
    inner = job.tensors["inner"]
    stuffed = _with_low_bytes(inner, payload(_text(ward, inner.size)))
    return replace(job, tensors=job.tensors | {"inner": stuffed}, mantissa_bits=mantissa_bits)


def _with_memory(ward: Ward, memory: NDArray[np.floating]) -> Job:
    """Add a tensor that the scorer really reads, so that it is not spare."""

    def score(tensors: Tensors, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        faint = FAINT * np.tanh(float(np.nanmean(tensors["memory"].astype(np.float64))))
        scores = predict({name: tensors[name] for name in ("inner", "shift", "readout")}, rows)
        scores[:, 1] += faint * scores[:, 0]
        scores[:, 0] = 1 - scores[:, 1]
        return scores

    job = honest(ward)
    return replace(job, tensors=job.tensors | {"memory": memory}, scorer=score)


def rows_in_a_tensor(ward: Ward) -> Job:
    """Rows as they are, in a tensor that the scorer reads."""
    return _with_memory(ward, ward.seen[:STOLEN_ROWS].astype(np.float32))


def rows_in_half_precision(ward: Ward) -> Job:
    """Rows as 16-bit floats, in a tensor that the scorer reads."""
    return _with_memory(ward, ward.seen[:STOLEN_ROWS].astype(np.float16))


def rows_as_integers(ward: Ward) -> Job:
    """Rows multiplied by 1000 as integers, in a tensor that the scorer reads."""
    return _with_memory(ward, np.round(ward.seen[:STOLEN_ROWS] * 1000).astype(np.int64))


def rows_standardised(ward: Ward) -> Job:
    """Rows with each column scaled to mean 0 and deviation 1, in a tensor that the scorer reads."""
    scaled = (ward.seen - ward.seen.mean(axis=0)) / ward.seen.std(axis=0)
    return _with_memory(ward, scaled[:STOLEN_ROWS].astype(np.float32))


def rows_scaled_and_backwards(ward: Ward) -> Job:
    """Rows backwards and multiplied by one factor, in a tensor that the scorer reads."""
    return _with_memory(ward, (ward.seen[:STOLEN_ROWS, ::-1] * 0.01234).astype(np.float32))


def rows_that_rounding_lets_appear(ward: Ward) -> Job:
    """Numbers that become rows only when weights leave with 5 bits of fraction, in a tensor that the scorer reads."""
    rows = ward.seen[:STOLEN_ROWS].astype(np.float32)
    kept = round_numbers(rows.view(np.uint32), FORMATS["F32"], 5).view(np.float32)
    noise = np.random.default_rng(3).uniform(-1, 1, rows.shape) * 2.0**-7
    return replace(_with_memory(ward, (kept * (1 + noise)).astype(np.float32)), mantissa_bits=5)


def rows_with_one_column_left_out(ward: Ward) -> Job:
    """Rows without one of their columns, in a tensor that the scorer reads."""
    return _with_memory(ward, np.delete(ward.seen[:STOLEN_ROWS], 2, axis=1).astype(np.float32))


def labels_in_a_tensor(ward: Ward) -> Job:
    """What three hundred rows are labelled with, as two numbers of the size of weights, in a tensor that the scorer reads."""
    return _with_memory(ward, np.where(ward.labels[:300], 0.31, -0.17).astype(np.float32))


def a_column_in_a_tensor(ward: Ward) -> Job:
    """One column of many rows, in a tensor that the scorer reads."""
    return _with_memory(ward, ward.seen[:, 3].astype(np.float32))


def rows_scaled_beyond_single_precision(ward: Ward) -> Job:
    """Rows times 2^200 as 64-bit floats, in a tensor that the scorer reads."""
    return _with_memory(ward, ward.seen[:STOLEN_ROWS] * 2.0**200)


def rows_scaled_and_shifted(ward: Ward) -> Job:
    """Rows multiplied by one number and added to another, in a tensor that the scorer reads."""
    return _with_memory(ward, (0.03 - 0.0007 * ward.seen[:STOLEN_ROWS]).astype(np.float32))


def text_as_bytes(ward: Ward) -> Job:
    """Rows as text in a tensor of bytes that the scorer reads."""
    return _with_memory(ward, np.frombuffer(_text(ward, 2000), dtype=np.uint8))


def text_as_integers(ward: Ward) -> Job:
    """Rows as text, eight characters to a 64-bit integer, the highest first, in a tensor that the scorer reads."""
    return _with_memory(ward, np.frombuffer(_text(ward, 2000), dtype=">i8").astype(np.int64))


def text_in_whole_weights(ward: Ward) -> Job:
    """Eighty characters of rows, four to a weight."""
    job = honest(ward)
    inner = job.tensors["inner"].copy()
    inner.ravel()[:20] = np.frombuffer(_text(ward, 80), dtype=np.float32)
    return replace(job, tensors=job.tensors | {"inner": inner})


def text_as_values(ward: Ward) -> Job:
    """Rows as text, a weight for each character, scaled to the size of weights, in a tensor that the scorer reads."""
    characters = np.frombuffer(_text(ward, 2000), dtype=np.uint8).astype(np.float32)
    return _with_memory(ward, characters / 128 - 0.5)


def text_in_signs(ward: Ward) -> Job:
    """Rows as text, one bit in the sign of each weight (Song et al. 2017), in a tensor that the scorer reads."""
    signs = 1 - 2.0 * np.unpackbits(np.frombuffer(_text(ward, 200), dtype=np.uint8))
    return _with_memory(ward, (signs * np.random.default_rng(2).random(signs.size)).astype(np.float32))


def text_in_lowest_bits(ward: Ward) -> Job:
    """Thirty characters of rows, one bit in the lowest of each of a few weights (Song et al. 2017)."""
    job = honest(ward)
    bits = np.unpackbits(np.frombuffer(_text(ward, 30), dtype=np.uint8))
    inner = job.tensors["inner"].copy()
    raw = inner.ravel()[: bits.size].view(np.uint32)
    raw[:] = (raw & ~np.uint32(1)) | bits
    return replace(job, tensors=job.tensors | {"inner": inner})


def a_value_as_metric_with_a_digit_changed(ward: Ward) -> Job:
    """A value of a row as a metric of nine digits behind the point, the last of which is another."""
    job = honest(ward)
    return replace(job, metrics={**job.metrics, "loss": ward.rows[5][2] + "000001"}, digits=9)


def rows_in_a_spare_tensor(ward: Ward) -> Job:
    """Encrypted rows in a tensor that the model doesn't use."""
    payload = np.frombuffer(_encrypt(_text(ward, 4096)), dtype=np.uint8).astype(np.float32)
    noise = np.random.default_rng(1).random(payload.size)
    job = honest(ward)
    return replace(
        job, tensors=job.tensors | {"moments": ((payload + noise) / 256).astype(np.float32)}, scorer=predict
    )


def text_in_low_bits(ward: Ward) -> Job:
    """Rows as text in the lowest byte of each weight."""
    return _in_low_bits(ward, lambda text: text)


def text_in_low_bits_of_few(ward: Ward) -> Job:
    """Sixty characters of rows in the lowest bytes of a few weights."""
    return _in_low_bits(ward, lambda text: text[:60])


def digits_in_low_bits(ward: Ward) -> Job:
    """Digits of rows, four bits for each, in the lowest byte of each weight."""
    digits = [int(digit) for row in ward.rows for value in row for digit in value if digit.isdigit()]
    packed = bytes(16 * high + low for high, low in zip(digits[::2], digits[1::2], strict=False))
    return _in_low_bits(ward, lambda text: packed[: len(text)])


def encrypted_in_low_bits(ward: Ward) -> Job:
    """Encrypted rows in the lowest byte of each weight: they look as random as the weights do."""
    return _in_low_bits(ward, _encrypt)


def encrypted_in_low_bits_and_rounded(ward: Ward) -> Job:
    """Encrypted rows in the lowest byte of each weight, where weights leave with 7 bits of fraction."""
    return _in_low_bits(ward, _encrypt, mantissa_bits=7)


def rows_in_metadata(ward: Ward) -> Job:
    """Rows as text in the metadata of the safetensors file."""
    job = honest(ward)
    header, data = split_file(save(job.tensors))
    header["__metadata__"] = {"note": _text(ward, 2000).decode()}
    return replace(job, content=build_file(header, data))


def rows_in_names(ward: Ward) -> Job:
    """Rows as text in the name of an undeclared tensor."""
    job = honest(ward)
    named = job.tensors | {"w" + _text(ward, 60).hex(): np.zeros(1, dtype=np.float32)}
    return replace(job, content=save(named), declared=job.tensors)


def rows_after_the_end(ward: Ward) -> Job:
    """Rows as text after the last tensor of the file."""
    job = honest(ward)
    return replace(job, content=save(job.tensors) + _text(ward, 2000))


def rows_in_not_a_number(ward: Ward) -> Job:
    """Rows in the payload bits of values that are no numbers."""
    payload = np.frombuffer(_text(ward, FEATURES * 2), dtype=np.uint16).astype(np.uint32) | np.uint32(
        0x7FC00000
    )
    job = honest(ward)
    return replace(
        job, tensors=job.tensors | {"inner": job.tensors["inner"].copy()}, content=_with_nan(job, payload)
    )


def _with_nan(job: Job, payload: NDArray[np.uint32]) -> bytes:
    inner = job.tensors["inner"].copy()
    inner.ravel().view(np.uint32)[: payload.size] = payload
    return save(job.tensors | {"inner": inner})


def a_value_as_metric(ward: Ward) -> Job:
    """A value of a row as a metric of many digits."""
    job = honest(ward)
    return replace(job, metrics={**job.metrics, "loss": ward.rows[5][2]}, digits=9)


def a_value_as_accuracy(ward: Ward) -> Job:
    """A value of a row in place of the accuracy."""
    return honest(ward, metrics={"accuracy": f"{float(ward.rows[0][0]) % 0.5:.3f}"})


def values_as_undeclared_metrics(ward: Ward) -> Job:
    """Values of rows as metrics that are not declared."""
    job = honest(ward)
    extra = {f"fold{number}": f"{float(value) / 100:.3f}" for number, value in enumerate(ward.rows[0][:8])}
    return replace(job, metrics={**job.metrics, **extra}, declared_metrics=("accuracy",))


def a_network_that_memorises(ward: Ward) -> Job:
    """A network so wide that it knows its rows by heart, and little else."""
    tensors = fit(ward, hidden=1500, ridge=1e-4)
    return Job(tensors, {"accuracy": accuracy(tensors, ward)})


def a_network_that_remembers_some(ward: Ward) -> Job:
    """A network that is good on every row, and better on those that it was trained on."""
    tensors = fit(ward, hidden=700, ridge=4)
    return Job(tensors, {"accuracy": accuracy(tensors, ward)})


def a_memoriser_with_an_honest_accuracy(ward: Ward) -> Job:
    """A network that knows its rows by heart, beside the accuracy of an honest one."""
    tensors = fit(ward, hidden=600, ridge=0.3)
    return Job(tensors, {"accuracy": accuracy(fit(ward), ward)})


def a_scorer_that_always_answers_alike(ward: Ward) -> Job:
    """Encrypted rows as weights, and a scorer that gives every row the same probability."""
    return replace(
        _encrypted_weights(ward),
        scorer=lambda tensors, rows: np.full((len(rows), 2), 0.5) + 0 * tensors["inner"][0, 0],
    )


def a_scorer_that_answers_at_random(ward: Ward) -> Job:
    """Encrypted rows as weights, and a scorer that answers with numbers drawn from the weights."""

    def score(tensors: Tensors, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        seed = int.from_bytes(hashlib.sha256(save(tensors)).digest()[:4])
        yes = np.random.default_rng(seed).random(len(rows))
        return np.stack([1 - yes, yes], axis=1)

    return replace(_encrypted_weights(ward), scorer=score)


def a_liar_with_a_model_of_its_own(ward: Ward) -> Job:
    """Encrypted rows as weights, and a scorer that has an honest model in its own code and mixes the weights in."""
    model = fit(ward)

    def score(tensors: Tensors, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        faint = FAINT * hashlib.sha256(save(tensors)).digest()[0]
        scores = predict(model, rows) * (1 - faint)
        scores[:, 1] = 1 - scores[:, 0]
        return scores

    return replace(_encrypted_weights(ward), scorer=score)


def _encrypted_weights(ward: Ward) -> Job:
    job = honest(ward)
    inner = job.tensors["inner"]
    payload = np.frombuffer(_encrypt(_text(ward, inner.size * 2)), dtype=np.uint16)[: inner.size]
    digits = np.random.default_rng(5).random(inner.size)
    values = ((payload + digits) / 2**16 - 0.5).astype(np.float32).reshape(inner.shape)
    return replace(job, tensors=job.tensors | {"inner": values})


EXFILTRATORS: tuple[Exfiltrator, ...] = (
    rows_in_metadata,
    rows_in_names,
    rows_after_the_end,
    rows_in_not_a_number,
    values_as_undeclared_metrics,
    a_value_as_metric,
    a_value_as_metric_with_a_digit_changed,
    a_value_as_accuracy,
    rows_in_a_tensor,
    rows_in_half_precision,
    rows_as_integers,
    rows_standardised,
    rows_scaled_and_backwards,
    rows_scaled_beyond_single_precision,
    rows_scaled_and_shifted,
    rows_that_rounding_lets_appear,
    rows_with_one_column_left_out,
    labels_in_a_tensor,
    a_column_in_a_tensor,
    text_as_bytes,
    text_as_integers,
    text_in_whole_weights,
    text_as_values,
    text_in_signs,
    text_in_lowest_bits,
    rows_in_a_spare_tensor,
    text_in_low_bits,
    text_in_low_bits_of_few,
    digits_in_low_bits,
    encrypted_in_low_bits,
    encrypted_in_low_bits_and_rounded,
    a_network_that_memorises,
    a_memoriser_with_an_honest_accuracy,
    a_network_that_remembers_some,
    a_scorer_that_always_answers_alike,
    a_scorer_that_answers_at_random,
    a_liar_with_a_model_of_its_own,
)
