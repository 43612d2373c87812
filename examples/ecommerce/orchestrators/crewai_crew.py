"""The billing dispute as a crew of CrewAI over two teams: crewai_crew.py DISPUTE.json"""
import json
import os
import sys

from crewai import LLM, Agent, Crew, Task
from crewai.tasks.conditional_task import ConditionalTask
from findings import case


def agent(role, team, slm):
    # the prefix openai/ chooses the client; the rest is the model's name
    llm = LLM(model=f"openai/{slm}", base_url=os.environ[f"{team}_URL"] + "/v1", api_key=os.environ[f"{team}_KEY"])
    return Agent(role=role, goal="Decide the case.", backstory="You know the team's rules.", llm=llm, max_iter=1)


def solve(dispute):
    triage = Task(description=json.dumps(dispute["ticket"]), expected_output="issue type and priority as JSON",
                  agent=agent("Support triage", "SUPPORT", "support/ticket-triage"))
    check = ConditionalTask(description=json.dumps(dispute["invoice"]), expected_output="the decision as JSON",
                            agent=agent("Finance invoice check", "FINANCE", "finance/invoice-check"),
                            condition=lambda output: json.loads(output.raw).get("issue_type") == "billing")
    crew = Crew(agents=[triage.agent, check.agent], tasks=[triage, check])
    outputs = crew.kickoff().tasks_output
    answers = {name: json.loads(output.raw) for name, output in zip(("triage", "check"), outputs) if output.raw}
    if "check" in answers and "abstained" not in answers["check"]:
        asked = json.dumps(case(dispute, answers["triage"], answers["check"]))
        reply = Task(description=asked, expected_output="the reply as JSON",
                     agent=agent("Support reply", "SUPPORT", "support/reply-draft"))
        answers["reply"] = json.loads(Crew(agents=[reply.agent], tasks=[reply]).kickoff().raw)
    if any("abstained" in answer for answer in answers.values()):
        return {**answers, "end": "a person decides"}
    return {**answers, "end": answers["check"]["decision"] if "check" in answers else "not billing"}


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        print(json.dumps(solve(json.load(file))))
