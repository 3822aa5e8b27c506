"""What every declared step offers.

Letters used for shapes in this room: n rows, c channels, h height, w width, f features, k outputs, t tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

if TYPE_CHECKING:
    from sartor.steps.prepared import Prepared

Array = NDArray[Any]


class Step(Protocol):
    """One pre-processing step: a frozen value that a bundle carries as JSON."""

    def apply(self, batch: Array) -> Array | Prepared:
        """A batch (n, ...) in, a batch (n, ...) out; only `tokenise`, which makes several arrays, gives Prepared.

        Raises:
            InputError: the batch has a shape that the step cannot work on.
        """

    def as_dict(self) -> dict[str, Any]:
        """The form of the Need, such as `{"resize": [224, 224]}`; `read_steps` is the inverse."""
