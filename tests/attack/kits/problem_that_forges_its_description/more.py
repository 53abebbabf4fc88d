"""Rewrites the runner that describes it: bounds that are no numbers, files that lead out, a text that is none.

Outcome: kit_error. The description is read as a stranger's.
Says: something that cannot be shown
"""

import sys

runner = sys.modules["palio_runner.prepare"]
describe = runner._described


def forged(*arguments):
    description = describe(*arguments)
    description["elements"] = ["../../../etc/passwd"]
    description["metrics"][0]["maximum"] = 1e999
    return description


runner._described = forged
runner.Channel.send_json = lambda self, name, content: self.send(name, __import__("json").dumps(content).encode())
