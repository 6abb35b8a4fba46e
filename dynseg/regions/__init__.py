"""From label maps of networks to a hierarchy of regions: boundary evidence, watershed, merging."""
