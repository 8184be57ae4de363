"""The pages for people: their headers, their look, what they load."""
