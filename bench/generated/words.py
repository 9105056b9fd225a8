"""What the embedded generator understands: the words of a prompt and what each changes in a street.

A meaning sets fields of Layout and Style (bench.data.streets), or multiplies a density that the seed has drawn. Words
are written in the singular; plurals are found too. A word that is not here changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.data.streets import ids as m
from bench.data.streets.style import Palette
from bench.generated.colours import BRICK, EMBERS, PASTEL, STONE


@dataclass(frozen=True)
class Meaning:
    """What some words have in common."""

    words: str  # separated by commas; a phrase wins over its words
    layout: Mapping[str, Any] = field(default_factory=dict)
    style: Mapping[str, Any] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)  # of a density of Layout
    palette: Palette = field(default_factory=dict)
    made_of: tuple[int, ...] = ()  # the materials that a colour named before the word is for


HOURS = (
    Meaning("day, daylight, daytime, afternoon", style={"sun": (0.6, 1.25), "ambient": (0.5, 0.8)}),
    Meaning("noon, midday", style={"sun": (0.95, 1.3), "sun_height": (1.5, 3.2), "ambient": (0.5, 0.75)}),
    Meaning(
        "morning",
        style={"sun": (0.6, 1.1), "sun_height": (0.25, 0.7), "sun_colour": (1.05, 0.95, 0.8), "haze": (0.001, 0.008)},
    ),
    Meaning(
        "dawn, sunrise, daybreak, early morning",
        style={
            "night": (0.1, 0.4),
            "sun": (0.6, 1.1),
            "sun_height": (0.06, 0.25),
            "sun_colour": (1.1, 0.8, 0.75),
            "sky": ((0.9, 1.05, 0.1, 0.4, 0.7, 0.95), (0.55, 0.7, 0.1, 0.4, 0.6, 0.9)),
            "haze": (0.002, 0.012),
        },
        times={"people": 0.8},
    ),
    Meaning(
        "sunset, golden hour, low sun",
        style={
            "night": (0.0, 0.2),
            "sun": (0.9, 1.3),
            "sun_height": (0.08, 0.3),
            "sun_colour": (1.2, 0.76, 0.45),
            "ambient": (0.35, 0.55),
            "sky": EMBERS,
        },
    ),
    Meaning(
        "dusk, evening, twilight, blue hour, nightfall",
        style={
            "night": (0.35, 0.65),
            "sun": (0.2, 0.8),
            "sun_height": (0.05, 0.2),
            "sky": (*EMBERS, (0.6, 0.75, 0.3, 0.6, 0.5, 0.85)),
        },
    ),
    Meaning("night, midnight, nighttime, after dark", style={"night": (0.7, 1.0)}),
)
WEATHER = (
    Meaning(
        "sunny, clear, sunshine, sunlit, blue sky",
        style={
            "sun": (0.9, 1.3),
            "ambient": (0.45, 0.7),
            "clouds": (0.0, 0.4),
            "sky": ((0.53, 0.63, 0.25, 0.7, 0.75, 1.0),),
            "haze": (0.0, 0.003),
            "exposure": (0.9, 1.35),
            "saturation": (0.75, 1.4),
        },
    ),
    Meaning(
        "overcast, cloudy, cloud, dull, grey sky, gray sky",
        style={
            "sun": (0.0, 0.2),
            "ambient": (0.6, 0.95),
            "clouds": (0.7, 1.0),
            "sky": ((0.5, 0.66, 0.0, 0.15, 0.6, 0.92),),
        },
    ),
    Meaning("fog, foggy", style={"fog": (0.4, 1.0)}),
    Meaning("mist, misty", style={"fog": (0.15, 0.5)}),
    Meaning("haze, hazy, smog", style={"haze": (0.006, 0.02)}),
    Meaning("rain, rainy, raining, rainstorm, downpour", style={"rain": (0.5, 1.0)}),
    Meaning("drizzle, shower", style={"rain": (0.25, 0.6), "drops": 0.7}),
    Meaning("wet, puddle, after rain", style={"rain": (0.4, 1.0), "drops": 0.1}),
    Meaning("storm, stormy", style={"rain": (0.85, 1.0), "drops": 2.0, "exposure": (0.5, 0.9)}),
    Meaning("snow, snowy, snowing, snowfall, winter, wintry", style={"snow": (0.5, 1.0)}),
    Meaning("snow covered, melting snow, icy, frosty", style={"snow": (0.3, 0.9), "drops": 0.05}),
    Meaning("blizzard, snowstorm", style={"snow": (0.85, 1.0), "drops": 2.5}),
    Meaning("spring", palette={m.M_LEAF: ((0.18, 0.26, 0.4, 0.7, 0.45, 0.7), (0.88, 0.98, 0.15, 0.4, 0.7, 0.95))}),
    Meaning("summer", style={"saturation": (0.9, 1.45)}, palette={m.M_LEAF: ((0.23, 0.34, 0.4, 0.75, 0.2, 0.45),)}),
    Meaning(
        "autumn, autumnal, golden leaf",
        palette={
            m.M_LEAF: ((0.02, 0.13, 0.5, 0.9, 0.35, 0.75),),
            m.M_TERRAIN: ((0.07, 0.16, 0.3, 0.6, 0.25, 0.5),),
        },
    ),
)
PLACES = (
    Meaning("narrow, alley, backstreet", layout={"lanes": (1.0, 1.9), "lane": (2.6, 3.1), "walk": (0.9, 1.8)}),
    Meaning(
        "old town, old quarter, historic, medieval, cobbled, cobblestone",
        layout={
            "lanes": (1.0, 1.9),
            "walk": (1.0, 2.4),
            "setback": (0.0, 0.6),
            "plot": (4.0, 9.5),
            "floors": (2.0, 5.5),
            "window": (1.0, 2.0),
            "gap": 0.08,
            "green": 0.1,
        },
        palette={m.M_ROAD: (STONE,), m.M_WALK: (STONE,)},
    ),
    Meaning("wide, broad, multi lane", layout={"lanes": (2.0, 3.6), "walk": (2.5, 7.0)}),
    Meaning(
        "avenue, boulevard",
        layout={"lanes": (1.7, 3.4), "walk": (2.5, 6.5), "verge": 0.7},
        times={"trees": 1.5, "traffic": 1.2},
    ),
    Meaning(
        "highway, motorway, freeway, expressway, bypass",
        layout={
            "lanes": (2.0, 3.99),
            "lane": (3.4, 4.0),
            "walk": (0.4, 1.0),
            "setback": (4.0, 14.0),
            "gap": 0.85,
            "green": 0.95,
            "verge": 0.9,
            "barriers": 1.1,
            "parked": 0.0,
            "crossing": 0.0,
        },
        times={"people": 0.1, "riders": 0.5, "furniture": 0.7},
    ),
    Meaning(
        "suburb, suburban, residential, neighbourhood, neighborhood, housing estate",
        layout={
            "floors": (1.0, 3.4),
            "setback": (2.5, 8.0),
            "gap": 0.38,
            "green": 0.95,
            "verge": 0.6,
            "barriers": 0.95,
        },
        times={"trees": 1.4, "traffic": 0.6},
    ),
    Meaning(
        "village, countryside, rural, country road, farm",
        layout={
            "floors": (1.0, 2.7),
            "lanes": (1.0, 1.7),
            "walk": (0.6, 1.8),
            "setback": (1.0, 9.0),
            "plot": (6.0, 16.0),
            "gap": 0.62,
            "green": 1.0,
            "verge": 0.7,
        },
        times={"trees": 1.5, "furniture": 0.6, "traffic": 0.6},
    ),
    Meaning(
        "industrial, factory, warehouse, depot",
        layout={
            "floors": (1.5, 4.5),
            "plot": (16.0, 34.0),
            "window": (2.6, 5.0),
            "setback": (1.0, 8.0),
            "green": 0.2,
            "barriers": 1.2,
            "heavy": 0.7,
        },
        times={"trees": 0.4, "people": 0.5, "trucks": 4.0},
    ),
    Meaning(
        "downtown, city centre, city center, business district, financial district, urban",
        layout={"floors": (4.0, 14.0), "walk": (2.5, 6.5), "setback": (0.0, 2.0), "gap": 0.13, "green": 0.2},
        times={"traffic": 1.3, "people": 1.4, "furniture": 1.3},
    ),
    Meaning("skyscraper, tower, high rise, tall", layout={"floors": (8.0, 22.0), "plot": (10.0, 28.0)}),
    Meaning(
        "market, shop, shopping, store, cafe", layout={"window": (2.2, 4.5)}, times={"people": 2.0, "furniture": 1.4}
    ),
    Meaning("square, plaza", layout={"setback": (5.0, 14.0), "green": 0.1}, times={"people": 1.5}),
    Meaning(
        "bridge, overpass, viaduct",
        layout={"gap": 0.95, "setback": (0.0, 0.5), "green": 0.0, "verge": 0.0, "barriers": 1.4, "crossing": 0.0},
        times={"trees": 0.0, "parked": 0.1},
    ),
    Meaning("park, parkland", layout={"gap": 0.75, "green": 1.0}, times={"trees": 2.0}),
    Meaning("crossroad, intersection, junction, crossing", layout={"crossing": 1.0}, times={"furniture": 1.4}),
    Meaning("winding, curved, bend, hillside", layout={"curve": 0.007}),
    Meaning("straight", layout={"curve": 0.0}),
    Meaning("station, bus stop, tram stop", layout={"tram": 0.8}, times={"people": 1.5, "heavy": 1.3}),
    Meaning("house, building, facade, home, apartment, block", times={"gap": 0.6}, made_of=(m.M_FACADE,)),
    Meaning("cottage, bungalow", layout={"floors": (1.0, 1.9)}, made_of=(m.M_FACADE,)),
    Meaning(
        "brick",
        layout={"front": (0.0, 0.35)},
        palette={m.M_FACADE: (BRICK,), m.M_WALL: (BRICK,)},
        made_of=(m.M_FACADE,),
    ),
    Meaning("stone, sandstone", layout={"front": (0.1, 0.6)}, palette={m.M_FACADE: (STONE,), m.M_WALL: (STONE,)}),
    Meaning("glass, mirrored", layout={"front": (0.8, 1.0), "window": (1.0, 2.4)}),
    Meaning("plaster, stucco, plastered", layout={"front": (0.36, 0.79)}, palette={m.M_FACADE: (PASTEL,)}),
    Meaning("concrete", layout={"front": (0.4, 0.79)}, palette={m.M_FACADE: ((0.05, 0.15, 0.0, 0.1, 0.4, 0.7),)}),
    Meaning(
        "wooden, timber",
        palette={m.M_FACADE: ((0.05, 0.1, 0.3, 0.6, 0.25, 0.6),), m.M_FENCE: ((0.06, 0.1, 0.3, 0.6, 0.3, 0.55),)},
    ),
    Meaning("roof, rooftop", made_of=(m.M_ROOF,), times={"gap": 0.8}),
    Meaning("road, asphalt, roadway", made_of=(m.M_ROAD,)),
    Meaning("sidewalk, pavement", layout={"walk": (2.0, 6.0)}, made_of=(m.M_WALK,)),
)
OBJECTS = (
    Meaning("car, sedan, taxi, cab", times={"traffic": 1.6, "parked": 1.3}, made_of=(m.M_PAINT,)),
    Meaning("parked, parked car, parking", layout={"parked": 0.95}),
    Meaning(
        "busy, traffic, traffic jam, rush hour, congested",
        layout={"traffic": 2.6, "first": (8.0, 16.0)},
        times={"people": 1.2},
    ),
    Meaning(
        "quiet, empty, deserted, calm, lonely",
        layout={"first": (14.0, 80.0)},
        times={"traffic": 0.25, "people": 0.3, "riders": 0.3, "parked": 0.4},
    ),
    Meaning("bus, coach, double decker", layout={"heavy": 0.7}, times={"buses": 9.0}, made_of=(m.M_BUS, m.M_PAINT)),
    Meaning(
        "truck, lorry, delivery van, van", layout={"heavy": 0.7}, times={"trucks": 9.0}, made_of=(m.M_CARGO, m.M_PAINT)
    ),
    Meaning("tram, tram car, train, streetcar, rail, tramway", layout={"tram": 1.0}, made_of=(m.M_TRAIN,)),
    Meaning(
        "bicycle, bike, cyclist, cycling",
        times={"riders": 2.0, "people": 1.3, "bicycles": 6.0},
        made_of=(m.M_MOTO,),
    ),
    Meaning(
        "motorcycle, motorbike, motorcyclist, scooter, moped, biker",
        times={"riders": 2.0, "people": 1.3, "motorcycles": 6.0},
        made_of=(m.M_MOTO,),
    ),
    Meaning("people, person, pedestrian, walker, child, tourist", times={"people": 1.9}, made_of=(m.M_SHIRT,)),
    Meaning("crowd, crowded, bustling, festival", layout={"people": 3.2}),
    Meaning("tree, tree lined, leafy, wooded", times={"trees": 2.2}, made_of=(m.M_LEAF,)),
    Meaning("pine, fir, conifer, spruce", layout={"conifer": 0.9}, times={"trees": 1.8}),
    Meaning("leaf, foliage, hedge, bush", times={"trees": 1.3}, made_of=(m.M_LEAF,)),
    Meaning("grass, lawn, meadow, field", layout={"green": 1.0, "verge": 0.8}, made_of=(m.M_TERRAIN,)),
    Meaning("garden", layout={"green": 1.0, "gap": 0.5, "setback": (2.0, 7.0)}, times={"trees": 1.4, "barriers": 1.4}),
    Meaning("wall", layout={"barriers": 1.4}, times={"walls": 9.0, "gap": 1.4}, made_of=(m.M_WALL, m.M_FACADE)),
    Meaning(
        "fence, fenced, railing", layout={"barriers": 1.4}, times={"fences": 9.0, "gap": 1.4}, made_of=(m.M_FENCE,)
    ),
    Meaning(
        "sign, traffic sign, road sign, traffic light, street light, street lamp, lamp, lamppost, pole, signpost",
        layout={"furniture": 3.2},
        made_of=(m.M_METAL,),
    ),
)
CAMERA = (
    Meaning(
        "dashcam, dashboard",
        layout={"camera_height": (1.1, 1.5)},
        style={"noise": (0.01, 0.04), "vignette": (0.1, 0.5)},
    ),
    Meaning("wide angle", layout={"focal": (1.1, 1.5)}),
    Meaning("telephoto, zoomed", layout={"focal": (2.4, 3.4)}),
    Meaning("elevated, upper deck, high viewpoint", layout={"camera_height": (2.2, 3.4), "pitch": (0.0, 0.1)}),
    Meaning("blurry, blurred, out of focus", style={"blur": (0.7, 1.3)}),
    Meaning("sharp, detailed", style={"blur": (0.0, 0.2), "noise": (0.0, 0.01)}),
    Meaning("grainy, noisy", style={"noise": (0.03, 0.07)}),
    Meaning("vivid, saturated, vibrant", style={"saturation": (1.2, 1.7)}),
    Meaning("faded, washed out, muted", style={"saturation": (0.3, 0.7), "contrast": (0.6, 0.85)}),
    Meaning("black and white, monochrome", style={"saturation": (0.0, 0.05)}),
    Meaning("bright", style={"exposure": (1.1, 1.5)}),
    Meaning("dim, gloomy", style={"exposure": (0.5, 0.8)}),
    Meaning(
        "colourful, colorful, painted", style={"strange": 0.75}, palette={m.M_FACADE: ((0.0, 1.0, 0.3, 0.8, 0.4, 0.9),)}
    ),
    Meaning("pastel", palette={m.M_FACADE: (PASTEL,)}),
)
MEANINGS = (*HOURS, *WEATHER, *PLACES, *OBJECTS, *CAMERA)
"""In the order they are applied: what a place sets, an object may change."""
