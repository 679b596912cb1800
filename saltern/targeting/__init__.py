"""Target expressions, from a plain glob to compound ones."""
