"""From a fresh clone to the verdict: `make demo` under 6 minutes, `sartor demo` itself under 2, then a resume.

python benchmarks/fresh_clone.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _common import ROOT, arguments, finish


def timed(command: list[str], folder: Path) -> tuple[float, int, str]:
    """Seconds, exit code and output of a command."""
    begin = time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return time.monotonic() - begin, done.returncode, done.stdout + done.stderr


def main() -> int:
    """Run it."""
    arguments(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch) / "sartor"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        whole, code, said = timed(["make", "demo"], clone)
        print(said[-2000:])
        tool = str(clone / ".venv" / "bin" / "sartor")
        alone, code_alone, _ = timed([tool, "demo", "-o", "again"], clone)
        resumed, code_resumed, said_resumed = timed([tool, "demo", "-o", "again"], clone)
    result = {
        "make_demo_s": whole,
        "sartor_demo_s": alone,
        "second_demo_s": resumed,
        "exit_codes": [code, code_alone, code_resumed],
        "says_resumed": "Resumed" in said_resumed,
    }
    holds = whole < 360 and alone < 120 and result["exit_codes"] == [0, 0, 0] and "Resumed" in said_resumed
    return finish("fresh_clone", result, holds)


if __name__ == "__main__":
    sys.exit(main())
