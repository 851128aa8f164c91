"""What a declaration of outputs amounts to, before anything runs: sizes, counts, and an upper bound in bits."""

from __future__ import annotations

from collections.abc import Iterator

from policies.decide import AlgorithmFacts
from policies.egress import BITS_PER_BYTE, ENDING_BITS
from policies.model import OutputsPolicy
from provider.gate.mantissa import FORMATS, kept_bits
from provider.gate.metrics import count_values
from provider.gate.safetensors import ITEM_BYTES, released_bytes
from sandbox.bundle import AlgorithmManifest, OutputsDeclaration


def effective_mantissa_bits(outputs: OutputsDeclaration, allowance: OutputsPolicy) -> int | None:
    """Return to how many bits of fraction weights are rounded: the fewer of declaration and policy; None when not at all."""
    parts = (outputs.weights, allowance.weights)
    said = [part.mantissa_bits for part in parts if part is not None and part.mantissa_bits is not None]
    return min(said, default=None)


def information_bits(outputs: OutputsDeclaration, allowance: OutputsPolicy) -> int:
    """Return an upper bound, in bits, of what a release under this declaration and policy can say.

    Every floating-point number counts sign, exponent and the fraction that rounding leaves, any other its type's full
    width (a BOOL one bit), a metric the logarithm of how many values it can take; and the ending itself counts. Nothing
    is taken off for values that training would not produce: the algorithm may be hostile.
    """
    return ENDING_BITS + sum(_weights_bits(outputs, allowance)) + sum(_metrics_bits(outputs))


def _weights_bits(outputs: OutputsDeclaration, allowance: OutputsPolicy) -> Iterator[int]:
    mantissa_bits = effective_mantissa_bits(outputs, allowance)
    for tensor in outputs.weights.tensors if outputs.weights else ():
        yield tensor.elements * _element_bits(tensor.dtype, mantissa_bits)


def _element_bits(dtype: str, mantissa_bits: int | None) -> int:
    if dtype in FORMATS:
        return kept_bits(dtype, mantissa_bits)
    return 1 if dtype == "BOOL" else ITEM_BYTES[dtype] * BITS_PER_BYTE


def _metrics_bits(outputs: OutputsDeclaration) -> Iterator[int]:
    for metric in outputs.metrics.values if outputs.metrics else ():
        yield (count_values(metric) - 1).bit_length()


def weights_bytes(outputs: OutputsDeclaration) -> int | None:
    """Return the exact size of the weights file that would be released; None when no weights are declared."""
    return released_bytes(outputs.weights.tensors) if outputs.weights else None


def algorithm_facts(manifest: AlgorithmManifest, allowance: OutputsPolicy) -> AlgorithmFacts:
    """Return what the policy engine judges: image, GPUs, and all that is declared to leave, as `allowance` has it rounded."""
    outputs = manifest.outputs
    metrics = outputs.metrics.values if outputs.metrics else []
    return AlgorithmFacts(
        image=manifest.image,
        weights_bytes=weights_bytes(outputs),
        metrics_count=len(metrics),
        metrics_digits=max((item.digits for item in metrics), default=0),
        information_bits=information_bits(outputs, allowance),
        gpus=manifest.gpus,
        kind=manifest.kind,
        scored_target=manifest.scorer.target if manifest.scorer else None,
    )
