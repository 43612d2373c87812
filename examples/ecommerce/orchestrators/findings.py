"""What the two teams found out, as support/reply-draft wants it: amounts as they are said, and nothing that nobody knows."""


def case(dispute, triage, check):
    """The input of support/reply-draft."""
    found = {name: triage[name] for name in ("issue_type", "priority")}
    found |= {"invoice_number": dispute["invoice"]["number"], "invoice_decision": check["decision"]}
    found |= {name: check[name] for name in ("reasons", "billed_item", "ordered_item", "agreed_terms", "correct_vendor")
              if check.get(name) is not None}
    found["billed_total"] = f"{dispute['invoice']['total']:.2f} EUR"
    if check.get("correct_total") is not None:
        found["correct_total"] = f"{check['correct_total']:.2f} EUR"
    ticket = {name: dispute["ticket"][name] for name in ("subject", "body")}
    return ticket | {name: dispute[name] for name in ("customer",) if name in dispute} | {"findings": found}
