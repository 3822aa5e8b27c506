"""Makes the peer's runtime known to the workers that time it: their PYTHONPATH holds this folder."""

import inductor_runtime

inductor_runtime.register()
