"""`sartor schema`: the JSON Schema of a Need."""

from __future__ import annotations

import json


def schema() -> int:
    """Print the JSON Schema of a Need, for editors that complete and check YAML.

    Example:

      sartor schema > need.schema.json
    """
    from sartor.need import need_schema

    print(json.dumps(need_schema(), indent=2))
    return 0
