"""Average precision of boxes in images, on the ground and in space by KITTI's rules."""
