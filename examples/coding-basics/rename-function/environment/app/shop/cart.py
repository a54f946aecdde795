from shop.prices import calc, with_tax


class Cart:
    def __init__(self) -> None:
        self.lines: list[tuple[int, int, int]] = []

    def add(self, price: int, quantity: int, discount: int = 0) -> None:
        self.lines.append((price, quantity, discount))

    def total(self) -> int:
        return with_tax(sum(calc(*line) for line in self.lines))
