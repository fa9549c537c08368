"""Training batches of images with any number of classes as they are drawn."""

from vision.draw.train_batches import CELL, Cell, TrainBatch, fit_side, shown_name

# Classes that are written under an image.
MAX_NAMED = 4


def train_cells(shown: TrainBatch) -> list[Cell]:
    """Images with the names of their classes; after mixing, with the share of each."""
    if "label" not in shown.batch:
        return []
    texts = []
    for label in shown.batch["label"][: len(shown.images)]:
        shares, classes = label.float().sort(descending=True, stable=True)
        present = [pair for pair in zip(shares.tolist(), classes.tolist(), strict=True) if pair[0]]
        parts = [
            shown_name(shown.class_names, i) + ("" if share > 0.995 else f" {share:.0%}")
            for share, i in present[:MAX_NAMED]
        ]
        more = len(present) - MAX_NAMED
        texts.append(", ".join(parts) + (f" and {more} more" if more > 0 else "") or "none")
    return [(fit_side(image, CELL), text) for image, text in zip(shown.images, texts, strict=True)]
