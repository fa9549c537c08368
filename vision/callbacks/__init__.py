"""Callbacks: progress, the summary of a run, pictures, tables of predictions. Resolved on use."""

from vision.lazy import lazy_names

_MODULES = {
    "CocoPredictions": "vision.callbacks.coco_predictions",
    "DetectionResults": "vision.callbacks.coco_predictions",
    "ClassificationPictures": "vision.callbacks.pictures",
    "DetectionPictures": "vision.callbacks.detection_pictures",
    "Environment": "vision.callbacks.environment",
    "LabelMaps": "vision.callbacks.label_maps",
    "PredictionTable": "vision.callbacks.predictions",
    "Progress": "vision.callbacks.progress",
    "RunSummary": "vision.callbacks.summary",
    "SegmentationPictures": "vision.callbacks.segmentation_pictures",
    "SegmentationResults": "vision.callbacks.segmentation_results",
    "TrainBatches": "vision.callbacks.train_batches",
    "TrainingCurves": "vision.callbacks.curves",
}

__all__ = [*_MODULES]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
