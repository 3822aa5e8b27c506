"""Every error that Sartor raises on purpose.

    SartorError                     exit code 1 unless a subclass says otherwise
    ├── InputError                  exit code 2: what the user gave cannot be used
    │   ├── NeedError               the Need (carries the line of the file)
    │   │   └── UnprovableError     a limit that the confirm split is too small to prove
    │   ├── DataError               the data: missing, empty, NaN, wrong shape, one class only
    │   ├── ModelError              the model: missing, invalid, wrong signature
    │   ├── BundleError             a folder that is no bundle, or whose files changed
    │   ├── OutputError             the output folder: foreign, not writable, disk full
    │   ├── MissingExtraError       an optional dependency with its install command
    │   ├── TooLargeError           a request to the endpoint that is larger than it takes
    │   └── UserCodeError           the user's own callable raised: its traceback, not ours
    └── CandidateError              one candidate failed; a failed trial, never the end of the run

Not an error: a limit that is not met, or that nothing can meet. Those are a `Verdict`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SartorError(Exception):
    """Base of all errors that Sartor raises on purpose."""

    exit_code = 1


class InputError(SartorError):
    """What the user gave cannot be used.

    Args:
        came: what was given, as the user would recognise it.
        allowed: what would have been accepted.
        hint: the next thing to do.
    """

    exit_code = 2
    kind = "input"

    def __init__(self, came: str, allowed: str, hint: str = "") -> None:
        super().__init__(came)
        self.came = came
        self.allowed = allowed
        self.hint = hint

    def __str__(self) -> str:
        parts = [self.came, f"allowed: {self.allowed}"]
        if self.hint:
            parts.append(f"hint: {self.hint}")
        return "\n  ".join(parts)

    def as_dict(self) -> dict[str, str]:
        """The object that `--json` prints on exit code 2."""
        return {"kind": self.kind, "came": self.came, "allowed": self.allowed, "hint": self.hint}


class NeedError(InputError):
    """The Need is wrong: unknown key, contradictory limits, a value out of range.

    Args:
        location: the path of keys to the mistake, from which a reader of files finds the line.
    """

    kind = "need"

    def __init__(self, came: str, allowed: str, hint: str = "", location: tuple[str | int, ...] = ()) -> None:
        super().__init__(came, allowed, hint)
        self.location = location


class UnprovableError(NeedError):
    """A limit that no result on the confirm split could prove; the hint names the rows needed."""

    kind = "unprovable"


class DataError(InputError):
    """The data cannot be used."""

    kind = "data"


class ModelError(InputError):
    """The model cannot be used."""

    kind = "model"


class BundleError(InputError):
    """The folder is no bundle, its files changed, or it was not proved on this kind of machine."""

    kind = "bundle"


class OutputError(InputError):
    """The output folder cannot be used."""

    kind = "output"


class MissingExtraError(InputError):
    """An optional dependency is missing."""

    kind = "missing-extra"

    def __init__(self, package: str, needed_for: str, install: str) -> None:
        super().__init__(f"{needed_for} needs {package}, which is not installed", package, f"run: {install}")


class TooLargeError(InputError):
    """A request to the endpoint is larger than it takes."""

    kind = "too-large"

    def __init__(self, limit: int) -> None:
        super().__init__("the body is too large", f"at most {limit} bytes", "send fewer rows, or raise --max-body")


class UserCodeError(InputError):
    """The user's callable raised. `trace` holds the frames of the user's code only."""

    kind = "user-code"

    def __init__(self, target: str, trace: str) -> None:
        super().__init__(f"{target} raised\n{trace.rstrip()}", "a callable that returns", f"mend {target}")
        self.trace = trace


class CandidateError(SartorError):
    """One candidate could not be built or run.

    Args:
        reason: one of `crash`, `hang`, `memory`, `wrong-output`, `unsupported`, `failed`.
        detail: what happened, in one sentence.
        candidate: name of the candidate, where the one who raises knows it.
    """

    def __init__(self, reason: str, detail: str, candidate: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.candidate = candidate


def nearest(word: str, allowed: Iterable[str]) -> str:
    """A hint that names the closest allowed word, or the empty string.

    >>> nearest("acuracy", ["accuracy", "size"])
    'did you mean `accuracy`?'
    """
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.5)
    return f"did you mean `{close[0]}`?" if close else ""
