"""What changed between two versions: found, explained, told apart from noise."""
