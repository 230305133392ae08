"""What every room needs: settings, database, clock, ids, errors, events and dispatch."""
