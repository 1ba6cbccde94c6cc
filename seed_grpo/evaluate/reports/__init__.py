"""Reports for people: pages, tables, plots and figures."""
