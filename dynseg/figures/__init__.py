"""The paper's figures, as functions of arrays and data frames."""
