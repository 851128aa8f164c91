"""Counts the lines that aren't blank in the first file of the first dataset, as Ocean's algorithms find it."""

import json
import os


def get_job():
    """Collect what the environment and the documents under /data/ddos say about this job."""
    job = {"dids": json.loads(os.getenv("DIDS", "[]")), "files": {}, "algo": {}}
    for did in job["dids"]:
        with open(f"/data/ddos/{did}") as document:
            ddo = json.load(document)
        for service in ddo["service"]:
            if service["type"] == "metadata":
                files = service["attributes"]["main"]["files"]
                job["files"][did] = [f"/data/inputs/{did}/{index}" for index in range(len(files))]
    algorithm = os.getenv("TRANSFORMATION_DID")
    if algorithm is not None:
        job["algo"] = {"did": algorithm, "ddo_path": f"/data/ddos/{algorithm}"}
    return job


def count_lines(job):
    """Count, and leave the number as text."""
    print("the job:", json.dumps(job, sort_keys=True, indent=4))
    first = job["files"][job["dids"][0]][0]
    with open(first) as rows:
        lines = sum(1 for row in rows if row.strip())
    print(f"{lines} lines that aren't blank in {first}")
    with open("/data/outputs/result", "w") as result:
        result.write(str(lines))


if __name__ == "__main__":
    count_lines(get_job())
