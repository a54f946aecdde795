"""Splits a listing into numbered pages."""


def page_count(total: int, size: int) -> int:
    """How many pages `total` items fill, `size` to a page."""
    return total // size


def page_items(items: list, page: int, size: int) -> list:
    """The items of one page; pages are numbered from 1."""
    if not 1 <= page <= page_count(len(items), size):
        raise IndexError(f"no page {page}")
    start = (page - 1) * size
    return items[start : start + size]
