"""From label maps to scores, and from scores to tables."""
