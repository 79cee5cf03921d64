#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The SBOM: what SPDX 2.3 asks of a document in JSON (a schema of its own here, after the specification's clauses), and
whether it is true: packages and versions by dpkg, the program's digest, every library of ldd."""
import hashlib
import json
import os
import pathlib
import re
import sys

import jsonschema

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "net"))
import kit as n  # noqa: E402  pylint: disable=wrong-import-position

ID = {"type": "string", "pattern": "^SPDXRef-[A-Za-z0-9.-]+$"}
TEXT = {"type": "string", "minLength": 1}
SCHEMA = {
    "type": "object", "additionalProperties": False,
    "required": ["spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace", "creationInfo", "packages", "files",
                 "relationships"],
    "properties": {
        "spdxVersion": {"const": "SPDX-2.3"}, "dataLicense": {"const": "CC0-1.0"}, "SPDXID": {"const": "SPDXRef-DOCUMENT"},
        "name": TEXT, "documentNamespace": {"type": "string", "pattern": "^https://[^#\\s]+$"},
        "creationInfo": {
            "type": "object", "required": ["created", "creators"],
            "properties": {"created": {"type": "string", "pattern": "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$"},
                           "creators": {"type": "array", "minItems": 1,
                                        "items": {"type": "string", "pattern": "^(Person|Organization|Tool): ."}}}},
        "packages": {"type": "array", "minItems": 2, "items": {
            "type": "object", "required": ["SPDXID", "name", "versionInfo", "downloadLocation", "filesAnalyzed",
                                           "licenseConcluded", "licenseDeclared", "copyrightText", "supplier"],
            "properties": {"SPDXID": ID, "name": TEXT, "versionInfo": TEXT, "downloadLocation": TEXT,
                           "filesAnalyzed": {"const": False},
                           "supplier": {"type": "string", "pattern": "^(Person|Organization): .|^NOASSERTION$"},
                           "externalRefs": {"type": "array", "items": {
                               "type": "object", "required": ["referenceCategory", "referenceType", "referenceLocator"],
                               "properties": {"referenceCategory": {"const": "PACKAGE-MANAGER"},
                                              "referenceType": {"const": "purl"},
                                              "referenceLocator": {
                                                  "type": "string",
                                                  "pattern": "^pkg:deb/debian/[a-z0-9.%+-]+@[A-Za-z0-9.~%-]+\\?arch=[a-z0-9]+$"}}}}}}},
        "files": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["SPDXID", "fileName", "checksums", "licenseConcluded", "copyrightText"],
            "properties": {"SPDXID": ID, "fileName": {"type": "string", "pattern": "^\\./"},
                           "checksums": {"type": "array", "contains": {"properties": {"algorithm": {"const": "SHA1"}}}}}}},
        "relationships": {"type": "array", "items": {
            "type": "object", "required": ["spdxElementId", "relationshipType", "relatedSpdxElement"],
            "properties": {"spdxElementId": ID, "relatedSpdxElement": ID,
                           "relationshipType": {"enum": ["DESCRIBES", "CONTAINS", "DEPENDS_ON", "BUILD_TOOL_OF"]}}}}}}


def made():
    return n.sh("src/dist/sbom", n.SYNWARD, "9.8.7", cwd=n.TOP, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}).stdout


def document():
    if not state:
        state["text"] = made()
        state["doc"] = json.loads(state["text"])
    return state["doc"]


def valid():
    """what the specification asks of a document; each id is one element's, and each relationship has both of its ends"""
    doc = document()
    jsonschema.Draft7Validator(SCHEMA).validate(doc)
    ids = [doc["SPDXID"], *(x["SPDXID"] for x in doc["packages"] + doc["files"])]
    n.equal("ids", len(ids), len(set(ids)))
    for x in doc["relationships"]:
        n.equal(f"ends of {x}", (x["spdxElementId"] in ids, x["relatedSpdxElement"] in ids), (True, True))
    described = [x["relatedSpdxElement"] for x in doc["relationships"] if x["relationshipType"] == "DESCRIBES"]
    n.equal("it describes", described, ["SPDXRef-Package-synward"])
    n.equal("created", doc["creationInfo"]["created"], "2023-11-14T22:13:20Z")


def same():
    """made again, it is the same"""
    document()
    n.equal("bytes", made() == state["text"], True)


def true():
    """each library of ldd is in a package that it names, in the version that is installed, and no other; digests are right"""
    doc = document()
    names = {x["name"]: x for x in doc["packages"]}
    by_kind = {}
    for x in doc["relationships"]:
        by_kind.setdefault(x["relationshipType"], set()).add(x["relatedSpdxElement"] if x["relationshipType"] == "DEPENDS_ON"
                                                             else x["spdxElementId"])
    depends = {x["name"] for x in doc["packages"] if x["SPDXID"] in by_kind["DEPENDS_ON"]}
    files = [os.path.realpath(x) for x in re.findall(r"(?:=> |\t)(/\S+) \(", n.sh("ldd", n.SYNWARD).stdout)]
    found = n.sh("dpkg", "-S", *files, *(x.removeprefix("/usr") for x in files), check=False).stdout.splitlines()
    n.at_least("files that dpkg knows", len(found), len(files))
    want = {x.split(":")[0] for x in found}
    n.equal("libraries' packages", sorted(depends), sorted(want))
    for name in depends:
        n.equal(f"version of {name}", names[name]["versionInfo"], n.sh("dpkg-query", "-W", "-f", "${Version}\n", name).stdout.split()[0])
    data = pathlib.Path(n.SYNWARD).read_bytes()
    sums = {x["algorithm"]: x["checksumValue"] for x in n.one(doc["files"], "files")["checksums"]}
    n.equal("digests", sums, {"SHA1": hashlib.sha1(data).hexdigest(), "SHA256": hashlib.sha256(data).hexdigest()})
    n.at_least("tools", len(by_kind["BUILD_TOOL_OF"]), 4)
    n.equal("version", names["synward"]["versionInfo"], "9.8.7")


state = {}
n.main(valid, same, true)
