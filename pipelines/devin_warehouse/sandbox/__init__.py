"""A local Devin API with invented data, for the demo and for all tests."""

from .app import create_app
from .faults import Faults
from .world import World

__all__ = ["Faults", "World", "create_app"]
