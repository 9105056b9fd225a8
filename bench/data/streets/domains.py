"""The places of the embedded world: one source, three unseen cities, four weathers, and the wide world."""

from dataclasses import dataclass, replace

from bench.data.streets import parts as m
from bench.data.streets.scene import Layout
from bench.data.streets.style import Style


@dataclass(frozen=True)
class Domain:
    """A place: how its streets are laid out and how they look."""

    name: str
    summary: str
    layout: Layout
    style: Style
    streets: str = ""  # places with the same name here have the very same streets, whatever their weather


# The source: clean and saturated, every colour in its place, as a game has it.
GAME = Style(
    palette={
        m.M_ROAD: ((0.6, 0.65, 0.02, 0.06, 0.27, 0.33),),
        m.M_WALK: ((0.08, 0.12, 0.05, 0.12, 0.56, 0.64),),
        m.M_TERRAIN: ((0.26, 0.3, 0.6, 0.75, 0.4, 0.5),),
        m.M_LEAF: ((0.27, 0.33, 0.6, 0.8, 0.3, 0.45),),
        m.M_FACADE: (
            (0.05, 0.1, 0.3, 0.5, 0.6, 0.8),
            (0.0, 0.04, 0.4, 0.6, 0.5, 0.65),
            (0.12, 0.15, 0.15, 0.3, 0.7, 0.85),
        ),
        m.M_WALL: ((0.08, 0.12, 0.1, 0.2, 0.5, 0.6),),
        m.M_FENCE: ((0.55, 0.65, 0.1, 0.3, 0.25, 0.4),),
        m.M_BUS: ((0.1, 0.14, 0.8, 0.95, 0.8, 0.9), (0.0, 0.02, 0.8, 0.9, 0.6, 0.75)),
        m.M_TRAIN: ((0.55, 0.6, 0.5, 0.7, 0.5, 0.7),),
    },
    sun=(0.85, 1.0),
    haze=(0.0008, 0.0015),
    saturation=(1.15, 1.3),
    texture=(0.45, 0.6),
    noise=(0.0, 0.004),
    clouds=(0.1, 0.45),
)

HARBOUR = Style(
    palette={
        m.M_ROAD: ((0.08, 0.12, 0.03, 0.1, 0.32, 0.45),),
        m.M_WALK: ((0.02, 0.06, 0.1, 0.25, 0.38, 0.52),),
        m.M_FACADE: ((0.0, 0.04, 0.35, 0.6, 0.3, 0.5), (0.55, 0.62, 0.05, 0.2, 0.35, 0.6)),
        m.M_LEAF: ((0.2, 0.3, 0.25, 0.45, 0.2, 0.38),),
        m.M_TERRAIN: ((0.1, 0.22, 0.2, 0.4, 0.3, 0.42),),
        m.M_WALL: ((0.0, 0.04, 0.3, 0.5, 0.3, 0.45),),
        m.M_TRAIN: ((0.3, 0.45, 0.3, 0.6, 0.4, 0.6), (0.0, 0.05, 0.5, 0.7, 0.5, 0.6)),
    },
    sky=((0.55, 0.62, 0.05, 0.18, 0.72, 0.86),),
    clouds=(0.6, 0.95),
    sun=(0.15, 0.4),
    ambient=(0.72, 0.85),
    haze=(0.003, 0.007),
    ambient_colour=(0.9, 0.97, 1.06),
    saturation=(0.6, 0.8),
    contrast=(0.8, 0.95),
    exposure=(0.85, 1.05),
    tint=0.05,
    blur=(0.5, 0.8),
    noise=(0.02, 0.035),
    vignette=(0.2, 0.5),
    texture=(0.7, 1.0),
)

HILLS = Style(
    palette={
        m.M_ROAD: ((0.07, 0.1, 0.08, 0.16, 0.42, 0.55),),
        m.M_WALK: ((0.07, 0.1, 0.15, 0.3, 0.6, 0.72),),
        m.M_FACADE: (
            (0.07, 0.12, 0.25, 0.5, 0.7, 0.9),
            (0.02, 0.06, 0.2, 0.45, 0.65, 0.85),
            (0.1, 0.14, 0.02, 0.1, 0.8, 0.92),
        ),
        m.M_LEAF: (
            (0.14, 0.22, 0.4, 0.6, 0.3, 0.5),
            (0.22, 0.28, 0.3, 0.5, 0.2, 0.35),
            (0.07, 0.12, 0.5, 0.7, 0.4, 0.55),
        ),
        m.M_TERRAIN: ((0.1, 0.15, 0.3, 0.5, 0.45, 0.6),),
        m.M_WALL: ((0.08, 0.12, 0.1, 0.25, 0.6, 0.8),),
        m.M_FENCE: ((0.06, 0.1, 0.3, 0.5, 0.3, 0.5),),
    },
    sky=((0.54, 0.6, 0.2, 0.4, 0.85, 0.98),),
    sun_height=(0.22, 0.5),
    sun_colour=(1.1, 0.88, 0.62),
    sun=(0.9, 1.1),
    ambient=(0.42, 0.55),
    haze=(0.002, 0.005),
    saturation=(0.8, 1.0),
    contrast=(1.0, 1.15),
    exposure=(1.0, 1.2),
    tint=0.04,
    blur=(0.0, 0.5),
    noise=(0.005, 0.015),
    vignette=(0.0, 0.3),
    texture=(0.8, 1.1),
)

GRID = Style(
    palette={
        m.M_ROAD: ((0.55, 0.7, 0.03, 0.1, 0.16, 0.25),),
        m.M_WALK: ((0.55, 0.65, 0.02, 0.06, 0.55, 0.75),),
        m.M_FACADE: ((0.52, 0.62, 0.1, 0.35, 0.3, 0.6), (0.05, 0.1, 0.02, 0.12, 0.45, 0.7)),
        m.M_LEAF: ((0.28, 0.38, 0.3, 0.5, 0.18, 0.3),),
        m.M_PAINT: ((0.0, 1.0, 0.0, 0.08, 0.04, 0.95), (0.12, 0.15, 0.8, 0.95, 0.75, 0.9)),
        m.M_BUS: ((0.5, 0.62, 0.02, 0.2, 0.75, 0.95),),
        m.M_SIGN: (
            (0.33, 0.4, 0.7, 0.9, 0.35, 0.5),
            (0.0, 0.02, 0.7, 0.95, 0.5, 0.8),
            (0.12, 0.15, 0.8, 0.95, 0.8, 0.95),
        ),
    },
    sky=((0.56, 0.6, 0.3, 0.55, 0.8, 0.95),),
    clouds=(0.0, 0.3),
    sun_height=(1.2, 2.2),
    sun=(1.0, 1.3),
    ambient=(0.5, 0.62),
    contrast=(1.05, 1.2),
    exposure=(0.95, 1.3),
    saturation=(0.75, 0.95),
    tint=0.06,
    noise=(0.01, 0.02),
    blur=(0.3, 0.6),
    vignette=(0.1, 0.4),
    texture=(0.6, 0.9),
)

# A fourth city, seen only in bad weather.
TOWN = Style(
    palette={
        m.M_FACADE: ((0.03, 0.12, 0.1, 0.4, 0.5, 0.8), (0.5, 0.62, 0.05, 0.2, 0.5, 0.7)),
        m.M_ROAD: ((0.55, 0.7, 0.02, 0.08, 0.28, 0.4),),
    },
    saturation=(0.75, 0.95),
    haze=(0.001, 0.003),
    noise=(0.01, 0.02),
    blur=(0.2, 0.5),
    vignette=(0.0, 0.3),
    texture=(0.6, 0.9),
    tint=0.03,
)
TOWN_LAYOUT = Layout(
    camera_height=(1.35, 1.9),
    focal=(1.0, 1.4),
    curve=0.002,
    floors=(2, 6),
    trees=1.1,
    people=1.1,
    lanes=(1.0, 2.6),
    barriers=0.8,
)

# What pre-training sees: every kind of place and hour, in colours that need not make sense.
WILD_LAYOUT = Layout(
    camera_height=(1.1, 2.6),
    focal=(0.85, 1.6),
    pitch=(-0.06, 0.08),
    roll=0.02,
    curve=0.004,
    lane=(2.9, 4.0),
    lanes=(1.0, 3.6),
    walk=(1.2, 6.0),
    setback=(0.0, 8.0),
    floors=(1.0, 12.0),
    plot=(5.0, 24.0),
    gap=0.35,
    green=0.55,
    verge=0.4,
    trees=1.1,
    conifer=0.35,
    barriers=0.7,
    furniture=1.1,
    parked=0.45,
    traffic=1.1,
    people=1.2,
    riders=1.1,
    heavy=0.45,
    tram=0.3,
    crossing=0.35,
    window=(1.1, 3.4),
)
WILD = Style(
    strange=0.45,
    sun_height=(0.15, 2.5),
    sun_side=(-1.6, 1.6),
    sun=(0.0, 1.3),
    ambient=(0.35, 0.9),
    sky=((0.5, 0.66, 0.0, 0.7, 0.55, 1.0), (0.0, 1.0, 0.0, 0.4, 0.4, 1.0)),
    clouds=(0.0, 1.0),
    haze=(0.0, 0.01),
    texture=(0.2, 1.3),
    saturation=(0.2, 1.4),
    contrast=(0.65, 1.4),
    exposure=(0.6, 1.4),
    tint=0.25,
    blur=(0.0, 1.0),
    noise=(0.0, 0.05),
    vignette=(0.0, 0.6),
    fog=(0.2, 1.0),
    night=(0.6, 1.0),
    rain=(0.3, 1.0),
    snow=(0.3, 1.0),
    weather_chance=0.35,
)

_PLACES = (
    Domain(
        "source",
        "clean, saturated, game-like; the only place with labels for training",
        Layout(
            camera_height=(1.35, 1.65),
            focal=(1.05, 1.3),
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
        "overcast port city: brick, trams and trucks, low wide camera, soft noisy sensor",
        Layout(
            camera_height=(1.1, 1.3),
            focal=(0.85, 1.0),
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
        "winding southern roads in low sun: plaster houses, dry grass, trees, few lanes",
        Layout(
            camera_height=(1.5, 2.1),
            focal=(1.1, 1.5),
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
            tram=0.12,
        ),
        HILLS,
    ),
    Domain(
        "grid",
        "wide avenues between towers: hard light, dense traffic, crowded pavements",
        Layout(
            camera_height=(1.5, 1.9),
            focal=(1.2, 1.6),
            lanes=(2.0, 3.99),
            floors=(5, 16),
            plot=(12, 26),
            gap=0.1,
            green=0.1,
            trees=0.7,
            traffic=1.7,
            people=1.7,
            furniture=1.3,
            heavy=0.45,
            crossing=0.6,
            walk=(3, 6),
            setback=(0, 1),
            tram=0.15,
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
DOMAINS: dict[str, Domain] = {d.name: d for d in _PLACES}
