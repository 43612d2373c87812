#!/usr/bin/env python3
"""The floor of support/reply-draft: what a mail template makes of the same findings.

    template.py < data/test.jsonl > data/template_test.jsonl

Made in good faith: every finding has its sentence, and the promises are in the words of the closed list. It never reads
the ticket. The replies of a version are shown beside these.
"""
import json
import sys

REASONS = {
    "tax": "it carries {billed_tax} tax where {correct_tax} applies",
    "vendor": "it names {billed_vendor} as the seller instead of {correct_vendor}",
    "terms": "its terms are {billed_terms} instead of {agreed_terms}",
    "totals": "its lines do not add up to {billed_total}",
    "duplicate": "it is a duplicate of {duplicate_of}",
    "order": "it bills {billed_item} where the order says {ordered_item}",
    "void": "it is void",
}
REASONS_IN_SHORT = {
    "tax": "its tax is wrong", "vendor": "it names the wrong seller", "terms": "its terms are wrong",
    "totals": "its total is wrong", "duplicate": "it is a duplicate", "order": "it does not agree with the order",
    "void": "it is void",
}
DONE = {
    "order_cancelled": "We have cancelled the order.", "order_changed": "We have changed your order.",
    "address_changed": "We have changed the address.", "account_locked": "We have locked your account.",
    "reset_link_sent": "We have sent a reset link.", "return_label_sent": "We have sent a return label.",
    "search_opened": "We have opened a search.", "reminder_stopped": "We have stopped the reminder.",
    "debit_stopped": "We have stopped the debit.", "invoice_withdrawn": "We have withdrawn the invoice.",
    "newsletter_stopped": "We have stopped the newsletter.", "data_deleted": "We have deleted your data.",
    "points_added": "We have added the points.",
}
REFUSED = {
    "return_period_over": "The period in which the article could be returned is over.",
    "hygiene_item": "The article is a hygiene item and cannot be returned.",
    "made_to_order": "The article was made to order and cannot be returned.",
    "damaged_in_use": "The damage came about in use and is not covered.",
    "price_was_valid": "The price was the valid one on the day of the order.",
    "points_expired": "The points have expired.",
    "not_our_order": "There is no order of ours behind this.",
    "already_shipped": "The order has already shipped and cannot be changed.",
}
PARCEL = {
    "in_transit": "Your parcel is in transit.", "at_depot": "Your parcel is at the depot.",
    "at_customs": "Your parcel is at customs.", "delivered": "Your parcel is listed as delivered.",
    "lost": "Your parcel is listed as lost.", "coming_back": "Your parcel is coming back to us.",
}
# In this order: a sentence stands when all its findings are there.
SENTENCES = [
    "The correct total is {correct_total}.",
    "The corrected invoice {corrected_invoice} will be with you by {corrected_by}.",
    "A refund of {refund_amount} will be in your account by {refund_date}.",
    "You get a credit of {credit_amount}, booked by {credit_date}.",
    "It will arrive by {delivery_date}.",
    "It will be picked up on {pickup_date}.",
    "Please send it back by {return_until}.",
]
CLOSING = "If you have any further questions, please answer this message and our team will look at your case again."


def filled(pattern, findings):
    try:
        return pattern.format_map(findings)
    except KeyError:
        return None


def about_the_invoice(findings):
    invoice = f"invoice {findings['invoice_number']}" if "invoice_number" in findings else "the invoice"
    if findings.get("invoice_decision") == "approved":
        yield f"Finance has checked {invoice}, and it is correct."
    elif findings.get("invoice_decision") == "rejected":
        why = [filled(REASONS[r], findings) or REASONS_IN_SHORT[r] for r in findings.get("reasons", [])]
        yield f"Finance has checked {invoice} and rejected it: {', and '.join(why) or 'it is wrong'}."


def write(given):
    findings = given["findings"]
    name = given.get("customer")
    parts = [f"Dear {name}, thank you for your message." if name else "Hello, thank you for your message."]
    parts += about_the_invoice(findings)
    if "order_number" in findings:
        parts.append(f"This is about order {findings['order_number']}.")
    for table, key in ((PARCEL, "parcel_status"), (REFUSED, "refused_because")):
        if key in findings:
            parts.append(table[findings[key]])
    parts += [DONE[deed] for deed in findings.get("done", [])]
    if "remedy" in findings:
        parts.append(f"You get a {findings['remedy'].replace('_', ' ')}.")
    parts += filter(None, (filled(sentence, findings) for sentence in SENTENCES))
    if "missing" in findings:
        parts.append(f"Please send us the {' and the '.join(m.replace('_', ' ') for m in findings['missing'])}.")
    if "contact" in findings:
        parts.append(f"Our colleague {findings['contact']} has taken over your case.")
    if "sla_due" in findings:
        parts.append(f"You will hear from us by {findings['sla_due']}.")
    parts.append("We apologise for the inconvenience.")
    if len(" ".join(parts).split()) < 60:
        parts.append(CLOSING)
    while len(" ".join(parts).split()) < 40:
        parts.insert(1, "We have received your request and take it seriously. Our team has read it with care.")
    return " ".join(parts)


if __name__ == "__main__":
    for line in sys.stdin:
        row = json.loads(line)
        print(json.dumps({"id": row["id"], "input": row["input"], "output": {"reply": write(row["input"])}},
                         ensure_ascii=False))
