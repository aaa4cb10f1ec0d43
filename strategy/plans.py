"""What the allocator answers: the allocation, each market's part, and how sure it is."""
