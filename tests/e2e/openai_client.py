"""What the OpenAI SDK makes of a team's service: run by story_orchestrators.py in the environment that has the package."""
import json
import os
import sys
from typing import Literal

import openai
from pydantic import BaseModel


class Decision(BaseModel):
    decision: Literal["approved", "rejected"]


class Issue(BaseModel):
    issue_type: str


class Elsewhere(BaseModel):
    opening_hours_on_mars: str


INVOICE = json.loads(sys.argv[1])
TICKET = json.loads(sys.argv[2])
finance, support = (openai.OpenAI(base_url=os.environ[f"{team}_URL"] + "/v1", api_key=os.environ[f"{team}_KEY"],
                                  max_retries=0) for team in ("FINANCE", "SUPPORT"))


def ask(case, model="finance/invoice-check", **more):
    return {"model": model, "messages": [{"role": "user", "content": json.dumps(case)}], **more}


def refused(kind, call, **request):
    try:
        call(**request)
    except kind as error:
        return error
    raise AssertionError(f"{request} was not refused with {kind.__name__}")


# Models
assert [m.id for m in finance.models.list()] == ["finance/invoice-check"]
assert finance.models.retrieve("finance/invoice-check").owned_by == "finance"
assert refused(openai.NotFoundError, finance.models.retrieve, model="support/ticket-triage").code == "model_not_found"

# An answer, typed, and in pieces
create, parse = finance.chat.completions.create, finance.chat.completions.parse
whole = create(**ask(INVOICE))
assert json.loads(whole.choices[0].message.content)["decision"] == "rejected", whole
assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
assert parse(**ask(INVOICE, response_format=Decision)).choices[0].message.parsed.decision == "rejected"
with finance.chat.completions.stream(**ask(INVOICE, response_format=Decision)) as stream:
    kinds = {event.type for event in stream}
    final = stream.get_final_completion()
assert {"content.delta", "content.done"} <= kinds and final.choices[0].message.parsed.decision == "rejected", kinds
refused(openai.LengthFinishReasonError, parse, **ask(INVOICE, response_format=Decision, max_completion_tokens=1))

# An abstention is a refusal, not something that is parsed
unsure = support.chat.completions.parse(**ask(TICKET, "ticket-triage", response_format=Issue)).choices[0].message
assert unsure.refusal and unsure.parsed is None and "abstained" in json.loads(unsure.content), unsure

# What is wrong is an exception that says what
assert refused(openai.BadRequestError, parse, **ask(INVOICE, response_format=Elsewhere)).param == "response_format"
assert refused(openai.BadRequestError, create, **ask({**INVOICE, "net": "much"})).param == "messages"
too_long = refused(openai.BadRequestError, create, **ask({**INVOICE, "notes": "word " * 100}))
assert too_long.code == "context_length_exceeded" and "maximum context length" in str(too_long), too_long
finance.api_key = "slm1_wrong"
assert refused(openai.AuthenticationError, create, **ask(INVOICE)).code == "invalid_api_key"
print("ok")
