"""The statement of one account for one month."""

from ledger import amounts
from ledger.store import Store


def statement(store: Store, account: str, month: str) -> str:
    """The balance before the month, the month's entries, and the balance after it."""
    entries = store.of_account(account)
    balance = sum(entry.cents for entry in entries if entry.month < month)
    rows = [f"{account}: opening {amounts.show(balance)}"]
    for entry in entries:
        if entry.month == month:
            balance += entry.cents
            rows.append(f"{entry.day.isoformat()} {entry.text} {amounts.show(entry.cents)}")
    return "\n".join([*rows, f"{account}: closing {amounts.show(balance)}"])
