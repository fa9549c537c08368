"""A DataLoader whose workers start unharmed by a Ctrl-C."""

from typing import Any

from torch.utils.data import DataLoader

from vision.workers import end_workers_at_exit, hold_signals


class Loader(DataLoader[Any]):
    """A DataLoader whose workers inherit signals held back until they ignore them.

    The terminal sends Ctrl-C to all processes. A worker that is still starting would die of it, and
    the training could not end its step. Workers that are left after an error do not hold up the end
    of the process. Takes the arguments of `torch.utils.data.DataLoader`;
    `worker_init_fn` has to be `vision.workers.start_worker`.
    """

    def __iter__(self) -> Any:
        if self.num_workers == 0:
            return super().__iter__()
        end_workers_at_exit()
        with hold_signals():
            return super().__iter__()
