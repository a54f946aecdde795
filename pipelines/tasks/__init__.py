"""Task sets of one's own: new ones from the templates, and the proof that a task can be solved and is not by chance."""
