"""Callbacks: progress, the summary of a run, pictures, tables of predictions. Resolved on use."""

from vision.lazy import lazy_names

_MODULES = {
    "CocoPredictions": "vision.callbacks.results.coco_predictions",
    "DetectionResults": "vision.callbacks.results.coco_predictions",
    "ClassificationPictures": "vision.callbacks.results.classification_pictures",
    "DetectionPictures": "vision.callbacks.results.detection_pictures",
    "Environment": "vision.callbacks.run.environment",
    "LabelMaps": "vision.callbacks.results.label_maps",
    "PredictionTable": "vision.callbacks.results.prediction_table",
    "Progress": "vision.callbacks.run.progress",
    "RunSummary": "vision.callbacks.run.summary",
    "SegmentationPictures": "vision.callbacks.results.segmentation_pictures",
    "SegmentationResults": "vision.callbacks.results.segmentation_results",
    "TrainBatches": "vision.callbacks.run.train_batches",
    "TrainingCurves": "vision.callbacks.run.curves",
}

__all__ = [*_MODULES]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
