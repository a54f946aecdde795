"""Prices in cents."""


def calc(price: int, quantity: int, discount: int = 0) -> int:
    """Price of one line of an order; the discount is in percent."""
    return price * quantity * (100 - discount) // 100


def with_tax(cents: int) -> int:
    return cents * 119 // 100
