"""Days, which the book writes as `3.10.2025`."""

from datetime import date


def parse(text: str) -> date:
    day, month, year = text.strip().split(".")
    return date(int(year), int(month), int(day))


def month_of(day: date) -> str:
    """The month that a day is in, for comparing and for grouping."""
    return f"{day.year}-{day.month}"
