"""Files, reached and written without being led astray."""
