"""Numbers in few characters."""

from __future__ import annotations

NOTHING = "-"


def size(found: int | None) -> str:
    """``61M``, ``1.2G``: three digits and a letter."""
    if found is None:
        return NOTHING
    number = float(found)
    for unit in ("B", "K", "M", "G", "T", "P"):
        if number < 999.5 or unit == "P":
            break
        number /= 1024
    return f"{number:.1f}{unit}" if number < 9.95 and unit not in "BK" else f"{number:.0f}{unit}"


def percent(found: float | None) -> str:
    """``0.3%``, ``45.1%``, ``145%``."""
    if found is None:
        return NOTHING
    return f"{found:.0f}%" if found >= 99.95 else f"{found:.1f}%"


def span(found: float | None) -> str:
    """``3s``, ``12m``, ``5h``, ``40d``."""
    if found is None:
        return NOTHING
    for unit, seconds in (("d", 86400), ("h", 3600), ("m", 60)):
        if found >= seconds:
            return f"{int(found // seconds)}{unit}"
    return f"{int(found)}s"


def milliseconds(found: float | None) -> str:
    """``0.4ms``, ``18ms``, ``1.2s``."""
    if found is None:
        return NOTHING
    if found < 9.95:
        return f"{found:.1f}ms"
    if found < 999.5:
        return f"{found:.0f}ms"
    return f"{found / 1000:.1f}s"


def rate(found: float | None) -> str:
    """``0``, ``0.5``, ``12.3``, ``340``, ``2.1k``."""
    if found is None:
        return NOTHING
    if found >= 999.5:
        return f"{found / 1000:.1f}k"
    return f"{found:.1f}" if 0 < found < 99.95 else f"{found:.0f}"
