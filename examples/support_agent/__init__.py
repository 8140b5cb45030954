"""A customer-support agent, and the stand-in provider and APIs that it runs against."""
