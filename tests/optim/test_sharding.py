"""Names of wrapped parameters; what FSDP does to weights is tested in tests/test_distributed.py."""

import torch
from helpers.tiny_task import tiny_task

from vision.optim.sharding import own_tensors, plain_name, sharded_model


def test_wrappers_leave_no_trace_in_names() -> None:
    name = "backbone._fsdp_wrapped_module.stages.0._checkpoint_wrapped_module.0.gamma"
    assert plain_name(name) == "backbone.stages.0.0.gamma"
    assert plain_name("head.fc.weight") == "head.fc.weight"


def test_whole_weights_are_the_state_dict() -> None:
    task = tiny_task()
    assert sharded_model(task) is None
    assert list(own_tensors(task)) == list(task.state_dict())
    own_tensors(task)["head.fc.bias"].fill_(3.0)
    assert torch.equal(task.head.fc.bias, torch.full((8,), 3.0))
