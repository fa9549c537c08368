"""The parts of images whose depth counts in published evaluations.

"Depth Map Prediction from a Single Image using a Multi-Scale Deep Network", Eigen, Puhrsch and
Fergus, 2014, arXiv 1406.2283, has one; "Unsupervised CNN for Single View Depth Estimation", Garg et
al., 2016, arXiv 1603.04992, another.
"""

from vision.errors import DataError

# Of images of NYUv2, rows and columns; of KITTI's, shares of height and width.
NYU_SIZE, NYU_EIGEN = (480, 640), ((45, 471), (41, 601))
KITTI_CROPS = {
    "eigen": ((0.3324324, 0.91351351), (0.0359477, 0.96405229)),
    "garg": ((0.40810811, 0.99189189), (0.03594771, 0.96405229)),
}
KB_SIZE = (352, 1216)


def crop_window(crop: str, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns that count.

    Args:
        crop: `"eigen"` is the crop of NYUv2 for images of 480 x 640 and else that of KITTI;
            `"garg"` is for KITTI; `"kb"` is 352 x 1216 at the bottom, in the middle; or `"none"`.
        height: H.
        width: W.

    Raises:
        DataError: The image is smaller than 352 x 1216, for `"kb"`.
    """
    if crop == "none":
        return slice(0, height), slice(0, width)
    if crop == "eigen" and (height, width) == NYU_SIZE:
        rows, columns = NYU_EIGEN
        return slice(*rows), slice(*columns)
    if crop == "kb":
        top, left = height - KB_SIZE[0], (width - KB_SIZE[1]) // 2
        if top < 0 or width < KB_SIZE[1]:
            raise DataError(
                f"an image of {height} x {width} pixels is smaller than the crop 'kb', 352 x 1216."
                " Use another crop, or 'none'."
            )
        return slice(top, height), slice(left, left + KB_SIZE[1])
    rows_of, columns_of = KITTI_CROPS[crop]
    return (
        slice(*(int(share * height) for share in rows_of)),
        slice(*(int(share * width) for share in columns_of)),
    )
