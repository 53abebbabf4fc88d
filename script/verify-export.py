#!/usr/bin/env python3
"""Checks the public record of a challenge and prints the final public board that follows from it. Needs nothing but Python 3.8.

    python verify-export.py RECORD HASH

RECORD is what `palio ledger export --public CHALLENGE` wrote, HASH the ledger's that you got when the challenge closed: with it you
know that nothing recorded up to then was changed, added or left out since. Exit code 1 if it was.
A line of the record is an event, or, of what is nobody's business, its leaf:
    leaf = sha256(salt, then each column after its length in 8 bytes),  hash = sha256(hash of the event before, leaf)
"""

import hashlib
import json
import statistics
import sys

COLUMNS = ["position", "id", "stream", "version", "type", "schema_version", "data", "metadata", "recorded_at"]


def main(path, known_hash):
    try:
        with open(path, encoding="ascii") as lines:
            first = parse(next(lines))
            events, hashes = follow_chain(lines)
        challenge = next(json.loads(each["data"]) for each in events if each["type"] == "ChallengeCreated")
        end = {"challenge": challenge["challenge_id"], "position": len(hashes) - 1, "hash": hashes[-1]}
        check(first == {"format": "palio ledger export 1", **end}, "the first line does not belong to the others")
        check(known_hash.lower() in hashes[1:], "the hash that you know is not on its chain: this is not the ledger of then")
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        sys.exit(f"NOT PROVED: {str(error) or 'the record is empty, or of no challenge'}")
    proved = hashes.index(known_hash.lower())
    print(f"PROVED: nothing up to position {proved} of {end['position']} was changed since your hash was made.")
    later = sum(each["position"] > proved for each in events)
    print(f"Recorded after that, and only as good as who gave you this record: {later} of the {len(events)} events shown.")
    print_board(challenge, events)


def follow_chain(lines):
    """The events that are shown, and the hash after each position, beginning with the one before the first."""
    events, hashes = [], [hashlib.sha256(b"").hexdigest()]
    for position, line in enumerate(lines, 1):
        entry = parse(line)
        check(entry["position"] == position, f"position {position} is missing")
        if "leaf" in entry:
            leaf = bytes.fromhex(entry["leaf"])
        else:
            check(list(entry) == [*COLUMNS, "salt"], "a line was changed: " + line[:60])
            columns = [str(entry[name]).encode() for name in COLUMNS]
            packed = b"".join(len(column).to_bytes(8, "big") + column for column in columns)
            leaf = hashlib.sha256(bytes.fromhex(entry["salt"]) + packed).digest()
            events.append(entry)
        hashes.append(hashlib.sha256(bytes.fromhex(hashes[-1]) + leaf).hexdigest())
    return events, hashes


def parse(line):
    entry = json.loads(line)  # and there is one way to write it, so that no byte can differ unseen
    digits = entry.get("leaf") or entry.get("salt") or ""
    check((line, digits) == (json.dumps(entry) + "\n", bytes.fromhex(digits).hex()), "a line was changed: " + line[:60])
    return entry


def check(holds, otherwise):
    if not holds:
        raise ValueError(otherwise)


def print_board(challenge, events):
    """Validation scores, best first; the earlier submission first where they are equal; without a score last."""
    kinds = ("ProblemPrepared", "TeamCreated", "SubmissionUploaded", "ScoreComputed", "ProblemVersionAdopted")
    data = {kind: [] for kind in kinds}
    for event in events:
        data.setdefault(event["type"].replace("RunRescored", "ScoreComputed"), []).append({**event, **json.loads(event["data"])})
    # The name of one person is sealed, and stays so: the team's id stands for it.
    teams = {each["team_id"]: each["name"] if len(each["members"]) > 1 else each["team_id"] for each in data["TeamCreated"]}
    uploads = {each["submission_id"]: each for each in data["SubmissionUploaded"]}
    version = [challenge, *data["ProblemVersionAdopted"]][-1]["problem_version"]
    problem = next(each for each in data["ProblemPrepared"] if each["version"] == version)
    metric, rows = problem["metrics"][0], []
    counted = {each["submission_id"]: each for each in data["ScoreComputed"] if each["problem_version"] == version}
    for id_, scored in counted.items():
        score, upload = final_score(scored, metric["name"], problem["score_kind"]), uploads[id_]
        badness = (score or 0) * (1 if metric["is_lower_the_better"] else -1)
        shown = "none" if score is None else f"{score:.{max(metric['precision'], 0)}f}"
        rows.append((score is None, badness, upload["recorded_at"], id_, teams[upload["team_id"]], upload["name"], shown))
    print(f"\n{challenge['title']}: final public board\n\nrank\tteam\tsubmission\t{metric['name']}")
    for rank, row in enumerate(sorted(rows), 1):
        print(rank, *row[4:], sep="\t")


def final_score(scored, metric, kind):
    """Of the folds' predictions taken together (`bag`), or the mean of their scores, which there is only if each has one."""
    values = [each["valid"] for each in scored["bagged" if kind == "bag" else "folds"] if each["metric"] == metric]
    values = values[-1][-1:] if kind == "bag" and values else values
    return statistics.fmean(values) if values and None not in values else None


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) == 3 else sys.exit("usage: python verify-export.py RECORD HASH")
