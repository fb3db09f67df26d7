"""How far a run is, as `kubectl get wfr` and Events tell it."""

from typing import Any

from engine_stories import Teller

from limosa_engine import decode, encode
from limosa_propeller.runs.status import nodes_told, running_status

STORY: dict[str, Any] = {
    "graph": {
        "tasks": {"t": {"inputs": ["x"]}, "u": {}},
        "policy": "after",
        "nodes": {"m": {"map": "t", "with": {"x": [1, 2, 3]}}, "n0": {"task": "u", "with": {"x": 1}}},
    },
    "graphs": {},
    "steps": [
        {"when": ["start"]},
        {"when": [{"pod": "m[0]#0", "committed": {"o0": 1}}, {"pod": "m[2]#0", "committed": {"o0": 1}}]},
        {"when": [{"pod": "n0#0", "failed": {}}]},
    ],
}


def test_items_are_told_before_their_map_ends_and_a_failed_node_is_not_done() -> None:
    teller = Teller(STORY)
    teller.tell()
    restored = decode(teller.graph, encode(teller.state), teller.now)
    for state in (teller.state, restored):
        status = running_status(teller.graph, state, "uid", "digest")
        assert (status["nodes"], status["items"]) == ("0/2", "2/3")


def test_a_run_without_maps_tells_of_no_items() -> None:
    story = {**STORY, "graph": {"tasks": {"u": {}}, "nodes": {"n0": {"task": "u", "with": {"x": 1}}}}}
    teller = Teller(
        {**story, "steps": [{"when": ["start"]}, {"when": [{"pod": "n0#0", "committed": {"o0": 1}}]}]}
    )
    teller.tell()
    assert nodes_told(teller.state) == "1/1"
    assert running_status(teller.graph, teller.state, "uid", "digest")["items"] is None
