import torch

from vision.data.loading.collate_dense import collate_dense


def sample(height: int, width: int, **more: object) -> dict:
    return {
        "image": torch.full((3, height, width), 7, dtype=torch.uint8),
        "original_size": torch.tensor([height, width]),
        "path": f"{height}.png",
        **more,
    }


def test_maps_and_images_are_padded_apart() -> None:
    batch = collate_dense(
        [
            sample(4, 6, depth=torch.ones(8, 9), camera=torch.arange(4.0)),
            sample(5, 3, depth=torch.ones(2, 12), camera=torch.ones(4)),
        ]
    )
    assert batch["image"].shape == (2, 3, 5, 6)
    assert batch["depth"].shape == (2, 8, 12)
    assert batch["depth"].dtype == torch.float32
    assert batch["depth"].sum(dim=(1, 2)).tolist() == [72, 24]
    assert batch["depth"][1, :2].all()
    assert batch["size"].tolist() == [[4, 6], [5, 3]]
    assert batch["camera"].shape == (2, 4)
    assert batch["path"] == ["4.png", "5.png"]


def test_normals_on_a_canvas_with_a_camera_for_some() -> None:
    first = sample(4, 6, normals=torch.ones(3, 4, 6), canvas=(10, 8), camera=torch.ones(4))
    batch = collate_dense([first, sample(9, 7, normals=torch.ones(3, 9, 7), canvas=(10, 8))])
    assert batch["image"].shape == (2, 3, 10, 8)
    assert batch["normals"].shape == (2, 3, 10, 8)
    assert not batch["normals"][0, :, 4:].any()
    assert "camera" not in batch
    assert "depth" not in batch
    assert "depth" not in collate_dense([sample(2, 2)])
