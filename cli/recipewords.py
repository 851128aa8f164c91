"""Says in plain words what a recipe does, for an owner who is asked to approve it. Pure."""

from __future__ import annotations

from cli.output import fields
from sandbox.columns import CategoryFeature, ImageFeature, NumberFeature, SurvivalTarget
from sandbox.counting import SynthesisRecipe
from sandbox.layers import Convolution, Dropout, GroupNorm, Layer, Linear, Pooling
from sandbox.recipe import Recipe, TrainingRecipe

SHOWN_COLUMNS = 12


def describe_recipe(recipe: Recipe) -> str:
    """Return a recipe as lines of words: what is read, what is learnt, how, and what privacy it asks for."""
    if isinstance(recipe, SynthesisRecipe):
        return fields(
            {
                "recipe": f"counts rows in {len(recipe.histograms)} histograms, with noise; no code of the consumer runs",
                "reads": _list(recipe.columns),
                "privacy": f"epsilon {recipe.privacy.epsilon}",
            }
        )
    return fields(_describe_training(recipe))


def _describe_training(recipe: TrainingRecipe) -> dict[str, str]:
    weights = recipe.outputs().weights
    count = sum(tensor.elements for tensor in weights.tensors) if weights else 0
    return {
        "recipe": f"{recipe.task} by our own trainer; no code of the consumer runs",
        "learns from": _list([_feature(feature) for feature in recipe.features]),
        "says": _target(recipe),
        "layers": _list([_layer(layer) for layer in recipe.layers]) or "none: a linear model",
        "model": f"{recipe.feature_width} inputs, {recipe.model_outputs} outputs, {count} learnt numbers",
        "training": (
            f"{recipe.epochs} epochs in batches of {recipe.batch_size}, {recipe.optimizer.kind} "
            f"at {recipe.learning_rate}, loss {recipe.loss.kind}"
        ),
        "privacy": _privacy(recipe),
        "evaluation": _evaluation(recipe),
    }


def _feature(feature: object) -> str:
    if isinstance(feature, ImageFeature):
        return f"an image of {' x '.join(map(str, feature.shape))}"
    if isinstance(feature, NumberFeature):
        return f"{feature.column} ({feature.min} to {feature.max})"
    if isinstance(feature, CategoryFeature):
        return f"{feature.column} ({len(feature.categories)} categories)"
    return str(getattr(feature, "column", feature))


def _target(recipe: TrainingRecipe) -> str:
    target = recipe.target
    if isinstance(target, SurvivalTarget):
        return f"the time until {target.event}, seen up to {target.time}"
    return target.column


def _layer(layer: Layer) -> str:
    if isinstance(layer, Linear):
        return f"linear {layer.units}"
    if isinstance(layer, Convolution):
        return f"conv {layer.channels} of {layer.size} x {layer.size}"
    if isinstance(layer, Pooling):
        return f"{layer.kind} {layer.size}"
    if isinstance(layer, GroupNorm):
        return f"group-norm {layer.groups}"
    return f"dropout {layer.rate}" if isinstance(layer, Dropout) else layer.kind


def _privacy(recipe: TrainingRecipe) -> str:
    if recipe.privacy is None:
        return "none: nothing bounds what the weights say of one row"
    delta = f"delta {recipe.privacy.delta}" if recipe.privacy.delta else "the policy's delta"
    return f"epsilon {recipe.privacy.epsilon} at {delta}, each unit's gradient clipped to {recipe.privacy.clipping_norm}"


def _evaluation(recipe: TrainingRecipe) -> str:
    if recipe.evaluation is None:
        return "none: nothing is said of how good the model is"
    noise = recipe.evaluation.noise_multiplier
    held_out = f"on {recipe.evaluation.hold_out} of the units, held out"
    return held_out if noise is None else f"{held_out}; noise of deviation {noise} on what is counted"


def _list(words: list[str] | tuple[str, ...]) -> str:
    shown, left = words[:SHOWN_COLUMNS], len(words) - SHOWN_COLUMNS
    return ", ".join(shown) + (f" and {left} more" if left > 0 else "")
