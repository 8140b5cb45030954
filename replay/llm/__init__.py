"""What the providers' payloads say: models, prompts, tools, tokens, dollars."""
