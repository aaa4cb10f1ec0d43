"""Commands about markets: profiles in force, what markets cost and how they rank."""
