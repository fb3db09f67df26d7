"""What a resumed run reuses and what it runs, as lines for people."""

from collections.abc import Iterator, Sequence

from limosa_idl.admin.v1alpha1.admin_pb2 import ResumedNode


def rows(nodes: Sequence[ResumedNode]) -> Iterator[str]:
    """One line per node: path, name, whether it is reused, why it runs."""
    lines = [("NODE", "NAME", "RESULT", "WHY")]
    lines += [
        (node.node_path, node.display_name, "reused" if node.reused else "runs", _why(node)) for node in nodes
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        yield "  ".join([*cells, line[3]]).rstrip()


def warnings(nodes: Sequence[ResumedNode]) -> Iterator[str]:
    """What was made by other code than the new run's, and is taken all the same."""
    for node in nodes:
        if not node.code_changed or not (node.reused or node.items_reused):
            continue
        what = f"{node.node_path} ({node.display_name})"
        if node.reused:
            yield f"the code of {what} is of another version, its old result is reused; to run it again: --from {node.node_path}"
        else:
            yield (
                f"the code of {what} is of another version, the results of {node.items_reused} of its items are reused; "
                f"to run all of them again: --from {node.node_path}"
            )


def _why(node: ResumedNode) -> str:
    if node.reused or not node.items_reused:
        return node.detail
    return f"{node.detail}; of its {node.items} items {node.items_reused} are reused"
