"""Training batches of classification as they are drawn."""

from vision.draw.train_batches import CELL, Cell, TrainBatch, fit_side, shown_name


def train_cells(shown: TrainBatch) -> list[Cell]:
    """Images with the name of their class; after mixing, with the shares of two."""
    if "label" not in shown.batch:
        return []
    labels = shown.batch["label"]
    texts = []
    for label in labels[: len(shown.images)]:
        if label.ndim == 0:
            texts.append(shown_name(shown.class_names, int(label)))
            continue
        shares, classes = label.float().topk(min(2, len(label)))
        named = zip(shares.tolist(), classes.tolist(), strict=True)
        parts = [(share, shown_name(shown.class_names, i)) for share, i in named if share > 0.005]
        mixed = len(parts) > 1
        texts.append(" + ".join(f"{name} {share:.0%}" if mixed else name for share, name in parts))
    return [(fit_side(image, CELL), text) for image, text in zip(shown.images, texts, strict=True)]
