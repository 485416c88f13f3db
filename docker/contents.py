# SPDX-License-Identifier: Apache-2.0
"""Lists what docker/build copied into the image, with the licences.

  contents.py OUT VARIANT

Writes OUT/opt/ebb/sbom.spdx.json (SPDX 2.3, https://spdx.github.io/spdx-spec/v2.3) with ebb and the
Python packages from which the libraries in OUT/opt/ebb/lib come, each with the name and the checksum
of its wheel. Copies the licence texts of these packages to OUT/opt/ebb/licenses. Debian's packages are not listed, since the image contains
their database.
"""

import datetime
import hashlib
import importlib.metadata
import itertools
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
    """Copies each text to its place below .dist-info, since texts of parts have equal names."""
    names = re.compile(r"(LICEN[CS]E|NOTICE|COPYING|License)")
    texts = [path for path in distribution.files or [] if names.match(path.name) and path.parts[0].endswith(".dist-info")]
    for path in texts:
        inside = [part for part in path.parts[1:] if part != "licenses"]  # the folder of newer wheels
        target = folder.joinpath(*inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            sys.exit(f"error: two licence texts of the package {distribution.name} would be {target}: {path} and another one")
        shutil.copy(path.locate(), target)
    return len(texts)


def wheel_of(distribution):
    """(file, checksum) of the wheel that was installed: the one of cmake/wheels.sha256 with the same name, version and tags."""
    start = f"{re.sub(r'[-.]', '_', distribution.name).lower()}-{distribution.version}-"
    tags = set(re.findall(r"^Tag: (\S+)", distribution.read_text("WHEEL") or "", re.MULTILINE))
    for line in pathlib.Path("cmake/wheels.sha256").read_text().splitlines():
        digest, file = line.split()
        expanded = itertools.product(*(part.split(".") for part in file.removesuffix(".whl").split("-")[-3:]))
        if file.lower().startswith(start) and {"-".join(tag) for tag in expanded} == tags:
            return file, digest
    sys.exit(f"error: the package {distribution.name} {distribution.version} was not installed from a wheel of cmake/wheels.sha256")


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
        one = package(distribution.name, distribution.version, licence, f"pkg:pypi/{distribution.name}@{distribution.version}", names)
        one["packageFileName"], digest = wheel_of(distribution)
        one["checksums"] = [{"algorithm": "SHA256", "checksumValue": digest}]
        packages.append(one)
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
