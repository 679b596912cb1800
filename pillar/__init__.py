"""The pillar compiler."""
