"""What pyproject.toml cannot say: `configs`, at the top of a clone, is part of the package."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["vision*"]), "vision.configs"],
    package_dir={"vision.configs": "configs"},
)
