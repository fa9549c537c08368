"""Run several commands of tools/evaluate.py, one after the other: to be started by torchrun."""

import json
import runpy
import sys
from pathlib import Path

TOOLS = Path(__file__).parents[2] / "tools"

if __name__ == "__main__":
    sys.path.insert(0, str(TOOLS))
    main = runpy.run_path(str(TOOLS / "evaluate.py"), run_name="evaluate")["main"]
    for command in json.loads(Path(sys.argv[1]).read_text()):
        if code := main(command):
            sys.exit(code)
