"""No dependency reports home from Sartor's processes."""

from __future__ import annotations

import sys
from typing import Any, cast


def silence_openvino_telemetry() -> None:
    """Make `openvino_telemetry` impossible to import in this process; call before openvino or nncf.

    Both send events to Google Analytics on import and on use unless a consent file in the home folder says
    no. Both fall back to a stub when the package is missing, which needs neither a file in the user's home
    nor an environment variable that children inherit.
    """
    # A None entry is how Python itself spells "this module cannot be imported".
    cast(dict[str, Any], sys.modules)["openvino_telemetry"] = None
