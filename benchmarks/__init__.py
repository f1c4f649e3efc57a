"""What the models are worth on real audio, what they cost, and the report that says so."""
