"""`kilobench select`: the tasks of a gate, chosen from history."""
