"""The five costs of a market: the founding documents' ranking J, and the money to enter."""

from marketpulse.contract.portfolio import Market


def entry_ranking_cost(market: Market) -> float:
    """J_i = w_i (c_i + d_i + l_i + f_i + o_i): weighs the table's rows and only ranks, it is no money."""
    return market.w * entry_money(market)


def entry_money(market: Market) -> float:
    """E_i = c_i + d_i + l_i + f_i + o_i: money paid once to enter a candidate market."""
    return market.c + market.d + market.l + market.f + market.o
