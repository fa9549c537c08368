"""Scans of composed heads: four modalities with contrasts of their own, bias field and noise.

The noise is that of the magnitude of complex numbers: "The Rician Distribution of Noisy MRI Data",
H. Gudbjartsson and S. Patz, Magnetic Resonance in Medicine, 1995.

Letters: C modalities, D, H, W cells along the axes of an array.
"""

import numpy as np

from vision.data.synthetic.head_anatomy import TISSUES, Anatomy
from vision.data.synthetic.head_lesions import LESION_TISSUES, Lesions
from vision.data.synthetic.head_space import smooth_field, soft_step

MODALITIES = ("flair", "t1", "t1ce", "t2")
# Signal of each tissue in each modality. Fat is bright nearly everywhere, fluid in t2 alone, and
# oedema as bright as fluid there: no modality tells a tissue by its brightness alone.
SIGNALS = {
    "air": (0.00, 0.00, 0.00, 0.00),
    "fat": (0.75, 0.95, 0.95, 0.70),
    "bone": (0.12, 0.15, 0.18, 0.12),
    "fluid": (0.20, 0.22, 0.24, 1.00),
    "grey": (0.58, 0.52, 0.55, 0.62),
    "white": (0.48, 0.72, 0.74, 0.46),
    "NCR": (0.52, 0.34, 0.36, 0.92),
    "ED": (0.86, 0.46, 0.48, 0.84),
    "ET": (0.76, 0.50, 0.98, 0.72),
}
VARIED = 0.06  # standard deviation of a signal between subjects, as a share
MOTTLED = 0.05  # the same between the places of a tissue
BIAS = 0.12  # standard deviation of the logarithm of the bias field
NOISE = (0.02, 0.045)  # standard deviation as a share of the brightest tissue
GAIN = (350.0, 1400.0)  # of arbitrary units
# Spots by the ventricles that are bright in flair without a lesion, and vessels in t1ce.
SPOTS, VESSELS = 0.3, 0.35


def scan_head(
    rng: np.random.Generator, head: Anatomy, lesions: Lesions, *, width_mm: float
) -> np.ndarray:
    """Scan a head.

    Args:
        rng: Source of every choice.
        head: The head.
        lesions: Its lesions.
        width_mm: About half of the width of the border between two tissues.

    Returns:
        int16 `(C, D, H, W)` in arbitrary units, 0 outside of the head, as in BraTS.
    """
    healthy = head.parts * (1 - lesions.parts.sum(axis=0))
    parts = np.concatenate([healthy, lesions.parts])
    names = (*TISSUES, *LESION_TISSUES)
    signals = np.array([SIGNALS[name] for name in names])
    signals = signals * (1 + VARIED * rng.standard_normal(signals.shape))
    shape = head.brain_mm.shape
    outside = head.parts[TISSUES.index("air")] > 0.5
    scans = np.empty((len(MODALITIES), *shape), np.int16)
    for place, modality in enumerate(MODALITIES):
        clean = np.tensordot(signals[:, place].astype(np.float32), parts, axes=1)
        clean = clean + _others(rng, modality, head, lesions, width_mm)
        clean *= 1 + MOTTLED * smooth_field(rng, shape, waves=16)
        clean *= np.exp(BIAS * smooth_field(rng, shape, waves=2))
        scan = rng.uniform(*GAIN) * rician(rng, clean, rng.uniform(*NOISE))
        scans[place] = np.where(outside, 0, np.maximum(scan.round(), 1))
    return scans


def rician(rng: np.random.Generator, signal: np.ndarray, deviation: float) -> np.ndarray:
    """The magnitude of a signal with normal noise in both of its parts.

    Args:
        rng: Source of the noise.
        signal: Without noise.
        deviation: Standard deviation of the noise of each part.
    """
    real = signal + deviation * rng.standard_normal(signal.shape, np.float32)
    return np.hypot(real, deviation * rng.standard_normal(signal.shape, np.float32))


def _others(
    rng: np.random.Generator, modality: str, head: Anatomy, lesions: Lesions, width_mm: float
) -> np.ndarray | float:
    """What shines in a modality beside lesions: spots in flair, vessels in t1ce."""
    if modality not in ("flair", "t1ce"):
        return 0.0
    healthy = soft_step(head.brain_mm, width_mm) * (1 - lesions.parts.sum(axis=0))
    waves, level, strength = (12, 2.0, SPOTS) if modality == "flair" else (16, 2.2, VESSELS)
    field = smooth_field(rng, head.brain_mm.shape, waves=waves)
    return strength * healthy * soft_step(field - level, 0.25)
