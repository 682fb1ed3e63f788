"""Figures of reports and arrays: each returns the matplotlib Axes it drew on."""
