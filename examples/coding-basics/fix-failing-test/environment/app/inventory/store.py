"""Keeps stock levels."""

from inventory.parser import parse


class Store:
    def __init__(self) -> None:
        self.levels: dict[str, int] = {}

    def load(self, text: str) -> None:
        for name, quantity in parse(text):
            self.add(name, quantity)

    def add(self, name: str, quantity: int) -> None:
        key = name.lower()
        self.levels[key] = self.levels.get(key, 0) + quantity
