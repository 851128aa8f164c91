"""Fits a logistic regression to tell malignant from benign, and leaves its weights and two measures of it.

With `--score` it says instead, for every model under `models`, how probable each class is for each row of `rows.csv`.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

INPUTS = Path(os.environ["INPUTS"])
OUTPUTS = Path(os.environ["OUTPUTS"])
THRESHOLD = 0.5


def main() -> None:
    """Fit, measure, and write the outputs."""
    dataset = json.loads(os.environ["DIDS"])[0]
    frame = pd.read_csv(INPUTS / dataset / "0")
    parameters = json.loads((INPUTS / "algoCustomData.json").read_text())
    labels = frame.pop("malignant").to_numpy()
    seed = parameters.get("seed", 0)
    train_rows, test_rows, train_labels, test_labels = train_test_split(
        frame.to_numpy(), labels, test_size=0.25, random_state=seed, stratify=labels
    )
    scaler = StandardScaler().fit(train_rows)
    model = LogisticRegression(C=float(parameters.get("strength", "1")), max_iter=1000)
    model.fit(scaler.transform(train_rows), train_labels)
    chance = model.predict_proba(scaler.transform(test_rows))[:, 1]
    metrics = {
        "accuracy": round(float(accuracy_score(test_labels, chance > THRESHOLD)), 3),
        "auc": round(float(roc_auc_score(test_labels, chance)), 3),
    }
    tensors = {"mean": scaler.mean_, "scale": scaler.scale_, "weight": model.coef_, "bias": model.intercept_}
    save_file({name: np.float32(value) for name, value in tensors.items()}, OUTPUTS / "model.safetensors")
    (OUTPUTS / "metrics.json").write_text(json.dumps(metrics))


def score() -> None:
    """Score the rows with every model."""
    rows = pd.read_csv(INPUTS / "rows.csv").to_numpy()
    for path in (INPUTS / "models").iterdir():
        model = {name: tensor.astype(np.float64) for name, tensor in load_file(path).items()}
        scale = np.where(model["scale"] == 0, 1, model["scale"])
        logits = (rows - model["mean"]) / scale @ model["weight"][0] + model["bias"]
        chance = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        np.savetxt(OUTPUTS / f"{path.stem}.csv", np.stack([1 - chance, chance], axis=1), "%.12f", ",")


if __name__ == "__main__":
    score() if sys.argv[1:] == ["--score"] else main()
