"""How the loops over pixels are compiled.

Compiling is most of what the first frame after an installation costs. Kernels therefore get their arrays from Python
(compiling an allocation or a sort takes longer than a small kernel), and what only other kernels call has no way in
from Python.

They use only +, -, *, / and square roots (each exact in IEEE 754) and integer hashes, so that a frame does not depend
on a platform's libm.
"""

import zlib
from pathlib import Path
from typing import Any

from numba import njit

# numba keeps compiled kernels on disk and does not notice when a function in another file that a kernel calls has
# changed. Every kernel therefore takes the sources' checksum as a default argument: it is part of its signature, so an
# edit anywhere in this folder compiles anew instead of quietly drawing yesterday's world.
SOURCES = zlib.crc32(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))

# Called from Python.
kernel = njit(nogil=True, cache=True)
# Options that numba has and its type hints leave out.
_NO_WAY_IN: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
# Called from kernels alone, and kept on disk with them. Inlined always: a call passes an array as seven numbers, which
# takes a quarter of a frame's time.
inner = njit(nogil=True, forceinline=True, **_NO_WAY_IN)
