import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limosa_admin.web.graph_layout import Box, lay_out


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 14))
    sizes = draw(
        st.lists(st.tuples(st.integers(20, 400), st.integers(20, 300)), min_size=count, max_size=count)
    )
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(
        lambda pair: pair[0] < pair[1]
    )
    edges = draw(st.lists(pairs, max_size=24, unique=True)) if count > 1 else []
    boxes = [Box(str(number), width, height) for number, (width, height) in enumerate(sizes)]
    return boxes, [(str(start), str(end)) for start, end in edges]


@given(graphs())
def test_boxes_never_overlap_and_edges_go_to_the_right(graph) -> None:
    boxes, edges = graph
    layout = lay_out(boxes, edges)
    for one, other in itertools.combinations(layout.boxes.values(), 2):
        apart = (
            one.x + one.width <= other.x
            or other.x + other.width <= one.x
            or one.y + one.height <= other.y + 0.01
            or other.y + other.height <= one.y + 0.01
        )
        assert apart, (one, other)
    for (start, end), line in zip(edges, layout.lines, strict=True):
        assert layout.boxes[start].layer < layout.boxes[end].layer
        xs = [x for x, _ in line]
        assert xs == sorted(xs)
        assert line[0][0] == layout.boxes[start].x + layout.boxes[start].width
        assert line[-1][0] == layout.boxes[end].x
    for box in layout.boxes.values():
        assert box.x >= 0
        assert box.y >= -0.01
        assert box.x + box.width <= layout.width + 0.01
        assert box.y + box.height <= layout.height + 0.01


def test_a_line_that_passes_a_layer_goes_around_its_boxes() -> None:
    boxes = [Box(name, 100, 50) for name in "abc"]
    layout = lay_out(boxes, [("a", "b"), ("b", "c"), ("a", "c")])
    ((_, y),) = layout.lines[2][1:-1]
    middle = layout.boxes["b"]
    assert y < middle.y or y > middle.y + middle.height


def test_crossings_that_can_be_avoided_are() -> None:
    boxes = [Box(name, 100, 50) for name in ("a", "b", "x", "y")]
    layout = lay_out(boxes, [("a", "y"), ("b", "x")])
    assert (layout.boxes["a"].y < layout.boxes["b"].y) == (layout.boxes["y"].y < layout.boxes["x"].y)


def test_nothing_is_nowhere() -> None:
    layout = lay_out([], [])
    assert (layout.width, layout.height) == (0, 0)


@pytest.mark.parametrize("count", [300])
def test_a_long_chain_is_one_line(count: int) -> None:
    boxes = [Box(str(number), 100, 50) for number in range(count)]
    layout = lay_out(boxes, [(str(number), str(number + 1)) for number in range(count - 1)])
    assert {box.y for box in layout.boxes.values()} == {0.0}
