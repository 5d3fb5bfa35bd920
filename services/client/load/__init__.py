"""The load generator: many requests at once, and an honest account of how they were answered."""
