from convdip_training.evaluation.results import COMPARED, where_behind


def row(**values):
    """Statistics of one method: mean and median alike, None for all that is not given."""
    return dict.fromkeys(COMPARED) | {n: {"mean": v, "median": v} for n, v in values.items()}


def test_every_group_in_which_a_baseline_is_ahead_is_listed():
    ahead = {
        "mine": row(auc=0.9, emd=10.0, ghosts=0.0),
        "eLORETA": row(auc=0.8, emd=30.0, ghosts=0.0),
        "random map": row(auc=0.95, emd=1.0),
    }
    behind = {"mine": row(auc=0.7, emd=9.0), "eLORETA": row(auc=0.8, emd=8.0)}
    table = {
        "model": {"name": "mine"},
        "sets": {
            "multi": {
                "title": "1–10 sources",
                "n": 30,
                "methods": ahead,
                "groups": {"sources": {"1": {"n": 20, "methods": ahead},
                                       "2": {"n": 10, "methods": behind}}},
            }
        },
    }  # fmt: skip
    said, _, _, _, *rows = where_behind(table).split("\n")
    assert "AUC 2 of 3, ghosts 2 of 2, earth mover's distance 2 of 3. Where one is:" in said
    assert rows == [
        "| 1–10 sources | number of sources 2 | 10 | AUC 0.700 (0.700), eLORETA 0.800 (0.800); "
        "earth mover's distance 9.0 (9.0), eLORETA 8.0 (8.0) |"
    ]
