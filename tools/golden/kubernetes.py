"""Writes test/fixtures/kubernetes/schema.json: what of Kubernetes' own schema is needed to check deploy/kubernetes.

    pip install kubernetes-validate==1.37.0
    python3 tools/golden/kubernetes.py test/fixtures/kubernetes/schema.json

kubernetes-validate (Apache-2.0) brings the OpenAPI schema of each Kubernetes release (Apache-2.0) as JSON Schema; `strict` refuses
properties that are not known, as `kubectl apply --validate=strict` does. Kept are the kinds below and what they refer to, without texts.
"""

import json
import sys
from pathlib import Path

import kubernetes_validate

VERSION = "1.37.0"
KINDS = [
    "io.k8s.api.apps.v1.Deployment",
    "io.k8s.api.apps.v1.StatefulSet",
    "io.k8s.api.core.v1.ConfigMap",
    "io.k8s.api.core.v1.PersistentVolumeClaim",
    "io.k8s.api.core.v1.Service",
    "io.k8s.api.networking.v1.NetworkPolicy",
]


def short(value, refer):
    if isinstance(value, list):
        return [short(one, refer) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, one in value.items():
        if key.startswith("x-kubernetes-") or (key == "description" and isinstance(one, str)):
            continue
        if key == "$ref":
            name = one.rpartition("/")[2]
            refer(name)
            one = f"#/$defs/{name}"
        kept[key] = short(one, refer)
    return kept


def main(path):
    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{VERSION}-local-strict"
    known = json.loads((folder / "_definitions.json").read_text())["$defs"]
    waiting = list(KINDS)
    found = {}
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = {}
            found[name] = short(known[name], waiting.append)
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"kubernetes-{VERSION}", "$defs": found}
    Path(path).write_text(json.dumps(schema, sort_keys=True, separators=(",", ":")) + "\n")


main(*sys.argv[1:])
