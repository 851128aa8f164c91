"""Writes wdbc.csv, the Breast Cancer Wisconsin (Diagnostic) data, from the copy that ships with scikit-learn.

Source: W. Wolberg, O. Mangasarian, N. Street, W. Street, UCI Machine Learning Repository, 1995, doi:10.24432/C5DW2B
(CC BY 4.0). 569 rows, 30 features, and `malignant` (1 or 0). The file is committed; this shows where it is from.
"""

from __future__ import annotations

from pathlib import Path

from sklearn.datasets import load_breast_cancer


def main() -> None:
    """Write the file beside this one."""
    data = load_breast_cancer(as_frame=True)
    frame = data.data.rename(columns=lambda name: name.replace(" ", "_"))
    frame["malignant"] = 1 - data.target
    frame.to_csv(Path(__file__).with_name("wdbc.csv"), index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
