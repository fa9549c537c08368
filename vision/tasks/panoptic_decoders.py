"""The decoders of panoptic segmentation by name."""

from vision.heads.mask_transformer.kmax import KMaXHead
from vision.losses.kmax import KMaXLoss, KMaXLossOptions
from vision.necks.build import STRIDES
from vision.tasks.decoders import Decoder

DECODERS: dict[str, Decoder[KMaXHead]] = {
    "kmax": Decoder(
        head=KMaXHead,
        criterion=KMaXLoss,
        loss=KMaXLossOptions,
        neck_options={"strides": STRIDES},
    ),
}
