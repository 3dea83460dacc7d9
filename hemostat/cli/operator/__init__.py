"""The commands by which an operator decides and acts."""
