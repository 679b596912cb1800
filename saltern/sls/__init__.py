"""The state language: YAML loader, Jinja environment, rendering, top files, high state to low state."""
