"""Make the documents' pictures: `python docs/pictures.py world`, `... ladder`, `... result RESULT.json`.

`world` draws every domain of the embedded world, `ladder` its weather by strength. `result` draws what a finished run
predicts (its weights lie in `.runs/` beside the results): image, ground truth, prediction and errors on one street of
each kind of target.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import torch

from bench.checkpoint import load_checkpoint
from bench.data.labels import colourise
from bench.data.streets import render
from bench.inference import layout, predict_logits
from bench.models.build import build_segmenter
from bench.result import read_result
from bench.spec import spec_hash
from bench.trained import weights_path

HERE = Path(__file__).parent
DOMAINS = ("source", "harbour", "hills", "grid", "fog", "night", "rain", "snow")
SHOWN = (("source", 1_000_003), ("harbour", 1_000_004), ("hills", 1_000_011), ("grid", 1_000_002), ("snow", 1_000_006))


def titled(image: np.ndarray, text: str) -> np.ndarray:
    """The RGB picture with its name in the upper left corner."""
    out = np.ascontiguousarray(image)
    # Outlined by shifted copies: a thicker stroke would also be set wider.
    for x, y in (*product((5, 7), (15, 17)), (6, 16)):
        colour = (255, 255, 255) if (x, y) == (6, 16) else (0, 0, 0)
        cv2.putText(out, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
    return out


def save(rows: list[np.ndarray], name: str) -> None:
    path = HERE / "images" / name
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), np.concatenate(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    print(path)


def world() -> None:
    """Two rows of frames with their labels below."""
    rows = []
    for half in (DOMAINS[:4], DOMAINS[4:]):
        frames = [render(name, 6, 160, 320) for name in half]
        rows.append(np.concatenate([titled(f.image, n) for f, n in zip(frames, half, strict=True)], 1))
        rows.append(np.concatenate([colourise(f.label) for f in frames], 1))
    save(rows, "world.jpg")


def ladder() -> None:
    """A row a kind of weather, a column a strength, always the same street."""
    rows = []
    for kind in ("fog", "night", "rain", "snow"):
        frames = [
            titled(render(f"{kind}-{strength}", 3, 128, 256).image, f"{kind}-{strength}") for strength in range(1, 6)
        ]
        rows.append(np.concatenate(frames, 1))
    save(rows, "ladder.jpg")


def result(path: Path) -> None:
    """One row a target: image, ground truth, prediction, errors in red."""
    run = read_result(path)
    segmenter = build_segmenter(run.spec)
    load_checkpoint(weights_path(run.spec, path.parents[3]), spec_hash(run.spec), segmenter)
    segmenter.eval()
    rows = []
    for domain, index in SHOWN:
        frame = render(domain, index, 128, 256)
        image = torch.from_numpy(frame.image).permute(2, 0, 1)[None] / 255
        scores = predict_logits(segmenter.logits, image, *layout(run.spec))
        found = scores[0].argmax(0).numpy()
        wrong = np.where((found != frame.label)[..., None], np.array([220, 40, 30]), frame.image // 3 + 150)
        row = [frame.image, colourise(frame.label), colourise(found), wrong.astype(np.uint8)]
        row = [cv2.resize(x, None, fx=1.25, fy=1.25, interpolation=cv2.INTER_AREA) for x in row]
        names = (domain, "ground truth", f"{run.spec.method} on {run.spec.backbone}", "errors")
        rows.append(np.concatenate([titled(x, n) for x, n in zip(row, names, strict=True)], 1))
    save(rows, "result.jpg")


if __name__ == "__main__":
    if sys.argv[1:] == ["world"]:
        world()
    elif sys.argv[1:] == ["ladder"]:
        ladder()
    elif len(sys.argv) == 3 and sys.argv[1] == "result":
        result(Path(sys.argv[2]))
    else:
        sys.exit(__doc__)
