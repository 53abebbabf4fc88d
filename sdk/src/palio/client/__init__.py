"""The platform's HTTP API from Python: `Client`, and the errors it raises."""

from palio.client.api import FINAL_STATES, Client
from palio.client.errors import ApiError, Fault, ServerUnreachableError
from palio.client.watching import answers_of

__all__ = ["FINAL_STATES", "ApiError", "Client", "Fault", "ServerUnreachableError", "answers_of"]
