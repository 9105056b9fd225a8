"""Colours that words name, as ranges of hue, saturation and value."""

from bench.data.streets.style import Swatch

BRICK: Swatch = (0.0, 0.06, 0.35, 0.65, 0.3, 0.6)
STONE: Swatch = (0.06, 0.15, 0.03, 0.2, 0.4, 0.75)
PASTEL: Swatch = (0.0, 1.0, 0.12, 0.35, 0.7, 0.95)
EMBERS: tuple[Swatch, ...] = ((0.02, 0.1, 0.4, 0.7, 0.6, 0.9), (0.85, 0.97, 0.2, 0.5, 0.5, 0.85))

COLOURS: dict[str, Swatch] = {
    "red": (-0.02, 0.03, 0.6, 0.95, 0.35, 0.8),
    "orange": (0.04, 0.09, 0.6, 0.95, 0.5, 0.9),
    "brown": (0.03, 0.09, 0.35, 0.65, 0.2, 0.45),
    "beige": (0.08, 0.13, 0.15, 0.35, 0.65, 0.9),
    "ochre": (0.09, 0.13, 0.45, 0.75, 0.5, 0.8),
    "yellow": (0.12, 0.17, 0.5, 0.9, 0.6, 0.95),
    "green": (0.28, 0.42, 0.35, 0.8, 0.25, 0.65),
    "turquoise": (0.46, 0.52, 0.35, 0.8, 0.4, 0.85),
    "blue": (0.55, 0.66, 0.4, 0.85, 0.3, 0.8),
    "purple": (0.72, 0.82, 0.3, 0.7, 0.3, 0.7),
    "pink": (0.9, 0.98, 0.2, 0.5, 0.6, 0.95),
    "white": (0.0, 1.0, 0.0, 0.07, 0.8, 0.98),
    "grey": (0.0, 1.0, 0.0, 0.07, 0.35, 0.65),
    "gray": (0.0, 1.0, 0.0, 0.07, 0.35, 0.65),
    "black": (0.0, 1.0, 0.0, 0.15, 0.04, 0.15),
}
"""Colours of what the next word that is made of something is made of: "a red brick house", "blue and white buses"."""
