"""The Devin API: one HTTP client, and a module for each API version."""
