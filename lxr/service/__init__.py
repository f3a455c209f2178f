"""Level 9: a bundle as a service over HTTP (the extra ``serve``): questions, the application, the command."""

from lxr.service.answers import Limits, QuestionError

__all__ = ["Limits", "QuestionError"]
