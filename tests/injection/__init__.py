"""Text that tries to steer a model, and a model that follows such text."""
