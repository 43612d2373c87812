"""The billing dispute as a LangGraph graph over two teams: langgraph_flow.py DISPUTE.json"""
import json
import os
import sys
from typing import TypedDict

from findings import case
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph


def decide(team, slm, asked):
    """Asks an SLM of a team; {"abstained": {...}} when it does not decide."""
    model = ChatOpenAI(model=slm, base_url=os.environ[f"{team}_URL"] + "/v1", api_key=os.environ[f"{team}_KEY"])
    return json.loads(model.invoke(json.dumps(asked)).content)


class Dispute(TypedDict, total=False):
    ticket: dict
    invoice: dict
    customer: str
    triage: dict
    check: dict
    reply: dict
    end: str


def write(state):
    return {"reply": decide("SUPPORT", "support/reply-draft", case(state, state["triage"], state["check"]))}


def after(step, then):
    return lambda state: "hand_over" if "abstained" in state[step] else then(state)


graph = StateGraph(Dispute)
graph.add_node("triage", lambda state: {"triage": decide("SUPPORT", "support/ticket-triage", state["ticket"])})
graph.add_node("check", lambda state: {"check": decide("FINANCE", "finance/invoice-check", state["invoice"])})
graph.add_node("write", write)
graph.add_node("close", lambda state: {"end": state["check"]["decision"] if "check" in state else "not billing"})
graph.add_node("hand_over", lambda state: {"end": "a person decides"})
graph.add_edge(START, "triage")
is_billing = after("triage", lambda state: "check" if state["triage"]["issue_type"] == "billing" else "close")
graph.add_conditional_edges("triage", is_billing, ["check", "close", "hand_over"])
graph.add_conditional_edges("check", after("check", lambda state: "write"), ["write", "hand_over"])
graph.add_conditional_edges("write", after("reply", lambda state: "close"), ["close", "hand_over"])
graph.add_edge("close", END)
graph.add_edge("hand_over", END)

if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        end = graph.compile().invoke(json.load(file))
    print(json.dumps({name: end[name] for name in ("triage", "check", "reply", "end") if name in end}))
