"""What the datamodules of a dataset's pairs have in common: there are no files."""

from typing import NoReturn

from vision.data.base.datamodule import DataModule
from vision.data.base.splits import Split
from vision.errors import DataError


class PairData(DataModule):
    """A datamodule of pairs; a subclass names it before the base of its task, which reads files."""

    # Of the datasets that are set up, not of files.
    samples_to_check = DataModule.samples_to_check
    image_sources = DataModule.image_sources
    summary = DataModule.summary

    def read_index(self, split: Split) -> NoReturn:
        """Not possible: the pairs are no files.

        Raises:
            DataError: Always.
        """
        raise DataError(f"the pairs of '{split}' are in a dataset, not in files.")
