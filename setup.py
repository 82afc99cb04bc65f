# SPDX-License-Identifier: Apache-2.0
"""Build vljepa_ros as an ament_python package; colcon runs this."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "vljepa_ros"
# Installed to share/vljepa_ros, so that launch files and bundles are found by package name.
SHARED_FOLDERS = ("config", "demo", "engines", "launch")
NODES = (
    "embedder",
    "describer",
    "replay",
    "visualizer",
    "live_view",
    "state_printer",
    "pipeline",
)


def folders_below(top: Path) -> list[Path]:
    """List a folder and all the folders in it, but for Python's caches."""
    below = [path for path in sorted(top.rglob("*")) if path.is_dir()]
    return [path for path in [top, *below] if path.is_dir() and path.name != "__pycache__"]


def shared_files() -> list[tuple[str, list[str]]]:
    """List what goes to share/, as (target folder, files) relative to the install prefix."""
    targets = [
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ]
    for top in SHARED_FOLDERS:
        for folder in folders_below(Path(top)):
            files = [str(path) for path in sorted(folder.iterdir()) if path.is_file()]
            targets.append((f"share/{PACKAGE}/{folder}", files))
    return targets


setup(
    name=PACKAGE,
    version="0.1.0",
    description="Embeddings of a camera topic, and words for its state when that changes.",
    license="Apache-2.0",
    maintainer="vljepa_ros maintainers",
    maintainer_email="maintainers@users.noreply.r-seed-b9b3b1cf.example",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={
        PACKAGE: ["py.typed"],
        f"{PACKAGE}.live": ["page/*"],
        f"{PACKAGE}.review": ["page/*"],
        f"{PACKAGE}.views": ["fonts/*"],
        f"{PACKAGE}.web": ["page/*"],
    },
    data_files=shared_files(),
    python_requires=">=3.10",
    install_requires=["setuptools"],
    zip_safe=False,
    entry_points={
        "console_scripts": [
            *(f"{node} = {PACKAGE}.nodes.start:{node}" for node in NODES),
            f"doctor = {PACKAGE}.nodes.doctor.examination:main",
            f"vljepa = {PACKAGE}.commands.main:main",
            f"build_engine = {PACKAGE}.commands.build_engine:main",
            f"gpu_report = {PACKAGE}.commands.gpu_report:main",
        ]
    },
)
