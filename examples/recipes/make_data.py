"""Writes the tables of the recipes here from the copies that ship with scikit-learn: make_data.py FOLDER.

`digits.csv`: E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, 1998, doi:10.24432/C50P49 (CC BY 4.0).
`diabetes.csv`: B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, "Least angle regression", 2004.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sklearn.datasets import load_diabetes, load_digits


def main() -> None:
    """Write both files into the folder."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    digits = load_digits(as_frame=True).frame.rename(columns={"target": "digit"})
    digits.astype(int).to_csv(folder / "digits.csv", index=False, lineterminator="\n")
    diabetes = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})
    diabetes["sex"] = diabetes["sex"].astype(int)
    diabetes.to_csv(folder / "diabetes.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
