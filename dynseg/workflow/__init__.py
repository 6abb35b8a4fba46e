"""What the rules of the workflow ask; nothing here imports Snakemake."""
