"""Statements of accounts from a book of entries. Amounts are whole cents."""
