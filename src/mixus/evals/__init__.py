"""Tasks, executions, checkpoints and decisions."""
