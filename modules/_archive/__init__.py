"""What `archive` stands on: reading archives, judging what they hold, and unpacking it."""
