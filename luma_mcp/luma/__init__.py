"""Luma's Dream Machine API, spoken over one shared HTTP client."""
