"""The people of the team, and who of them is calling."""
