"""`python3 -m ledger BOOK MONTH ACCOUNT...`: the statements of accounts for a month such as 10.2025."""

import sys
from pathlib import Path

from ledger import dates
from ledger.statement import statement
from ledger.store import Store


def main() -> None:
    book, month, *accounts = sys.argv[1:]
    store = Store(Path(book))
    wanted = dates.month_of(dates.parse(f"1.{month}"))
    for account in accounts:
        print(statement(store, account, wanted))


if __name__ == "__main__":
    main()
