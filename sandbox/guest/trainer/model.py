"""Builds the model that a recipe says, of PyTorch's layers, with all its learnt numbers in one flat tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import nn

from sandbox.guest.trainer.encoding import Encoded

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
IMAGE_RANK = 3
MAX_THREADS = 2
"""What exact results are asked of: more would cut long tensors at places that depend on how many rows there are."""
ROWS_OF_PRODUCTS = (16, 32)
"""A matrix product is given whole multiples, by one thread and by two: it adds up what is over in another order."""
NUMBERS_AT_ONCE = 32
"""Of each layer's output a thread gets whole multiples: what is over goes through other functions, which round otherwise."""
Mask = Callable[[torch.Tensor, float], torch.Tensor]


@dataclass(frozen=True)
class Seen:
    """What went through a learnt layer: its input, and its output, by which a gradient can be taken."""

    layer: nn.Module
    taken: torch.Tensor
    given: torch.Tensor


class Dropout(nn.Module):
    """Dropout whose mask comes from whoever trains: privacy needs masks that nobody can foresee."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate


class _Largest(torch.autograd.Function):
    """The largest of each window; windows lie side by side. PyTorch's own takes several times as long on a processor."""

    @staticmethod
    def forward(ctx: Any, images: torch.Tensor, size: int) -> torch.Tensor:  # noqa: ANN401 - PyTorch's own
        """Take the largest of the same place's neighbours in all windows at once, place after place."""
        places = _places(images, size)
        largest = places[0]
        for place in places[1:]:
            largest = torch.maximum(largest, place)
        ctx.save_for_backward(images, largest)
        ctx.size = size
        return largest

    @staticmethod
    def backward(ctx: Any, given: torch.Tensor) -> tuple[torch.Tensor, None]:  # noqa: ANN401 - PyTorch's own
        """Hand the gradient to the first place that has the largest value."""
        images, largest = ctx.saved_tensors
        gradient = torch.zeros_like(images)
        left = given.clone()
        for place, target in zip(_places(images, ctx.size), _places(gradient, ctx.size), strict=True):
            chosen = left * (place == largest)
            target.copy_(chosen)
            left -= chosen
        return gradient, None


def _places(images: torch.Tensor, size: int) -> list[torch.Tensor]:
    """Return what stands at each place of all windows; what is over at the right and below is in none."""
    high, wide = images.shape[2] // size * size, images.shape[3] // size * size
    return [images[:, :, row:high:size, column:wide:size] for row in range(size) for column in range(size)]


class MaxPool(nn.Module):
    """The largest of each square window."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return images of windows' largest values."""
        pooled: torch.Tensor = _Largest.apply(images, self._size)  # type: ignore[no-untyped-call]  # torch's stub
        return pooled


class Model:
    """A recipe's layers. `flat` holds every learnt number; the layers look at parts of it."""

    def __init__(self, recipe: dict[str, Any]) -> None:
        """Make the layers, initialised as PyTorch does under the recipe's seed."""
        self._features = recipe["features"]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe["seed"])
            self.embeddings = _make_embeddings(self._features)
            self.layers, self._sizes = _make_layers(recipe)
        self._learnt = {
            name for name, layer in self.layers.items() if next(layer.parameters(), None) is not None
        }
        self.flat = _flatten([parameter for _, parameter in self.named()])

    def named(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield every learnt tensor with the name that the recipe's outputs have for it."""
        for name, module in [*self.embeddings.items(), *self.layers.items()]:
            for part, parameter in module.named_parameters():
                yield f"{name}.{part}", parameter

    def load(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take every learnt number from tensors by name."""
        for name, parameter in self.named():
            parameter.data.copy_(torch.from_numpy(tensors[name]))

    def fill_up(self, rows: torch.Tensor) -> torch.Tensor:
        """Return row numbers, at least one, with the first repeated at the end, as often as exact results ask for.

        What this model says of a row, and its gradient, is then the same to the last bit whichever other rows are there.
        """
        threads = torch.get_num_threads()
        evenly = NUMBERS_AT_ONCE * threads
        multiple = math.lcm(ROWS_OF_PRODUCTS[threads > 1], evenly // math.gcd(evenly, *self._sizes))
        return torch.cat([rows, rows[:1].expand(-len(rows) % multiple)])

    def run(self, rows: Encoded, *, mask: Mask | None = None, seen: list[Seen] | None = None) -> torch.Tensor:
        """Return what the model says of each row; `mask` applies dropout, `seen` takes note of every learnt layer."""
        value = rows.inputs
        if self.embeddings:
            value = self._embed(rows, seen)
        for name, layer in self.layers.items():
            if isinstance(layer, Dropout):
                value = value if mask is None else mask(value, layer.rate)
                continue
            if isinstance(layer, nn.Linear) and value.dim() > IMAGE_RANK - 1:
                value = value.flatten(1)
            given = layer(value)
            if seen is not None and name in self._learnt:
                seen.append(Seen(layer, value, given))
            value = given
        return value

    def _embed(self, rows: Encoded, seen: list[Seen] | None) -> torch.Tensor:
        """Return the inputs with every embedded feature's zeros replaced by the vectors of its codes."""
        parts, at, code = [], 0, 0
        for number, feature in enumerate(self._features, 1):
            width = width_of(feature)
            if feature.get("embedding"):
                layer, codes = self.embeddings[f"feature{number}"], rows.codes[:, code]
                given = layer(codes)
                if seen is not None:
                    seen.append(Seen(layer, codes, given))
                parts.append(given)
                code += 1
            else:
                parts.append(rows.inputs[:, at : at + width])
            at += width
        return torch.cat(parts, dim=1)


def width_of(feature: dict[str, Any]) -> int:
    """Return how many of the model's inputs a feature is."""
    if feature["kind"] == "image":
        return math.prod(feature["shape"])
    if feature["kind"] == "category":
        return int(feature["embedding"] or len(feature["categories"]))
    return 1 + bool(feature.get("indicator"))


def count_outputs(recipe: dict[str, Any]) -> int:
    """Return how many numbers the model says of one row."""
    if recipe["loss"]["kind"] == "discrete-hazard":
        return int(recipe["loss"]["intervals"])
    classes = len(recipe["target"].get("categories", ()))
    return classes if classes > 2 else 1  # noqa: PLR2004 - one number tells two classes apart


def _make_embeddings(features: list[dict[str, Any]]) -> dict[str, nn.Module]:
    return {
        f"feature{number}": nn.Embedding(len(feature["categories"]) + 1, feature["embedding"])
        for number, feature in enumerate(features, 1)
        if feature.get("embedding")
    }


def _make_layers(recipe: dict[str, Any]) -> tuple[dict[str, nn.Module], list[int]]:
    """Return the layers by name, each made for the shape that leaves the one before, and how many numbers a row is after each."""
    first = recipe["features"][0]
    shape = first["shape"] if first["kind"] == "image" else [sum(map(width_of, recipe["features"]))]
    example = torch.zeros(1, *shape)
    layers: dict[str, nn.Module] = {}
    sizes = []
    with torch.no_grad():
        for number, layer in enumerate(recipe["layers"], 1):
            made = _make_layer(layer, example)
            layers[f"layer{number}"] = made
            example = example if isinstance(made, Dropout) else made(example)
            sizes.append(example.numel())
    layers["head"] = nn.Linear(example.numel(), count_outputs(recipe))
    return layers, [*sizes, count_outputs(recipe)]


def _make_layer(layer: dict[str, Any], example: torch.Tensor) -> nn.Module:
    kind = layer["kind"]
    if kind in ACTIVATIONS:
        return ACTIVATIONS[kind]()
    makers: dict[str, Callable[[], nn.Module]] = {
        "linear": lambda: nn.Linear(example.shape[1], layer["units"]),
        "conv": lambda: nn.Conv2d(
            example.shape[1], layer["channels"], layer["size"], layer["stride"], layer["padding"]
        ),
        "max-pool": lambda: MaxPool(layer["size"]),
        "average-pool": lambda: nn.AvgPool2d(layer["size"]),
        "group-norm": lambda: nn.GroupNorm(layer["groups"], example.shape[1]),
        "instance-norm": lambda: nn.InstanceNorm2d(example.shape[1], affine=True),
        "layer-norm": lambda: nn.LayerNorm(example.shape[1:]),
        "flatten": nn.Flatten,
        "dropout": lambda: Dropout(float(layer["rate"])),
    }
    return makers[kind]()


def _flatten(parameters: list[nn.Parameter]) -> torch.Tensor:
    """Return one tensor with all numbers, of which each parameter becomes a part."""
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
    at = 0
    for parameter in parameters:
        count = parameter.numel()
        parameter.data = flat[at : at + count].view_as(parameter)
        at += count
    return flat
