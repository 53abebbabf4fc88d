"""Events: the facts of the system, typed, with their envelope.

Owns the types, their versions and who may append or hear them. Never touches a database or a broker.
"""

from shared.events.base import EVENT_TYPES, Event, Payload, Service
from shared.events.challenges import TEAM_LOG_BYTES, ChallengeCreated, FoldLimits, JoinApproved, LogPolicy
from shared.events.envelope import Metadata, NewerVersionError, RecordedEvent, UnknownTypeError
from shared.events.mail import MailSent
from shared.events.people import AdministratorAppointed, TeamCreated, UserRegistered
from shared.events.problems import Metric, ProblemPreparationFailed, ProblemPrepared, ProblemPublished
from shared.events.submissions import (
    BaggedScore,
    FoldRequested,
    FoldScore,
    FoldsShared,
    FoldTrained,
    FoldUsage,
    Outcome,
    PartUsage,
    RequestReturned,
    RunConditions,
    ScoreComputed,
    ScoringFailed,
    SubmissionUploaded,
    SubmissionWithdrawn,
    TrainingFinished,
    TrainingRequested,
    TrainingStarted,
    WorkRequest,
)

__all__ = [
    "EVENT_TYPES",
    "TEAM_LOG_BYTES",
    "AdministratorAppointed",
    "BaggedScore",
    "ChallengeCreated",
    "Event",
    "FoldLimits",
    "FoldRequested",
    "FoldScore",
    "FoldTrained",
    "FoldUsage",
    "FoldsShared",
    "JoinApproved",
    "LogPolicy",
    "MailSent",
    "Metadata",
    "Metric",
    "NewerVersionError",
    "Outcome",
    "PartUsage",
    "Payload",
    "ProblemPreparationFailed",
    "ProblemPrepared",
    "ProblemPublished",
    "RecordedEvent",
    "RequestReturned",
    "RunConditions",
    "ScoreComputed",
    "ScoringFailed",
    "Service",
    "SubmissionUploaded",
    "SubmissionWithdrawn",
    "TeamCreated",
    "TrainingFinished",
    "TrainingRequested",
    "TrainingStarted",
    "UnknownTypeError",
    "UserRegistered",
    "WorkRequest",
]
