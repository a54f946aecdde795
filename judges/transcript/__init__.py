"""What a judge reads of a trial: its task, what came before in short, and a window of steps in full."""
