"""What is typical of the streets of a place."""

from dataclasses import dataclass

from bench.data.streets.types import Range


@dataclass(frozen=True)
class Layout:
    """Statistics of a place. Ranges are uniform; lengths in metres; densities are multiples of a common street's."""

    camera_height: Range = (1.3, 1.7)
    focal: Range = (1.6, 2.15)  # in half image widths
    pitch: Range = (-0.03, 0.03)  # tan of half the angle, positive looks down
    roll: float = 0.0  # largest, tan of half the angle
    curve: float = 0.0  # largest bend: lateral shift = curve * z^2
    lane: Range = (3.2, 3.8)
    lanes: Range = (1.0, 2.99)  # to each side
    walk: Range = (2.0, 4.5)  # width of the pavement
    setback: Range = (0.0, 4.0)  # from the pavement to the plots
    floors: Range = (2.0, 7.0)
    plot: Range = (7.0, 18.0)  # width of a building along the street
    gap: float = 0.22  # share of plots without a building
    green: float = 0.5  # chance that the ground beyond the pavement is terrain
    verge: float = 0.35  # chance of a strip of terrain between kerb and pavement
    trees: float = 1.0
    conifer: float = 0.2  # share of the trees
    barriers: float = 0.6  # walls and fences along a plot
    walls: float = 1.0
    fences: float = 1.0
    furniture: float = 1.0
    parked: float = 0.5  # chance that cars stand along the kerb
    traffic: float = 1.0
    first: Range = (9.0, 26.0)  # to the first vehicle of a lane
    people: float = 1.0
    riders: float = 1.0
    bicycles: float = 1.0
    motorcycles: float = 1.0
    heavy: float = 0.4  # share of trucks and buses among moving vehicles
    trucks: float = 1.0
    buses: float = 1.0
    tram: float = 0.22  # chance of rails
    crossing: float = 0.35  # chance of a crossing street
    window: Range = (1.4, 2.8)  # width of a bay of a front
    front: Range = (0.0, 1.0)  # brick below 0.35, glass above 0.8, plaster between
