# SPDX-License-Identifier: Apache-2.0
"""The alerts and the dashboard of the chart, as Prometheus reads them. `promtool` checks the renders of helm. For
each alert, alerts.yaml defines when it must fire and when it must not. Every name of a metric must be in
docs/metrics-served.txt.

  alerts_test.py HELM PROMTOOL SOURCE_DIR

Exit code 0 if all is as expected, 1 if not, 77 (skipped) if a tool is missing.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

from cases import METRICS, RENDERS, given
from skipping import SKIPPED, helm_or_skip, yaml_or_skip

OF_OTHERS = {"DCGM_FI_DEV_GPU_UTIL"}
# If an alert's description ends with the same words for all figures, alerts.yaml has one of these.
ENDINGS = {"$STALLED": "EbbStalled", "$LEAK": "EbbMemoryLeak", "$BUDGET": "EbbMemoryNearBudget", "$OVERFLOW": "EbbOverflowStreak", "$CHECKPOINT": "EbbCheckpointOld",
           "$DATA": "EbbDataWait", "$RANKS": "EbbRankMissing"}
TWO_BY_TWO = given(METRICS, "metrics.prometheusRule.enabled=true", "workers=2,slotsPerWorker=2")
# Each threshold with its alert and the least step that alerts.yaml can tell: for a duration, the interval of evaluations.
STEPS = {"stalledSeconds": ("EbbStalled", 1), "budgetPercent": ("EbbMemoryNearBudget", 1), "overflowStreak": ("EbbOverflowStreak", 1),
         "checkpointSeconds": ("EbbCheckpointOld", 1), "dataWaitPercent": ("EbbDataWait", 1), "rankMissingSeconds": ("EbbRankMissing", 30)}
failures = []


def fail(text):
    print(f"FAILED {text}")
    failures.append(text)


def served(source):
    """Names of docs/metrics-served.txt, each with its labels."""
    lines = (source / "docs/metrics-served.txt").read_text().splitlines()
    return {words[0]: set(words[2].split(",")) - {"-"} for words in (line.split() for line in lines if line and line[0] != "#")}


def render(helm, source, template, arguments):
    done = subprocess.run([helm, "template", "r", "charts/ebb", "--namespace", "n", "--kube-version", "1.34.0", "--show-only", f"templates/{template}.yaml", *arguments],
                          cwd=source, capture_output=True, text=True, check=True)
    return yaml.safe_load(done.stdout)


def promtool(program, *line):
    return subprocess.run([program, *line], capture_output=True, text=True, check=False)


def expected(source, rules):
    """The text of alerts.yaml, with the endings of these rules."""
    text = (source / "tests/charts/alerts.yaml").read_text()
    for word, alert in ENDINGS.items():
        text = text.replace(word, json.dumps(endings_of(rules)[alert])[1:-1])
    return text


def only(alert, text):
    """The tests of one alert."""
    whole = yaml.safe_load(text)
    for group in whole["tests"]:
        group["alert_rule_test"] = [t for t in group["alert_rule_test"] if t["alertname"] == alert]
    whole["tests"] = [group for group in whole["tests"] if group["alert_rule_test"]]
    return yaml.safe_dump(whole)


def try_rules(tool, groups, text, folder):
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    (folder / "alerts.yaml").write_text(text)
    return promtool(tool, "test", "rules", str(folder / "alerts.yaml"))


def endings_of(rules):
    """The text after the last figure of each alert's description. It is the same in every alert of its kind."""
    return {r["alert"]: re.split(r"(?<=[.]) ", r["annotations"]["description"].split("}}")[-1], maxsplit=1)[1] for r in rules}


def alerts(tool, source, groups, folder):
    rules = groups[0]["rules"]
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    done = promtool(tool, "check", "rules", str(folder / "rules.yaml"))
    if done.returncode or f"{len(rules)} rules found" not in done.stdout:
        fail(f"promtool check rules: {done.stdout}{done.stderr}")
    text = expected(source, rules)
    done = try_rules(tool, groups, text, folder)
    if done.returncode:
        fail(f"promtool test rules:\n{done.stdout}{done.stderr}")
    tried = [t for group in yaml.safe_load(text)["tests"] for t in group["alert_rule_test"]]
    for alert in (r["alert"] for r in rules):
        of_it = [bool(t["exp_alerts"]) for t in tried if t["alertname"] == alert]
        if set(of_it) != {True, False}:
            fail(f"alerts.yaml does not try {alert} both where it comes and where it does not")
    return len(rules), len(tried)


def thresholds(helm, tool, source, folder):
    """alerts.yaml holds each threshold: with the next value below it an alert comes too early, and with the next one above it too late."""
    def rules_with(value):
        return render(helm, source, "prometheusrule", [*TWO_BY_TWO, "--set", f"metrics.prometheusRule.{value}"])["spec"]["groups"]
    defaults = yaml.safe_load((source / "charts/ebb/values.yaml").read_text())["metrics"]["prometheusRule"]
    numbers = {name for name, value in defaults.items() if isinstance(value, int) and not isinstance(value, bool)}
    if numbers != set(STEPS):
        fail(f"the values of metrics.prometheusRule are {sorted(numbers)}, and STEPS has {sorted(STEPS)}")
    for name, (alert, step) in STEPS.items():
        for value in (defaults[name] - step, defaults[name] + step):
            groups = rules_with(f"{name}={value}")
            if not try_rules(tool, groups, only(alert, expected(source, groups[0]["rules"])), folder).returncode:
                fail(f"alerts.yaml does not hold {name}: it passes with {value} in place of {defaults[name]}")
    if "EbbCheckpointOld" in [r["alert"] for r in rules_with("checkpointSeconds=0")[0]["rules"]]:
        fail("checkpointSeconds=0 leaves the alert in")


def names(where, expression, known):
    """Every name of a metric, and of a label that selects one."""
    found = set(re.findall(r"\b(?:ebb|DCGM)_\w+", expression))
    for name in sorted(found - set(known) - OF_OTHERS):
        fail(f"{where}: {name} is not in docs/metrics-served.txt")
    for name, selector in re.findall(r"\b(ebb_\w+)\{([^}]*)\}", expression):
        for label in re.findall(r"(\w+)=~?\"", selector):
            if label not in known.get(name, set()) | {"namespace", "release"}:
                fail(f"{where}: {name} has no label {label}")
    return found


def dashboard(tool, config, known, folder):
    (text,) = config["data"].values()
    board = json.loads(text)
    panels = board["panels"]
    if not re.search("ebb_memory_peak_bytes", panels[0]["targets"][0]["expr"]) or not {"rank", "class"} <= set(re.findall(r"\w+", panels[0]["targets"][0]["expr"].split("(")[1])):
        fail("the first panel is not memory by class and rank")
    if len({p["id"] for p in panels}) != len(panels):
        fail("two panels have one id")
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels]
    if len(set(places)) != len(places) or any(p["gridPos"]["x"] + p["gridPos"]["w"] > 24 for p in panels):
        fail("panels lie over each other, or outside")
    rules = []
    for panel in panels:
        for target in panel["targets"]:
            names(f"panel {panel['title']}", target["expr"], known)
            expression = re.sub(r"\$\w+", "x", target["expr"])
            rules.append({"record": f"panel:{panel['id']}_{target['refId']}", "expr": expression})
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            names(f"variable {variable['name']}", variable["query"]["query"], known)
    (folder / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = promtool(tool, "check", "rules", str(folder / "panels.yaml"))
    if done.returncode or f"{len(rules)} rules found" not in done.stdout:
        fail(f"the dashboard's expressions: {done.stdout}{done.stderr}")
    return len(panels)


def main():
    helm, tool, source = helm_or_skip(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
    if not pathlib.Path(tool).exists():
        print(f"skipped: there is no {tool} (scripts/setup full unpacks it)")
        return SKIPPED
    known = served(source)
    groups = render(helm, source, "prometheusrule", TWO_BY_TWO)["spec"]["groups"]
    with tempfile.TemporaryDirectory() as folder:
        rules, tried = alerts(tool, source, groups, pathlib.Path(folder))
        panels = dashboard(tool, render(helm, source, "dashboard", RENDERS["dashboard"]), known, pathlib.Path(folder))
        thresholds(helm, tool, source, pathlib.Path(folder))
    for rule in groups[0]["rules"]:
        if not names(rule["alert"], rule["expr"], known):
            fail(f"{rule['alert']} asks for nothing")
    print(f"{rules} alerts, {tried} times tried; {panels} panels; {len(known)} names")
    return int(bool(failures))


if __name__ == "__main__":
    yaml = yaml_or_skip()
    sys.exit(main())
