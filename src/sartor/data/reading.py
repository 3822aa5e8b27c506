"""What a reader of sources is asked: which columns or arrays, for which task, in which size or rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sartor.need import DataSpec
    from sartor.steps.images import DecodeImage

TEXT_NAMES = (
    *("text", "texts", "sentence", "sentences", "review", "content", "comment", "document"),
    *("message", "utterance", "question", "tweet", "body", "headline", "title"),
)
"""What a column or array of texts is usually called, in this order."""


@dataclass(frozen=True)
class Reading:
    """How rows are to be read.

    Attributes:
        task: the Need's task.
        names: columns or arrays of the inputs; empty when the Need names none.
        fields: model input -> column or array, when the model takes several inputs.
        label: column or array of the labels, if named.
        group: column or array of the groups, if named.
        labelled: whether labels are wanted.
        framing: how image files are brought to one size; its mode does not count.
        image_mode: `RGB` or `L`; None for what the files are.
        audio_rate: samples a second that sound is brought to.
    """

    task: str
    names: tuple[str, ...] = ()
    fields: Mapping[str, str] | None = None
    label: str | None = None
    group: str | None = None
    labelled: bool = True
    framing: DecodeImage | None = None
    image_mode: str | None = None
    audio_rate: int | None = None

    @property
    def takes_text(self) -> bool:
        """Whether rows of this task may be texts."""
        return self.task in ("text-classification", "feature-extraction")

    @property
    def takes_sound(self) -> bool:
        """Whether rows of this task may be clips of sound."""
        return self.task in ("audio-classification", "feature-extraction")


def reading_of(
    spec: DataSpec,
    task: str,
    labelled: bool,
    framing: DecodeImage | None,
    image_mode: str | None,
    audio_rate: int | None,
) -> Reading:
    """The part `data:` of a Need and what its model and steps ask for, as one value."""
    given = spec.input
    names = (given,) if isinstance(given, str) else tuple(given or ())
    fields = given if isinstance(given, Mapping) else None
    return Reading(
        task=task,
        names=tuple(fields.values()) if fields else names,
        fields=fields,
        label=spec.label,
        group=spec.group,
        # The features of a row are judged by agreement: labels beside them would mean nothing.
        labelled=labelled and task != "feature-extraction",
        framing=framing,
        image_mode=image_mode,
        audio_rate=audio_rate,
    )
