"""The operators of mmcv that mmsegmentation needs, without its compiled package."""
