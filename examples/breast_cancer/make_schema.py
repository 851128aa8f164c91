"""Writes schema.yaml: what the columns of wdbc.csv can hold, from how they were made and never from the data.

Source: W. N. Street, W. H. Wolberg, O. L. Mangasarian, "Nuclear feature extraction for breast tumor diagnosis", 1993. Ten
measures of each cell nucleus in an image, of which the mean, the standard error and the mean of the three largest are given.
Lengths are in pixels: a nucleus of more than 40 has no room among others in such an image, and from that follow perimeter and
area. Texture is a deviation of grey levels; the others are ratios. A standard error is at most a tenth of its measure's bound:
what lies above counts as the bound, as everywhere.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

HEADING = """\
# Wisconsin Diagnostic Breast Cancer: bounds from how the measures were made (make_schema.py), not from the data.
version: 1
columns:
"""
MEASURES = {
    "radius": ("40", "pixel", "distance from the centre to the contour"),
    "texture": ("50", "grey level", "standard deviation of grey levels"),
    "perimeter": ("260", "pixel", "length of the contour"),
    "area": ("5000", "pixel^2", "pixels within the contour"),
    "smoothness": ("0.25", "", "variation of neighbouring radii, as a part of the radius"),
    "compactness": ("1", "", "perimeter^2 / area, scaled so that a circle is 0"),
    "concavity": ("1", "", "depth of the contour's dents, as a part of the radius"),
    "concave_points": ("0.4", "", "part of the contour that is in dents"),
    "symmetry": ("0.7", "", "difference of both sides of the longest axis, as a part of it"),
    "fractal_dimension": ("0.25", "", "the contour's dimension as a coastline, less 1"),
}
ERROR_PART = Decimal("0.1")


def write_column(name: str, bound: str, unit: str, description: str) -> str:
    """Return one column of the document."""
    parts = [f"name: {name}", "kind: number", 'min: "0"', f'max: "{bound}"']
    parts += [f"unit: {unit}"] if unit else []
    return f'  - {{{", ".join(parts)}, description: "{description}"}}\n'


def main() -> None:
    """Write the file beside this one."""
    text = HEADING
    for prefix, suffix, what in (
        ("mean_", "", "mean of: "),
        ("", "_error", "standard error of: "),
        ("worst_", "", "mean of the three largest of: "),
    ):
        for measure, (bound, unit, words) in MEASURES.items():
            limit = format((Decimal(bound) * ERROR_PART).normalize(), "f") if suffix else bound
            text += write_column(f"{prefix}{measure}{suffix}", limit, unit, what + words)
    text += '  - {name: malignant, kind: category, categories: ["0", "1"], description: "1 where the tumour was malignant"}\n'
    Path(__file__).with_name("schema.yaml").write_text(text)


if __name__ == "__main__":
    main()
