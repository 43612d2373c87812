#!/usr/bin/env python3
"""Many clients that each wait for their answer: decisions per second, latencies, and digests of the answers.

    bench/serve_load.py --port 8080 --key slm1_... --slm ticket-triage --rows rows.jsonl --clients 32 --requests 10000

Request i asks for row i modulo the number of rows. A digest covers a hundred answers in the order of i without what may
differ (id, model_ms and the fields named by --ignore), so two runs with equal digests gave the same bytes; a shorter run
is compared with the beginning of a longer one.
"""
import argparse
import asyncio
import hashlib
import json
import sys
import time


def read_inputs(path):
    inputs = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            inputs.append(json.dumps({"input": row.get("input", row)}, ensure_ascii=False).encode())
    return inputs


def without(answer, ignored):
    """The answer's text without the members named by dotted paths."""
    value = json.loads(answer)
    for path in ignored:
        at = value
        *parents, last = path.split(".")
        for name in parents:
            at = at.get(name) if isinstance(at, dict) else None
        if isinstance(at, dict):
            at.pop(last, None)
    return json.dumps(value, ensure_ascii=False).encode()


async def read_answer(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return status, await reader.readexactly(length)


async def client(args, inputs, numbers, answers, latencies, refused):
    reader, writer = await asyncio.open_connection(args.host, args.port)
    for number in numbers:
        body = inputs[number % len(inputs)]
        head = (f"POST /v1/slms/{args.slm}/decisions HTTP/1.1\r\nHost: {args.host}\r\nAuthorization: Bearer {args.key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")
        while True:
            started = time.perf_counter()
            writer.write(head.encode() + body)
            status, answer = await read_answer(reader)
            if status not in (429, 503):
                break
            refused.append(status)  # closes the connection
            writer.close()
            await asyncio.sleep(0.1)
            reader, writer = await asyncio.open_connection(args.host, args.port)
        latencies.append(time.perf_counter() - started)
        if status not in (200, 413):  # an input over the base's positions is an answer too
            sys.exit(f"request {number}: {status} {answer.decode(errors='replace')}")
        answers[number] = answer
    writer.close()


async def run(args):
    inputs = read_inputs(args.rows)
    answers, latencies, refused = [b""] * args.requests, [], []
    numbers = iter(range(args.requests))
    started = time.perf_counter()
    await asyncio.gather(*(client(args, inputs, numbers, answers, latencies, refused) for _ in range(args.clients)))
    seconds = time.perf_counter() - started
    kept = [without(answer, ["id", "model_ms", *args.ignore]) + b"\n" for answer in answers]
    digests = [hashlib.sha256(b"".join(kept[at:at + 100])).hexdigest() for at in range(0, len(kept), 100)]
    latencies.sort()
    print(json.dumps({
        "clients": args.clients, "requests": args.requests, "decisions_per_s": round(args.requests / seconds, 1),
        "p50_ms": round(latencies[len(latencies) // 2] * 1e3, 2),
        "p99_ms": round(latencies[int(len(latencies) * 0.99)] * 1e3, 2), "max_ms": round(latencies[-1] * 1e3, 2),
        "refused": len(refused), "digests": digests}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--slm", required=True)
    parser.add_argument("--rows", required=True, help='JSONL: {"input": {...}} or the input itself')
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--ignore", action="append", default=[], help="a member that may differ: output.sla_due")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
