"""What a model has after weights of other names were loaded into it."""

from torch import nn

from vision.weights.load import LoadReport


def check_all_loaded(found: nn.Module, source: nn.Module, report: LoadReport) -> None:
    """See that a model has every tensor of its source but for counts of batches.

    Args:
        found: The model.
        source: The one whose weights were written under other names.
        report: Of the loading.
    """
    assert not report.unexpected + report.reinitialised
    assert all(name.endswith("num_batches_tracked") for name in report.missing)
    ours, theirs = source.state_dict(), found.state_dict()
    for name in report.loaded:
        assert ours[name].equal(theirs[name]), name
    assert len(report.loaded) + len(report.missing) == len(theirs)
