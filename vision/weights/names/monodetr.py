"""MonoDETR's layers as the authors' PyTorch code names them.

https://github.com/ZrrSkywalker/MonoDETR. Shapes are the same as ours, so that only names change.
"""

from vision.weights.names.table import Row

ATTENTION: list[Row] = [
    ("sampling_offsets.", "offsets."),
    ("attention_weights.", "weights."),
    ("value_proj.", "value."),
    ("output_proj.", "output."),
]
