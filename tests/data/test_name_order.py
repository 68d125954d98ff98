"""Frames are in the order of their numbers, however many digits these have."""

from __future__ import annotations

from edgecnn.data.name_order import by_number


def test_digits_count_as_numbers_wherever_they_stand() -> None:
    names = ["1/b10.jpg", "1/b2.jpg", "10/b1.jpg", "2/b1.jpg", "2/a11.jpg", "b.jpg", "2/b01.jpg", "٣.jpg"]
    in_order = ["1/b2.jpg", "1/b10.jpg", "2/a11.jpg", "2/b1.jpg", "2/b01.jpg", "٣.jpg", "10/b1.jpg", "b.jpg"]
    assert sorted(names, key=by_number) == in_order
