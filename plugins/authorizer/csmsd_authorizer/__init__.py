"""Id tags judged by an HTTP backend of the operator's, or by nobody."""

from __future__ import annotations

from csmsd_authorizer.config import AuthorizerConfig, Outcome
from csmsd_authorizer.messages import Answer, Question
from csmsd_authorizer.plugin import AuthorizerPlugin

__all__ = ["Answer", "AuthorizerConfig", "AuthorizerPlugin", "Outcome", "Question"]
