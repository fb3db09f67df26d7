import pytest

from limosa_idl.task.v1alpha1.task_pb2 import MemoryGrowth
from limosa_model.memory import grown_memory


@pytest.mark.parametrize(
    ("first", "growth", "shortages", "most", "expected"),
    [
        ("1Gi", {"factor": 2}, 0, "", "1Gi"),
        ("1Gi", {"factor": 2}, 1, "", "2Gi"),
        ("1Gi", {"factor": 2}, 3, "", "8Gi"),
        ("1Gi", {"factor": 2, "limit": "5Gi"}, 3, "", "5Gi"),
        ("1Gi", {"factor": 2, "limit": "5Gi"}, 3, "3Gi", "3Gi"),
        ("1Gi", {"factor": 2}, 500, "", "18446744073709551616Gi"),
        ("512Mi", {"factor": 1.5}, 1, "", "768Mi"),
        ("1G", {"factor": 2}, 1, "", "1907Mi"),
        ("4Gi", {"factor": 2, "limit": "2Gi"}, 1, "", "4Gi"),
        ("1Gi", {"steps": ["2Gi", "8Gi"]}, 1, "", "2Gi"),
        ("1Gi", {"steps": ["2Gi", "8Gi"]}, 2, "", "8Gi"),
        ("1Gi", {"steps": ["2Gi", "8Gi"]}, 7, "", "8Gi"),
        ("1Gi", {"steps": ["2Gi", "8Gi"]}, 2, "4Gi", "4Gi"),
        ("4Gi", {"steps": ["2Gi"]}, 1, "", "4Gi"),
        ("1Gi", {}, 3, "", "1Gi"),
    ],
)
def test_memory_grows(first: str, growth: dict, shortages: int, most: str, expected: str) -> None:
    assert grown_memory(first, MemoryGrowth(**growth), shortages, most) == expected
