"""What the style asyncio serves with: an event loop in a thread of its own, and what stands in it."""
