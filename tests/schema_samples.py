"""A table with every kind of column, and the schema that an owner writes of it."""

from __future__ import annotations

from policies.schema import DatasetSchema, parse_schema

TABLE = """\
patient,age,dose,smoker,stage,admitted,note
P-001,61,0.5,True,II,2020-01-05,steady
P-001,61,1.25,True,III,2020-02-01,
P-002,47,0.75,False,I,2021-11-30,walks
"""
SCHEMA = """\
version: 1
columns:
  - {name: patient, kind: identifier}
  - {name: age, kind: integer, min: "0", max: "120", unit: years, description: At admission.}
  - {name: dose, kind: number, min: "0", max: "10.5", unit: mg}
  - {name: smoker, kind: boolean}
  - {name: stage, kind: category, categories: [I, II, III, IV]}
  - {name: admitted, kind: date}
  - {name: note, kind: text, nullable: true}
"""


def every_kind() -> DatasetSchema:
    return parse_schema(SCHEMA.encode())
