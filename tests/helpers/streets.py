"""A street by hand: level, straight ahead, with two houses and a gap on each side."""

from dataclasses import replace

import numpy as np

from vision.data.synthetic.street_camera import Rig
from vision.data.synthetic.street_materials import COLORS
from vision.data.synthetic.street_world import Houses, Street, Thing

RIG = Rig(
    height=48,
    width=160,
    focal_px=100.0,
    center_px=(80.0, 24.0),
    pitch_rad=0.0,
    elevation_m=1.6,
    lidar_turn_rad=0.0,
)
HOUSES = Houses(
    distance=6.0,
    ends=np.array([10.0, 20.0, 30.0]),
    begin=0.0,
    heights=np.array([5.0, 0.0, 8.0]),
    colors=np.zeros((3, 3), np.float32),
)


def make_thing(
    x: float, z: float, yaw: float, kind: str = "Car", size: tuple[float, ...] = (4.0, 1.5, 1.6)
) -> Thing:
    return Thing(
        kind=kind, size=np.array(size), bottom=np.array([x, 1.6, z]), yaw=yaw, palette=COLORS
    )


def make_street(*things: Thing) -> Street:
    return Street(
        rig=RIG,
        heading_rad=0.0,
        offset_m=2.0,
        half_road_m=4.0,
        pavement_m=1.0,
        houses=(replace(HOUSES, distance=-6.0), HOUSES),
        things=things,
        light=np.array([0.0, -1.0, 0.0]),
    )
