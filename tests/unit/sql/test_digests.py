"""The digests of a script are the same ones, read at once or part by part."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from sqlmigrate.sql.digests import BOM, Meter, digests_of

TEXTS = st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", BOM, b"\xff"]), max_size=12).map(b"".join)


@given(TEXTS, st.integers(1, 5))
def test_part_by_part_they_are_the_same(raw, size):
    meter = Meter()
    for at in range(0, len(raw), size):
        part = raw[: max(size, len(BOM))] if at == 0 else raw[max(at, len(BOM)) : at + size]
        meter.update(part, at == 0)
    found, whole = meter.digests(), digests_of(raw)

    assert (found.checksum, found.sha256) == (whole.checksum, whole.sha256)


def test_line_ends_and_a_byte_order_mark_make_no_other_checksum():
    plain = b"SELECT 1;\nSELECT 2;\n"
    others = [plain.replace(b"\n", b"\r\n"), BOM + plain, BOM + plain.replace(b"\n", b"\r\n")]

    assert {digests_of(raw).checksum for raw in (plain, *others)} == {hashlib.sha256(plain).hexdigest()}
    assert len({digests_of(raw).sha256 for raw in (plain, *others)}) == 4
