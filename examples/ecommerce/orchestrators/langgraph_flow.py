"""The billing dispute as a LangGraph graph over two teams: langgraph_flow.py DISPUTE.json"""
import json
import os
import sys
from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph


def decide(team, slm, case):
    """Asks an SLM of a team; {"abstained": {...}} when it does not decide."""
    model = ChatOpenAI(model=slm, base_url=os.environ[f"{team}_URL"] + "/v1", api_key=os.environ[f"{team}_KEY"])
    return json.loads(model.invoke(json.dumps(case)).content)


class Dispute(TypedDict, total=False):
    ticket: dict
    invoice: dict
    triage: dict
    check: dict
    end: str


def triage(state):
    return {"triage": decide("SUPPORT", "support/ticket-triage", state["ticket"])}


def check(state):
    return {"check": decide("FINANCE", "finance/invoice-check", state["invoice"])}


def after_triage(state):
    if "abstained" in state["triage"]:
        return "hand_over"
    return "check" if state["triage"]["issue_type"] == "billing" else "close"


def after_check(state):
    return "hand_over" if "abstained" in state["check"] else "close"


graph = StateGraph(Dispute)
graph.add_node("triage", triage)
graph.add_node("check", check)
graph.add_node("close", lambda state: {"end": state["check"]["decision"] if "check" in state else "not billing"})
graph.add_node("hand_over", lambda state: {"end": "a person decides"})
graph.add_edge(START, "triage")
graph.add_conditional_edges("triage", after_triage, ["check", "close", "hand_over"])
graph.add_conditional_edges("check", after_check, ["close", "hand_over"])
graph.add_edge("close", END)
graph.add_edge("hand_over", END)

if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        end = graph.compile().invoke(json.load(file))
    print(json.dumps({name: end[name] for name in ("triage", "check", "end") if name in end}))
