#!/usr/bin/env python3
"""Plays cases of Autobahn's testsuite, ported by port.py, against a server that echoes, and judges what came of them.

    play.py [--naive CASES] SUITE REPORTS URL [CASES...]      CASES as in "3.*" (default: all)

SUITE is the folder with the ported package; for each case there is a file in REPORTS. With --naive the server is one
that is wrong on purpose: what --naive names, with commas, has to fail, and the other cases to pass, or the suite is
no judge. Exits with 1 if a case came out otherwise than it has to.
"""

import argparse
import collections
import json
import os
import shutil
import sys
import types

GOOD = {"OK", "INFORMATIONAL", "UNIMPLEMENTED"}
# How a connection ended is judged of its own, and there "unimplemented" is no word.
GOOD_CLOSE = {"OK", "INFORMATIONAL"}
STUMBLED = "ERROR OF THE SUITE ITSELF"


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--naive", type=lambda cases: cases.split(","), default=[], metavar="CASES")
    options.add_argument("suite")
    options.add_argument("reports")
    options.add_argument("url")
    options.add_argument("cases", nargs="*", default=["*"])
    given = options.parse_args()
    shutil.rmtree(given.reports, ignore_errors=True)
    sys.path.insert(0, given.suite)
    played, wanted = play(given.url, given.reports, given.cases + given.naive)
    return judge_suite(played, wanted, given.naive) if given.naive else judge(played, wanted, given.reports)


def play(url, reports, cases):
    """The results by case, and how many cases there are."""
    fuzzing = suite()
    factory = fuzzing.FuzzingClientFactory(
        {"outdir": reports, "servers": [{"agent": "server", "url": url}], "cases": cases}
    )
    if not factory.specCases:
        sys.exit(f"no case is called {' '.join(cases)}")
    stumbled = set()
    # Whatever is raised in a case goes to this log, and its result means nothing.
    fuzzing.log.addObserver(lambda event: event["isError"] and stumbled.add(factory.currentCaseId))
    fuzzing.reactor.run()
    with open(os.path.join(reports, "index.json"), encoding="utf-8") as index:
        played = json.load(index).get("server", {})
    for case in stumbled & played.keys():
        played[case]["behavior"] = STUMBLED
    return played, len(factory.specCases)


def suite():
    """The suite's module, with a client that translates between its octets and the bytes of autobahn."""
    # Setuptools has this no more, and all that is asked of it is where the test data are.
    sys.modules["pkg_resources"] = types.SimpleNamespace(
        resource_filename=lambda package, name: os.path.join(os.path.dirname(sys.modules[package].__file__), name)
    )
    from autobahntestsuite import fuzzing

    class Client(fuzzing.FuzzingClientProtocol):
        def sendFrame(self, opcode, payload="", payload_len=None, **more):
            payload = octets(payload)
            if payload_len is not None:
                # Repeated here: autobahn does so with a division that on Python 3 is none of whole numbers.
                payload = (payload * (payload_len // len(payload) + 1))[:payload_len]
            super().sendFrame(opcode, payload, **more)

        def sendMessage(self, payload, *more, **named):
            super().sendMessage(octets(payload), *more, **named)

        def sendMessageFrameData(self, payload, sync=False):
            return super().sendMessageFrameData(octets(payload), sync)

        def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
            super().sendCloseFrame(code, octets(reasonUtf8), isReply)

        def onMessage(self, payload, isBinary):
            super().onMessage(text(payload), isBinary)

        def onPong(self, payload):
            super().onPong(text(payload))

        def logRxFrame(self, frameHeader, payload):
            super().logRxFrame(frameHeader, map(text, payload))

    fuzzing.FuzzingClientProtocol = Client
    fuzzing.asciiLogData = fuzzing.binLogData
    return fuzzing


def octets(payload):
    return payload.encode("latin-1") if isinstance(payload, str) else payload


def text(payload):
    return payload.decode("latin-1")


def judge(played, wanted, reports):
    for case, result in played.items():
        if not good(result):
            with open(os.path.join(reports, result["reportfile"]), encoding="utf-8") as file:
                report = json.load(file)
            print(f"check failed: case {case}: {verdict(result)}: {report['result']} {report['resultClose']}")
        elif result["behavior"] != "UNIMPLEMENTED":
            print(f"check passed: case {case}: {verdict(result)}")
    return summary(played, wanted)


def summary(played, wanted):
    if len(played) < wanted:
        print(f"check failed: of {wanted} cases, {len(played)} were played")
    counts = collections.Counter(result["behavior"] if good(result) else "FAILED" for result in played.values())
    counts["FAILED"] += max(wanted - len(played), 0)
    words = ["OK", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED"]
    print("autobahn: " + ", ".join(f"{counts[word]} {word.lower()}" for word in words))
    return 1 if counts["FAILED"] else 0


def judge_suite(played, wanted, failing):
    wrong = [case for case, result in played.items() if good(result) == (case in failing) or result["behavior"] == STUMBLED]
    for case in wrong:
        print(f"check failed: case {case} against a naive server: {verdict(played[case])}")
    if len(played) < wanted:
        print(f"check failed: of {wanted} cases, {len(played)} were played against a naive server")
    if wrong or len(played) < wanted:
        return 1
    print(f"check passed: a naive server fails the {len(failing)} cases that it has to fail, of {wanted}")
    return 0


def good(result):
    return result["behavior"] in GOOD and result["behaviorClose"] in GOOD_CLOSE


def verdict(result):
    return f"{result['behavior']}, close {result['behaviorClose']}"


if __name__ == "__main__":
    sys.exit(main())
