# SPDX-License-Identifier: Apache-2.0
"""Every setting of the change detector is a live parameter; the decoder is one that waits."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from rcl_interfaces.srv import DescribeParameters

from support.colour_bundle import add_text_decoder, sentence
from support.ros import Bench
from support.speaker import Speaker
from vljepa_msgs.msg import StateDescription
from vljepa_ros.nodes.common.diagnostics import Level
from vljepa_ros.nodes.common.parameters import Change
from vljepa_ros.nodes.common.qos import latched
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.parameter_tables import DETECTOR
from vljepa_ros.stream.change import ChangeConfig

DEFAULTS = asdict(ChangeConfig())


def used(describer: Describer) -> list[ChangeConfig]:
    """The settings of the detectors that run; no topic tells them."""
    (camera,) = describer._worker.cameras.values()
    return [stream.detector.config for stream in camera._detector._streams.values()]


def others() -> dict[str, Any]:
    """Another permitted value for every setting."""
    values = {}
    for spec in DETECTOR:
        assert spec.maximum is not None
        if isinstance(spec.default, int):
            values[spec.name] = spec.default + 1
        else:
            values[spec.name] = spec.default + (spec.maximum - spec.default) / 1000
    return values


def test_the_table_has_every_setting_with_its_default_and_range() -> None:
    assert {spec.name: spec.default for spec in DETECTOR} == DEFAULTS
    for spec in DETECTOR:
        assert spec.change is Change.LIVE, spec.name
        assert spec.minimum is not None and spec.maximum is not None, spec.name
        assert spec.description.endswith("."), spec.name


def test_param_describe_tells_ranges(ros: Bench, bundle: str) -> None:
    ros.add(Describer, bundle=bundle)
    found = ros.call(
        DescribeParameters, "describer/describe_parameters", names=list(DEFAULTS)
    ).descriptors
    assert [one.name for one in found] == list(DEFAULTS)
    for one in found:
        assert len(one.description) > 20, one.name
        assert len(one.floating_point_range) + len(one.integer_range) == 1, one.name


def test_each_setting_reaches_the_running_detectors_at_once(ros: Bench, bundle: str) -> None:
    describer = ros.add(Describer, bundle=bundle)
    speaker = Speaker(ros, describer)
    speaker.say("red", 1, "colour")
    speaker.say("dark", 1, "brightness")
    expected = dict(DEFAULTS)
    for name, value in others().items():
        assert ros.set_parameters("describer", **{name: value}).successful
        expected[name] = value
        assert [asdict(config) for config in used(describer)] == [expected] * 2


@pytest.mark.parametrize("refused", sorted(DEFAULTS))
def test_settings_are_taken_all_or_none(ros: Bench, bundle: str, refused: str) -> None:
    describer = ros.add(Describer, bundle=bundle)
    Speaker(ros, describer).say("red", 1)
    values = others()
    values[refused] = type(values[refused])(-1)
    result = ros.set_parameters("describer", **values)
    assert not result.successful and result.reason
    assert [asdict(config) for config in used(describer)] == [DEFAULTS]
    assert {name: describer.parameters[name] for name in DEFAULTS} == DEFAULTS


def test_sentences_are_spoken_if_the_bundle_can(
    ros: Bench, colour_bundle: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(colour_bundle, tmp_path / "speaking"))
    add_text_decoder(bundle)
    states = ros.inbox(StateDescription, "describer/state", latched(10))
    describer = ros.add(Describer, bundle=str(bundle), decoder="sentences")
    Speaker(ros, describer).say("red", 2)
    (state,) = states.wait(1)
    assert state.text == sentence("red")
    result = ros.set_parameters("describer", decoder="phrases")
    assert not result.successful and "clean it up first" in result.reason


def test_a_bundle_without_a_text_decoder_is_named_with_the_remedy(ros: Bench, bundle: str) -> None:
    reports = ros.diagnostics("describer")
    ros.add(Describer, bundle=bundle, decoder="sentences")
    report = reports.wait_for(lambda r: r.level == Level.ERROR.value, "the error")
    assert bundle in report.message and "use the decoder 'phrases'" in report.message
    assert ros.set_parameters("describer", decoder="phrases").successful
    assert ros.transition("describer", "configure")
    assert not ros.set_parameters("describer", decoder="songs").successful
