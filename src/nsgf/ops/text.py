"""Numbers and tables as a terminal shows them."""

from collections.abc import Collection, Sequence


def columns(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Aligned columns, a line a row; those at the indices `right` end at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = [(">" if k in right else "<") + str(width) for k, width in enumerate(widths)]
    lines = ("  ".join(map(format, row, sides)).rstrip() for row in rows)
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Seconds in the unit that fits."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds else "-"


def size(count: float) -> str:
    """Bytes in the unit that fits."""
    for unit, length in (("GB", 1e9), ("MB", 1e6)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"
