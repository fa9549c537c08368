"""Commands of `vision benchmark` that measure networks of volumes, points and pillars."""

from vision.benchmarks.pillars import Settings as PillarSettings
from vision.benchmarks.pillars import measure_pillars
from vision.benchmarks.points import Settings as PointSettings
from vision.benchmarks.points import measure_points
from vision.benchmarks.volumes import Settings as VolumeSettings
from vision.benchmarks.volumes import measure_volumes
from vision.cli.arguments import whole
from vision.cli.benchmarks.options import Add, add_computing


def add_scenes(add: Add) -> None:
    """The commands `volumes`, `points` and `pillars`."""
    parser = add(
        "volumes",
        lambda **options: measure_volumes(VolumeSettings(**options)),
        help="Swin UNETR against MONAI's",
    )
    parser.add_argument("--feature-size", type=whole(), default=48)
    parser.add_argument("--sizes", nargs="+", type=whole(32), default=[96], help="sides, in cells")
    parser.add_argument("--batch", type=whole(), default=1)
    add_computing(parser)
    parser = add(
        "points",
        lambda **options: measure_points(PointSettings(**options)),
        help="Swin3D on a room of points, and two forms of its attention",
    )
    parser.add_argument("--names", nargs="+", default=["swin3d_small", "swin3d_large"])
    parser.add_argument("--voxels", type=whole(100), default=20_000, help="of the room")
    parser.add_argument(
        "--attention", type=whole(0), default=10_000, help="voxels to compare the attention; or 0"
    )
    add_computing(parser)
    parser = add(
        "pillars",
        lambda **options: measure_pillars(PillarSettings(**options)),
        help="FlatFormer's encoder over more and more pillars",
    )
    parser.add_argument("--pillars", nargs="+", type=whole(), default=[20_000, 40_000, 80_000])
    add_computing(parser)
