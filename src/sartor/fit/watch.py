"""What the search tells whoever watches it. The terminal implements it; a silent one is the default."""

from __future__ import annotations

from typing import Any, Protocol


class Watch(Protocol):
    """Receives what happens, in order. Calls are cheap and never fail."""

    def phase(self, title: str, steps: int | None = None) -> None:
        """A new phase begins; `steps` is how many `tried` calls it will make, when known."""

    def tried(self, what: str, outcome: str) -> None:
        """One step of the phase is done."""

    def training(self, model: str, progress: dict[str, Any]) -> None:
        """Training goes on: epoch, epochs, loss, validation, seconds_left."""

    def best(self, text: str) -> None:
        """A new best so far."""

    def note(self, text: str) -> None:
        """Something the user should know."""


class Silent:
    """Watches nothing."""

    def phase(self, title: str, steps: int | None = None) -> None:
        """Ignored."""

    def tried(self, what: str, outcome: str) -> None:
        """Ignored."""

    def training(self, model: str, progress: dict[str, Any]) -> None:
        """Ignored."""

    def best(self, text: str) -> None:
        """Ignored."""

    def note(self, text: str) -> None:
        """Ignored."""
