"""What a network's recipe says of its training: head, augmentation, optimiser and length."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from basrelief.values import StrictTable

Trainable = Literal["all", "none"] | Annotated[int, Field(ge=1)]
Keep = Literal["best_validation_loss", "best_training_loss", "last"]

KEEP_WORDS: dict[Keep, str] = {
    "best_validation_loss": "the one of least validation loss",
    "best_training_loss": "the one of least training loss",
    "last": "the last",
}
"""What is told of the epoch whose weights are kept."""


class HeadRecipe(StrictTable):
    """What stands on top of the backbone."""

    kind: Literal["flatten", "pooled"] = "pooled"
    """``flatten``: all of the map, as Keras does; ``pooled``: its mean."""

    hidden: list[Annotated[int, Field(ge=1)]] = Field(default_factory=list)
    """Widths of the dense layers before the last, each with ReLU and dropout."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of values dropped after each dense layer (``pooled``: before the first too)."""


class AugmentRecipe(StrictTable):
    """How training chips are varied, as Keras' ImageDataGenerator words it."""

    shear_deg: Annotated[float, Field(ge=0, lt=90)] = 0.0
    """Largest shear, in degrees, drawn from both sides of zero."""

    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Zoom a side is drawn from [1 - zoom, 1 + zoom], a value for each axis."""

    flips: bool = False
    """Mirror rows and columns, each half of the time."""

    validation: bool = False
    """Vary the validation chips too (Keras does, with one generator for both subsets)."""


class OptimiserRecipe(StrictTable):
    """How weights are moved."""

    name: Literal["keras-rmsprop", "adamw"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)]
    """Of the head, and of the backbone times ``backbone_factor``."""

    backbone_factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Learning rate of the backbone over that of the head."""

    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    """After the warm-up; ``cosine``: fall to zero at the last step."""

    warm_up_epochs: Annotated[int, Field(ge=0)] = 0
    """First epochs, at smaller rates."""

    warm_up_learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Rate of all of those; by default it rises from step to step to ``learning_rate``."""

    @model_validator(mode="after")
    def _check_warm_up(self) -> Self:
        rate = self.warm_up_learning_rate
        if rate is not None and rate >= self.learning_rate:
            raise ValueError(
                f"warm_up_learning_rate = {rate:g} must be smaller than learning_rate = "
                f"{self.learning_rate:g}"
            )
        if rate is not None and self.warm_up_epochs == 0:
            raise ValueError("warm_up_learning_rate needs warm_up_epochs, how many there are")
        return self


class TrainRecipe(StrictTable):
    """How long training goes on, and on how much at a time."""

    trainable: Trainable
    """``all``, ``none`` (the head alone), or how many of the last convolutions."""

    epochs: Annotated[int, Field(ge=1)]
    steps_per_epoch: Annotated[int, Field(ge=1)] | None = None
    """Batches an epoch; by default one pass over the training chips."""

    batch_size: Annotated[int, Field(ge=1)]
    validation_batch_size: Annotated[int, Field(ge=1)] = 32
    validation_steps: Annotated[int, Field(ge=1)] | None = None
    """Validation batches an epoch; by default every validation chip once."""

    frozen_epochs: Annotated[int, Field(ge=0)] = 0
    """First epochs that train the head alone."""

    keep: Keep = "best_validation_loss"
    """Which epoch's weights are kept; of equal losses the first. ``best_training_loss`` is
    sought after the frozen epochs."""

    patience: Annotated[int, Field(ge=1)] | None = None
    """Stop after so many epochs without a better validation loss; by default never."""

    views: Annotated[int, Field(ge=1)] | None = None
    """Draw only so many views of each chip, once, and keep what layers that are never trained
    answer to them, where that saves work; by default every step draws anew."""

    views_gb: Annotated[float, Field(gt=0)] = 20.0
    """Most that they may take on the disk while a network is trained, in 10^9 bytes."""


def count_batches(n_rows: int, batch_size: int) -> int:
    """Count the batches of a pass, where a chip that would be left alone joins the batch before.

    Examples
    --------
    >>> [count_batches(n_rows, 8) for n_rows in (1, 8, 9, 10, 17)]
    [1, 1, 1, 2, 2]
    """
    is_one_left = n_rows % batch_size == 1 and n_rows > 1 < batch_size
    return -(-n_rows // batch_size) - is_one_left
