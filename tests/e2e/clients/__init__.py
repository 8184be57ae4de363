"""Other people's clients, each on its way from a prompt to a finished video."""
