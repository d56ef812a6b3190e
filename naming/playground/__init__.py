"""The playground: type a path and a table, see where the name goes and why."""

from naming.playground.app import playground

__all__ = ["playground"]
