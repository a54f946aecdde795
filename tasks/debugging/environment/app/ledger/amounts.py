"""Amounts as the book writes them: `1.204,50`, `-3,00`, `12`."""


def parse(text: str) -> int:
    """Cents. Points set thousands apart, a comma stands before the cents, which may be left out."""
    whole, _, cents = text.strip().replace(".", "").partition(",")
    value = int(whole) * 100
    part = int(cents.ljust(2, "0")) if cents else 0
    return value - part if value < 0 else value + part


def show(cents: int) -> str:
    """The amount with two decimals and without thousands, as in `-3,05`."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100},{abs(cents) % 100:02}"
