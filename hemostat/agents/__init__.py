"""The four roles. Each is `step(event, now)`; they meet on the bus only, and are handed time and chance."""
