"""A search over compressions against trying every one: a quarter of the time for a choice as good?

Two of the networks of `search_by_prediction.py`, each with at most 60 candidates. To reach: within 3% or the machine's
resolution of what the exhaustive search chose, in at most 25% of its time. What counts as time, and how an interrupted
run goes on, stands there.

    python benchmarks/compress/search.py [--folder OUT]

Needs a calibration: `sartor probe --calibrate` on a quiet machine.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from _common import arguments
from search_by_prediction import run

MODELS = ("pvt-v2-b0", "lstm-keywords")
SHARE = 0.25


if __name__ == "__main__":
    sys.exit(run("compress_search", MODELS, SHARE, arguments(__doc__).parse_args().folder))
