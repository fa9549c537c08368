"""Training samples that are made of several images: mosaic, copy-paste and mixup."""

from typing import NamedTuple

from torch import Tensor

from vision.data.transforms.annotated import AnnotatedImage, AnnotatedImages
from vision.data.transforms.copy_paste_objects import choose_objects, paste_objects
from vision.data.transforms.detection import DetectionTrainTransform, TransformedImage
from vision.data.transforms.detection_options import DetectionAugment
from vision.data.transforms.geometry import Geometry, Size, sample_fitted, sample_geometry
from vision.data.transforms.mixup import blend_objects
from vision.data.transforms.mosaic import QUARTERS, Tile, make_tile, paste_tiles, sample_mosaic
from vision.data.transforms.objects import MappedObjects, map_objects
from vision.data.transforms.rng import SampleRng
from vision.errors import ConfigError


class Prepared(NamedTuple):
    """An image in the size of the sample, before augmentations of other libraries.

    Attributes:
        image: uint8 `(3, H, W)` RGB.
        objects: Its objects.
    """

    image: Tensor
    objects: MappedObjects


class MixingTrainTransform(DetectionTrainTransform):
    """The random augmentation of a training image with other images of its split.

    A mosaic replaces the geometry of a single image; then objects are pasted, then another image
    shines through; augmentations of other libraries come last. The other images are drawn by the
    random numbers of the sample too, and decoded one at a time. A sample keeps the number and the
    size of its first image.

    Args:
        augment: The options.
        masks: Whether the objects' masks are made.
        antialias: Whether images are antialiased where they shrink.

    Raises:
        ConfigError: Objects are pasted, but have no masks.
    """

    def __init__(
        self, augment: DetectionAugment, *, masks: bool = True, antialias: bool = True
    ) -> None:
        super().__init__(augment, masks=masks, antialias=antialias)
        if augment.copy_paste and not masks:
            raise ConfigError(
                f"augment.copy_paste={augment.copy_paste!r} needs masks, and this dataset is read "
                "without: it has only boxes, or data.masks is false. Leave one of them out."
            )

    def draw(self, place: int, source: AnnotatedImages) -> TransformedImage:
        """Make the sample of an image of a split, mixed with others by chance."""
        rng = SampleRng()
        if rng.chance(self.augment.mosaic):
            mixed, size = self._mosaic(place, source, rng)
        else:
            with source.open(place) as annotated:
                size = _size(annotated)
                mixed = self._prepare(annotated, sample_geometry(size, self.augment, rng), rng)
        if rng.chance(self.augment.copy_paste):
            mixed = self._paste(mixed, _partner(place, source, rng), source, rng)
        if rng.chance(self.augment.mixup):
            mixed = self._blend(mixed, _partner(place, source, rng), source, rng)
        image, objects = self.finish(*mixed)
        return TransformedImage(image, size, objects)

    def without_mixing(self) -> DetectionTrainTransform:
        """The same augmentation of each image by itself."""
        return DetectionTrainTransform(self.augment, masks=self.masks, antialias=self.antialias)

    def _prepare(self, annotated: AnnotatedImage, geometry: Geometry, rng: SampleRng) -> Prepared:
        image, objects, outlines = annotated
        mapped = map_objects(
            objects, outlines if self.masks else None, geometry, min_visible=self.min_visible
        )
        return Prepared(self.render(image, geometry, rng), mapped)

    def _mosaic(self, place: int, source: AnnotatedImages, rng: SampleRng) -> tuple[Prepared, Size]:
        augment = self.augment
        layout = sample_mosaic(augment.mosaic_size, augment.mosaic_scale, rng)
        places = [place, *(_partner(place, source, rng) for _ in QUARTERS[1:])]
        own = rng.below(len(QUARTERS))
        tiles: list[tuple[Tile, Tensor, MappedObjects]] = []
        size, masks = (0, 0), self.masks
        for i, image in enumerate(places):
            quarter = QUARTERS[(own + i) % len(QUARTERS)]
            if i and not layout.shows(*quarter):
                continue  # not read at all
            with source.open(image) as annotated:
                shape = _size(annotated)
                tile = make_tile(layout, *quarter, shape, flip=rng.chance(augment.hflip))
                if tile is not None:
                    tiles.append((tile, *self._prepare(annotated, tile.geometry, rng)))
                if not i:
                    size, masks = shape, masks and annotated.outlines is not None
        return Prepared(*paste_tiles(layout, tiles, augment.fill, masks=masks)), size

    def _paste(
        self, mixed: Prepared, other: int, source: AnnotatedImages, rng: SampleRng
    ) -> Prepared:
        with source.open(other) as annotated:
            chosen = choose_objects(annotated, rng)
            if not len(chosen.objects.labels):
                return mixed
            geometry = sample_geometry(_size(annotated), self.augment, rng)
            pasted = self._prepare(chosen, geometry, rng)
        return Prepared(*paste_objects(*mixed, *pasted, min_visible=self.min_visible))

    def _blend(
        self, mixed: Prepared, other: int, source: AnnotatedImages, rng: SampleRng
    ) -> Prepared:
        augment, canvas = self.augment, (mixed.image.shape[1], mixed.image.shape[2])
        with source.open(other) as annotated:
            geometry = sample_fitted(
                _size(annotated), canvas, rng, scale=augment.mixup_scale, hflip=augment.hflip
            )
            padded = Geometry(
                geometry.image_size, geometry.window, geometry.size, geometry.flip, canvas
            )
            prepared = self._prepare(annotated, padded, rng)
        return Prepared(*blend_objects(*mixed, *prepared))


def make_train_transform(
    augment: DetectionAugment, *, masks: bool, antialias: bool
) -> DetectionTrainTransform:
    """The transform of training images that the options ask for, which mixes images or does not."""
    kind = MixingTrainTransform if augment.mixed else DetectionTrainTransform
    return kind(augment, masks=masks, antialias=antialias)


def _size(annotated: AnnotatedImage) -> Size:
    return annotated.image.shape[1], annotated.image.shape[2]


def _partner(place: int, source: AnnotatedImages, rng: SampleRng) -> int:
    """Another image that an image is mixed with; the same where there is no other."""
    candidates = source.partners(place)
    return int(candidates[rng.other(candidates.index(place), len(candidates))])
