"""What the makers of the thirty models share: where things are, seeds, sentences, tokens and pictures."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _pictures import first_pictures

SEED = 0
PER_CLASS = 120  # pictures of each class in the small set
VOCABULARY = 4000
CENTRED = 64  # rows that a random head is centred on
SPREAD = 0.1  # of random weights; with the usual 0.02 every row would be of the same class


@dataclass(frozen=True)
class Places:
    """Where things are: `folder` for what is made, `data` with the sets that are only referred to."""

    folder: Path
    data: Path


def once(path: Path, make: Callable[[Path], None]) -> Path:
    """A file or folder, made if it is not there; it appears when it is whole."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"draft-{path.name}")
        shutil.rmtree(draft, ignore_errors=True)
        make(draft)
        draft.rename(path)
    return path


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        yield


def write_tokenizer(file: Path, places: Places) -> None:
    """Learnt from the sentences of SST-2."""
    from sartor.model.zoo.vocabulary import train_tokenizer

    train_tokenizer(sentences(places), file, VOCABULARY)


def sentences(places: Places) -> list[str]:
    lines = (places.data / "sst2" / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [line.partition("\t")[0] for line in lines]


def tokens(file: Path, places: Places) -> dict[str, Any]:
    import torch
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(sentences(places)[:CENTRED])
    return {
        "input_ids": torch.tensor([each.ids for each in encoded]),
        "attention_mask": torch.tensor([each.attention_mask for each in encoded]),
    }


def centre(network: Any, *rows: Any, **named: Any) -> None:
    """Settle batch norms on the rows, and shift the last bias so that every class is as likely as the others.

    Random weights would otherwise give all rows one class, and agreement would say nothing.
    """
    import torch

    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the statistics become those of the rows
    if norms:
        with torch.no_grad():
            network.train()(*rows, **named)
    network.eval()
    head = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)][-1]
    with torch.no_grad():
        found = network(*rows, **named)
        head.bias.sub_(getattr(found, "logits", found).mean(0))


def waken(network: Any) -> None:
    """Biases of norms and scales of layers as training would leave them: not all ones and zeros."""
    import torch

    with torch.no_grad():
        for name, values in network.named_parameters():
            if name.endswith(("norm.bias", "normalization.bias")):
                values.normal_(0, SPREAD)
            elif name.endswith("layer_scale_parameter"):
                values.uniform_(0.5, 1.5)
            elif "classifier" in name and name.endswith("weight"):
                values.normal_(0, SPREAD)


def pictures(places: Places) -> Path:
    """The small set of pictures: the first of each class of CIFAR-10."""
    archive = places.data / "cifar10_subset.tar"

    def write(path: Path) -> None:
        inputs, labels = first_pictures(archive, PER_CLASS)
        save(path, inputs=inputs, labels=labels)

    return once(places.folder / "data" / "pictures.npz", write)


def save(path: Path, **arrays: Any) -> None:
    with path.open("wb") as file:  # given a name, numpy would add a suffix to it
        np.savez(file, **arrays)
