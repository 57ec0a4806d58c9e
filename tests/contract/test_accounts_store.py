"""The store of accounts: claims by one only, rows once, tokens once."""

from __future__ import annotations

from datetime import timedelta

from tests.support.world import NOW, World
from webmon.domain.promotion import State
from webmon.stores.control.accounts import SqlAccounts
from webmon.stores.ports.accounts import Account, SealedHit

HOUR, OWNER = timedelta(hours=1), 7


def account(world: World) -> int:
    with world.runtime.database.unit(SqlAccounts)() as accounts:
        accounts.add(Account(OWNER, world.site.id), "digest", b"sealed", NOW)
    return OWNER


def test_a_promotion_is_claimed_by_one_and_again_when_the_claim_has_run_out(world: World) -> None:
    unit, owner = world.runtime.database.unit(SqlAccounts), account(world)
    with unit() as accounts:
        first, second = (accounts.add_promotion(world.site.id, owner, b"link", NOW) for _ in range(2))
    claims = []
    for holder, moment in (("one", NOW), ("two", NOW), ("two", NOW + HOUR / 2), ("three", NOW + HOUR * 2)):
        with unit() as accounts:
            claims.append([one.id for one in accounts.claim_promotions(holder, moment, moment + HOUR, 10)])
    assert claims == [[first, second], [], [], [first, second]]
    with unit() as accounts:
        moves = [(State.REQUESTED, State.SEALED), (State.REQUESTED, State.SEALED), (State.SEALED, State.DONE)]
        steps = [accounts.move_promotions([first], *move, "three", NOW + HOUR * 4) for move in moves]
        assert accounts.move_promotions([second], State.REQUESTED, State.SEALED, "one", NOW) == set(), (
            "it has lost it"
        )
    assert steps == [{first}, set(), {first}], "a step is taken once"
    with unit() as accounts:
        accounts.release_promotions("three")
    with unit() as accounts:
        left = accounts.claim_promotions("four", NOW, NOW + HOUR, 10)
    assert [one.id for one in left] == [second], "what is done is done"


def test_a_row_put_twice_is_there_once(world: World) -> None:
    unit, owner = world.runtime.database.unit(SqlAccounts), account(world)
    rows = [SealedHit(owner, world.site.id, number, NOW.date(), b"sealed") for number in (1, 2)]
    for part in (rows, rows[:1], rows[::-1]):
        with unit() as accounts:
            accounts.put_hits(part)
    with unit() as accounts:
        assert sorted(number for number, _ in accounts.hits(owner, 10)) == [1, 2]
        assert accounts.count_hits(world.site.id) == 2


def test_a_token_is_used_once_and_forgotten_when_it_has_expired(world: World) -> None:
    unit = world.runtime.database.unit(SqlAccounts)
    with unit() as accounts:
        assert accounts.use_token("a", NOW + HOUR)
        assert not accounts.use_token("a", NOW + HOUR)
        assert accounts.use_token("b", NOW + HOUR)
    with unit() as accounts:
        assert accounts.prune_used_tokens(NOW) == 0
        assert accounts.prune_used_tokens(NOW + HOUR * 2) == 2


def test_restricted_accounts_are_told_apart_however_many_are_asked_about(world: World) -> None:
    unit, numbers = world.runtime.database.unit(SqlAccounts), range(10, 2010)
    with unit() as accounts:
        for number in numbers:
            accounts.add(Account(number, world.site.id), f"digest-{number}", b"sealed", NOW)
        assert [accounts.restrict(number, NOW + HOUR) for number in (10, 2009, 2009)] == [True, True, False]
    with unit() as accounts:
        assert set(accounts.restricted(numbers)) == {10, 2009}
        assert set(accounts.restricted(())) == set()
        found = accounts.get(2009), accounts.find(world.site.id, "digest-10"), accounts.get(11)
        assert [one and one.restricted_at for one in found] == [NOW + HOUR, NOW + HOUR, None]
        assert [accounts.lift_restriction(number) for number in (10, 10, 11)] == [True, False, False]
        accounts.erase(2009)
    with unit() as accounts:
        assert set(accounts.restricted(numbers)) == set(), "nothing of an erased one is left"


def test_an_account_belongs_to_its_site(world: World) -> None:
    world.runtime.add_site("other.example", actor="test")
    other, owner = world.runtime.sites.get("other.example"), account(world)
    with world.runtime.database.unit(SqlAccounts)() as accounts:
        found = accounts.find(world.site.id, "digest")
        assert found is not None
        assert found.id == owner
        assert accounts.find(other.id, "digest") is None
