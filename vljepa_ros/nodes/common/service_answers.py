# SPDX-License-Identifier: Apache-2.0
"""Lets every request to a service get an answer, also if its callback fails.

rclpy sends none if a callback raises, so the caller waits for ever. That holds for the services
that rclpy itself offers too: ``set_parameters`` raises if the type of a value is unknown.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.service import Service


def answer_always(service: Service, count_error: Callable[[Exception], None]) -> None:
    """Make a service answer what its callback cannot.

    Args:
        service: The service; its callback is replaced.
        count_error: Takes what the callback raises.
    """
    callback = service.callback

    async def respond(request: Any, response: Any) -> Any:
        try:
            answer = callback(request, response)
            return await answer if inspect.isawaitable(answer) else answer
        except Exception as error:  # the caller must not wait for ever, whatever went wrong
            count_error(error)
            _refuse(request, response, f"internal error: {type(error).__name__}: {error}")
            return response

    service.callback = respond


def _refuse(request: Any, response: Any, reason: str) -> None:
    """Say in a response that the request failed, if its type has a field for that."""
    if isinstance(response, SetParameters.Response):  # what was set before the failure stays so
        left = len(request.parameters) - len(response.results)
        refusal = SetParametersResult(successful=False, reason=reason)
        response.results = [*response.results, *[refusal] * left]
    elif isinstance(response, SetParametersAtomically.Response):
        response.result = SetParametersResult(successful=False, reason=reason)
    if hasattr(response, "success"):
        response.success = False
    if hasattr(response, "message"):
        response.message = reason
