"""A plain reply: what the findings say in the words of WRITING.md, opened with what the ticket is about.

make_rows.py uses it for training rows. It differs from template.py, the floor, in that it is given the topic: which words of the ticket name
it was marked by hand (data/topics.txt), and finding them in a new ticket is what the model has to learn.
"""

REASONS = {
    "tax": "has {billed_tax} tax instead of {correct_tax}",
    "vendor": "names {billed_vendor} as the seller instead of {correct_vendor}",
    "terms": "has the terms {billed_terms} instead of {agreed_terms}",
    "totals": "does not add up",
    "duplicate": "is a duplicate of {duplicate_of}",
    "order": "bills {billed_item} where the order says {ordered_item}",
    "void": "is void",
}
REASONS_IN_SHORT = {
    "tax": "has the wrong tax", "vendor": "names the wrong seller", "terms": "has the wrong terms", "duplicate": "is a duplicate",
    "order": "does not agree with the order",
}
PARCEL = {
    "in_transit": "is in transit", "at_depot": "is at the depot", "at_customs": "is at customs", "delivered": "counts as delivered",
    "lost": "is lost", "coming_back": "is coming back to us",
}
REFUSED = {
    "return_period_over": "the return period is over", "hygiene_item": "hygiene items cannot be returned",
    "made_to_order": "it was made to order", "damaged_in_use": "the damage came about in use",
    "price_was_valid": "the price was valid on the day of the order", "points_expired": "the points have expired",
    "not_our_order": "it is not our order, so you pay nothing", "already_shipped": "the order has already shipped",
}
DONE = {
    "order_cancelled": "We have cancelled the order.", "order_changed": "We have changed your order.",
    "address_changed": "We have changed the address.", "account_locked": "We have locked your account.",
    "reset_link_sent": "We have sent a reset link; please look in the spam folder too.",
    "return_label_sent": "We have sent a return label.", "search_opened": "We have opened a search.",
    "reminder_stopped": "We have stopped the reminder.", "debit_stopped": "We have stopped the debit.",
    "invoice_withdrawn": "We have withdrawn the invoice.", "newsletter_stopped": "We have stopped the newsletter.",
    "data_deleted": "We have deleted your data.", "points_added": "We have added the points.",
}
# In this order: a sentence stands when all its findings are there.
PROMISES = [
    "The corrected invoice {corrected_invoice} will be with you by {corrected_by}.",
    "A refund of {refund_amount} will be in your account by {refund_date}.",
    "A credit of {credit_amount} will be booked by {credit_date}.",
]
LATER = [
    "It will be picked up on {pickup_date}.",
    "Please send it back by {return_until}.",
]
FILLERS = [
    "If anything is still open, please answer this mail, and a person looks at it.",
    "Thank you for your patience and for your clear message.",
    "We are glad to help.",
]
WORDS_MIN = 45


def filled(pattern, findings):
    try:
        return pattern.format_map(findings)
    except KeyError:
        return None


def joined(parts):
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def about_the_invoice(findings):
    invoice = f"invoice {findings['invoice_number']}" if "invoice_number" in findings else "the invoice"
    decision = findings.get("invoice_decision")
    if decision == "approved":
        yield f"Finance has checked {invoice}, and it is correct."
    elif decision == "rejected":
        reasons = [filled(REASONS[r], findings) or REASONS_IN_SHORT[r] for r in findings.get("reasons", [])]
        yield f"You are right: {invoice} {joined(reasons) if reasons else 'cannot stay as it is'}."
        if "correct_total" in findings:
            yield filled("The correct total is {correct_total} instead of {billed_total}.", findings) or \
                filled("The correct total is {correct_total}.", findings)
    elif "invoice_number" in findings:
        yield f"We have looked at {invoice}, and it is not decided yet."


def about_the_goods(findings):
    if "parcel_status" in findings:
        parcel = f"Parcel {findings['tracking_number']}" if "tracking_number" in findings else "The parcel"
        yield f"{parcel} {PARCEL[findings['parcel_status']]}."
    elif "tracking_number" in findings:
        yield f"We have looked at parcel {findings['tracking_number']}."
    if "refused_because" in findings:
        yield f"We are sorry to say no: {REFUSED[findings['refused_because']]}."
    if "remedy" in findings:
        when = f", which will arrive by {findings['delivery_date']}" if "delivery_date" in findings else ""
        yield f"You get a {findings['remedy'].replace('_', ' ')}{when}."
    elif "delivery_date" in findings:
        yield f"It will arrive by {findings['delivery_date']}."


def what_is_next(findings):
    yield from filter(None, (filled(sentence, findings) for sentence in PROMISES + LATER))
    yield from (DONE[deed] for deed in findings.get("done", []))
    if findings.get("issue_type") == "return" and "return_until" in findings and "refund_amount" not in findings:
        yield "Once it is here, our returns team checks it and writes to you about the refund."
    if "missing" in findings:
        yield f"Please send us the {' and the '.join(m.replace('_', ' ') for m in findings['missing'])}, so that we can go on."
    if "contact" in findings:
        yield f"Our colleague {findings['contact']} looks at it and answers you."
    if "sla_due" in findings:
        yield f"You will hear from us by {findings['sla_due']}."


def closing(findings):
    decision, kind = findings.get("invoice_decision"), findings.get("issue_type")
    is_paid_back = "refund_amount" in findings or "credit_amount" in findings
    if decision == "rejected":
        if not is_paid_back and "invoice_number" in findings:
            yield f"You need not pay {findings['invoice_number']}."
        yield "We are sorry for the mistake, and we thank you for telling us."
    elif decision == "approved" or "refused_because" in findings:
        yield "We know that you hoped for another answer, and we thank you for asking."
    elif kind == "delivery" and findings.get("parcel_status") != "delivered":
        yield "We know that you are waiting for it, and we are sorry for the delay."
    elif is_paid_back:
        yield "We are sorry that you had to ask for it."
    elif kind == "defect":
        yield "We are sorry for the trouble that it has caused you."
    elif kind not in ("account", "order_change", "return"):
        yield "We are sorry for the trouble."


def plain_reply(given, topic):
    findings, name = given["findings"], given.get("customer")
    order = f" of order {findings['order_number']}" if "order_number" in findings else ""
    parts = [f"{f'Dear {name}' if name else 'Hello'}, thank you for writing about {topic}{order}."]
    for section in (about_the_invoice, about_the_goods, what_is_next, closing):
        parts += section(findings)
    for filler in FILLERS:
        if len(" ".join(parts).split()) < WORDS_MIN:
            parts.append(filler)
    return " ".join(parts)
