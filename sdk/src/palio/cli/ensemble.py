"""What `palio board --ensemble` shows: who is in a challenge's ensemble, and what more members bring."""

from __future__ import annotations

from rich.table import Table

from palio.client.answers import Ensemble
from palio.score_table import number
from palio.terminal import plain, results, say


def show_ensemble(ensemble: Ensemble) -> None:
    """Members with their contributivity, what they score together, and the score against their number."""
    metric = ensemble["metrics"][0]
    if not ensemble["members"]:
        say("There is no ensemble yet: it follows the first score.")
        return
    results().print(_members(ensemble))
    results().print()
    results().print(_scores(ensemble))
    curve = ", ".join(f"{point['n_members']}: {number(point['score'], metric['precision'])}" for point in ensemble["curve"])
    say(f"{metric['name']} by number of members: {curve}", "dim")


def _members(ensemble: Ensemble) -> Table:
    table = Table(title=plain(f"{ensemble['challenge']}, ensemble"), title_justify="left", box=None, pad_edge=False)
    table.add_column("rank", justify="right")
    table.add_column("team")
    table.add_column("submission")
    table.add_column("contributivity", justify="right")
    for member in ensemble["members"]:
        cells = (str(member["rank"]), member["team"], member["submission"], f"{member['contributivity']} %")
        table.add_row(*(plain(cell) for cell in cells))
    return table


def _scores(ensemble: Ensemble) -> Table:
    table = Table(title=f"Of {ensemble['n_candidates']} candidates", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    lines = {
        "combined": ensemble["combined"],
        "foldwise best": ensemble["foldwise_best"],
        "combined (test)": ensemble.get("combined_test"),
        "foldwise best (test)": ensemble.get("foldwise_best_test"),
    }
    for metric in ensemble["metrics"]:
        table.add_column(plain(metric["name"]), justify="right")
    for heading, scores in lines.items():
        if scores is not None:
            table.add_row(heading, *(number(scores.get(metric["name"]), metric["precision"]) for metric in ensemble["metrics"]))
    return table
