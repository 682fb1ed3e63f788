"""Self-contained HTML pages: reports in, one file out that opens offline."""
