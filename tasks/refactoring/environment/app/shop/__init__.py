"""A shop that sells to four countries. All amounts are whole cents, and net unless it is said."""
