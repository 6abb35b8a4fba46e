"""The rows of Table I with the paper's loss: the scheme and μ of each, by its name in configurations."""

ROWS = {
    "fixed-5": ("fixed", 5.0),
    "scf-100": ("scf", 100.0),
    "scf-50": ("scf", 50.0),
    "fsf-10": ("fsf", 10.0),
    "fsf-15": ("fsf", 15.0),
}
