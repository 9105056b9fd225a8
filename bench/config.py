"""Bases of a method's typed options. Torch-free: specs are made from them before anything is built."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]


class MethodConfig(BaseModel):
    """Base of a method's typed options; every field can be set with `--set name=value`.

    A field whose name begins with `save_` says what is written to look at; it must decide no number, and is no part of
    a run's identity.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class GeneratedConfig(MethodConfig):
    """Options of a method that also trains on generated, unlabelled images (docs/generated_data.md).

    A method whose configuration derives from this one gets them as a second stream; the defaults are those of CLOUDS
    (arXiv 2312.09788, section 4). Image i is made of prompt i, the prompts taken in turn.
    """

    images: NonNegative = 5000
    """How many; with 0 there is no second stream, and the joint phase is on the source alone, too."""
    prompts: str | tuple[str, ...] = "streets"
    """A list that ships with the suite, or the prompts themselves, as `--set prompts=FILE` reads them, one a line."""
    llm: str | None = None
    """A text-generation model (its name on the hub, or its folder) that writes `llm_prompts` prompts in their place."""
    llm_prompts: Positive = 100
    generator: str = "stabilityai/stable-diffusion-2"
    """A diffusers text-to-image pipeline (its name on the hub, or its folder); `streets` is the embedded world."""
    image_size: tuple[Positive, Positive] = (768, 768)
    """Height, width in pixels."""
    inference_steps: Positive = 50
    guidance: float = 7.5
    generated_weight: Positive = 2
    """Of `generated_weight` + `source_weight` images of the joint phase so many are generated."""
    source_weight: Positive = 1
    joint_iterations: NonNegative = 40_000
    """Iterations after the recipe's own, which are the warm-up on the source alone.

    Learning rate and optimiser begin anew, as published; generated images are mixed in.
    """

    @field_validator("prompts", mode="before")
    @classmethod
    def _contents(cls, value: object) -> object:
        """A file's prompts in place of its name: a run's identity holds no path."""
        from bench.generated.prompts import contents

        return contents(value)

    @field_validator("generator", "llm", mode="after")
    @classmethod
    def _without_path(cls, value: str | None) -> str | None:
        """Of a model in a folder its name and checksum: neither does it hold that."""
        from bench.models.local import recorded

        return None if value is None else recorded(value, embedded=("streets",))
