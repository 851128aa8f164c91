"""What a declaration of outputs amounts to, before anything runs: sizes, counts, and an upper bound in bits."""

from __future__ import annotations

import math

from policies.decide import AlgorithmFacts
from provider.gate.metrics import count_values
from provider.gate.safetensors import ITEM_BYTES, released_bytes
from sandbox.bundle import OutputsDeclaration

BITS_PER_BYTE = 8


def information_bits(outputs: OutputsDeclaration) -> int:
    """Return an upper bound, in bits, of what a release under this declaration can say.

    Every element counts its type's full width (a BOOL one bit); a metric counts the logarithm of how many values it
    can take. Nothing is taken off for values that training would not produce: the algorithm may be hostile.
    """
    bits = 0
    for tensor in outputs.weights.tensors if outputs.weights else ():
        width = 1 if tensor.dtype == "BOOL" else ITEM_BYTES[tensor.dtype] * BITS_PER_BYTE
        bits += math.prod(tensor.shape) * width
    for metric in outputs.metrics.values if outputs.metrics else ():
        bits += (count_values(metric) - 1).bit_length()
    return bits


def algorithm_facts(image: str, outputs: OutputsDeclaration, *, gpus: int = 0) -> AlgorithmFacts:
    """Return what the policy engine judges: the image's digest, the GPUs asked for, and all that is declared to leave."""
    metrics = outputs.metrics.values if outputs.metrics else []
    return AlgorithmFacts(
        image=image,
        weights_bytes=released_bytes(outputs.weights.tensors) if outputs.weights else None,
        metrics_count=len(metrics),
        metrics_digits=max((item.digits for item in metrics), default=0),
        information_bits=information_bits(outputs),
        gpus=gpus,
    )
