"""The report: one HTML file that shows the table, the figures and every image of a run."""
