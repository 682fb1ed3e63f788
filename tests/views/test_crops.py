from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional
from torchvision.transforms.v2.functional import InterpolationMode

from repr_probe.views.crops import resize_boxes, resize_weights, uint8_crops

BOXES = [(3, 5, 20, 31), (0, 0, 40, 50), (39, 49, 1, 1), (7, 2, 12, 12), (0, 10, 2, 40)]


def pictures(n=5, channels=3, height=40, width=50):
    return torch.from_numpy(np.random.default_rng(0).integers(256, size=(n, channels, height, width), dtype=np.uint8))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [2, 12, 16, 60])
def test_matrix_products_are_torchvisions_resized_crop(size, channels):
    """Up- and down-scaling, boxes at the edges and of one pixel; against the float operation, exact but for rounding."""
    images = pictures(channels=channels)
    boxes, flips = torch.tensor([BOXES, BOXES[::-1]]), torch.tensor([[True, False, False, True, True], [False] * 5])
    ours = resize_boxes(images.float(), boxes, flips, size)
    assert ours.shape == (2, 5, channels, size, size)
    for view in range(2):
        for image in range(5):
            theirs = functional.resized_crop(images[image].float() / 255, *boxes[view, image].tolist(), [size, size], InterpolationMode.BICUBIC)
            theirs = theirs.flip(-1) if flips[view, image] else theirs
            torch.testing.assert_close(ours[view, image], theirs.clamp(0, 1), atol=1e-5, rtol=0)


def test_distance_to_the_rounding_operation_is_a_quarter_of_a_grey_level():
    images = pictures(n=20)
    boxes = torch.tensor([(3, 5, 20, 31)]).expand(1, 20, 4)
    ours = resize_boxes(images.float(), boxes, torch.zeros(1, 20, dtype=torch.bool), 16)[0] * 255
    theirs = functional.resized_crop(images, 3, 5, 20, 31, [16, 16], InterpolationMode.BICUBIC)
    assert (ours - theirs.float()).abs().mean() < 0.35


@pytest.mark.parametrize("layout", ["channels first", "channels last"])
def test_uint8_crops_are_torchvisions(layout):
    image = pictures(n=1)[0]
    if layout == "channels last":
        image = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    flips = np.array([True, False, True, False, False])
    ours = uint8_crops(image, np.array(BOXES), flips, 12)
    for crop, box, flip in zip(ours, BOXES, flips, strict=True):
        theirs = functional.resized_crop(image, *box, [12, 12], InterpolationMode.BICUBIC, antialias=True)
        assert torch.equal(crop, theirs.flip(-1) if flip else theirs)


def test_weights_by_hand():
    """Enlarging two pixels to four: Keys' filter at distances 0.25, 0.75, 1.25; each row sums to 1, and mirrors the other end."""
    keys = {0.25: 0.8671875, 0.75: 0.2265625, 1.25: -0.0703125}
    weights = resize_weights(torch.tensor(1.0), torch.tensor(2.0), torch.tensor(False), n_pixels=4, size=4)
    edge = torch.tensor([keys[0.25], keys[1.25]]) / (keys[0.25] + keys[1.25])
    inner = torch.tensor([keys[0.25], keys[0.75]]) / (keys[0.25] + keys[0.75])
    expected = torch.zeros(4, 4)
    expected[0, 1:3], expected[1, 1:3] = edge, inner
    expected[2, 1:3], expected[3, 1:3] = inner.flip(0), edge.flip(0)
    torch.testing.assert_close(weights, expected)
    flipped = resize_weights(torch.tensor(1.0), torch.tensor(2.0), torch.tensor(True), n_pixels=4, size=4)
    torch.testing.assert_close(flipped, expected.flip(0))
