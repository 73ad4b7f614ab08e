"""Which clauses ask for what an audit's figures show. Data: it claims no more than that a figure is an input.

The wording paraphrases the texts (ISO/IEC 42001:2023; Regulation (EU) 2024/1689) as far as they concern these figures.
Whether an organisation does what a clause asks is for whoever judges the whole of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ISO: Final = "ISO/IEC 42001:2023"
AI_ACT: Final = "Regulation (EU) 2024/1689 (AI Act)"


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause: what it is called and asks for, which figures serve it, as what, and what they do not show."""

    source: str
    clause: str
    title: str
    asks: str
    figures: str
    serves: str
    not_shown: str


DISCLAIMER: Final = (
    "The figures serve as input to the following. They are no statement of conformity, and the clauses of the AI Act"
    " concern high-risk AI systems and whoever provides or deploys them."
)

CLAUSES: Final = (
    Clause(
        ISO,
        "8.1",
        "Operational planning and control",
        "Processes are controlled by criteria, and documented information gives confidence that they ran as planned.",
        "Upper bound against the tolerable rate; deviations",
        "Serves as input to judging whether decisions were made with the pinned model as planned.",
        "The criteria themselves, changes of the model, and other processes.",
    ),
    Clause(
        ISO,
        "9.1",
        "Monitoring, measurement, analysis and evaluation",
        "What is measured, by which methods so that results are valid, and when; results are kept as evidence.",
        "Point estimate, upper bound, confidence, method",
        "Serves as one measurement, with its method, and can be repeated by others.",
        "Which measurements an organisation needs, and the evaluation of its management system.",
    ),
    Clause(
        ISO,
        "9.2",
        "Internal audit",
        "Audits at planned intervals, each with its criteria and scope, by impartial auditors; evidence is kept.",
        "Plan, draw, findings, this report",
        "Serves as evidence of one audit procedure within a programme, with criteria that were fixed before the draw.",
        "Whether the management system conforms, and whether it is effective.",
    ),
    Clause(
        ISO,
        "A.6.2.6",
        "AI system operation and monitoring",
        "The elements of ongoing operation are defined and documented, system and performance monitoring among them.",
        "Upper bound; deviations; events",
        "Serves as input to monitoring that the system in operation computes what the pinned model computes.",
        "Performance towards objectives, repairs, updates and support.",
    ),
    Clause(
        ISO,
        "A.6.2.8",
        "AI system recording of event logs",
        "Event logs are recorded in the phases that the organisation determines, at least while the system is in use.",
        "Coverage: entries, numbers given up, gaps, irregularities",
        "Serves as input to judging whether the log of decisions is complete, as far as it was read.",
        "Which events, besides decisions, should be recorded.",
    ),
    Clause(
        AI_ACT,
        "Art. 12",
        "Record-keeping",
        "The system technically allows for the automatic recording of events over its lifetime, for traceability.",
        "Coverage; MISSING and BROKEN items",
        "Serves as input to showing that decisions are recorded when they are made, and traceable to model and input.",
        "Whether the recorded events are those of Art. 12(2) and, where it applies, of Art. 12(3).",
    ),
    Clause(
        AI_ACT,
        "Art. 19",
        "Automatically generated logs",
        "Providers keep the logs that are under their control for a period that is appropriate, at least six months.",
        "Coverage; MISSING items; the range that was audited",
        "Serves as input to showing that, within the range and for the sample, logs were still kept.",
        "Times that the range does not reach back to, and longer periods that other law asks for.",
    ),
    Clause(
        AI_ACT,
        "Art. 26",
        "Obligations of deployers of high-risk AI systems",
        "Deployers monitor operation as the instructions for use say (5), and keep logs under their control (6).",
        "Upper bound; deviations; coverage",
        "Serves as input to a deployer's monitoring, and to showing that logs are kept.",
        "The instructions for use, human oversight, and informing providers, authorities or persons.",
    ),
    Clause(
        AI_ACT,
        "Art. 72",
        "Post-market monitoring by providers",
        "Data on performance is collected, documented and analysed systematically, throughout the lifetime.",
        "Point estimate and upper bound, audit after audit",
        "Serves as data that a post-market monitoring system can collect and analyse.",
        "Accuracy, and effects on persons: a wrong model that is run faithfully has no deviations.",
    ),
)

# What no audit of this kind covers, whatever its lead adds.
LIMITS: Final = (
    "Whether the pinned model is fair, accurate or lawful: only whether it gives the outputs that were committed to.",
    "Whether an input was true: the committed input is what was run again.",
    "Decisions that were made outside the log and left no gap in it.",
    "Whether an outcome was acted upon, or communicated, as it was computed.",
)
