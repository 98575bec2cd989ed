"""Text perturbation and attack steps by TextAttack's recipes."""
