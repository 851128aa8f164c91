"""Fits a regression to the file that the environment names, by its path relative to where an Ocean algorithm starts."""

import json
import os

import numpy
import pandas
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def get_input():
    """Return the path of the first dataset's first file; None without a dataset."""
    dids = os.getenv("DIDS", None)
    if not dids:
        print("No DIDs found in the environment.")
        return None
    for did in json.loads(dids):
        filename = f"data/inputs/{did}/0"
        print(f"Reading {filename}.")
        return filename
    return None


def run():
    """Fit, and leave coefficients and the share of rows that they tell right."""
    filename = get_input()
    if not filename:
        print("There is nothing to fit to.")
        return
    rows = pandas.read_csv(filename)
    labels = rows.pop("malignant")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(rows.to_numpy(), labels)
    fitted = model[-1]
    weights = {"coefficients": fitted.coef_, "intercept": fitted.intercept_}
    save_file(
        {name: numpy.float32(value) for name, value in weights.items()}, "/data/outputs/model.safetensors"
    )
    with open("/data/outputs/metrics.json", "w") as metrics:
        json.dump({"accuracy": round(model.score(rows.to_numpy(), labels), 3)}, metrics)


if __name__ == "__main__":
    run()
