"""Takes the mean of one column over every file of every dataset; the column comes from algoCustomData.json."""

import csv
import json
import os

INPUTS = os.getenv("INPUTS", "/data/inputs")
OUTPUTS = os.getenv("OUTPUTS", "/data/outputs")


def get_parameters():
    """Return the values given, over the defaults that the algorithm's own document lists."""
    with open(f"/data/ddos/{os.environ['TRANSFORMATION_DID']}") as document:
        listed = json.load(document)["metadata"]["algorithm"]["consumerParameters"]
    parameters = {item["name"]: item["default"] for item in listed}
    path = os.path.join(INPUTS, "algoCustomData.json")
    if os.path.exists(path):
        with open(path) as given:
            parameters.update(json.load(given))
    return parameters


def get_datasets():
    """Return name and files of every dataset that can be computed on, as its document and its folder say."""
    found = {}
    for did in json.loads(os.environ["DIDS"]):
        with open(f"/data/ddos/{did}") as document:
            ddo = json.load(document)
        if ddo["metadata"]["type"] != "dataset" or ddo["services"][0]["type"] != "compute":
            continue
        folder = os.path.join(INPUTS, did)
        found[did] = [os.path.join(folder, name) for name in sorted(os.listdir(folder), key=int)]
        print(f"{ddo['metadata']['name']}: {len(found[did])} files")
    return found


def main():
    """Summarise."""
    parameters, datasets = get_parameters(), get_datasets()
    values = []
    for path in (path for files in datasets.values() for path in files):
        with open(path, newline="") as rows:
            values += [float(row[parameters["column"]]) for row in csv.DictReader(rows)]
    summary = {
        "datasets": len(datasets),
        "files": sum(len(files) for files in datasets.values()),
        "mean": round(sum(values) / len(values) * int(parameters["scale"]), 3),
    }
    with open(os.path.join(OUTPUTS, "metrics.json"), "w") as metrics:
        json.dump(summary, metrics)


if __name__ == "__main__":
    main()
