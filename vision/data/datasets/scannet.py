"""ScanNet: scanned rooms as coloured meshes, of whose vertices 20 classes are known.

"ScanNet: Richly-annotated 3D Reconstructions of Indoor Scenes", A. Dai et al., 2017,
arXiv:1702.04405.
"""

import os
from collections.abc import Iterator, Sequence

from vision.data.base.points import PointData, PointOptions
from vision.data.base.splits import Split
from vision.data.check.problems import collected_problems
from vision.data.classes.point_labels import PointLabels
from vision.data.files.finding import list_folders, require_folder
from vision.data.files.noted_problems import NotedProblems
from vision.data.formats.rooms import RoomFiles
from vision.documents.text import read_lines
from vision.errors import suggest
from vision.keywords import Unpack
from vision.program import command
from vision.reading import MAX_SETTINGS_BYTES, user_path
from vision.wording import counted

# Value of each class of the benchmark, of NYU's 40; all others are ignored.
CLASSES = {
    **{"wall": 1, "floor": 2, "cabinet": 3, "bed": 4, "chair": 5, "sofa": 6, "table": 7},
    **{"door": 8, "window": 9, "bookshelf": 10, "picture": 11, "counter": 12, "desk": 14},
    **{"curtain": 16, "refrigerator": 24, "shower curtain": 28, "toilet": 33, "sink": 34},
    **{"bathtub": 36, "otherfurniture": 39},
}
SCANS, TEST_SCANS = "scans", "scans_test"
MESH, LABELS = "_vh_clean_2.ply", "_vh_clean_2.labels.ply"
LISTS = {"train": "scannetv2_train.txt", "val": "scannetv2_val.txt"}
EXPECTED = (
    f"Expected ROOT/{LISTS['train']} and ROOT/{LISTS['val']} with the name of a scene in each line,"
    f" and of each scene ROOT/{SCANS}/SCENE/SCENE{MESH} and SCENE{LABELS}."
)


class ScanNet(PointData):
    """ScanNet v2 with the 20 classes of its benchmark, in the official folders.

    The training and the validation set are those of the lists of its authors. Where there is a
    folder `scans_test`, its scenes are predicted.

    Args:
        root: Its folder.
        **options: Other keywords of `PointData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    expected = EXPECTED

    def __init__(self, *, root: str | os.PathLike[str], **options: Unpack[PointOptions]) -> None:
        super().__init__(**options)
        self.root = user_path(root)
        self._noted = NotedProblems()

    @property
    def labels(self) -> PointLabels:
        """The classes of the benchmark."""
        return PointLabels(names=(*CLASSES,), values=(*CLASSES.values(),), ignored=None)

    @property
    def predict_split(self) -> Split:
        """The test set where it is there, or else the validation set."""
        return "predict" if (self.root / TEST_SCANS).is_dir() else "val"

    def find_rooms(self, split: Split) -> Sequence[RoomFiles]:
        """The scenes of a split.

        Raises:
            DataError: A list or a file is absent.
        """
        require_folder(self.root, EXPECTED)
        folder = self.root / (TEST_SCANS if split == "predict" else SCANS)
        require_folder(folder, EXPECTED)
        if split == "predict":
            scenes = list_folders(folder)
        else:
            path = self.root / LISTS["train" if split == "train" else "val"]
            scenes = read_lines(path, max_bytes=MAX_SETTINGS_BYTES, what="list of scenes")
        rooms, problems = [], []
        known = list_folders(folder)
        for scene in dict.fromkeys(scenes):
            mesh, labels = (folder / scene / f"{scene}{ending}" for ending in (MESH, LABELS))
            wanted = (mesh,) if split == "predict" else (mesh, labels)
            absent = next((file for file in wanted if not file.is_file()), None)
            if absent is None:
                given = None if split == "predict" else os.fspath(labels)
                rooms.append(RoomFiles(scene, os.fspath(mesh), given))
            else:
                hint = "" if scene in known else suggest(scene, known)
                problems.append(f"scene '{scene}': there is no file '{absent}'.{hint}")
        heading = f"the {split} split has {counted(len(problems), 'problems')}"
        end = f"`{command('check-dataset')} ScanNet` lists them all. {EXPECTED}"
        self._noted.note(problems, heading, end)
        return rooms

    def layout_problems(self) -> Iterator[str]:
        """Every absent file, and other problems that stop `setup`."""
        yield from collected_problems(self, self._noted)
