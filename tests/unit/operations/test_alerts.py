"""The alerts speak of metrics that there are, and of sections of the runbook that there are."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
RULES = [rule for group in yaml.safe_load((ROOT / "deploy/alerts.yaml").read_text())["groups"] for rule in group["rules"]]
DEFINED = re.compile(r"(Counter|Gauge|Histogram)\(\s*\"(palio_[a-z_]+)\"")


def defined_metrics() -> set[str]:
    """The names under which Prometheus sees what the code defines."""
    names: set[str] = set()
    for folder in ("services", "shared"):
        for path in (ROOT / folder).rglob("*.py"):
            for kind, name in DEFINED.findall(path.read_text()):
                names |= {f"{name}_{end}" for end in ("bucket", "sum", "count")} if kind == "Histogram" else {name}
    return names


def test_every_metric_that_an_alert_names_is_defined() -> None:
    named = {name for rule in RULES for name in re.findall(r"palio_[a-z_]+", rule["expr"])}
    assert named
    assert named <= defined_metrics()


def test_every_counter_is_named_as_prometheus_shows_it() -> None:
    counters = {
        name
        for path in (ROOT / "services").rglob("*.py")
        for kind, name in DEFINED.findall(path.read_text())
        if kind == "Counter"
    }
    assert all(name.endswith("_total") for name in counters)


def test_every_alert_says_what_is_wrong_and_where_to_read_on() -> None:
    sections = set(re.findall(r"^## ([a-z-]+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE))
    for rule in RULES:
        assert rule["annotations"]["summary"]
        page, _, section = rule["annotations"]["runbook"].partition("#")
        assert (page, section in sections) == ("docs/runbook.md", True), rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
        # Brackets that do not close are what a typing error leaves; there is no promtool here.
        assert all(rule["expr"].count(opened) == rule["expr"].count(closed) for opened, closed in ("()", "{}", "[]"))


def test_a_service_that_says_it_is_blocked_sets_off_an_alarm_whatever_blocks_it() -> None:
    # A relay at an event that it can't publish counts as active, and one read model may stand still for hours at the same event.
    (rule,) = [rule for rule in RULES if rule["expr"] == "palio_blocked > 0"]
    assert rule["labels"]["severity"] == "page"
