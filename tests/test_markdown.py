import pytest
from convdip.markdown import markdown_table

ROWS = [("eLORETA", "0.85"), ("x", "")]


def test_a_table_has_a_rule_below_its_header():
    assert markdown_table(("", "AUC"), ROWS) == (
        "|  | AUC |\n|---|---|\n| eLORETA | 0.85 |\n| x |  |"
    )


def test_padded_columns_are_aligned():
    lines = markdown_table(("", "AUC"), ROWS, padded=True).splitlines()
    assert lines == [
        "|         | AUC  |",
        "|---------|------|",
        "| eLORETA | 0.85 |",
        "| x       |      |",
    ]


def test_a_row_of_another_length_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        markdown_table(("a", "b"), [("1",)], padded=True)
