# SPDX-License-Identifier: Apache-2.0
"""Build vljepa_ros as an ament_python package; colcon runs this."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "vljepa_ros"
# Installed to share/vljepa_ros with their folders, so that launch files and bundles are found through the ament index.
SHARED_FOLDERS = ("config", "engines", "launch")
NODES = ("embedder", "describer", "replay", "visualizer", "pipeline")


def shared_files() -> list[tuple[str, list[str]]]:
    """List what goes to share/, as (target folder, files) pairs relative to the install prefix."""
    targets = [
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ]
    for top in SHARED_FOLDERS:
        for folder in [Path(top), *sorted(p for p in Path(top).rglob("*") if p.is_dir())]:
            files = [str(p) for p in sorted(folder.glob("*")) if p.is_file() and p.suffix != ".pyc"]
            if files:
                targets.append((f"share/{PACKAGE}/{folder}", files))
    return targets


setup(
    name=PACKAGE,
    version="0.1.0",
    description="Video-language embeddings of a camera topic, and words for its state when that changes.",
    license="Apache-2.0",
    maintainer="vljepa_ros maintainers",
    maintainer_email="maintainers@users.noreply.r-seed-b9b3b1cf.example",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["py.typed"]},
    data_files=shared_files(),
    python_requires=">=3.10",
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={"console_scripts": [f"{node} = {PACKAGE}.nodes.{node}:main" for node in NODES]},
)
