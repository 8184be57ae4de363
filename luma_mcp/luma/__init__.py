"""Luma's APIs, spoken over one shared HTTP client; knows neither MCP nor the web framework."""
