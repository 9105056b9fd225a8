"""Windows and the averaging of overlaps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bench.inference import Layout, layout, predict_logits, windows
from bench.spec import Track


def starts(length: int, window: int, step: int) -> list[int]:
    """First rows of the windows over one direction."""
    return [rows.start for rows, _ in windows((length, 1), (window, 1), (step, 1))]


@pytest.mark.parametrize(
    ("length", "window", "step", "expected"),
    [
        (1024, 512, 341, [0, 341, 512]),
        (2048, 512, 341, [0, 341, 682, 1023, 1364, 1536]),
        (2048, 1024, 683, [0, 683, 1024]),
        (512, 512, 341, [0]),
        (513, 512, 341, [0, 1]),
        (300, 512, 341, [0]),
        (853, 512, 341, [0, 341]),
    ],
)
def test_windows_start_as_mmsegmentation_lays_them(length: int, window: int, step: int, expected: list[int]) -> None:
    assert starts(length, window, step) == expected


def test_overlaps_are_averaged() -> None:
    calls: list[Tensor] = []

    def number(images: Tensor) -> Tensor:
        """Scores are the number of the window, in the order of calls."""
        calls.append(images)
        first = sum(len(call) for call in calls[:-1])
        return torch.arange(first, first + len(images)).float()[:, None, None, None].expand(-1, 2, *images.shape[-2:])

    scores = predict_logits(number, torch.zeros(2, 3, 4, 10), (4, 4), (4, 3), at_once=4)
    assert [len(call) for call in calls] == [4, 2]  # three windows each of two images
    assert scores.shape == (2, 2, 4, 10)
    assert scores[0, 0, 0].tolist() == [0, 0, 0, 0.5, 1, 1, 1.5, 2, 2, 2]
    assert scores[1, 1, 3].tolist() == [3, 3, 3, 3.5, 4, 4, 4.5, 5, 5, 5]


def test_a_model_without_context_predicts_the_same_through_any_windows() -> None:
    images = torch.rand(3, 3, 23, 31)
    whole = predict_logits(torch.cos, images)
    for crop in ((8, 8), (32, 8), (23, 31), (64, 64)):
        torch.testing.assert_close(predict_logits(torch.cos, images, crop, (5, 7)), whole)


def test_layout_is_the_tracks(make_spec) -> None:
    spec = make_spec()
    assert layout(spec) == Layout((16, 32), (11, 21))
    assert layout(spec.model_copy(update={"track": Track(name="x", windows="whole")})) == Layout(None, None)
    for crop, stride in ((512, 341), (1024, 683)):
        recipe = spec.recipe.model_copy(update={"crop": (crop, crop)})
        assert layout(spec.model_copy(update={"recipe": recipe})).stride == (stride, stride)
