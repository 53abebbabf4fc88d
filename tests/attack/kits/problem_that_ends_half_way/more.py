"""Ends the process, as if all were done, when half of what was prepared has been sent.

Outcome: kit_error. What is not whole is not taken.
Says: before it was done
"""

import os
import sys

runner = sys.modules["palio_runner.prepare"]
send = runner._send
sent = []


def half(channel, name, content):
    send(channel, name, content)
    sent.append(name)
    if name == "labels/y_train":
        os._exit(0)


runner._send = half
