"""Looks at a platform from outside and says what is wrong with it: over HTTP, at the mails that came, and at the ledger's rows.

Imports nothing of ours, so that a mistake of ours can't hide itself here; it is run as a program of its own. The database's
address comes from CHECKED_DATABASE_URL. Standard input is what must be found, as JSON:

    {"origin": "http://…", "challenge": "…", "mails": "/a/maildir",
     "submissions": [{"id": "…", "name": "…", "email": "…", "state": "scored", "score": 0.25}, …]}

Prints one line for each fault; exit code 1 if there is any. With a number of seconds as argument, looks again until then.
"""

import hashlib
import json
import mailbox
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from email import policy
from email.parser import BytesParser
from typing import Any

import httpx
import psycopg2
import psycopg2.extras

ROWS = """
    SELECT position, id::text, stream, version, type, schema_version, data, metadata,
        to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS recorded_at, salt, hash
    FROM ledger.events ORDER BY position
"""


def faults(expected: dict[str, Any]) -> Iterator[str]:
    """Everything that is wrong."""
    with httpx.Client(base_url=expected["origin"], timeout=20, trust_env=False) as client:
        yield from faults_of_answers(client, expected)
    yield from faults_of_mails(expected)
    connection = psycopg2.connect(os.environ["CHECKED_DATABASE_URL"])
    with connection.cursor(cursor_factory=psycopg2.extras.DictCursor) as cursor:
        cursor.execute(ROWS)
        rows = cursor.fetchall()
        cursor.execute("SELECT position, hash FROM ledger.head")
        head = cursor.fetchone()
    connection.close()
    yield from faults_of_chain(rows, head)
    yield from faults_of_runs(rows, expected)


def faults_of_answers(client: httpx.Client, expected: dict[str, Any]) -> Iterator[str]:
    """Every acknowledged submission is in its final state, and stands once, with the right score, in the right place."""
    for each in expected["submissions"]:
        found = client.get(f"/v1/submissions/{each['id']}").raise_for_status().json()
        if found["state"] != each["state"]:
            yield f"{each['name']} is {found['state']}, not {each['state']}"
    board = client.get(f"/v1/challenges/{expected['challenge']}/leaderboards/public").raise_for_status().json()
    standing = Counter(row["submission_id"] for row in board["rows"])
    scored = {each["id"]: each for each in expected["submissions"] if each["state"] == "scored"}
    yield from (f"{each['name']} stands {standing[key]} times on the board" for key, each in scored.items() if standing[key] != 1)
    yield from (f"{key} stands on the board, and nobody was told that it was taken in" for key in standing.keys() - scored.keys())
    scores = [row["scores"]["mean"] for row in board["rows"]]
    for row in board["rows"]:
        known = scored.get(row["submission_id"])
        if known and abs(row["scores"]["mean"] - known["score"]) > 1e-9:
            yield f"{known['name']} has the score {row['scores']['mean']}, not {known['score']}"
    if scores != sorted(scores, reverse=True) or [row["rank"] for row in board["rows"]] != list(range(1, len(scores) + 1)):
        yield "the board is out of order"


def faults_of_mails(expected: dict[str, Any]) -> Iterator[str]:
    """One mail for each submission; a second copy of it only with the same Message-ID."""
    box = mailbox.Maildir(expected["mails"], create=False)
    parser = BytesParser(policy=policy.default)
    told: dict[str, set[tuple[str, str]]] = {each["id"]: set() for each in expected["submissions"]}
    for key in box.keys():  # noqa: SIM118  (a mailbox is no dict)
        mail = parser.parsebytes(box.get_bytes(key))
        body = mail.get_body(("plain",))
        text = body.get_content() if body is not None else ""
        for submission, mails in told.items():
            if submission in text:
                mails.add((str(mail["Message-ID"]), str(mail["To"])))
    for each in expected["submissions"]:
        mails = told[each["id"]]
        if len(mails) != 1 or each["email"] not in next(iter(mails))[1]:
            yield f"{each['name']}: {len(mails)} mails to {', '.join(sorted(to for _, to in mails)) or 'nobody'}"


def faults_of_chain(rows: list[Any], head: Any) -> Iterator[str]:
    """Positions and versions without gaps, no id twice, no time that goes back, and hashes that follow from each other."""
    previous, versions, ids, latest = hashlib.sha256(b"").digest(), Counter[str](), set(), ""
    for number, row in enumerate(rows, start=1):
        versions[row["stream"]] += 1
        if row["position"] != number or row["version"] != versions[row["stream"]]:
            yield f"position {row['position']} stands where {number} should, version {row['version']} of {row['stream']}"
            return
        if row["id"] in ids or row["recorded_at"] < latest:
            yield f"position {number} repeats an id, or is older than the one before"
        ids.add(row["id"])
        latest = row["recorded_at"]
        leaf = hashlib.sha256(bytes(row["salt"]))
        for column in ("position", "id", "stream", "version", "type", "schema_version", "data", "metadata", "recorded_at"):
            content = str(row[column]).encode()
            leaf.update(len(content).to_bytes(8, "big") + content)
        previous = hashlib.sha256(previous + leaf.digest()).digest()
        if bytes(row["hash"]) != previous:
            yield f"the chain breaks at position {number}"
            return
    if (head["position"], bytes(head["hash"])) != (len(rows), previous):
        yield "the head is not the last event"


def faults_of_runs(rows: list[Any], expected: dict[str, Any]) -> Iterator[str]:
    """Nothing that may happen once was recorded twice, nothing was recorded of what nobody knows."""
    facts: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        data = json.loads(row["data"])
        match row["type"]:
            case "SubmissionUploaded":
                facts[row["type"], data["submission_id"]] += 1
            case "FoldTrained":
                facts[row["type"], data["run_id"], str(data["fold"])] += 1
            case "TrainingFinished" | "ScoreComputed" | "ScoringFailed":
                facts[row["type"], data["submission_id"]] += 1
            case "MailSent":
                facts[row["type"], data["mail_id"]] += 1
    yield from (f"recorded {count} times: {' '.join(fact)}" for fact, count in facts.items() if count != 1)
    known = {each["id"] for each in expected["submissions"]}
    recorded = {fact[1] for fact in facts if fact[0] == "SubmissionUploaded"}
    yield from (f"{submission} was taken in, and nobody was told so" for submission in recorded - known)
    yield from (f"{submission} is not in the ledger" for submission in known - recorded)
    for each in expected["submissions"]:
        ends = facts["ScoreComputed", each["id"]] + facts["ScoringFailed", each["id"]]
        if ends != (each["state"] == "scored"):
            yield f"{each['name']} was scored {ends} times"


def main() -> int:
    """Look, again until the time is up, and say what is wrong."""
    expected = json.load(sys.stdin)
    deadline = time.monotonic() + float(sys.argv[1] if len(sys.argv) > 1 else 0)
    while (found := list(faults(expected))) and time.monotonic() < deadline:
        time.sleep(1)
    sys.stdout.write("".join(f"{fault}\n" for fault in found))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
