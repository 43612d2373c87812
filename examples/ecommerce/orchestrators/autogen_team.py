"""The billing dispute as a graph of AutoGen agents over two teams: autogen_team.py DISPUTE.json"""
import asyncio
import json
import os
import sys

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import DiGraphBuilder, GraphFlow
from autogen_ext.models.openai import OpenAIChatCompletionClient
from findings import case

INFO = {"vision": False, "function_calling": False, "json_output": True, "structured_output": True, "family": "unknown"}


def agent(name, team, slm):
    client = OpenAIChatCompletionClient(model=slm, base_url=os.environ[f"{team}_URL"] + "/v1",
                                        api_key=os.environ[f"{team}_KEY"], model_info=INFO)
    return AssistantAgent(name, client, system_message=None)


def said(message, word):
    return f'"{word}"' in message.to_model_text()


async def solve(dispute):
    triage = agent("triage", "SUPPORT", "support/ticket-triage")
    check = agent("check", "FINANCE", "finance/invoice-check")
    flow = DiGraphBuilder()
    flow.add_node(triage).add_node(check)
    flow.add_edge(triage, check, condition=lambda m: said(m, "billing") and not said(m, "abstained"))
    # Both agents see everything; each SLM finds its own input among the objects in it.
    task = f"The ticket: {json.dumps(dispute['ticket'])}\nThe invoice: {json.dumps(dispute['invoice'])}"
    result = await GraphFlow([triage, check], flow.build()).run(task=task)
    answers = {m.source: json.loads(m.content) for m in result.messages if m.source in ("triage", "check")}
    if "check" in answers and "abstained" not in answers["check"]:
        asked = json.dumps(case(dispute, answers["triage"], answers["check"]))
        reply = await agent("reply", "SUPPORT", "support/reply-draft").run(task=asked)
        answers["reply"] = json.loads(reply.messages[-1].content)
    if any("abstained" in answer for answer in answers.values()):
        return {**answers, "end": "a person decides"}
    return {**answers, "end": answers["check"]["decision"] if "check" in answers else "not billing"}


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        print(json.dumps(asyncio.run(solve(json.load(file)))))
