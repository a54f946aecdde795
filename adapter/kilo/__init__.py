"""Kilo Code: what its command line leaves of a session, as ATIF."""
