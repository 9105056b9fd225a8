"""How the source and the cities look."""

from bench.data.streets import ids as m
from bench.data.streets.style import Style

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

PAINTED = 0.5
"""Chance that a material of an unseen city has any colour at all. Without it the cities' colours lie so near those of
the source that fine-tuning on the source costs nothing there (docs/recipe.md)."""

HARBOUR = Style(
    strange=PAINTED,
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
    strange=PAINTED,
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
    strange=PAINTED,
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
