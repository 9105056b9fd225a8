"""What things are and what they are made of."""

# Train ids (Cityscapes order).
(
    ROAD,
    SIDEWALK,
    BUILDING,
    WALL,
    FENCE,
    POLE,
    LIGHT,
    SIGN,
    VEGETATION,
    TERRAIN,
    SKY_CLASS,
    PERSON,
    RIDER,
    CAR,
    TRUCK,
    BUS,
    TRAIN,
    MOTORCYCLE,
    BICYCLE,
) = range(19)

# Materials: how a surface is textured (textures.py) and coloured (style.py).
MATERIALS = 26
(
    M_ROAD,
    M_WALK,
    M_TERRAIN,
    M_SKY,  # nothing is made of it, but each material draws its colours in turn: without it all later ones would move
    M_FACADE,
    M_WALL,
    M_FENCE,
    M_METAL,
    M_LAMPBOX,
    M_SIGN,
    M_LEAF,
    M_BARK,
    M_SHIRT,
    M_TROUSERS,
    M_SKIN,
    M_PAINT,
    M_GLASS,
    M_TYRE,
    M_CARGO,
    M_BUS,
    M_TRAIN,
    M_SPOKES,
    M_MOTO,
    M_GLOW,
    M_ROOF,
    M_HELMET,
) = range(MATERIALS)
