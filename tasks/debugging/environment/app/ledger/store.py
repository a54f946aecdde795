"""The book: entries in the order in which they were written."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ledger import amounts, dates


@dataclass(frozen=True)
class Entry:
    day: date
    account: str
    text: str
    cents: int

    @property
    def month(self) -> str:
        return dates.month_of(self.day)


class Store:
    def __init__(self, path: Path) -> None:
        self.entries = [self._read(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]

    @staticmethod
    def _read(line: str) -> Entry:
        day, account, text, amount = line.split(";")
        return Entry(dates.parse(day), account.strip(), text.strip(), amounts.parse(amount))

    def of_account(self, account: str, found: dict = {}) -> list[Entry]:
        """An account's entries by day, those of one day as they were written. Large books are searched only once."""
        if not found:
            for entry in sorted(self.entries, key=lambda entry: entry.day):
                if entry.account == account:
                    found.setdefault(account, []).append(entry)
        return found.get(account, [])
