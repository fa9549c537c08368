"""COCO's average precision: from predictions or files to its table."""
