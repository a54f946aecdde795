"""Floor 1: the outside world (Harbor's job folders, Opik) and the trial record everything else speaks."""
