# SPDX-License-Identifier: Apache-2.0
"""Is the bundle complete, does it compute what it should, and on what?"""

from __future__ import annotations

from collections.abc import Iterator

from vljepa_ros.nodes.doctor.finding import Finding, fault, fine


def check_bundle(bundle: str = "", *, compute: bool = True) -> Iterator[Finding]:
    """Compare every file with its hash, and run the model once.

    Args:
        bundle: The folder; empty is the default bundle.
        compute: Whether to load the model; a running embedder has told of it otherwise.
    """
    from vljepa_ros.runtime.backend import AUTO, BackendError
    from vljepa_ros.runtime.bundle import Bundle, BundleError, default_bundle_path
    from vljepa_ros.runtime.model import VLJepa

    try:
        checked = Bundle.load(bundle or default_bundle_path())
    except BundleError as error:
        yield fault("bundle", str(error))
        return
    files = f"{len(checked.files)} files have the sizes and hashes of the manifest"
    yield fine("bundle", f"{checked.name} {checked.version} in {checked.root}: {files}")
    if not compute:
        return
    try:
        model = VLJepa.load(checked.root, backend=AUTO)
    except (BundleError, BackendError) as error:
        yield fault("backend", str(error))
        return
    backend = model.backend
    yield fine("backend", f"{backend.name} {backend.precision}; {model.backend_reason}")
    model.close()
