"""Where cells lie, and a layer of the encoder; the authors' are in `test_parity_heads.py`."""

import torch

from vision.layers.deformable_encoder import DeformableEncoderLayer, cell_centres

SIZES = [(4, 6), (2, 3)]


def test_cells_lie_at_the_same_share_of_the_valid_image_in_all_maps() -> None:
    """An image that fills 3 of 4 rows and 4 of 6 columns, and 2 of 2 and 2 of 3 of the second."""
    ratios = torch.tensor([[[4 / 6, 3 / 4], [2 / 3, 1.0]], [[1.0, 1.0], [1.0, 1.0]]])
    places = cell_centres(SIZES, torch.device("cpu"), ratios)
    assert places.shape == (2, 30, 2, 2)
    # Row 1, column 3 of the first map: 3.5 of 4 columns, 1.5 of 3 rows.
    x, y = 3.5 / 4, 1.5 / 3
    expected = torch.tensor([[x * 4 / 6, y * 3 / 4], [x * 2 / 3, y]])
    torch.testing.assert_close(places[0, 9], expected)
    # Row 1, column 0 of the second map: half of 2 columns, 1.5 of 2 rows.
    expected = torch.tensor([[1 / 4 * 4 / 6, 3 / 4 * 3 / 4], [1 / 4 * 2 / 3, 3 / 4]])
    torch.testing.assert_close(places[0, 27], expected)
    # All of the other image is valid.
    whole = cell_centres(SIZES, torch.device("cpu"))
    assert whole.shape == (1, 30, 2, 2)
    torch.testing.assert_close(places[1:], whole)
    assert whole.min() > 0
    assert whole.max() < 1


@torch.no_grad()
def test_no_cell_reads_padding() -> None:
    torch.manual_seed(0)
    layer = DeformableEncoderLayer(
        8, num_levels=2, num_heads=2, num_points=2, hidden_dim=12, dropout=0.0
    )
    x, positions = torch.randn(2, 30, 8), torch.randn(30, 8)
    references = cell_centres(SIZES, x.device)
    padding = torch.zeros(2, 30, dtype=torch.bool)
    torch.testing.assert_close(
        layer(x, positions, references, SIZES, padding), layer(x, positions, references, SIZES)
    )
    padding[:, 20:26] = True
    before = layer(x, positions, references, SIZES, padding)
    x[padding] = torch.randn(12, 8)
    after = layer(x, positions, references, SIZES, padding)
    torch.testing.assert_close(after[~padding], before[~padding])
    assert not torch.allclose(after[padding], before[padding], atol=1e-2)
