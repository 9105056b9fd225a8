"""The places of the embedded world: a source, three unseen cities, four weathers and their ladders, the wide world."""

from dataclasses import dataclass, replace

from bench.data.streets.cities import GAME, GRID, HARBOUR, HILLS, TOWN
from bench.data.streets.ladder import LADDER
from bench.data.streets.layout import Layout
from bench.data.streets.style import Style
from bench.data.streets.wild import WILD, WILD_LAYOUT


@dataclass(frozen=True)
class Domain:
    """A place: how its streets are laid out and how they look."""

    name: str
    summary: str
    layout: Layout
    style: Style
    streets: str = ""  # places with the same name here have the very same streets, whatever their weather
    look: str = ""  # and with the same name here, the same draws of light, colours and camera from their styles


TOWN_LAYOUT = Layout(
    camera_height=(1.35, 1.9),
    focal=(1.6, 2.2),
    curve=0.002,
    floors=(2, 6),
    trees=1.1,
    people=1.1,
    lanes=(1.0, 2.6),
    barriers=0.8,
)

_PLACES = (
    Domain(
        "source",
        "clean, saturated, game-like; the only place with labels for training",
        Layout(
            camera_height=(1.35, 1.65),
            focal=(1.7, 2.1),
            lanes=(1.0, 2.5),
            furniture=1.1,
            people=1.1,
            riders=1.2,
            tram=0.3,
            gap=0.32,
            barriers=0.95,
            verge=0.5,
        ),
        GAME,
    ),
    Domain(
        "harbour",
        "overcast port city in colours of its own: brick, trams and trucks, low wide camera, soft noisy sensor",
        Layout(
            camera_height=(1.1, 1.3),
            focal=(1.45, 1.75),
            heavy=0.6,
            tram=0.35,
            plot=(10, 24),
            floors=(2, 5),
            lanes=(1.0, 2.4),
            walk=(1.5, 3.5),
            trees=0.5,
            people=0.8,
            gap=0.3,
            green=0.3,
            barriers=0.9,
        ),
        HARBOUR,
    ),
    Domain(
        "hills",
        "winding southern roads in low sun and bold paint: plaster houses, dry grass, trees, few lanes",
        Layout(
            camera_height=(1.5, 2.1),
            focal=(1.8, 2.4),
            pitch=(0.0, 0.06),
            curve=0.005,
            lanes=(1.0, 1.9),
            lane=(2.9, 3.4),
            floors=(1.0, 3.99),
            plot=(6, 13),
            gap=0.42,
            green=0.85,
            trees=1.7,
            conifer=0.4,
            riders=1.6,
            heavy=0.3,
            walk=(1.2, 2.6),
            setback=(1, 7),
            tram=0.25,
        ),
        HILLS,
    ),
    Domain(
        "grid",
        "wide avenues between towers in any colour: hard light, dense traffic, crowded pavements",
        Layout(
            camera_height=(1.5, 1.9),
            focal=(1.9, 2.5),
            lanes=(1.6, 2.99),
            floors=(5, 16),
            plot=(12, 26),
            gap=0.1,
            green=0.25,
            trees=0.7,
            traffic=1.7,
            people=1.7,
            barriers=0.8,
            furniture=1.3,
            heavy=0.45,
            crossing=0.6,
            walk=(3, 6),
            setback=(0, 1),
            tram=0.3,
            window=(1.0, 2.0),
        ),
        GRID,
    ),
    Domain("town", "the fourth city in fair weather (severity 0 of the weathers)", TOWN_LAYOUT, TOWN, "town"),
    Domain("fog", "the fourth city in fog", TOWN_LAYOUT, replace(TOWN, fog=(0.5, 0.9)), "town"),
    Domain(
        "night",
        "the fourth city at night, lit by lamps and headlights",
        TOWN_LAYOUT,
        replace(TOWN, night=(0.85, 1.0)),
        "town",
    ),
    Domain(
        "rain",
        "the fourth city in rain: streaks, wet reflecting ground",
        TOWN_LAYOUT,
        replace(TOWN, rain=(0.6, 1.0)),
        "town",
    ),
    Domain("snow", "the fourth city in snow: cover and flakes", TOWN_LAYOUT, replace(TOWN, snow=(0.6, 1.0)), "town"),
    Domain("wild", "style-randomised streets for pre-training; never labelled", WILD_LAYOUT, WILD),
)
_LADDER = tuple(
    Domain(name, f"`town` and {name[:-2]} of strength {name[-1]} of 5", TOWN_LAYOUT, style, streets="town", look="town")
    for name, style in LADDER.items()
)
DOMAINS: dict[str, Domain] = {d.name: d for d in (*_PLACES, *_LADDER)}
