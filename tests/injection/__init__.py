"""Text that wants to steer a model, and a model that lets itself be steered."""
