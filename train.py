"""Train, validate, test and predict: `python train.py fit --config FILE [--key value ...]`.

Without arguments it trains a small ConvNeXt on scikit-learn's handwritten digits.
"""

import sys
from pathlib import Path

from vision.cli.main import main

ROOT = Path(__file__).resolve().parent
QUICKSTART = ["fit", "--config", str(ROOT / "configs/classification/digits/convnext_linear.yaml")]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or QUICKSTART, root=ROOT))
