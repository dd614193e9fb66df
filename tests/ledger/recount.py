"""The error budget counted again from the records alone, by another formula than the ledger's."""

import json
import math
import sqlite3

LEVEL, START, CREDITED, LOOKS, SEEN = 0.05, 0.025, 200, 1000, 0.5


def gamma(t):
    return 0.07720838 * math.log(max(t, 2)) * math.exp(-math.sqrt(math.log(t))) / t


def records(path):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)
    try:
        rows = db.execute("SELECT kind, id, data FROM record ORDER BY seq").fetchall()
    finally:
        db.close()
    return [(kind, name, json.loads(data)) for kind, name, data in rows]


class Recount:
    """What a principal may spend, followed along the chain."""

    def __init__(self):
        self.findings, self.verdicts, self.shares = {}, {}, {}
        self.open, self.tests, self.looks, self.rejected = {}, {}, {}, []
        self.paid = {}

    def follow(self, path):
        for kind, name, body in records(path):
            getattr(self, kind.replace("-", "_"), lambda *_: None)(name, body)
        return self

    def finding(self, name, body):
        assert name not in self.findings
        self.findings[name] = body
        self.open[body["run"]] = self.open.get(body["run"], 0) + 1

    def allocation(self, _, body):
        finding = self.findings[body["finding"]]
        principal, table = finding["author"]["principal"], finding["table"]["table"]
        assert body["finding"] not in self.shares, "two shares for one finding"
        number = self.tests.get(principal, 0) + 1
        assert (body["principal"], body["number"]) == (principal, number)
        known = [
            (test, when)
            for who, where, run, test, when in self.rejected
            if who == principal and where != table and self.open[run] == 0
        ]
        known = sorted(known)[-CREDITED:]
        assert body["credited"] == [test for test, _ in known]
        ages = sorted((number - when for _, when in known), reverse=True)
        level = START * gamma(number) + LEVEL * sum(gamma(age) for age in ages)
        if ages:
            level -= START * gamma(ages[0])
        others = sum(count for (where, _), count in self.looks.items() if where == table)
        own = table, finding["run"]
        if others > self.paid.get(own, 0):  # other runs have looked at it
            level *= SEEN
        self.paid[own] = self.paid.get(own, 0) + 1
        assert math.isclose(body["alpha"], level, rel_tol=1e-12)
        self.tests[principal] = number
        self.shares[body["finding"]] = number
        key = table, principal
        self.looks[key] = self.looks.get(key, 0) + 1
        total = sum(count for (where, _), count in self.looks.items() if where == table)
        assert total <= LOOKS

    def verdict(self, name, body):
        if body["finding"] in self.verdicts:
            return
        finding = self.findings[body["finding"]]
        principal, table, run = (
            finding["author"]["principal"],
            finding["table"]["table"],
            finding["run"],
        )
        self.verdicts[body["finding"]] = name
        self.open[run] -= 1
        number = self.shares.get(body["finding"])
        if number is None:
            return
        if body["alpha"] is None:
            self.looks[table, principal] -= 1
        elif body["p"] is not None and body["p"] <= body["alpha"]:
            self.rejected.append((principal, table, run, number, self.tests[principal]))
