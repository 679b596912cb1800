"""The commands and their output formats."""
