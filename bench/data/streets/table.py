"""The table of primitives, solids that everything but the ground is made of: its columns and what they can hold.

World axes: x right, y up, z along the street, metres. Of its rows, style.py fills in the colours.
"""

# Columns of the primitive table (one row a primitive, float64). Half sizes S*, cos and sin of the turn about y and then
# of the tilt about the turned x; P1 and P2 mean what the shape and the material make of them.
KIND, CX, CY, CZ, SX, SY, SZ, COS, SIN, TCOS, TSIN, CLASS, INSTANCE, MATERIAL, KEY, P1, P2 = range(17)
R_A, G_A, B_A, R_B, G_B, B_B, GLOW = range(17, 24)
COLUMNS = 24

# Values of KIND. Cylinders stand along y, wheels along x; foliage is an ellipsoid with a ragged rim; plates face z.
BOX, CYLINDER, ELLIPSOID, WHEEL, PLATE, FOLIAGE = range(6)
# Values of P1 of a PLATE: its outline.
ROUND, TRIANGLE, SQUARE, DIAMOND = range(4)

# Depths in metres: of what a ray does not hit, and below which nothing is seen.
FAR, NEAR = 1e9, 0.3
