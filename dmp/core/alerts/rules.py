"""What a rule of alerts.yaml may say. Every count of windows is one of the rule's own windows."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Optional, Union

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

#: Columns of dmp.metrics that can be summed up over channels, events and campaigns.
COLUMNS = ("events", "revenue", "late")
DIMENSIONS = ("channel", "event", "campaign")
#: Measures of dmp.quality that count something, so that a window without a row has none of it.
COUNTS = (
    "received", "accepted", "rejected", "duplicates", "late", "bots", "no_identifier", "flagged", "suppressed",
    "links_refused", "shared_devices",
)  # fmt: skip
DELAYS = ("event_delay_ms", "cleaning_delay_ms")
LABEL = "label"
QUALITY = "quality."
WATCHED = (*COLUMNS, *(QUALITY + measure for measure in (*COUNTS, *DELAYS)))

Texts = tuple[str, ...]
Windows = Annotated[int, Field(ge=1, le=720)]
Fraction = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Rule(BaseModel):
    """What all kinds have in common.

    `watch`: a column of dmp.metrics, or `quality.` and a measure. `where`: only rows with one of these values. `by`:
    a series, and alerts of its own, for each value of these columns. `window`: seconds, a multiple of the platform's
    windows, which it is unless given. An alert opens after `open_after` windows in breach and resolves after
    `resolve_after` calm ones; when a breach follows within `cooldown` windows, the same one opens again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: str
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    description: str = ""
    severity: Literal["info", "warning", "critical"] = "warning"
    watch: str = "events"
    where: dict[str, Texts] = {}
    by: Texts = ()
    window: Optional[int] = Field(default=None, ge=1, le=86_400)
    open_after: Windows = 1
    resolve_after: Windows = 2
    cooldown: int = Field(default=6, ge=0, le=720)
    #: Whether the first window of a series, which may have begun before it, can be judged.
    judges_first: ClassVar[bool] = False

    @field_validator("where", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        """One value may stand without a list; '' is what has no channel or campaign."""
        if not isinstance(value, dict):
            return value
        return {name: (given,) if isinstance(given, str) else given for name, given in value.items()}

    @field_validator("watch")
    @classmethod
    def _watched(cls, value: str) -> str:
        if value not in WATCHED:
            raise ValueError(f"nothing to watch; choose one of {', '.join(WATCHED)}")
        return value

    @model_validator(mode="after")
    def _known_dimensions(self) -> Rule:
        known = (LABEL,) if self.of_quality else DIMENSIONS
        for name in (*self.where, *self.by):
            if name not in known:
                raise ValueError(f"{self.watch} has no {name}; where and by know {', '.join(known)}")
        if self.watch in (QUALITY + delay for delay in DELAYS) and len(self.where.get(LABEL, ())) != 1:
            raise ValueError(f"{self.watch} needs where: {{label: avg}} or {{label: max}}")
        return self

    @property
    def of_quality(self) -> bool:
        """Whether it watches dmp.quality rather than dmp.metrics."""
        return self.watch.startswith(QUALITY)

    @property
    def counts(self) -> bool:
        """Whether a window without a row is one of nothing, rather than unknown."""
        return self.watch not in (QUALITY + delay for delay in DELAYS)


class Threshold(Rule):
    """The value is above or below a limit; it is calm again on the other side of `clear`."""

    kind: Literal["threshold"]
    above: Optional[Number] = None
    below: Optional[Number] = None
    clear: Optional[Number] = None

    @model_validator(mode="after")
    def _one_limit(self) -> Threshold:
        if (self.above is None) == (self.below is None):
            raise ValueError("needs either above or below")
        if self.clear is not None and (
            self.clear > self.above if self.above is not None else self.clear < (self.below or 0)
        ):
            raise ValueError("clear must lie on the calm side of the limit")
        return self


class Change(Rule):
    """The value is a share more (`rises`) or less (`falls`) than the mean of the `baseline` calm windows before.

    0.5 is half as much again, or half. Not judged while the mean is below `at_least`. After `adopt` windows a change is
    what is normal, and its alert resolves.
    """

    kind: Literal["change"]
    rises: Optional[Fraction] = None
    falls: Optional[float] = Field(default=None, gt=0, le=1)
    baseline: Windows = 12
    at_least: float = Field(default=20, ge=0)
    adopt: Windows = 60

    @model_validator(mode="after")
    def _a_direction(self) -> Change:
        if self.rises is None and self.falls is None:
            raise ValueError("needs rises, falls or both")
        return self


class ZScore(Rule):
    """The value is more than `sigmas` deviations from its exponentially weighted mean; calm within `clear_sigmas`.

    `memory` windows weigh most; the first `warmup` are not judged. A deviation is never taken to be less than
    `min_deviation`, nor than the square root of the mean, that of plain chance in counts.
    """

    kind: Literal["zscore"]
    sigmas: Fraction = 5
    clear_sigmas: Optional[Fraction] = None
    direction: Literal["up", "down", "both"] = "both"
    memory: Windows = 30
    warmup: Windows = 10
    min_deviation: float = Field(default=1, gt=0)
    adopt: Windows = 60


class Silence(Rule):
    """A series that has begun has no data for `windows` windows; the first with data ends it."""

    kind: Literal["silence"]
    windows: Windows = 6
    resolve_after: Windows = 1

    @model_validator(mode="after")
    def _counted(self) -> Silence:
        if not self.counts:
            raise ValueError(f"{self.watch} has no windows without data: watch a count")
        return self


class FunnelDrop(Rule):
    """Of those who came to the event `after`, the share that goes on to `step` falls below its mean in the `baseline`
    calm windows before. Not judged in windows with fewer than `at_least` events `after`."""

    kind: Literal["funnel_drop"]
    step: str = Field(min_length=1)
    after: str = Field(min_length=1)
    falls: float = Field(default=0.5, gt=0, le=1)
    baseline: Windows = 12
    at_least: int = Field(default=20, ge=1)
    adopt: Windows = 60

    @model_validator(mode="after")
    def _of_events(self) -> FunnelDrop:
        if self.watch != "events" or "event" in (*self.where, *self.by):
            raise ValueError("watches the events of step and after: leave out watch and event")
        if self.step == self.after:
            raise ValueError("step and after are the same event")
        return self


class RejectRate(Rule):
    """The share of rejected events among those received is above a limit. Not judged in windows with fewer than
    `at_least` received."""

    kind: Literal["reject_rate"]
    watch: Literal["quality.rejected"] = "quality.rejected"
    above: float = Field(gt=0, lt=1)
    clear: Optional[float] = Field(default=None, ge=0, lt=1)
    reasons: Texts = ()
    at_least: int = Field(default=20, ge=1)
    judges_first: ClassVar[bool] = True

    @model_validator(mode="after")
    def _of_all(self) -> RejectRate:
        if self.where or self.by:
            raise ValueError("has one series: choose reasons instead of where and by")
        if self.clear is not None and self.clear > self.above:
            raise ValueError("clear must not be above the limit")
        return self


AnyRule = Annotated[Union[Threshold, Change, ZScore, Silence, FunnelDrop, RejectRate], Field(discriminator="kind")]
KINDS = ("threshold", "change", "zscore", "silence", "funnel_drop", "reject_rate")
_RULE: TypeAdapter[AnyRule] = TypeAdapter(AnyRule)


def parse_rules(content: object, base_seconds: int) -> tuple[Rule, ...]:
    """The rules of `{"rules": [...]}`, each with its `window` in seconds; `base_seconds` are the platform's windows.

    ValueError, one line, for the first thing that is wrong: an unknown key or kind, a value out of range, a name that
    stands twice, a window that is no multiple of the platform's.
    """
    if not isinstance(content, dict) or set(content) != {"rules"} or not isinstance(content["rules"], list):
        raise ValueError("needs one key, rules, with a list of rules")
    rules: dict[str, Rule] = {}
    for number, given in enumerate(content["rules"], start=1):
        rule = _parse_rule(number, given, base_seconds)
        if rule.name in rules:
            raise ValueError(f"rule {rule.name} stands there twice: give each a name of its own")
        rules[rule.name] = rule
    return tuple(rules.values())


def _parse_rule(number: int, given: object, base_seconds: int) -> Rule:
    name = given.get("name") if isinstance(given, dict) else None
    where = f"rule {name if isinstance(name, str) else f'number {number}'}"
    try:
        rule: Rule = _RULE.validate_python(given)
    except ValidationError as error:
        raise ValueError(f"{where}: {_describe(error)}") from None
    window = rule.window or base_seconds
    if window % base_seconds:
        raise ValueError(f"{where}: window = {window}: must be a multiple of the {base_seconds} s of windows.seconds")
    if not rule.counts and window != base_seconds:
        raise ValueError(f"{where}: a delay cannot be summed up over several windows: leave out window")
    return rule.model_copy(update={"window": window})


def _describe(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"] if part not in KINDS)
    if first["type"] == "extra_forbidden":
        return f"{key} is no key of its kind"
    if first["type"].startswith("union_tag"):
        return f"kind must be one of {', '.join(KINDS)}"
    reason = first["msg"].replace("Value error, ", "")
    return f"{key}: {reason[:1].lower()}{reason[1:]}" if key else reason


def width_ms(rule: Rule) -> int:
    """Milliseconds of the rule's windows."""
    assert rule.window is not None, "parse_rules fills it in"
    return rule.window * 1000
