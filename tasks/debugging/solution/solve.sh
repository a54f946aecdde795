#!/bin/bash
cd /app/ledger && python3 - <<'PROGRAM'
from pathlib import Path

CHANGES = {
    # -0 is 0: the sign is the text's, not the number's.
    "amounts.py": [
        ("    value = int(whole) * 100\n", "    value = abs(int(whole)) * 100\n"),
        (
            "    return value - part if value < 0 else value + part\n",
            '    return -(value + part) if whole.strip().startswith("-") else value + part\n',
        ),
    ],
    # Months are compared as text.
    "dates.py": [("{day.year}-{day.month}", "{day.year:04}-{day.month:02}")],
    # A default is made once, and then holds the first account for ever.
    "store.py": [
        ("of_account(self, account: str, found: dict = {})", "of_account(self, account: str)"),
        ("        if not found:\n", ""),
        ("            for entry in sorted", "        for entry in sorted"),
        ("                if entry.account == account:\n", "            if entry.account == account:\n"),
        ("                    found.setdefault(account, []).append(entry)\n", "                found.append(entry)\n"),
        ("        return found.get(account, [])\n", "        return found\n"),
        ("        for entry in sorted", "        found: list[Entry] = []\n        for entry in sorted"),
        (" Large books are searched only once.", ""),
    ],
}
for name, changes in CHANGES.items():
    text = Path(name).read_text()
    for old, new in changes:
        if text.count(old) != 1:
            raise SystemExit(f"{name}: {text.count(old)} times {old!r}")
        text = text.replace(old, new)
    Path(name).write_text(text)
PROGRAM
