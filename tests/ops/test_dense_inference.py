"""Classes of all pixels, against the straight way, mmsegmentation's, and a bound on the memory."""

import pytest
import torch
import torch.nn.functional as F
from helpers.peak import peak_bytes
from helpers.refusals import refuses
from torch import nn

from vision.errors import ConfigError
from vision.mmcv.operators import provide_operators
from vision.ops.dense_inference import InferenceOptions, predict_labels

WINDOWS = {"mode": "slide", "window": (24, 32), "stride": (16, 20), "windows_per_batch": 3}
# All rows at once, four at a time, and a few more.
STRIPS = [None, 1, 9000]


def make_model(classes=6):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 4, stride=4), nn.ReLU(), nn.Conv2d(8, classes, 3, padding=1)
    ).eval()


def resize(x, size, align_corners=False):
    return F.interpolate(x, size, mode="bilinear", align_corners=align_corners)


def straight_logits(model, images, size, options, align_corners):
    """Logits in the original size of one view, everything in full size."""
    height, width = images.shape[2:]
    window = options.window if options.mode == "slide" else (height, width)
    total, counts = 0.0, 0.0
    y = 0
    while True:
        top = max(min(y, height - window[0]), 0)
        x = 0
        while True:
            left = max(min(x, width - window[1]), 0)
            crop = images[:, :, top : top + window[0], left : left + window[1]]
            right, below = width - left - crop.shape[3], height - top - crop.shape[2]
            logits = resize(model(crop), crop.shape[2:], align_corners)
            total = total + F.pad(logits, (left, right, top, below))
            counts = counts + F.pad(torch.ones(crop.shape[2:]), (left, right, top, below))
            if right == 0:
                break
            x += options.stride[1]
        if below == 0:
            break
        y += options.stride[0]
    return resize(total / counts, size, align_corners)


def straight_scores(model, images, size, options, align_corners=False):
    """Probabilities in the original size, averaged over the views."""
    views = []
    for scale in options.scales:
        scaled = resize(images, [round(side * scale) for side in images.shape[2:]])
        for mirrored in (False, True) if options.flip else (False,):
            seen = scaled.flip(-1) if mirrored else scaled
            logits = straight_logits(model, seen, size, options, align_corners)
            views.append((logits.flip(-1) if mirrored else logits).softmax(1))
    return torch.stack(views).mean(0)


def assert_are_best(labels, scores, tolerance=1e-5):
    """Each pixel has the class of the highest score, or one that all but ties with it."""
    assert labels.dtype == torch.int64
    assert labels.shape == scores[:, 0].shape
    chosen = scores.gather(1, labels[:, None])[:, 0]
    assert (scores.amax(1) - chosen).max() <= tolerance
    assert (labels == scores.argmax(1)).float().mean() > 0.995
    assert labels.unique().numel() > 1, "a test on one class shows nothing"


@torch.no_grad()
@pytest.mark.parametrize(
    ("size", "align_corners"), [((52, 68), False), ((91, 40), True), ((33, 120), False)]
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"flip": True},
        {"scales": (0.5, 1.0, 1.75), "flip": True},
        {"scales": (1.25,)},
        WINDOWS,
        {**WINDOWS, "flip": True},
        {**WINDOWS, "scales": (0.5, 1.0, 1.75), "flip": True},
        {**WINDOWS, "window": (24, 200), "stride": (24, 7)},
    ],
)
def test_labels_are_those_of_the_straight_way(options, size, align_corners) -> None:
    model, images = make_model(), torch.randn(2, 3, 52, 68)
    options = InferenceOptions(**options)
    expected = straight_scores(model, images, size, options, align_corners)
    for strip_bytes in STRIPS:
        labels = predict_labels(
            model, images, size, options, align_corners=align_corners, strip_bytes=strip_bytes
        )
        assert_are_best(labels, expected)


@torch.no_grad()
@pytest.mark.parametrize("size", [(30, 200), (200, 20), (24, 32), (5, 6)])
def test_images_smaller_than_a_window(size) -> None:
    model, images = make_model(), torch.randn(1, 3, *size)
    options = InferenceOptions(**WINDOWS)
    labels = predict_labels(model, images, size, options)
    expected = straight_scores(model, images, size, options)
    chosen = expected.gather(1, labels[:, None])[:, 0]
    torch.testing.assert_close(chosen, expected.amax(1))


@pytest.fixture(scope="module")
def segmentor_type():
    """mmsegmentation's segmentor around any model."""
    pytest.importorskip("mmseg")
    provide_operators()
    from mmseg.models.segmentors import EncoderDecoder

    class Segmentor(EncoderDecoder):
        def __init__(self, model, test_cfg, align_corners, classes):
            nn.Module.__init__(self)
            self.model, self.test_cfg, self.align_corners = model, test_cfg, align_corners
            self.out_channels = classes

        def encode_decode(self, inputs, batch_img_metas):
            return resize(self.model(inputs), inputs.shape[2:], self.align_corners)

    return Segmentor


def their_results(segmentor, images, size, *, flipped=False):
    from mmseg.structures import SegDataSample

    meta = {"ori_shape": size, "img_shape": tuple(images.shape[2:]), "flip": flipped}
    samples = [SegDataSample(metainfo={**meta, "flip_direction": "horizontal"}) for _ in images]
    for sample in samples:
        sample.set_metainfo({"img_path": ""})
    logits = segmentor.inference(images, [sample.metainfo for sample in samples])
    return segmentor.postprocess_result(logits, samples)


@torch.no_grad()
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("options", [{}, WINDOWS])
def test_labels_are_mmsegmentations(segmentor_type, options, align_corners) -> None:
    from mmengine import ConfigDict

    model, images, size = make_model(), torch.randn(2, 3, 52, 68), (61, 83)
    ours = InferenceOptions(**options)
    test_cfg = ConfigDict(mode=ours.mode, crop_size=ours.window, stride=ours.stride)
    segmentor = segmentor_type(model, test_cfg, align_corners, 6)
    theirs = their_results(segmentor, images, size)
    logits = torch.stack([sample.seg_logits.data for sample in theirs])
    for strip_bytes in (None, 1000):
        labels = predict_labels(
            model, images, size, ours, align_corners=align_corners, strip_bytes=strip_bytes
        )
        assert_are_best(labels, logits)
        classes = torch.cat([sample.pred_sem_seg.data for sample in theirs])
        assert (labels == classes).float().mean() > 0.999


@torch.no_grad()
@pytest.mark.parametrize("options", [{}, WINDOWS])
def test_several_views_are_averaged_as_in_mmsegmentation(segmentor_type, options) -> None:
    from mmengine import ConfigDict
    from mmseg.models.segmentors.seg_tta import SegTTAModel

    model, images, size = make_model(), torch.randn(1, 3, 52, 68), (61, 83)
    ours = InferenceOptions(**options, scales=(0.5, 1.0, 1.5), flip=True)
    test_cfg = ConfigDict(mode=ours.mode, crop_size=ours.window, stride=ours.stride)
    segmentor = segmentor_type(model, test_cfg, False, 6)
    views = []
    for scale in ours.scales:
        scaled = resize(images, [round(side * scale) for side in (52, 68)])
        views += their_results(segmentor, scaled, size)
        views += their_results(segmentor, scaled.flip(-1), size, flipped=True)
    tta = SegTTAModel.__new__(SegTTAModel)
    nn.Module.__init__(tta)
    tta.module = segmentor
    theirs = tta.merge_preds([views])[0].pred_sem_seg.data
    labels = predict_labels(model, images, size, ours, strip_bytes=4000)
    assert (labels[0] == theirs).float().mean() > 0.999


def test_half_precision_channels_last_and_inference_mode() -> None:
    model = make_model().to(memory_format=torch.channels_last)
    images = torch.randn(2, 3, 52, 68).contiguous(memory_format=torch.channels_last)
    options = InferenceOptions(**WINDOWS, scales=(0.75, 1.0), flip=True)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        labels = predict_labels(model, images, (70, 60), options)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        scores = straight_scores(lambda x: model(x).float(), images, (70, 60), options)
    assert_are_best(labels, scores.float(), tolerance=1e-2)


def test_no_gradients_are_kept() -> None:
    grads = []

    def model(images):
        grads.append(torch.is_grad_enabled())
        return images[:, :, ::4, ::4]

    predict_labels(model, torch.randn(1, 3, 40, 40), (40, 40), InferenceOptions(**WINDOWS))
    assert grads
    assert not any(grads)


def test_more_classes_than_a_byte_holds() -> None:
    def model(images):
        return torch.eye(300)[None, :, 299:].unsqueeze(-1).expand(len(images), -1, 4, 4)

    labels = predict_labels(model, torch.randn(1, 3, 16, 16), (16, 16), InferenceOptions())
    assert labels.unique().tolist() == [299]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "tiles"}, ("inference.mode='tiles'", "'whole'", "'slide'")),
        ({"window": (0, 512)}, ("inference.window=(0, 512)", "512", "2 numbers")),
        ({"stride": (341, -1)}, ("inference.stride=(341, -1)",)),
        ({"stride": (341,)}, ("inference.stride=(341,)", "2")),
        ({"window": (256, 512)}, ("inference.stride", "(341, 341)", "inference.window")),
        ({"scales": ()}, ("inference.scales",)),
        ({"scales": (1.0, 0.0)}, ("inference.scales",)),
        ({"scales": (float("nan"),)}, ("inference.scales",)),
        ({"windows_per_batch": 0}, ("inference.windows_per_batch=0", "1")),
    ],
)
def test_options_out_of_range(options, message) -> None:
    with refuses(ConfigError, *message):
        InferenceOptions(**options)


def measure(height, width, classes, mode):
    """Bytes that the classes of an image hold at most while they are computed."""
    weight = torch.randn(classes, 3, 1, 1)
    images = torch.full((1, 3, height, width), 0.5)

    def model(images):
        return F.conv2d(F.avg_pool2d(images, 4), weight)

    def predict():
        labels = predict_labels(model, images, (height, width), InferenceOptions(mode=mode))
        assert labels.shape == (1, height, width)

    return peak_bytes(predict)


def test_an_image_of_64_million_pixels_fits_into_memory() -> None:
    # 0.6 GB are the result's, as bytes and as int64; the logits of all classes would take 1.1 GB.
    assert measure(8192, 8192, 4, "slide") < 1.0e9


def test_memory_for_150_classes_does_not_grow_with_the_height() -> None:
    # The second case is as wide and twice as high: its logits would take 630 MB more. Of the 150 MB
    # that it may take more, 19 are the result's.
    first = measure(1024, 1024, 150, "slide")
    assert first < 300e6
    assert measure(2048, 1024, 150, "slide") < first + 150e6
