"""RunSpec: what is in it decides the hash, what is not in it does not; ``resolve`` checks names and types."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import ValidationError

from bench.spec import (
    HeadConfig,
    Recipe,
    RunSpec,
    Source,
    Target,
    canonical_fields,
    canonical_json,
    series_hash,
    spec_hash,
)

GOLDEN_VERSION = 3
GOLDEN_HASH = "dc1c6649ca82fa2f375d10505d279ed43b84d06a2cb038b7e508d35ef95e1da0"
"""A change here means old result files belong to other specs: raise SPEC_VERSION with it."""


def test_golden_hash(make_spec) -> None:
    spec = make_spec(seed=7)
    assert (spec.spec_version, spec_hash(spec)) == (GOLDEN_VERSION, GOLDEN_HASH)


def test_hash_survives_a_round_trip(make_spec) -> None:
    spec = make_spec(seed=3)
    assert RunSpec.model_validate_json(canonical_json(spec)) == spec
    assert canonical_json(RunSpec.model_validate(json.loads(spec.model_dump_json()))) == canonical_json(spec)


@pytest.mark.parametrize("field", [name for name in RunSpec.model_fields if name != "spec_version"])
def test_every_field_is_part_of_the_identity(make_spec, field: str) -> None:
    other = {
        "method": "other",
        "method_config": {"rank": 5},
        "backbone": "other",
        "backbone_config": {},
        "weights": "random",
        "head": HeadConfig(hidden=64, heads=2),
        "protocol": "other",
        "sources": (Source(dataset="other"),),
        "classes": "synthia-16",
        "targets": make_spec().targets[:4],
        "data": {},
        "track": make_spec().track.model_copy(update={"windows": "whole"}),
        "recipe": Recipe(),
        "precision": "bf16",
        "compile": True,
        "seed": 1,
        "checkpoint": "sha256:" + "1" * 64,
    }
    changed = make_spec(**{field: other[field]})
    assert spec_hash(changed) != spec_hash(make_spec())
    assert (series_hash(changed) == series_hash(make_spec())) == (field == "seed")


def test_equal_numbers_of_different_types_are_one_spec(make_spec) -> None:
    assert spec_hash(make_spec(recipe=Recipe(lr=1))) == spec_hash(make_spec(recipe=Recipe(lr=1.0)))


def test_canonical_fields_of_repetitions_are_their_own(make_spec) -> None:
    """What specs that differ in the seed have in common is made once: whoever changes his, changes no other's."""
    one = canonical_fields(make_spec(seed=1))
    one["method"] = one["seed"] = "changed"
    assert canonical_fields(make_spec(seed=1)) | {"seed": "2"} == canonical_fields(make_spec(seed=2))
    assert canonical_fields(make_spec(seed=2))["method"] == json.dumps(make_spec().method)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_json_is_refused_whatever_was_read_before(make_spec, value) -> None:
    spec_hash(make_spec(method_config={"rank": None}))
    with pytest.raises(ValueError, match="not JSON compliant"):
        spec_hash(make_spec(method_config={"rank": value}))


def test_spec_is_immutable_and_closed(make_spec) -> None:
    with pytest.raises(ValidationError):
        make_spec().seed = 1
    with pytest.raises(ValidationError, match="workers"):
        make_spec(workers=4)


def test_recipe_defaults_are_reins() -> None:
    recipe = Recipe()
    assert recipe.short_edges == (256, 307, 358, 409, 460, 512, 563, 614, 665, 716, 768, 819, 870, 921, 972, 1024)
    assert (recipe.iterations, recipe.batch_size, recipe.crop, recipe.lr) == (40_000, 4, (512, 512), 1e-4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"group": "corruption"}, "come together"),
        ({"group": "unseen", "corruption": "fog", "severity": 3}, "come together"),
        ({"group": "corruption", "corruption": "fog"}, "come together"),
        ({"group": "corruption", "corruption": "fog", "severity": 6}, "less than or equal to 5"),
        ({"group": "sunny"}, "'source', 'unseen'"),
    ],
)
def test_targets_that_make_no_sense(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        Target(name="t", dataset="d", **fields)
