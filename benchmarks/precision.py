"""What bfloat16 does to scores: `python -m benchmarks.precision RUN [--results RESULTS] [--device cuda] [--targets 4]`.

The same weights, those of a run that was trained here, score the same images in fp32 and under autocast in bf16. On
CUDA, fp32 is torch's own: matrix products in full precision, cuDNN's convolutions in TF32.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from bench import inference
from bench.data.for_run import open_for
from bench.evaluate import evaluate
from bench.imports import find_run
from bench.metrics import miou
from bench.run import make_fabric
from bench.spec import Precision
from bench.trained import load_trained
from benchmarks import timing

PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


def report(options: argparse.Namespace) -> None:
    """Print mIoU in percent, a line for each target. Raises UserError for a run that is not trained here."""
    fabrics = [make_fabric(options.device, precision) for precision in PRECISIONS]
    device: torch.device = fabrics[0].device
    torch.set_num_threads(options.threads)
    spec = find_run(options.run, options.results)
    segmenter = load_trained(spec, options.results).to(device)
    targets = spec.targets[: options.targets]
    opened = open_for(spec, sources=False, only=[target.name for target in targets])
    layout, kind = inference.layout(spec), segmenter.score_kind

    def scorer(fabric: Fabric) -> Callable[[Tensor], Tensor]:
        def logits(images: Tensor) -> Tensor:
            with torch.inference_mode(), fabric.autocast():
                return segmenter.logits(images)

        return logits

    print(f"{options.run} on {timing.name_of(device)}, torch {torch.__version__}: mIoU in percent")
    print(f"{'target':<18}{'images':>8}" + "".join(f"{precision:>8}" for precision in PRECISIONS))
    for target in targets:
        data = opened.targets[target.name]
        found = [evaluate(scorer(fabric), target, data, layout, device, kind=kind).result for fabric in fabrics]
        line = "".join(f"{100 * miou(result.confusion):>8.2f}" for result in found)
        print(f"{target.name:<18}{found[0].images:>8}{line}", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = timing.plain_parser("precision", __doc__)
    parser.add_argument("run", help="a run whose weights are here: its result file, or its hash's first digits")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=timing.count, default=torch.get_num_threads(), help="of torch")
    parser.add_argument("--targets", type=timing.count, default=4, help="of the protocol's, from the first on")
    timing.run(report, parser, arguments)


if __name__ == "__main__":
    main()
