"""Oriented boxes in space, and the frames that they stand in. PyTorch is not needed for them.

A box is seven numbers, `(x, y, z, length, height, width, yaw)`, in every frame:

- x, y, z: its centre in metres (not the middle of its bottom face);
- length, height, width: in metres along its own axes, which are forward, up and left;
- yaw: the angle in radians from the frame's direction `ahead` to the box's forward axis, about the
  vertical; a quarter turn leads to `turned`.

Boxes of several objects are `(N, 7)`. In a batch and in predictions they are in the frame `CAMERA`.
"""

from typing import NamedTuple

# Places of the numbers of a box.
CENTRE, SIZE, YAW = slice(0, 3), slice(3, 6), 6
LENGTH, HEIGHT, WIDTH = 3, 4, 5
# Number of the numbers.
BOX = 7

Axis = tuple[int, int, int]


class Frame(NamedTuple):
    """How boxes stand along the axes of a right-handed frame.

    Attributes:
        name: In messages.
        ahead: Where a box of yaw 0 looks.
        turned: Where a box of yaw pi / 2 looks.
        up: Away from the ground.
    """

    name: str
    ahead: Axis
    turned: Axis
    up: Axis


# Of KITTI's rectified cameras: x right, y down, z into the scene. Yaw is the label's `rotation_y`:
# clockwise seen from above, 0 for a box that looks to the right.
CAMERA = Frame("camera", ahead=(1, 0, 0), turned=(0, 0, -1), up=(0, -1, 0))
# Of a lidar, such as KITTI's: x forward, y left, z up. Yaw is counter-clockwise seen from above.
LIDAR = Frame("lidar", ahead=(1, 0, 0), turned=(0, 1, 0), up=(0, 0, 1))
# Of nuScenes' map and vehicle: z up. Yaw is counter-clockwise seen from above, as in its devkit.
# Its lidar has x right and y forward, which is no other case: yaw begins at x.
NUSCENES = Frame("nuScenes", ahead=(1, 0, 0), turned=(0, 1, 0), up=(0, 0, 1))
