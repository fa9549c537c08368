"""A logger with a folder by default, as those of W&B and MLflow have."""

from pathlib import Path

from lightning.pytorch.loggers import CSVLogger


class Remote(CSVLogger):
    """Notes that it has logged in a file below `save_dir`."""

    def __init__(self, save_dir: str = "./remote", name: str = "logs") -> None:
        super().__init__(save_dir, name=name)
        self.folder = Path(save_dir)
