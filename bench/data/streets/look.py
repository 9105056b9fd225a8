"""One frame's appearance, as the kernels read it."""

from typing import NamedTuple

from bench.data.streets.types import Array

# Columns of Look.values (float64). Three each: unit vector towards the sun, its light, the light from everywhere, and
# the colours of the zenith, the horizon and the distance (RGB, 1 is white).
SUN, SUNLIGHT, AMBIENT, SKY_TOP, HORIZON = 0, 3, 6, 9, 12
# Cover of clouds 0..1, extinction of the air (1/m), colour of the distance (three), strength of textures, weather 0..1.
CLOUDS, HAZE, AIR, TEXTURE, NIGHT, RAIN, SNOW = 15, 16, 17, 20, 21, 22, 23
# The camera's, each 1 where it changes nothing (TINT: three); the key of all that is random in the frame.
EXPOSURE, SATURATION, CONTRAST, TINT, SEED = 24, 25, 26, 27, 30
DROPS = 31  # how many drops and flakes are in the air, 1 for as many as the weather's level says


class Look(NamedTuple):
    """How one street looks in one frame."""

    values: Array  # (32,)
    colours: Array  # (MATERIALS, 2, 3) main and second colour, HSV in 0..1, of materials that share one in a street
    blur: float  # sigma, pixels at 256 wide
    noise: float
    vignette: float
