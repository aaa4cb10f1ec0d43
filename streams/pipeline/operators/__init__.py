"""What people put in: profiles of markets, mutes, rules."""
