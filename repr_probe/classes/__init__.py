"""Class tables: names, wnids and the code that reads them."""
