"""RabbitMQ comes back with nothing: what was requested is requested again, and every submission is scored."""

import secrets
import shutil

from palio.client import Client
from tests.conftest import temporary_stack
from tests.support.people import KITS, Person, followed, publish
from tests.support.waiting import wait_until

SLEEPER = b"""
import time
from sklearn.naive_bayes import GaussianNB

class Classifier:
    def fit(self, X, y):
        time.sleep(4)
        self.model = GaussianNB().fit(X, y.astype(str))

    def predict_proba(self, X):
        return self.model.predict_proba(X)
"""


def test_a_broker_that_lost_its_disk_costs_no_submission() -> None:
    settings = {"orchestrator": {"PALIO_LOST_AFTER_S": "3"}, "trainer": {"PALIO_SLOTS": "1", "PALIO_HEARTBEAT_S": "0.5"}}
    with temporary_stack("broker-lost", settings=settings) as stack:
        stack.start_servers()
        stack.migrate()
        stack.start_services()
        password = secrets.token_urlsafe(12)
        with Client(stack.origin) as nobody:
            nobody.register("ada", "ada@example.org", password)
            token = nobody.login("ada", password)["token"]
        stack.appoint_administrator("ada")
        with Client(stack.origin, token) as client:
            ada = Person("ada", "ada@example.org", client, token)
            assert publish(client, "iris", KITS["iris"])["state"] == "prepared"
            client.create_challenge("iris", "Iris", "iris")
            client.join("iris")
            submitted = [client.submit("iris", f"number {number}", {"classifier.py": SLEEPER})["id"] for number in range(3)]
            # One on the trainer, one requested, one that waits for its turn.
            wait_until(lambda: client.submission(submitted[0])["state"] == "training", "the first to begin")
            stack.supervisor.stop_program("rabbitmq")
            shutil.rmtree(stack.path / "rabbitmq" / "mnesia")
            (stack.path / "rabbitmq" / "mnesia").mkdir(mode=0o700)
            stack.supervisor.start_program("rabbitmq")
            assert [followed(ada, submission)["state"] for submission in submitted] == ["scored"] * 3
