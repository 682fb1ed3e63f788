"""From numbers to text, markdown, LaTeX, CSV, HTML and JSON."""
