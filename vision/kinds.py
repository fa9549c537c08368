"""The kinds of task, one row each: the import paths of the parts of each kind.

Nothing is imported here, and only these rows say which tasks a file may name. A column that is None
is absent for that kind; `vision.task_parts` resolves columns, and says what is absent.
A task of one's own sets the same columns as class attributes, as text or as the objects themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def _part(noun: str, instead: str = "") -> Any:
    """A column that may be absent, with its name and the alternative for messages."""
    return field(default=None, metadata={"noun": noun, "instead": instead})


@dataclass(frozen=True)
class HubMetric:
    """A metric as the Hugging Face hub names it.

    Attributes:
        type: Its type on the hub.
        name: What is shown.
        tag: A tag for models that have this metric; None for none.
    """

    type: str
    name: str
    tag: str | None = None


@dataclass(frozen=True, kw_only=True)
class Hub:
    """What the Hugging Face hub calls a kind of task.

    Attributes:
        pipeline: Name among the hub's tasks.
        tag: What else it is found by.
        metrics: The hub's name of each metric, by our name after the stage.
    """

    pipeline: str
    tag: str
    metrics: Mapping[str, HubMetric]


@dataclass(frozen=True, kw_only=True)
class Template:
    """A config for the user's own data, which the end of a run suggests.

    Attributes:
        what: What the data has to be.
        config: Name of the config.
        options: Options that name the data.
    """

    what: str
    config: str
    options: str


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A row: the columns of a kind of task, in the order in which a run needs them.

    Attributes:
        task: Class of the task, a `BaseTask`.
        design: Argument of the task that names the part on top of the backbone.
        designs: The rows that this argument chooses from, by name; each has `builders`.
        min_classes: The smallest number of classes that can be trained.
        train_cells: What is drawn of a training batch (`vision.draw.train_batches`).
        fit_callbacks: Callbacks of `fit` only; each is built with the folder of the run.
        result_callbacks: Callbacks of `fit` and `validate` that write or draw what was found; each
            is built with the folder `validation` of the run.
        prediction_writer: What `predict` writes, a `PredictionWriter`.
        predictor: Prediction of images, a `vision.predict.predictor.Predictor`.
        demo_view: What the page to try a model shows, a `vision.predict.demo_view.View`.
        export_graph: The whole model as a program, a `vision.export.graph.Graph`.
        int8_score: Builds the metric of exported models, a `vision.export.score.Score`, from the
            task and its datamodule.
        recorder: Collects what a report shows, a `vision.callbacks.results` `Recorder`.
        report: The chapters of the report, a `vision.report.task_report.TaskReport`.
        predict_needs: What `vision predict` needs beside a model and images, such as an option.
        hub: Names on the Hugging Face hub.
        shard_form: What tar shards hold beside its images, a `vision.data.shards.forms.Form`; read
            from this table only, as the index of shards names the kind.
        template: A config for the user's own data.
        by_input: Columns of tasks that read another input than the others of the kind, by the
            task's `reads` (such as `"points"`), then by the name of the column; what is not listed
            is the kind's, and None is absent.
    """

    task: str
    design: str | None = None
    designs: str | None = None
    min_classes: int = 1
    train_cells: str | None = _part("picture of training batches")
    fit_callbacks: tuple[str, ...] = ()
    result_callbacks: tuple[str, ...] = ()
    prediction_writer: str = "vision.callbacks.results.prediction_files:PredictionFiles"
    predictor: str | None = _part(
        "prediction of image files",
        "`vision predict --config FILE` writes what the task gives for a dataset.",
    )
    demo_view: str | None = _part("page to try a model")
    export_graph: str | None = _part(
        "export of the whole model", "Export its backbone by itself: `vision export --backbone`."
    )
    int8_score: str | None = _part(
        "measure of what int8 costs", "Export in float: `vision export`."
    )
    recorder: str | None = _part("report", "`vision validate` prints the metrics.")
    report: str | None = _part("report", "`vision validate` prints the metrics.")
    predict_needs: str = ""
    hub: Hub | None = None
    shard_form: str | None = _part("form of tar shards")
    template: Template | None = None
    by_input: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


KINDS: dict[str, Kind] = {
    "classification": Kind(
        task="vision.tasks.classification:Classification",
        min_classes=2,
        train_cells="vision.draw.classification_cells:train_cells",
        fit_callbacks=("vision.callbacks.results.classification_pictures:ClassificationPictures",),
        prediction_writer="vision.callbacks.results.prediction_table:PredictionTable",
        predictor="vision.predict.classification:ClassificationPredictor",
        demo_view="vision.predict.classification_view:ClassificationView",
        export_graph="vision.export.classification:ClassificationGraph",
        int8_score="vision.export.classification_score:TopOne",
        recorder="vision.callbacks.results.classification_records:ClassificationRecorder",
        report="vision.report.classification:REPORT",
        hub=Hub(
            pipeline="image-classification",
            tag="image-classification",
            metrics={
                "top1": HubMetric("accuracy", "top-1 accuracy"),
                "top5": HubMetric("accuracy", "top-5 accuracy"),
            },
        ),
        shard_form="vision.data.shards.classification_form:ClassificationForm",
        template=Template(
            what="your own images: a folder with one folder per class",
            config="classification/image_folder/swin_linear",
            options="--data.root FOLDER",
        ),
    ),
    "multilabel": Kind(
        task="vision.tasks.multilabel:MultiLabel",
        train_cells="vision.draw.multilabel_cells:train_cells",
        predictor="vision.predict.multilabel:MultiLabelPredictor",
        export_graph="vision.export.multilabel:MultiLabelGraph",
        hub=Hub(
            pipeline="image-classification",
            tag="multi-label-image-classification",
            metrics={
                "mAP": HubMetric("map", "mean average precision"),
                "F1": HubMetric("f1", "F1, mean over the classes"),
            },
        ),
    ),
    "detection": Kind(
        task="vision.tasks.detection:Detection",
        design="detector",
        designs="vision.tasks.detectors:DETECTORS",
        train_cells="vision.draw.detection_cells:train_cells",
        result_callbacks=(
            "vision.callbacks.results.coco_predictions:DetectionResults",
            "vision.callbacks.results.detection_pictures:DetectionPictures",
        ),
        prediction_writer="vision.callbacks.results.coco_predictions:CocoPredictions",
        predictor="vision.predict.detection:DetectionPredictor",
        demo_view="vision.predict.detection_view:DetectionView",
        export_graph="vision.export.detection:DetectionGraph",
        int8_score="vision.export.detection_score:average_precision",
        recorder="vision.callbacks.results.detection_records:DetectionRecorder",
        report="vision.report.detection:REPORT",
        hub=Hub(
            pipeline="object-detection",
            tag="object-detection",
            metrics={
                "box_AP": HubMetric("map", "box AP"),
                "mask_AP": HubMetric("map", "mask AP", tag="instance-segmentation"),
            },
        ),
        shard_form="vision.data.shards.detection_form:DetectionForm",
        template=Template(
            what="your own objects: annotations in COCO's format",
            config="detection/coco_format/swin_mask_rcnn",
            options="--data.train_annotations FILE --data.train_images FOLDER "
            "--data.val_annotations FILE --data.val_images FOLDER",
        ),
    ),
    "segmentation": Kind(
        task="vision.tasks.segmentation:Segmentation",
        design="segmentor",
        designs="vision.tasks.segmentors:SEGMENTORS",
        min_classes=2,
        train_cells="vision.draw.segmentation_cells:train_cells",
        result_callbacks=(
            "vision.callbacks.results.segmentation_results:SegmentationResults",
            "vision.callbacks.results.segmentation_pictures:SegmentationPictures",
        ),
        prediction_writer="vision.callbacks.results.label_maps:LabelMaps",
        predictor="vision.predict.segmentation:SegmentationPredictor",
        demo_view="vision.predict.segmentation_view:SegmentationView",
        export_graph="vision.export.segmentation:SegmentationGraph",
        int8_score="vision.export.segmentation_score:mean_iou",
        recorder="vision.callbacks.results.segmentation_records:SegmentationRecorder",
        report="vision.report.segmentation:REPORT",
        hub=Hub(
            pipeline="image-segmentation",
            tag="semantic-segmentation",
            metrics={
                "mIoU": HubMetric("mean_iou", "mean IoU"),
                "mAcc": HubMetric("accuracy", "mean accuracy of classes"),
                "aAcc": HubMetric("accuracy", "pixel accuracy"),
            },
        ),
        shard_form="vision.data.shards.segmentation_form:SegmentationForm",
        template=Template(
            what="your own masks: a folder of images and one of masks",
            config="segmentation/mask_folder/swin_upernet",
            options="--data.root FOLDER --data.classes '[NAME, NAME]'",
        ),
    ),
    "panoptic": Kind(
        task="vision.tasks.panoptic:PanopticSegmentation",
        design="decoder",
        designs="vision.tasks.panoptic_decoders:DECODERS",
        train_cells="vision.draw.panoptic_cells:train_cells",
        result_callbacks=(
            "vision.callbacks.results.panoptic_results:PanopticResults",
            "vision.callbacks.results.panoptic_pictures:PanopticPictures",
        ),
        prediction_writer="vision.callbacks.results.panoptic_predictions:PanopticPredictions",
        predictor="vision.predict.panoptic:PanopticPredictor",
        demo_view="vision.predict.panoptic_view:PanopticView",
        export_graph="vision.export.panoptic:PanopticGraph",
        int8_score="vision.export.panoptic_score:panoptic_quality",
        recorder="vision.callbacks.results.panoptic_records:PanopticRecorder",
        report="vision.report.panoptic:REPORT",
        hub=Hub(
            pipeline="image-segmentation",
            tag="panoptic-segmentation",
            metrics={
                "PQ": HubMetric("pq", "panoptic quality"),
                "mIoU": HubMetric("mean_iou", "mean IoU"),
                "mask_AP": HubMetric("map", "mask AP"),
            },
        ),
        template=Template(
            what="your own segments: annotations in COCO's panoptic format",
            config="panoptic/coco_format/convnext_kmax",
            options="--data.train_annotations FILE --data.train_images FOLDER "
            "--data.val_annotations FILE --data.val_images FOLDER",
        ),
    ),
    "depth": Kind(
        task="vision.tasks.depth:DepthEstimation",
        design="decoder",
        designs="vision.tasks.dense_decoders:DEPTH_DECODERS",
        train_cells="vision.draw.depth_cells:train_cells",
        result_callbacks=(
            "vision.callbacks.results.dense_results:DepthResults",
            "vision.callbacks.results.dense_pictures:DepthPictures",
        ),
        prediction_writer="vision.callbacks.results.dense_files:DepthFiles",
        predictor="vision.predict.depth:DepthPredictor",
        demo_view="vision.predict.depth_view:DepthView",
        export_graph="vision.export.depth:DepthGraph",
        int8_score="vision.export.depth_score:depth_rmse",
        recorder="vision.callbacks.results.depth_records:DepthRecorder",
        report="vision.report.depth:REPORT",
        hub=Hub(
            pipeline="depth-estimation",
            tag="monocular-depth-estimation",
            metrics={
                "abs_rel": HubMetric("abs_rel", "absolute relative error"),
                "rmse": HubMetric("rmse", "RMSE in metres"),
                "delta1": HubMetric("delta1", "share of pixels within a factor of 1.25"),
            },
        ),
        template=Template(
            what="your own depth: a folder of images and one of depth maps",
            config="depth/folder/convnext_dpt",
            options="--data.root FOLDER --data.scale VALUES_PER_METRE",
        ),
    ),
    "normals": Kind(
        task="vision.tasks.normals:SurfaceNormals",
        design="decoder",
        designs="vision.tasks.dense_decoders:NORMALS_DECODERS",
        train_cells="vision.draw.normals_cells:train_cells",
        result_callbacks=(
            "vision.callbacks.results.dense_results:NormalsResults",
            "vision.callbacks.results.dense_pictures:NormalsPictures",
        ),
        prediction_writer="vision.callbacks.results.dense_files:NormalsFiles",
        predictor="vision.predict.normals:NormalsPredictor",
        demo_view="vision.predict.normals_view:NormalsView",
        export_graph="vision.export.normals:NormalsGraph",
        int8_score="vision.export.normals_score:mean_angle",
        recorder="vision.callbacks.results.normals_records:NormalsRecorder",
        report="vision.report.normals:REPORT",
        hub=Hub(
            pipeline="depth-estimation",
            tag="surface-normal-estimation",
            metrics={
                "mean": HubMetric("mean_angle", "mean angle in degrees"),
                "median": HubMetric("median_angle", "median angle in degrees"),
                "below_11.25": HubMetric("below_11.25", "share of pixels below 11.25 degrees"),
            },
        ),
        template=Template(
            what="your own normals: a folder of images and one of normals",
            config="normals/folder/convnext_dpt",
            options="--data.root FOLDER",
        ),
    ),
    "detection3d": Kind(
        task="vision.tasks.detection3d:Detection3D",
        design="detector",
        designs="vision.tasks.detectors3d:DETECTORS3D",
        train_cells="vision.draw.detection3d_cells:train_cells",
        result_callbacks=("vision.callbacks.results.detection3d_pictures:Boxes3DPictures",),
        prediction_writer="vision.callbacks.results.boxes3d_predictions:Boxes3DPredictions",
        predictor="vision.predict.detection3d:Detection3DPredictor",
        demo_view="vision.predict.detection3d_view:Detection3DView",
        export_graph="vision.export.detection3d:Detection3DGraph",
        int8_score="vision.export.detection3d_score:average_precision",
        recorder="vision.callbacks.results.detection3d_records:Boxes3DRecorder",
        report="vision.report.detection3d:REPORT",
        predict_needs="--camera FILE",
        hub=Hub(
            pipeline="object-detection",
            tag="monocular-3d-object-detection",
            metrics={
                "AP_3D": HubMetric("map", "3-D AP, moderate"),
                "AP_BEV": HubMetric("map", "bird's-eye view AP, moderate"),
                "AP_2D": HubMetric("map", "2-D AP, moderate"),
            },
        ),
        template=Template(
            what="your own streets: images, calibrations and labels in KITTI's layout",
            config="detection3d/kitti/resnet50_monodetr",
            options="--data.root FOLDER",
        ),
        by_input={
            "points": {
                "train_cells": "vision.draw.lidar_cells:train_cells",
                "predictor": "vision.predict.lidar:LidarPredictor",
                "demo_view": "vision.predict.lidar_view:LidarView",
                "export_graph": "vision.export.lidar:LidarGraph",
                "int8_score": None,
                "predict_needs": "",
                "hub": Hub(
                    pipeline="other",
                    tag="lidar-3d-object-detection",
                    metrics={
                        "AP_3D": HubMetric("map", "3-D AP, moderate"),
                        "AP_BEV": HubMetric("map", "bird's-eye view AP, moderate"),
                    },
                ),
                "template": Template(
                    what="your own sweeps: lidar, calibrations and labels in KITTI's layout",
                    config="detection3d/kitti/flatformer",
                    options="--data.root FOLDER",
                ),
            }
        },
    ),
    "volumes": Kind(
        task="vision.tasks.volumes:VolumeSegmentation",
        design="decoder",
        designs="vision.tasks.volume_decoders:VOLUME_DECODERS",
        min_classes=2,
        train_cells="vision.draw.volumes_cells:train_cells",
        result_callbacks=("vision.callbacks.results.volumes_pictures:VolumePictures",),
        prediction_writer="vision.callbacks.results.volume_files:VolumeFiles",
        predictor="vision.predict.volumes:VolumePredictor",
        demo_view="vision.predict.volumes_view:VolumesView",
        export_graph="vision.export.volumes:VolumesGraph",
        int8_score="vision.export.volumes_score:dice",
        recorder="vision.callbacks.results.volumes_records:VolumeRecorder",
        report="vision.report.volumes:REPORT",
        hub=Hub(
            pipeline="image-segmentation",
            tag="medical-image-segmentation",
            metrics={
                "Dice": HubMetric("dice", "mean Dice"),
                "HD95": HubMetric("hd95", "95 % Hausdorff distance in mm"),
            },
        ),
        template=Template(
            what="your own volumes: NIfTI files that a list names",
            config="volumes/folder/swin_unetr",
            options="--data.root FOLDER --data.classes '[background, NAME]'",
        ),
    ),
    "points": Kind(
        task="vision.tasks.points:PointSegmentation",
        design="decoder",
        designs="vision.tasks.point_decoders:POINT_DECODERS",
        min_classes=2,
        train_cells="vision.draw.points_cells:train_cells",
        result_callbacks=("vision.callbacks.results.points_pictures:PointPictures",),
        prediction_writer="vision.callbacks.results.point_files:PointFiles",
        predictor="vision.predict.points:PointPredictor",
        demo_view="vision.predict.points_view:PointsView",
        export_graph="vision.export.points:PointsGraph",
        recorder="vision.callbacks.results.points_records:PointRecorder",
        report="vision.report.points:REPORT",
        hub=Hub(
            pipeline="other",
            tag="point-cloud-segmentation",
            metrics={
                "mIoU": HubMetric("mean_iou", "mean IoU"),
                "mAcc": HubMetric("accuracy", "mean accuracy of classes"),
                "OA": HubMetric("accuracy", "overall accuracy of points"),
            },
        ),
        template=Template(
            what="your own clouds: PLY or npy files of points with colours and classes",
            config="points/folder/swin3d",
            options="--data.root FOLDER --data.classes '[NAME, NAME]'",
        ),
    ),
}
# Class name of each task -> its import path.
TASKS = {kind.task.partition(":")[2]: kind.task for kind in KINDS.values()}
# Arguments of tasks that name the part on top of the backbone.
DESIGNS = tuple(dict.fromkeys(kind.design for kind in KINDS.values() if kind.design is not None))
# Class name of each callback for the results of a kind -> its import path.
CALLBACKS = {
    path.partition(":")[2]: path
    for kind in KINDS.values()
    for path in (*kind.fit_callbacks, *kind.result_callbacks, kind.prediction_writer)
}
