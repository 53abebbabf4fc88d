"""Events: the facts of the system, typed, with their envelope.

Owns the types, their versions and who may append or hear them. Never touches a database or a broker.
"""

from shared.events.base import EVENT_TYPES, Event, Payload, Service
from shared.events.challenges import ChallengeCreated, FoldLimits, JoinApproved
from shared.events.envelope import Metadata, NewerVersionError, RecordedEvent, UnknownTypeError
from shared.events.mail import MailSent
from shared.events.people import AdministratorAppointed, TeamCreated, UserRegistered
from shared.events.problems import Metric, ProblemPreparationFailed, ProblemPrepared, ProblemPublished
from shared.events.submissions import (
    BaggedScore,
    FoldScore,
    FoldTrained,
    FoldUsage,
    Outcome,
    ScoreComputed,
    ScoringFailed,
    SubmissionUploaded,
    TrainingFinished,
    TrainingRequested,
    TrainingStarted,
)

__all__ = [
    "EVENT_TYPES",
    "AdministratorAppointed",
    "BaggedScore",
    "ChallengeCreated",
    "Event",
    "FoldLimits",
    "FoldScore",
    "FoldTrained",
    "FoldUsage",
    "JoinApproved",
    "MailSent",
    "Metadata",
    "Metric",
    "NewerVersionError",
    "Outcome",
    "Payload",
    "ProblemPreparationFailed",
    "ProblemPrepared",
    "ProblemPublished",
    "RecordedEvent",
    "ScoreComputed",
    "ScoringFailed",
    "Service",
    "SubmissionUploaded",
    "TeamCreated",
    "TrainingFinished",
    "TrainingRequested",
    "TrainingStarted",
    "UnknownTypeError",
    "UserRegistered",
]
