"""From options to a spec: families, the order of overrides, and ``--set`` checked by name and type."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import protocols
from bench import resolve as module
from bench.data import cards
from bench.errors import BenchError, DamagedFile, PrerequisiteError, UnknownName, UserError
from bench.models import hub
from bench.protocols import load_protocol
from bench.registry import METHODS
from bench.resolve import departures, resolve
from bench.result import read_result, state_folder
from bench.spec import HeadConfig, Recipe, spec_hash
from bench.trained import AT, elsewhere, weights_path

COMMITTED = Path(__file__).resolve().parent.parent / "results"
RANDOM = "weights=random"
ON_BACKBONES = [name for name in METHODS.names() if METHODS.get(name).own_model is None]


def test_family_becomes_the_protocols_backbone() -> None:
    family, exact = (resolve("rein", name, sets=[RANDOM]) for name in ("eva02", "eva02-mini"))
    assert family == exact
    assert family.backbone == "eva02-mini"
    assert family.backbone_config["architecture"] == "Eva"


def test_the_spec_is_complete() -> None:
    spec = resolve("rein", "eva02", seed=5, precision="bf16", sets=[RANDOM])
    rules = protocols.load_protocol("streets")
    assert (spec.protocol, spec.track.name, spec.seed, spec.precision) == ("streets", "native", 5, "bf16")
    assert spec.targets == rules.all_targets()
    assert set(spec.data) - {"corruptions"} == {spec.sources[0].dataset, *(target.dataset for target in spec.targets)}
    assert spec.data["streets-source"] == cards.revision(cards.load_card("streets-source"))
    assert set(spec.method_config) == set(METHODS.get("rein").config.model_fields)


@pytest.mark.parametrize("method", ON_BACKBONES)
def test_all_methods_share_head_and_recipe_but_what_the_protocol_says(method: str) -> None:
    spec, rules = resolve(method, "eva02", sets=[RANDOM]), protocols.load_protocol("streets")
    own = rules.methods.get(method, {}).get("recipe", {})
    assert spec.recipe == Recipe.model_validate({**METHODS.get(method).recipe, **rules.recipe, **own})
    assert spec.head == HeadConfig.model_validate({**METHODS.get(method).head, **rules.head})


def test_set_reaches_every_field_of_recipe_head_and_method() -> None:
    plain = resolve("rein", "eva02", sets=[RANDOM])
    config = METHODS.get("rein").config
    other = {bool: "false", int: "32", float: "1.0"}
    changed = 0
    for part in ("recipe", "head", "method"):
        values = plain.method_config if part == "method" else getattr(plain, part).model_dump()
        for field, value in values.items():
            if type(value) in other and str(value).lower() != other[type(value)]:
                spec = resolve("rein", "eva02", sets=[RANDOM, f"{part}.{field}={other[type(value)]}"])
                assert spec_hash(spec) != spec_hash(plain), field
                changed += 1
    assert changed > 20
    assert set(module.known_keys(config)) >= {f"recipe.{name}" for name in Recipe.model_fields}


@pytest.mark.parametrize(
    ("text", "part", "field", "value"),
    [
        ("recipe.crop=64,128", "recipe", "crop", (64, 128)),
        ("recipe.crop=[64, 128]", "recipe", "crop", (64, 128)),
        ("recipe.short_edges=96,", "recipe", "short_edges", (96,)),
        ("recipe.clip_norm=0.1", "recipe", "clip_norm", 0.1),
        ("recipe.clip_norm=null", "recipe", "clip_norm", None),
        ("recipe.photometric=false", "recipe", "photometric", False),
        (" recipe.lr = 1e-5 ", "recipe", "lr", 1e-5),
        ("head.num_queries=7", "head", "num_queries", 7),
    ],
)
def test_set_reads_values(text: str, part: str, field: str, value: object) -> None:
    assert getattr(getattr(resolve("rein", "eva02", sets=[RANDOM, text]), part), field) == value


def test_set_reaches_the_method_by_bare_and_by_full_name() -> None:
    bare, full = (resolve("rein", "eva02", sets=[RANDOM, text]) for text in ("rank=3", "method.rank=3"))
    assert bare == full
    assert bare.method_config["rank"] == 3


def test_the_last_set_wins() -> None:
    assert resolve("rein", "eva02", sets=[RANDOM, "rank=3", "rank=4"]).method_config["rank"] == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recipe.iteration=3", "unknown setting 'recipe.iteration'; did you mean 'recipe.iterations'?"),
        ("lr=1", "unknown setting 'lr'; did you mean 'recipe.lr'?"),
        ("rnak=1", "did you mean 'method.rank'?"),
        ("head.qqqqq=1", "(known: head.class_weight,"),
        ("recipe.iterations=ten", "--set recipe.iterations=ten: iterations: Input should be a valid integer"),
        ("recipe.iterations=0", "greater than 0"),
        ("recipe.iterations=1.5", "valid integer"),
        ("recipe.crop=3", "--set recipe.crop=3: crop:"),
        ("recipe.flip=2", "less than or equal to 1"),
        ("recipe.lr=NaN", "NaN is not a finite number"),
        ("scale=-inf", "-inf is not a finite number"),
        ("rank=a", "--set rank=a: rank: Input should be a valid integer"),
        ("head.hidden=63", "--set head.hidden=63: hidden 63 is not a multiple of heads"),
        ("head.hidden=16", "--set head.hidden=16: hidden 16 is not a multiple of 32"),
        ("compile=maybe", "compile: Input should be a valid boolean"),
        ("weights=good", "only 'random'"),
        ("recipe.lr", "write key=value"),
        ("=3", "write key=value"),
        ("seed=3", "--set seed=3: that is an option of its own, --seed"),
        ("precision=bf16", "an option of its own, --precision"),
        ("recipe.betas=2,3", "betas.0: Input should be less than 1"),
        ("recipe.crop=64", "write several values with commas between them"),
        ("scale=1e999", "scale: Input should be a finite number"),
    ],
)
def test_bad_sets_are_one_clear_line(text: str, message: str, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(hub, "weights_id", lambda card, given=None: "sha256:" + "0" * 64)
    with pytest.raises(UserError) as caught:
        resolve("rein", "eva02", sets=[text])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rien", "eva02"), "unknown method 'rien'; did you mean 'rein'?"),
        (("rein", "eva20"), "unknown backbone 'eva20'; did you mean 'eva02'?"),
        (("rein", "eva02", "street"), "unknown protocol 'street'; did you mean 'streets'?"),
        (("rein", "eva02", "streets", "nativ"), "unknown track of protocol streets: 'nativ'; did you mean 'native'?"),
    ],
)
def test_unknown_names_suggest(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UnknownName) as caught:
        resolve(*arguments, sets=[RANDOM])
    assert message in str(caught.value)


def test_absent_weights_are_refused_unless_random_is_asked_for(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(hub, "MODELS", tmp_path)
    with pytest.raises(PrerequisiteError, match="weights=random"):
        resolve("rein", "eva02")
    assert resolve("rein", "eva02", sets=[RANDOM]).weights == "random"


@pytest.mark.parametrize("name", protocols.names())
def test_every_protocol_resolves_with_every_method(name: str) -> None:
    rules = protocols.load_protocol(name)
    assert rules.backbones
    for backbone in rules.backbones:
        for method in ON_BACKBONES:
            spec = resolve(method, backbone, name, rules.tracks[0].name, sets=[RANDOM])
            assert "source" in [target.group for target in spec.targets]
    assert set(rules.methods) <= set(METHODS.names())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("summary = ", "Invalid value"),
        ("nonsense = 1", "nonsense"),
        ('name = "other"', "multiple values"),
        ("recipe = { iteration = 3 }", "iteration"),
        ("head = { hidden = 'x' }", "hidden"),
    ],
)
def test_broken_protocols_are_named(tmp_path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    good = (protocols.FOLDER / "streets.toml").read_text()
    lines = [line for line in good.splitlines() if not line.startswith(text.partition(" =")[0] + " =")]
    section = rf"^\[{text.partition(' =')[0]}\]\n(?:[^\[].*\n|\n)*"  # a table must not be there twice
    path.write_text(re.sub(section, "", "\n".join([text, *lines]), flags=re.MULTILINE))
    with pytest.raises(DamagedFile, match=message) as caught:
        protocols.read_protocol(path)
    assert isinstance(caught.value, BenchError)
    assert str(path) in str(caught.value)


def test_a_protocol_names_its_targets_once(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    good = (protocols.FOLDER / "streets.toml").read_text()
    assert protocols.read_protocol(protocols.FOLDER / "streets.toml").name == "streets"
    path.write_text(good.replace('name = "weather-fog"', 'name = "fog"'))
    with pytest.raises(DamagedFile, match="two targets are called 'fog'"):
        protocols.read_protocol(path)


def test_checkpoints_lie_beside_the_announced_spec(tmp_path) -> None:
    spec = resolve("frozen", "eva02", sets=[RANDOM])
    assert weights_path(spec, tmp_path).parent == state_folder(spec, tmp_path)


def test_departures_are_what_set_changed() -> None:
    assert departures(resolve("rein", "eva02", seed=3, sets=[RANDOM])) == {}
    own = load_protocol("streets").recipe
    same, other = f"recipe.iterations={own['iterations']}", "recipe.crop=32,64"
    spec = resolve("rein", "eva02", precision="bf16", sets=[RANDOM, same, other, "head.heads=2", "linked=true"])
    assert departures(spec) == {
        "precision": "bf16",
        "recipe.crop": [32, 64],
        "head.heads": 2,
        "method_config.linked": True,
    }
    assert departures(spec.model_copy(update={"protocol": "of another project"})) == {}


@pytest.mark.parametrize(
    "path", sorted(COMMITTED.rglob("*-s?.json")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_the_committed_results_are_of_the_runs_that_the_commands_name_today(path: Path) -> None:
    """Else a fresh clone would train where it has a result to show, and the leaderboard speak of another world."""
    result = read_result(path)
    spec = result.spec
    sets = [RANDOM] if spec.weights == "random" else []
    chosen = {key: value for key, value in spec.method_config.items() if key.startswith("save_")}  # no departures
    chosen |= {key.replace("method_config.", "method."): value for key, value in result.settings.items()}
    sets += [f"{key}={value}" for key, value in chosen.items()]
    scored, _, trained = spec.protocol.rpartition(AT)
    today = resolve(spec.method, spec.backbone, trained, spec.track.name, spec.seed, sets=sets)
    if scored:
        today = elsewhere(today, protocols.load_protocol(scored), spec.track.name)
    assert today == spec
