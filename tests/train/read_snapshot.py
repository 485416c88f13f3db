# SPDX-License-Identifier: Apache-2.0
"""Reads a snapshot with PyTorch's own reader and prints what it holds, as JSON.

usage: read_snapshot.py FILE
"""

import io
import json
import pickle
import pickletools
import sys

from torch.cuda import _memory_viz


class Reader(pickle._Unpickler):
    """Python's own reader, which also counts the items that are appended to a list at once."""

    dispatch = dict(pickle._Unpickler.dispatch)
    largest_batch = 0

    def load_appends(self):
        items = self.pop_mark()
        self.largest_batch = max(self.largest_batch, len(items))
        self.stack[-1].extend(items)

    dispatch[pickle.APPENDS[0]] = load_appends


def main():
    data = open(sys.argv[1], "rb").read()
    protocol = max(op.proto for op, _, _ in pickletools.genops(data))
    reader = Reader(io.BytesIO(data))
    snapshot = reader.load()
    trace = snapshot["device_traces"][0]
    live = [b for s in snapshot["segments"] for b in s["blocks"] if b["state"] == "active_allocated"]
    # Both raise an error where the segments and blocks do not add up.
    segments, events = _memory_viz.segsum(snapshot), _memory_viz.trace(snapshot)
    # The page looks up the segment of each block of the history.
    ranges = [(s["address"], s["address"] + s["total_size"]) for s in snapshot["segments"]]
    homeless = [e for e in trace if not any(a <= e["addr"] and e["addr"] + e["size"] <= b for a, b in ranges)]
    # The last events of each address agree with the blocks at the end.
    ended = {}
    for event in trace:
        ended[event["addr"]] = event
    sizes = {b["address"]: b["size"] for b in live}
    wrong = [
        a for a, e in ended.items() if (e["action"] == "alloc") != (a in sizes) or sizes.get(a, e["size"]) != e["size"]
    ]
    by_class = {}
    for block in live:
        cls = block["frames"][0]["filename"]
        by_class[cls] = by_class.get(cls, 0) + block["size"]
    print(
        json.dumps(
            {
                "protocol": protocol,
                "largest_batch": reader.largest_batch,
                "allocated": sum(b["size"] for b in live),
                "by_class": by_class,
                "events": sum(e["action"] != "free_requested" for e in trace),
                "stages": sorted({f["name"] for e in trace for f in e["frames"] if f["filename"] == "stage"}),
                "homeless": len(homeless),
                "wrong": len(wrong),
                "in_order": all(a["time_us"] <= b["time_us"] for a, b in zip(trace, trace[1:])),
                "lines": [len(segments.splitlines()), len(events.splitlines())],
            }
        )
    )


if __name__ == "__main__":
    main()
