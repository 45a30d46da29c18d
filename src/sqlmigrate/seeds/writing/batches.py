"""Cut rows into batches of the same columns, each for one statement."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

K = TypeVar("K")

# One statement for so many rows: a round trip is then nothing beside the work, and memory stays small.
_ROWS = 1000
_CHARACTERS = 4_000_000
_encode = json.JSONEncoder(ensure_ascii=False).encode


def batches(rows: Mapping[K, Mapping[str, Any]]) -> Iterator[tuple[tuple[str, ...], dict[K, str]]]:
    """Yield the columns of each batch, and its rows as JSON; none has too many rows nor is too large."""
    texts = {key: (tuple(row), _encode(row)) for key, row in rows.items()}
    by_columns = sorted(texts, key=lambda key: texts[key][0])
    for columns, same in groupby(by_columns, key=lambda key: texts[key][0]):
        batch: dict[K, str] = {}
        size = 0
        for key in same:
            text = texts[key][1]
            if batch and (len(batch) >= _ROWS or size + len(text) > _CHARACTERS):
                yield columns, batch
                batch, size = {}, 0
            batch[key] = text
            size += len(text)
        yield columns, batch


def array(texts: Mapping[K, str]) -> str:
    """Return rows of a batch as one JSON array."""
    return f"[{','.join(texts.values())}]"
