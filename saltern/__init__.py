"""What both ends of Saltern share: the wire, the state language, targeting, the engine and the commands."""

__version__ = "0.1.0"
