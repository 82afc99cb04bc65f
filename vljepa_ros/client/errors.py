# SPDX-License-Identifier: Apache-2.0
"""What a planner must be told instead of an answer."""

from __future__ import annotations


class SceneError(RuntimeError):
    """What was asked of the scene cannot be answered; the message says why."""


class NotSeenError(SceneError, TimeoutError):
    """What was waited for was not seen in time; the message says what was seen instead."""


class AnswerError(SceneError):
    """The embedder did not answer a question, or refused it; the message says why."""
