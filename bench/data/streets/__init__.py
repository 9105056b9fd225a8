"""The embedded world: procedural street scenes with exact labels, rendered on the CPU.

`render(domain, index, height, width)` is a pure function: the same arguments give the same frame, at any time and in
any thread. On the way to a frame, layout.py and domains.py say what is typical of a place, scene.py lays out a street,
style.py draws how it looks, caster.py finds what each ray meets and shading.py its colour; pipeline.py is the order.
"""

from bench.data.streets.domains import DOMAINS, Domain
from bench.data.streets.types import Frame

# Part of a run's identity: any change to a rendered pixel needs a new number.
WORLD_VERSION = 3


def render(domain: str, index: int, height: int = 128, width: int = 256, *, wear: int = 0) -> Frame:
    """Render frame `index` of a domain. Releases the GIL for most of its time.

    Args:
        domain: a name in DOMAINS; KeyError for another.
        index: any integer >= 0; a different street each.
        height, width: size in pixels.
        wear: the same street under another draw of the domain's style (light, colours, weather, sensor).
    """
    return render_place(DOMAINS[domain], index, height, width, wear=wear)


def render_place(place: Domain, index: int, height: int, width: int, *, wear: int = 0) -> Frame:
    """`render` for a place that is none of DOMAINS. Its streets are drawn from its name (or `streets`) and `index`."""
    # Here, because numba takes a while to import and who asks for WORLD_VERSION needs none of it.
    from bench.data.streets.pipeline import frame

    return frame(place, index, height, width, wear)


__all__ = ["DOMAINS", "WORLD_VERSION", "Domain", "Frame", "render", "render_place"]
