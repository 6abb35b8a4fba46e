"""The paper's training: network, losses, weight of continuity, loop."""
