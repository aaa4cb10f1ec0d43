"""What the commands show: tables of rich, charts of plotly."""
