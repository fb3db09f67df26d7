"""The dashboard and the metrics name the same things."""

import json
import re
from pathlib import Path

from limosa_admin.metrics import Metrics as AdminMetrics
from limosa_propeller.metrics import Metrics as OperatorMetrics

ROOT = Path(__file__).parents[3]
GAUGE = re.compile(r'"(limosa_[a-z_]+)"')


def known() -> set[str]:
    """Names of all metrics; those that are read when asked for are named in the code that reads them."""
    told = AdminMetrics().text(list) + OperatorMetrics().text()
    names = set(re.findall(r"^# TYPE (\S+)", told.decode(), re.MULTILINE))
    for source in ("admin/limosa_admin/store/counts.py", "propeller/limosa_propeller/supervisor.py"):
        names |= set(GAUGE.findall((ROOT / source).read_text()))
    return {name for name in names if not name.endswith("_created")}


def queries() -> list[str]:
    dashboard = json.loads((ROOT / "deploy/grafana/limosa.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def shown() -> set[str]:
    text = " ".join(queries())
    return {re.sub(r"_bucket$", "", name) for name in re.findall(r"limosa_[a-z_]+", text)}


def test_every_panel_asks_for_a_metric_that_exists() -> None:
    assert shown() - known() == set()


def test_every_metric_has_a_panel() -> None:
    assert known() - shown() == set()


def test_what_every_replica_of_admin_reads_of_one_database_is_not_added_up() -> None:
    gauges = set(GAUGE.findall((ROOT / "admin/limosa_admin/store/counts.py").read_text()))
    asked = [(query, name) for query in queries() for name in gauges if name in query]
    assert len(asked) >= len(gauges)
    for query, name in asked:
        assert re.search(rf"max( by \([a-z, ]+\) )?\({name}[{{)]", query), query
