"""The commands of the dashboard, live, on a replay file, in a browser, and as plain lines."""
