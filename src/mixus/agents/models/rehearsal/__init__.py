"""The deterministic model `rehearsal`: `grammar` reads a task, `model` carries it out."""
