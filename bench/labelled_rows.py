"""Rows {"input", "output"} of one label each, for the comparisons with peers."""
import collections
import json
import random


def read(path):
    return [json.loads(line) for line in path.open()]


def split(rows):
    by_label = collections.defaultdict(list)
    for row in rows:
        by_label[row["output"]].append(row)
    rng = random.Random(1)
    train, validation = [], []
    for label in sorted(by_label):
        rng.shuffle(by_label[label])
        held = max(1, len(by_label[label]) // 10)
        validation += by_label[label][:held]
        train += by_label[label][held:]
    rng.shuffle(train)
    return train, validation
