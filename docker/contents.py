# SPDX-License-Identifier: Apache-2.0
"""Lists what docker/build copied into the image, with the licences.

  contents.py OUT VARIANT

Writes OUT/opt/ebb/sbom.spdx.json (SPDX 2.3, https://spdx.github.io/spdx-spec/v2.3) with ebb and the
Python packages from which the libraries in OUT/opt/ebb/lib come, and copies the licence texts of
these packages to OUT/opt/ebb/licenses. Debian's packages are not listed, since the image contains
their database.
"""

import datetime
import hashlib
import importlib.metadata
import json
import pathlib
import re
import shutil
import sys


def sources(libraries):
    """{distribution: [library]} of the installed packages that contain a file with one of these names."""
    found = {}
    for distribution in importlib.metadata.distributions():
        names = sorted({path.name for path in distribution.files or []} & libraries)
        if names:
            found[distribution] = names
    return found


def copy_licences(distribution, folder):
    names = re.compile(r"(LICEN[CS]E|NOTICE|COPYING|License)")
    texts = [path for path in distribution.files or [] if names.match(path.name) and ".dist-info" in str(path)]
    for path in texts:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path.locate(), folder / path.name)
    return len(texts)


def package(name, version, licence, url, files):
    identifier = re.sub(r"[^A-Za-z0-9.-]", "-", f"{name}-{version}")
    unknown = dict.fromkeys(("downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText"), "NOASSERTION")
    return {"SPDXID": f"SPDXRef-Package-{identifier}", "name": name, "versionInfo": version, **unknown,
            "licenseComments": licence or "not stated", "filesAnalyzed": False, "comment": f"files: {', '.join(files)}",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}]}


def main(out, variant):
    version = re.search(r"project\(ebb VERSION (\S+)", pathlib.Path("CMakeLists.txt").read_text())[1]
    own = package("ebb", version, "Apache-2.0", f"pkg:generic/ebb@{version}", ["/usr/local/bin/ebb", "/usr/local/bin/ebb-core"])
    own["licenseConcluded"] = own["licenseDeclared"] = "Apache-2.0"
    packages = [own]
    libraries = {path.name for path in (out / "opt/ebb/lib").iterdir()}
    for distribution, names in sorted(sources(libraries).items(), key=lambda pair: pair[0].name):
        if not copy_licences(distribution, out / "opt/ebb/licenses" / distribution.name):
            sys.exit(f"error: the package {distribution.name} contains no licence text, but the image contains {names[0]}")
        licence = distribution.metadata.get("License-Expression") or distribution.metadata.get("License")
        packages.append(package(distribution.name, distribution.version, licence, f"pkg:pypi/{distribution.name}@{distribution.version}", names))
        libraries -= set(names)
    if libraries:
        sys.exit(f"error: no installed package contains {', '.join(sorted(libraries))}")
    digest = hashlib.sha256(json.dumps(packages, sort_keys=True).encode()).hexdigest()
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = "SPDXRef-DOCUMENT"
    described = [{"spdxElementId": about, "relationshipType": "DESCRIBES", "relatedSpdxElement": one["SPDXID"]} for one in packages]
    document = {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": about, "name": f"ebb-{version}-{variant}",
                "documentNamespace": f"https://spdx.org/spdxdocs/ebb-{version}-{variant}-{digest[:32]}",
                "creationInfo": {"created": now, "creators": ["Tool: ebb-docker-build"]}, "packages": packages, "relationships": described}
    (out / "opt/ebb/sbom.spdx.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2])
