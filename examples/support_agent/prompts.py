"""What the agent tells the model. Plain constants: a change of wording is one line of diff."""

SYSTEM = "You are a support agent of Acme Outfitters. Be brief, kind and exact."

CATEGORIES = ("shipping", "refund", "order", "other")

TRIAGE = (
    f"Sort the customer's message into one of: {', '.join(CATEGORIES)}. "
    "Answer with that word alone."
)

CASE = "Customer: {customer}\nCategory: {category}\nQuestion: {question}"

REPLY = "Now write the answer to {customer}. Use nothing but what the tools returned."
