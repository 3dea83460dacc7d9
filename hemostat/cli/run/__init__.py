"""The commands that run roles until they are stopped."""
