"""Private names of other packages: each use is listed here, with what it needs to go on."""

import ast
import inspect
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from torch import nn

PACKAGE = Path(__file__).parents[1] / "vision"
# Of named tuples these are public.
TUPLES = {"_asdict", "_fields", "_replace"}
# Private names that a file reads from what is not itself, or imports.
USED = {
    # FSDP cannot be asked publicly to drop what it has gathered, nor a module for the buffers that
    # its state dict leaves out.
    "optim/sharding.py": {"_non_persistent_buffers_set", "_handle", "_runtime_utils", "_reshard"},
    # argparse lists its options nowhere else.
    "cli/dataset_options.py": {"_actions"},
    # The same, and os._exit, which Python documents.
    "cli/completion.py": {"_actions", "_exit"},
    # jsonargparse has no public way to the type of an option.
    "cli/parser.py": {"_actions", "_typehint"},
    # PyTorch's options of compiling have no public name.
    "benchmarks/engines.py": {"_inductor"},
    # Nor have its errors of compiling.
    "benchmarks/heads.py": {"_dynamo"},
    # Fake tensors, modes of dispatch and the identity of a storage.
    "benchmarks/kept.py": {"_subclasses", "_python_dispatch", "_pytree", "_cdata"},
    "benchmarks/operators.py": {"_python_dispatch"},
    "benchmarks/simulated_device.py": {
        *("_python_dispatch", "_pytree", "_make_wrapper_subclass", "_local_scalar_dense"),
        *("_unique2", "_to_copy", "_index_put_impl_"),
    },
    "benchmarks/waits.py": {"_pytree"},
    "benchmarks/collectives.py": {"_python_dispatch", "_pytree"},
    "layers/lean.py": {"_cdata"},
    # What a pickle of an array names.
    "interop/mmseg.py": {"_reconstruct"},
    # The heads of mmsegmentation are built and initialised by these.
    "heads/segmentation/mmseg.py": {"_seg_data_to_instance_data", "_params_init_info"},
}


def private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in TUPLES


def private_names(tree: ast.AST) -> Iterator[str]:
    """Private attributes of anything but `self` and `cls`, and private parts of imported names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and private(node.attr):
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                yield node.attr
        elif isinstance(node, ast.ImportFrom):
            parts = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            yield from filter(private, parts)
        elif isinstance(node, ast.Import):
            yield from (part for one in node.names for part in one.name.split(".") if private(part))


def own_names(tree: ast.AST) -> Iterator[str]:
    """Private names of a file's own: functions, and attributes that `self` is given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and private(node.name):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            is_own = isinstance(node.value, ast.Name) and node.value.id == "self"
            yield from [node.attr] if is_own else []


def test_private_names_are_used_only_where_nothing_public_does() -> None:
    trees = {path: ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}
    ours = {name for tree in trees.values() for name in own_names(tree)}
    found: dict[str, set[str]] = defaultdict(set)
    for path, tree in trees.items():
        if names := {*private_names(tree)} - ours:
            found[path.relative_to(PACKAGE).as_posix()] = names
    assert dict(found) == USED


def test_what_is_used_and_overridden_is_still_there() -> None:
    from lightning.pytorch.cli import LightningCLI
    from lightning.pytorch.strategies import ModelParallelStrategy
    from torch.distributed.fsdp import _runtime_utils

    assert {"_run_subcommand", "_parse_ckpt_path"} <= {*vars(LightningCLI)}
    # tests/test_distributed.py runs these.
    assert [*inspect.signature(_runtime_utils._reshard).parameters][:2] == ["state", "handle"]
    # FullyShard gives these their values.
    sizes = {"_data_parallel_size", "_tensor_parallel_size"}
    assert sizes <= {*vars(ModelParallelStrategy())}
    module = nn.Module()
    module.register_buffer("kept", None)
    module.register_buffer("left_out", None, persistent=False)
    assert module._non_persistent_buffers_set == {"left_out"}


def test_a_private_name_is_found() -> None:
    source = "from a._b import c\nimport d._e\nself._own\nx._other\nrow._asdict()\nsuper()._base()"
    assert sorted(private_names(ast.parse(source))) == ["_b", "_base", "_e", "_other"]
