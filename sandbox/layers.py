"""The layers of a recipe's model, and what each makes of the shape that it gets.

Only layers that treat every row by itself: one that mixes the rows of a batch, as batch normalisation does, has no gradient
of one row, so nothing bounds what one row does to the model (Opacus' validator refuses it for the same reason). Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from policies.documents import StrictModel

MAX_LAYERS = 64
MAX_UNITS = 65_536
MAX_SIDE = 64
IMAGE_RANK = 3
Fraction = Annotated[str, Field(pattern=r"^0\.[0-9]{0,5}[1-9][0-9]{0,5}$")]
Units = Annotated[int, Field(ge=1, le=MAX_UNITS)]
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Shape = tuple[int, ...]
Tensors = tuple[tuple[str, Shape], ...]
"""The learnt tensors of a layer: (name in the layer, shape), in PyTorch's layout."""


class Linear(StrictModel):
    """A weighted sum of all inputs for each of `units`."""

    kind: Literal["linear"]
    units: Units

    def apply(self, shape: Shape) -> tuple[Shape, Tensors]:
        """Return the shape of the result and the learnt tensors."""
        if len(shape) != 1:
            raise ValueError(f"linear needs a flat input, got {list(shape)}: put flatten before it")
        return (self.units,), (("weight", (self.units, shape[0])), ("bias", (self.units,)))


class Convolution(StrictModel):
    """A two-dimensional convolution with square windows."""

    kind: Literal["conv"]
    channels: Units
    size: Side
    stride: Side = 1
    padding: Annotated[int, Field(ge=0, le=MAX_SIDE)] = 0

    def apply(self, shape: Shape) -> tuple[Shape, Tensors]:
        """Return the shape of the result and the learnt tensors."""
        channels, *sides = _image(self.kind, shape)
        if self.padding >= self.size:
            raise ValueError("conv: padding must be below size")
        moved = [_slide(self.kind, side + 2 * self.padding, self.size, self.stride) for side in sides]
        weight = (self.channels, channels, self.size, self.size)
        return (self.channels, *moved), (("weight", weight), ("bias", (self.channels,)))


class Pooling(StrictModel):
    """The largest or the mean of each square window; the windows don't overlap."""

    kind: Literal["max-pool", "average-pool"]
    size: Side

    def apply(self, shape: Shape) -> tuple[Shape, Tensors]:
        """Return the shape of the result and the learnt tensors."""
        channels, *sides = _image(self.kind, shape)
        return (channels, *(_slide(self.kind, side, self.size, self.size) for side in sides)), ()


class GroupNorm(StrictModel):
    """Normalises one row's channels in groups (Wu and He 2018), with a learnt scale and shift for each channel."""

    kind: Literal["group-norm"]
    groups: Units

    def apply(self, shape: Shape) -> tuple[Shape, Tensors]:
        """Return the shape of the result and the learnt tensors."""
        channels = _image(self.kind, shape)[0]
        if channels % self.groups:
            raise ValueError(f"group-norm: {channels} channels can't be divided into {self.groups} groups")
        _check_several(self.kind, math.prod(shape) // self.groups)
        return shape, (("weight", (channels,)), ("bias", (channels,)))


class InstanceNorm(StrictModel):
    """Normalises each channel of one row by itself (Ulyanov et al. 2016), with a learnt scale and shift."""

    kind: Literal["instance-norm"]

    def apply(self, shape: Shape) -> tuple[Shape, Tensors]:
        """Return the shape of the result and the learnt tensors."""
        channels = _image(self.kind, shape)[0]
        _check_several(self.kind, math.prod(shape[1:]))
        return shape, (("weight", (channels,)), ("bias", (channels,)))


class LayerNorm(StrictModel):
    """Normalises one row over everything (Ba et al. 2016), with a learnt scale and shift for each element."""

    kind: Literal["layer-norm"]

    def apply(self, shape: Shape) -> tuple[Shape, Tensors]:
        """Return the shape of the result and the learnt tensors."""
        return shape, (("weight", shape), ("bias", shape))


class Activation(StrictModel):
    """A function of each element."""

    kind: Literal["relu", "elu", "gelu", "silu", "sigmoid", "tanh"]

    def apply(self, shape: Shape) -> tuple[Shape, Tensors]:
        """Return the shape of the result and the learnt tensors."""
        return shape, ()


class Dropout(StrictModel):
    """Sets each element to zero with this probability while training."""

    kind: Literal["dropout"]
    rate: Fraction

    def apply(self, shape: Shape) -> tuple[Shape, Tensors]:
        """Return the shape of the result and the learnt tensors."""
        return shape, ()


class Flatten(StrictModel):
    """Turns an image into one row of numbers."""

    kind: Literal["flatten"]

    def apply(self, shape: Shape) -> tuple[Shape, Tensors]:
        """Return the shape of the result and the learnt tensors."""
        return (math.prod(shape),), ()


Layer = Annotated[
    Linear | Convolution | Pooling | GroupNorm | InstanceNorm | LayerNorm | Activation | Dropout | Flatten,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, slots=True)
class Stage:
    """One layer in its place: `name` as its tensors begin, the shape that leaves it, its tensors with their full names."""

    name: str
    shape: Shape
    tensors: Tensors


def lay_out(layers: Sequence[Layer], shape: Shape, outputs: int) -> tuple[Stage, ...]:
    """Return every layer in its place for inputs of `shape`, and after them the last: linear, to `outputs` numbers.

    An image is flattened before the last layer. Layers are counted from 1, as in tensor names: `layer1.weight`.

    Raises:
        ValueError: a layer can't take what the one before gives; names it by number.
    """
    stages = []
    for number, layer in enumerate(layers, 1):
        try:
            shape, tensors = layer.apply(shape)
        except ValueError as exc:
            raise ValueError(f"layer {number}: {exc}") from exc
        stages.append(_stage(f"layer{number}", shape, tensors))
    last, tensors = Linear(kind="linear", units=outputs).apply((math.prod(shape),))
    return (*stages, _stage("head", last, tensors))


def _stage(name: str, shape: Shape, tensors: Tensors) -> Stage:
    return Stage(name, shape, tuple((f"{name}.{part}", size) for part, size in tensors))


def _image(kind: str, shape: Shape) -> Shape:
    if len(shape) != IMAGE_RANK:
        raise ValueError(f"{kind} needs an image (channels, rows, columns), got {list(shape)}")
    return shape


def _check_several(kind: str, count: int) -> None:
    if count == 1:
        raise ValueError(f"{kind}: one number has no spread to be normalised by")


def _slide(kind: str, side: int, size: int, stride: int) -> int:
    if size > side:
        raise ValueError(f"{kind}: a window of {size} is larger than the image's side, {side}")
    return (side - size) // stride + 1
