#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the queries of dashboard.json and alerts.yml to metrics.def, and the alerts to what is
written of them: a query that asks for what is not there is no error anywhere, it is only empty.

Each check is a function of texts, so that --self-test can show it a tree that breaks it."""
import json
import os
import re
import subprocess
import sys

METRICS = "scheduler/metrics/"
OF_PROMETHEUS = {"up": ("GAUGE", [])}  # series that it adds to every target
OF_TARGETS = {"job", "instance"}       # labels that it adds to every series
KEYWORDS = {"and", "or", "unless", "by", "on", "ignoring", "without", "group_left", "group_right",
            "offset", "bool", "time"}

SELECTOR = re.compile(r"\b([a-z_:][a-z0-9_:]*)\s*\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
NAME = re.compile(r"(?<![\w$.])([a-z_:][a-z0-9_:]*)\b(?!\s*\()")


def read_metrics(definitions):
    """Every series by its name: (type, labels). A histogram has three, and none of its own name."""
    series = dict(OF_PROMETHEUS)
    for kind, name, labels in re.findall(r'^METRIC\(\w+,\s*(\w+),\s*"([^"]*)",\s*"([^"]*)"',
                                         definitions, re.M):
        labels = [label for label in labels.split(",") if label]
        if kind == "HISTOGRAM":
            series[name + "_bucket"] = ("COUNTER", labels + ["le"])
            series[name + "_sum"] = series[name + "_count"] = ("COUNTER", labels)
        else:
            series[name] = (kind, labels)
    return series


def names_in(query):
    """The names of the series that a query asks for."""
    bare = GROUPING.sub(" ", SELECTOR.sub(r"\1 ", query))
    bare = re.sub(r"\[[^]]*\]|\"[^\"]*\"", " ", bare)
    return [name for name in NAME.findall(bare) if name not in KEYWORDS]


def matcher_faults(name, matchers, series, words):
    for label, operator, value in MATCHER.findall(matchers):
        if label in OF_TARGETS:
            continue
        if label not in series[name][1]:
            yield f"{name} has no label '{label}'"
        elif "~" not in operator or re.fullmatch(r"[\w|-]+", value):
            yield from (f"no {label} of {name} is '{word}'" for word in value.split("|")
                        if word not in words)


def query_faults(query, series, words):
    """`words`: what stands in quotes in the sources, and so may be a label's value."""
    names = names_in(query)
    for name in names:
        if name not in series:
            yield f"there is no {name}"
    if not names:
        yield "it asks for nothing"
    for name, matchers in SELECTOR.findall(query):
        if name in series:
            yield from matcher_faults(name, matchers, series, words)
    known = OF_TARGETS.union(*(series[name][1] for name in names if name in series))
    for label in re.findall(r"\w+", " ".join(GROUPING.findall(query))):
        if label not in known:
            yield f"nothing that it asks for has a label '{label}'"
    for function, name in re.findall(r"\b(i?rate|increase)\(\s*([a-z_:][a-z0-9_:]*)", query):
        if name in series and series[name][0] != "COUNTER":
            yield f"{function}() of {name}, which is no counter"


def dashboard_queries(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for item in dashboard["templating"]["list"]:
        asked = re.fullmatch(r"label_values\((.*), *(\w+)\)", item.get("definition", ""))
        if asked:
            yield "variable " + item["name"], f"sum by ({asked.group(2)}) ({asked.group(1)})"
    for item in dashboard["annotations"]["list"]:
        yield "annotation " + item["name"], item["expr"]


def dashboard_faults(dashboard):
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(ids) != len(set(ids)):
        yield "two panels have one id"
    taken = {}
    for panel in dashboard["panels"]:
        if panel["type"] != "row" and not (panel.get("description") and panel.get("targets")):
            yield f"panel '{panel['title']}' has no description, or asks for nothing"
        at = panel["gridPos"]
        for cell in {(x, y) for x in range(at["x"], at["x"] + at["w"])
                     for y in range(at["y"], at["y"] + at["h"])}:
            if taken.setdefault(cell, panel["title"]) != panel["title"]:
                yield f"panel '{panel['title']}' lies upon '{taken[cell]}'"
                break


def read_alerts(rules):
    """Each alert's lines, by its name: alerts.yml is written plainly enough for that."""
    return dict(re.findall(r"^ +- alert: (\w+)\n(.*?)(?=^ +- alert: |\Z)", rules, re.M | re.S))


def query_of(alert):
    folded = re.search(r"^( +)expr: >-\n((?:\1 +.*\n)+)", alert, re.M)
    if folded:
        return " ".join(folded.group(2).split())
    plain = re.search(r"^ +expr: (.*)$", alert, re.M)
    return plain.group(1) if plain else ""


def alert_faults(name, alert, tests, production):
    """An alert says what it is, where to read on, and is shown to fire, and not to."""
    for wanted in (r"labels: \{severity: (critical|warning)\}", r" summary: ", r" description: "):
        if not re.search(wanted, alert):
            yield f"it lacks: {wanted}"
    if not re.search(rf" runbook: PRODUCTION\.md#{name.lower()}$", alert, re.M):
        yield "its runbook is not its section of PRODUCTION.md"
    if not re.search(rf"^#+ {name}$", production, re.M):
        yield "PRODUCTION.md has no section for it"
    shown = re.findall(rf"alertname: {name}\b.*?exp_alerts:( \[\])?", tests, re.S)
    if "" not in shown or " []" not in shown:
        yield "alerts_test.yml does not show it both fire and not"


def unused(series, asked):
    """What nobody looks at is not worth counting; but a histogram's parts stand for each other."""
    whole = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked} | set(asked)
    for name in sorted(series):
        if name.startswith("process_"):
            continue  # Prometheus' own rows: of every process, wanted or not
        if name not in asked and re.sub(r"_(bucket|sum|count)$", "", name) not in whole:
            yield f"no panel and no alert asks for {name}"


def self_test():
    series = read_metrics('METRIC(A, COUNTER, "a_total", "kind", "")\n'
                          'METRIC(B, GAUGE, "b", "", "")\n'
                          'METRIC(C, HISTOGRAM, "c_seconds", "route", "")\n')
    right = ['sum by (kind) (rate(a_total{job=~"$job",kind="poll"}[$__rate_interval]))',
             "histogram_quantile(0.9, sum by (route, le) (rate(c_seconds_bucket[5m]))) > 0.1",
             "b / (b > 0) > 0.9", 'up{job="x"} == 0', 'a_total{kind!~"poll|report"}',
             'b < 0.5 * max_over_time(sum by (job) (b)[1h:1m])', "time() - b"]
    wrong = ["a", "sum(rate(a_total_x[5m]))", 'a_total{sort="poll"}', 'a_total{kind="pole"}',
             'a_total{kind=~"poll|pole"}', "sum by (sort) (a_total)", "rate(b[5m])",
             "rate(c_seconds[5m])", "sum by (le) (rate(c_seconds_sum[5m]))", "1"]
    for query in right:
        if list(query_faults(query, series, {"poll", "report"})):
            sys.exit(f"refused: {query}: {list(query_faults(query, series, {'poll', 'report'}))}")
    for query in wrong:
        if not list(query_faults(query, series, {"poll", "report"})):
            sys.exit(f"not noticed: {query}")

    alert = ("labels: {severity: warning}\n annotations:\n summary: s\n description: d\n"
             " runbook: PRODUCTION.md#x\n")
    tests = "alertname: X, exp_alerts: []\n alertname: X\n exp_alerts:\n - x"
    if list(alert_faults("X", alert, tests, "### X\n")):
        sys.exit("an alert is refused that is well")
    for broken in ((alert.replace("#x", "#y"), tests, "### X\n"), (alert, "", "### X\n"),
                   (alert, tests, ""), (alert.replace("warning", "urgent"), tests, "### X\n"),
                   (alert, tests.replace("[]", ""), "### X\n")):
        if not list(alert_faults("X", *broken)):
            sys.exit(f"an alert is not refused: {broken}")
    if not list(unused(series, ["a_total", "c_seconds_bucket"])):
        sys.exit("that nobody asks for b is not noticed")

    panel = {"id": 1, "type": "stat", "title": "a", "description": "d", "targets": [1],
             "gridPos": {"x": 0, "y": 0, "w": 4, "h": 4}}
    for change in ({}, {"id": 2, "title": "b"}, {"id": 2, "title": "b", "description": ""}):
        if not list(dashboard_faults({"panels": [panel, {**panel, **change}]})):
            sys.exit(f"panels are not refused: {change}")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def quoted_words():
    paths = subprocess.run(["git", "ls-files", "scheduler/*.c", "scheduler/*.def", "common/model"],
                           capture_output=True, text=True, check=True).stdout.splitlines()
    return {word for path in paths if os.path.exists(path)
            for word in re.findall(r'"([\w-]+)"', read(path))}


def all_faults():
    series, words = read_metrics(read(METRICS + "metrics.def")), quoted_words()
    dashboard = json.loads(read(METRICS + "dashboard.json"))
    alerts = read_alerts(read(METRICS + "alerts.yml"))
    tests, production = read("tests/tree/alerts_test.yml"), read("scheduler/PRODUCTION.md")
    queries = [("dashboard.json: " + title, query) for title, query in dashboard_queries(dashboard)]
    queries += [("alerts.yml: " + name, query_of(alert)) for name, alert in alerts.items()]

    for where, query in queries:
        yield from (f"{where}: {fault}" for fault in query_faults(query, series, words))
    for name, alert in alerts.items():
        yield from (f"alerts.yml: {name}: {fault}"
                    for fault in alert_faults(name, alert, tests, production))
    yield from (f"dashboard.json: {fault}" for fault in dashboard_faults(dashboard))
    yield from unused(series, [name for _, query in queries for name in names_in(query)])


def main():
    if "--self-test" in sys.argv:
        return self_test()
    found = list(all_faults())
    if found:
        sys.exit("\n".join(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
