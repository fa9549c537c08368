"""Annotations of detection in memory, against pycocotools.

A synthetic COCO file, by default of the size of train2017 (118,000 images, 860,000 objects with
polygons, 1 % crowds), is loaded by pycocotools and by ours, each in its own process: for the first
time, and from the cache. Two forked workers then read all annotations in a random order, like the
workers of a DataLoader in an epoch, and the private (USS) and proportional (PSS) memory of each is
measured while both run.
"""

import json
import multiprocessing
import multiprocessing.synchronize
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

IMAGES, OBJECTS = 118_000, 860_000
HEIGHT, WIDTH, CLASSES = 480, 640, 80
POOL = 4_000  # different objects
MIB = 2**20
# A process that has imported nothing else.
_CHILD = """
import json, sys
from pathlib import Path
from vision.benchmarks.annotations import measure
side, path, cache, workers = sys.argv[1:]
print(json.dumps(measure(side, Path(path), Path(cache), int(workers))))
"""


def synthetic_objects(count: int, seed: int = 0) -> list[str]:
    """Inner parts of annotations, as JSON: a segmentation, an area, a crowd flag and a box."""
    generator = np.random.default_rng(seed)
    made = []
    for i in range(count):
        extent = generator.uniform(0.02, 0.6, 2) * (WIDTH, HEIGHT)
        corner = generator.uniform(0, (WIDTH, HEIGHT) - extent)
        segmentation: Any
        if i % 100 == 0:
            cuts = np.sort(generator.choice(HEIGHT * WIDTH, 400, replace=False))
            counts = np.diff([0, *cuts, HEIGHT * WIDTH]).tolist()
            segmentation = {"counts": counts, "size": [HEIGHT, WIDTH]}
        else:
            # About 1.3 polygons of 22 points, as in train2017, whose file has 450 MB.
            segmentation = []
            for _ in range(generator.choice([1, 2, 3], p=[0.8, 0.15, 0.05])):
                points = generator.uniform(0, 1, (max(3, round(generator.lognormal(2.9, 0.6))), 2))
                segmentation.append((corner + points * extent).round(2).ravel().tolist())
        parts = {
            "segmentation": segmentation,
            "area": round(float(extent.prod()) / 2, 2),
            "iscrowd": int(i % 100 == 0),
            "bbox": [*corner.round(2).tolist(), *extent.round(2).tolist()],
        }
        made.append(json.dumps(parts)[1:-1])
    return made


def write_file(path: Path, images: int, objects: int) -> None:
    """Write a COCO file piece by piece."""
    pool = synthetic_objects(min(POOL, objects))
    image_of = np.sort(np.random.default_rng(1).integers(0, images, objects)).tolist()
    with path.open("w") as file:
        file.write('{"info": {}, "licenses": [], "images": [')
        for i in range(images):
            file.write(
                f'{", " if i else ""}{{"license": 3, "file_name": "{i:012d}.jpg", "coco_url": '
                f'"http://images.cocodataset.org/train2017/{i:012d}.jpg", "height": {HEIGHT}, '
                f'"width": {WIDTH}, "date_captured": "2013-11-14 11:18:45", "id": {i}}}'
            )
        file.write('], "annotations": [')
        for i, image in enumerate(image_of):
            file.write(
                f'{", " if i else ""}{{{pool[i % len(pool)]}, "image_id": {image}, '
                f'"category_id": {i % CLASSES + 1}, "id": {i + 1}}}'
            )
        names = [{"id": i + 1, "name": f"class {i}"} for i in range(CLASSES)]
        file.write(f'], "categories": {json.dumps(names)}}}')


def load_theirs(path: Path, cache: Path) -> Callable[[], None]:
    """Load with pycocotools; returns the function that a worker runs."""
    from pycocotools.coco import COCO

    coco = COCO(path)
    numbers = np.random.default_rng(2).permutation(sorted(coco.imgs))

    def read() -> None:
        for number in numbers:  # as torchvision's CocoDetection does
            assert coco.loadImgs(int(number))[0]["file_name"]
            for annotation in coco.loadAnns(coco.getAnnIds(int(number))):
                assert len(annotation["bbox"]) == 4
                outline = annotation["segmentation"]
                if isinstance(outline, list):
                    _ = [np.array(part) for part in outline]

    return read


def load_ours(path: Path, cache: Path) -> Callable[[], None]:
    """Load with ours; returns the function that a worker runs."""
    from vision.data.formats.coco import read_coco

    index = read_coco(path, path.parent, cache_dir=cache)
    order = np.random.default_rng(2).permutation(len(index))

    def read() -> None:
        for image in order:
            assert index.paths[image]
            for row in index.objects(image).rows:
                assert index.segments.get(row) is not None

    return read


SIDES = {"pycocotools": load_theirs, "ours": load_ours}


def memory() -> dict[str, int]:
    """USS and PSS of this process in bytes."""
    text = Path("/proc/self/smaps_rollup").read_text()

    def total(pattern: str) -> int:
        found = re.findall(rf"^{pattern}: +(\d+) kB$", text, re.MULTILINE)
        return 1024 * sum(map(int, found))

    return {"uss": total(r"Private_\w+"), "pss": total("Pss")}


def memory_of_workers(read: Callable[[], None], count: int) -> dict[str, int]:
    """The largest USS and PSS of forked workers that have all read everything."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(count)
    results = context.SimpleQueue()

    def work() -> None:
        before = memory()["uss"]
        read()
        barrier.wait()
        after = memory()
        barrier.wait()
        results.put({**after, "gained": after["uss"] - before})

    workers = [context.Process(target=work) for _ in range(count)]
    for worker in workers:
        worker.start()
    found = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    return {name: max(one[name] for one in found) for name in found[0]}


def measure(side: str, path: Path, cache: Path, workers: int) -> dict[str, float]:
    """Load in this process, and read in its workers."""
    start, of_processor = time.perf_counter(), time.process_time()
    read = SIDES[side](path, cache)
    seconds, of_processor = time.perf_counter() - start, time.process_time() - of_processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    measured = {"seconds": seconds, "cpu": of_processor, "peak": peak, **memory()}
    if workers:
        found = memory_of_workers(read, workers)
        measured |= {f"worker_{name}": value for name, value in found.items()}
    return measured


def in_own_process(side: str, path: Path, cache: Path, workers: int) -> dict[str, float]:
    """`measure` in a fresh process."""
    command = [sys.executable, "-c", _CHILD, side, str(path), str(cache), str(workers)]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def compare(images: int, objects: int, workers: int, folder: Path) -> dict[str, Any]:
    """Measure both sides on a file that is made in a folder."""
    path, cache = folder / "instances.json", folder / "cache"
    write_file(path, images, objects)
    found = {
        "pycocotools": in_own_process("pycocotools", path, cache, workers),
        "first": in_own_process("ours", path, cache, 0),
        "cached": in_own_process("ours", path, cache, workers),
    }
    size = path.stat().st_size
    kept = sum(file.stat().st_size for file in cache.rglob("*.npy"))
    return {"images": images, "objects": objects, "file": size, "cache": kept, **found}


def report(found: dict[str, Any]) -> None:
    """Print the results of `compare`."""
    versions = f"pycocotools {version('pycocotools')}, numpy {np.__version__}"
    print(f"{versions}, Python {platform.python_version()}, {platform.machine()}")
    print(
        f"{found['images']:,} images, {found['objects']:,} objects: file of "
        f"{found['file'] / MIB:,.0f} MiB, cache of {found['cache'] / MIB:,.0f} MiB"
    )
    columns = f"{'peak MiB':>10}{'worker USS':>12}{'gained':>8}{'worker PSS':>12}"
    print(f"{'':24}{'seconds':>9}{'of CPU':>9}{columns}")
    rows = {"pycocotools": "pycocotools", "ours, first start": "first", "ours, cached": "cached"}
    for title, key in rows.items():
        own = found[key]
        sizes = [own.get(f"worker_{name}") for name in ("uss", "gained", "pss")]
        uss, gained, pss = ("-" if size is None else f"{size / MIB:,.0f}" for size in sizes)
        peak = f"{own['peak'] / MIB:,.0f}"
        print(
            f"{title:24}{own['seconds']:>9.2f}{own['cpu']:>9.2f}{peak:>10}{uss:>12}{gained:>8}{pss:>12}"
        )
    theirs, ours = found["pycocotools"], found["cached"]
    ratios = {key: theirs[key] / ours[key] for key in ("seconds", "cpu", "worker_uss")}
    print(
        f"cached start {ratios['seconds']:.1f} times as fast (by CPU time {ratios['cpu']:.1f}), "
        f"worker USS {ratios['worker_uss']:.1f} times as small"
    )


def measure_annotations(*, images: int, objects: int, workers: int, folder: Path | None) -> None:
    """Print time and memory of both sides.

    Args:
        images: Number in the synthetic file.
        objects: Number in the synthetic file.
        workers: Number of forked readers.
        folder: Where to make the file (2 GB at the size of train2017); None for the usual place.
    """
    with tempfile.TemporaryDirectory(dir=folder) as made:
        report(compare(images, objects, workers, Path(made)))
