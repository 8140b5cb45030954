"""Programs that the tool is demonstrated on; none of this is in the wheel."""
