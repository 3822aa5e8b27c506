"""What the endpoint costs: a call by Triton's HTTP client against the bare call of the same model, batch 1.

Server and bare session are launched anew for each pair, and rounds of calls alternate between them, so that what
the machine does to one it does to the other. The overhead of a launch is the difference of the two medians.

    python benchmarks/serve_overhead.py [--folder OUT] [--bundle BUNDLE] [--launches 7]
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import tritonclient.http as triton
from numpy.typing import NDArray

from _common import arguments, finish
from sartor import Bundle, Need, fit
from sartor.measure.quantiles import mean_bounds_of_launches
from sartor.plan.candidates import Candidate
from sartor.runtime import open_runtime
from sartor.runtime.base import Array
from sartor.serve.datatypes import datatype_of

LIMIT_S = 1e-3
ALPHA = 0.05
ROUNDS, CALLS, WARM = 20, 50, 200
LENGTH = 32
"""Size of every free dimension but the rows."""
NEED = Need(
    task="image-classification",
    model="zoo:cnn",
    data="digits",
    require={"accuracy": ">= 0.9"},
    train={"time": "10 s"},
    budget={"time": "60 s"},
)


@contextlib.contextmanager
def serving(bundle: Path) -> Iterator[str]:
    """A server in a process of its own; gives its host and port."""
    command = [sys.executable, "-m", "sartor", "serve", str(bundle), "--port", "0", "--name", "net", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"].removeprefix("http://")
        finally:
            process.terminate()


def inputs_of(bundle: Bundle) -> dict[str, Array]:
    """One row of ones for each input."""
    shapes = {
        spec.name: [n if isinstance(n, int) else LENGTH for n in spec.shape[1:]] for spec in bundle.signature.inputs
    }
    return {spec.name: np.ones((1, *shapes[spec.name]), spec.dtype) for spec in bundle.signature.inputs}


def bare_call(folder: Path, inputs: dict[str, Array]) -> Callable[[], object]:
    """The runtime's own call, in a fresh session."""
    bundle = Bundle.load(folder)
    entry = bundle.manifest.variants[bundle.variant]
    candidate = Candidate.from_dict(entry.candidate)
    session = open_runtime(candidate.runtime).load(folder / entry.files[0], candidate.settings)
    return lambda: session.run(inputs)


def served_call(client: triton.InferenceServerClient, inputs: dict[str, Array]) -> Callable[[], object]:
    """The same through the endpoint: the request is written and the response is read, as a user would."""

    def call() -> object:
        tensors = []
        for name, array in inputs.items():
            tensor = triton.InferInput(name, list(array.shape), datatype_of(array.dtype.name))
            tensors.append(tensor.set_data_from_numpy(array))
        result = client.infer("net", tensors)
        return [result.as_numpy(output["name"]) for output in result.get_response()["outputs"]]

    return call


def timed(call: Callable[[], object], calls: int) -> NDArray[np.float64]:
    """Seconds of each of so many calls."""
    seconds = np.empty(calls)
    for number in range(calls):
        begin = time.perf_counter()
        call()
        seconds[number] = time.perf_counter() - begin
    return seconds


def one_launch(folder: Path, inputs: dict[str, Array]) -> tuple[float, float]:
    """Median seconds of a served and of a bare call, rounds of both in turn."""
    with serving(folder) as address, triton.InferenceServerClient(address) as client:
        both = served_call(client, inputs), bare_call(folder, inputs)
        for call in both:
            timed(call, WARM)
        rounds = [[timed(call, CALLS) for call in both] for _ in range(ROUNDS)]
    served, bare = (np.concatenate([pair[which] for pair in rounds]) for which in (0, 1))
    return float(np.median(served)), float(np.median(bare))


def main() -> int:
    """Run it."""
    parser = arguments(__doc__)
    parser.add_argument("--bundle", type=Path, help="serve this one instead of fitting a small network")
    parser.add_argument("--launches", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.bundle or (options.folder or Path(scratch)) / "bundle"
        if options.bundle is None:
            fit(NEED, folder)
        inputs = inputs_of(Bundle.load(folder))
        launches = [one_launch(folder, inputs) for _ in range(options.launches)]
    overhead = mean_bounds_of_launches([served - bare for served, bare in launches], ALPHA)
    parser_name = "httptools" if find_spec("httptools") else "h11"
    for served, bare in launches:
        print(f"served {1e6 * served:6.0f} us   bare {1e6 * bare:6.0f} us   overhead {1e6 * (served - bare):6.0f} us")
    print(
        f"overhead, p50: {1e6 * overhead.value:.0f} us [{1e6 * overhead.low:.0f}, {1e6 * overhead.high:.0f}] "
        f"over {len(launches)} launches, {parser_name}; limit {1e6 * LIMIT_S:.0f} us"
    )
    result = {
        "overhead_p50_s": {"value": overhead.value, "low": overhead.low, "high": overhead.high},
        "launches": [{"served_s": served, "bare_s": bare} for served, bare in launches],
        "input_bytes": sum(array.nbytes for array in inputs.values()),
        "http_parser": parser_name,
        "uvicorn": version("uvicorn"),
        "tritonclient": version("tritonclient"),
    }
    return finish("serve_overhead", result, overhead.high <= LIMIT_S)


if __name__ == "__main__":
    sys.exit(main())
