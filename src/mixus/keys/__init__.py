"""Personal API keys: the model room of this house. Start at service.py and authenticate.py."""
