"""Trains a small network to tell malignant from benign, and leaves its weights and two measures of it."""

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save_file
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split

INPUTS = Path(os.environ["INPUTS"])
OUTPUTS = Path(os.environ["OUTPUTS"])
HIDDEN = 16
BATCH = 64
THRESHOLD = 0.5


class Network(torch.nn.Module):
    """Thirty features in, one logit out."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(features, HIDDEN)
        self.output = torch.nn.Linear(HIDDEN, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.output(torch.relu(self.hidden(rows)))
        return logits.squeeze(1)


def load() -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
    """Return features, labels and the parameters."""
    dataset = json.loads(os.environ["DIDS"])[0]
    frame = pd.read_csv(INPUTS / dataset / "0")
    parameters = json.loads((INPUTS / "algoCustomData.json").read_text())
    labels = torch.tensor(frame.pop("malignant").to_numpy(), dtype=torch.float32)
    return torch.tensor(frame.to_numpy(), dtype=torch.float32), labels, parameters


def fit(
    network: Network, rows: torch.Tensor, labels: torch.Tensor, *, epochs: int, learning_rate: float
) -> None:
    """Fit by Adam on mini-batches."""
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate, weight_decay=1e-3)
    loss = torch.nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        for batch in torch.randperm(len(rows)).split(BATCH):
            optimizer.zero_grad()
            loss(network(rows[batch]), labels[batch]).backward()
            optimizer.step()


def main() -> None:
    """Train, measure, and write the outputs."""
    rows, labels, parameters = load()
    seed = parameters.get("seed", 0)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    train, test = train_test_split(range(len(rows)), test_size=0.25, random_state=seed, stratify=labels)
    mean, scale = rows[train].mean(0), rows[train].std(0)
    rows = (rows - mean) / scale
    network = Network(rows.shape[1])
    epochs, learning_rate = parameters.get("epochs", 40), float(parameters.get("learning_rate", "0.01"))
    fit(network, rows[train], labels[train], epochs=epochs, learning_rate=learning_rate)
    with torch.no_grad():
        chance = torch.sigmoid(network(rows[test]))
    metrics = {
        "accuracy": round(float(accuracy_score(labels[test], chance > THRESHOLD)), 3),
        "auc": round(float(roc_auc_score(labels[test], chance)), 3),
    }
    save_file({"mean": mean, "scale": scale, **network.state_dict()}, OUTPUTS / "model.safetensors")
    (OUTPUTS / "metrics.json").write_text(json.dumps(metrics))


if __name__ == "__main__":
    main()
