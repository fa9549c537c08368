import numpy as np
from scipy.spatial.transform import Rotation

from vision.ops.quaternions import quaternion_yaw, rigid_transforms, rotation_matrices


def test_matrices_are_those_of_scipy_for_any_length() -> None:
    rng = np.random.default_rng(0)
    quaternions, shifts = rng.normal(size=(5, 7, 4)), rng.normal(size=(5, 7, 3))
    expected = Rotation.from_quat(quaternions[..., [1, 2, 3, 0]].reshape(-1, 4)).as_matrix()
    expected = expected.reshape(5, 7, 3, 3)
    np.testing.assert_allclose(rotation_matrices(3 * quaternions), expected, atol=1e-14)
    moved = rigid_transforms(quaternions, shifts) @ np.array([1.0, 2, 3, 1])
    np.testing.assert_allclose(moved[..., :3], expected @ [1.0, 2, 3] + shifts, atol=1e-13)
    assert (moved[..., 3] == 1).all()


def test_yaw_is_that_of_a_turn_about_the_vertical() -> None:
    yaw = np.linspace(-3, 3, 13)
    upright = np.stack([np.cos(yaw / 2), 0 * yaw, 0 * yaw, np.sin(yaw / 2)], axis=-1)
    np.testing.assert_allclose(quaternion_yaw(-upright), yaw, atol=1e-14)
