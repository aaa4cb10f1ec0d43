"""What is stored of one user, and what of it can be erased: found by raw id, by keyed hash and order, and by text."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import msgspec

from marketpulse.contract.decode import Rejected, decode
from marketpulse.contract.keys import EXCERPTS_LIVE_MS
from marketpulse.contract.records import AlertRecord, Excerpt
from marketpulse.contract.topics import topic_name
from marketpulse.contract.units import DAY_MS, MINUTE_MS
from marketpulse.contract.wire import MAX_ID_CHARACTERS
from streams.clock import epoch_ms
from streams.contract.ids import bounded
from streams.contract.journal import CHECKPOINT_KEY, CheckpointRecord
from streams.errors import LedgerLost, UserKeyDiffers
from streams.kafka.admin import delete_before, lives_of
from streams.kafka.dead_letters import own_headers
from streams.kafka.log_reader import LogReader
from streams.kafka.tolerant import UNKNOWN_TIME, unreadable
from streams.ledger.commit import Ledger
from streams.ledger.content import LedgerContent, Name
from streams.ledger.lives import USERS_LIVE_MS
from streams.ledger.staged import remove_staged, staged_prefixes
from streams.pipeline.ingest.decoding import judged_ms
from streams.pipeline.rollup.checkpoint import unpacked
from streams.pipeline.rollup.state import known_key
from streams.recovery.fold import Fold, folded
from streams.recovery.rebuild import Rebuild
from streams.recovery.rejected import Naming
from streams.recovery.user_quotes import UserQuotes
from streams.settings import Settings

CUT = ("feedback", "feedback.classified", "feedback.dead-letter")
"""Topics that can be cut: nothing but a recount reads them once they are counted."""
EXCERPTS, OPEN, USERS = "Redis, excerpts", "Redis, open step", "Redis, distinct users"
STAGED = "Redis, broken-off rebuilds"
PUBLISHED_WITHIN_S = 10.0
"""How long an erasure waits at least for the open step, which workers publish about once a second."""

Say = Callable[[str, int, int | None], object]


class Place(msgspec.Struct):
    """Records (or excerpts) of the user in one place; times in epoch ms.

    `found` is None where one user cannot be told from others. `gone_by`: when the last of what is left is gone by
    itself; None = never, or nothing is left. `unreadable`: offsets beside them of which nobody can tell what they hold.
    """

    where: str
    found: int | None
    erased: int = 0
    gone_by: int | None = None
    unreadable: int = 0


class Erasure(msgspec.Struct, frozen=True):
    """What was found and done; `user_hash` stands for the user, `rebuilt` says that workers start anew."""

    user_hash: str
    places: list[Place]
    rebuilt: bool


class _Hashed(msgspec.Struct):
    user: str | None = None
    market: str = ""


class _Said(msgspec.Struct):
    excerpts: dict[str, list[Excerpt]] = {}


_hashed, _said = msgspec.json.Decoder(_Hashed), msgspec.json.Decoder(_Said)
_alert = msgspec.json.Decoder(AlertRecord)
_checkpoint = msgspec.json.Decoder(CheckpointRecord)


class Erase:
    """Finds what is stored of one user, and erases of it what can be erased. Every method raises Unavailable.

    Args:
        settings: which prefix; its keys of hashes must be those that were in force.
        user: the raw id, as producers send it, of whatever length.
        market: only what the user said there; None = everywhere.
        say: hears of progress.
    """

    def __init__(self, settings: Settings, user: str, market: str | None, say: Say) -> None:
        self._settings = settings
        self._user = bounded(user, MAX_ID_CHARACTERS)  # what is counted of a longer id a mapping published like this
        self._keys = {name.encode("utf-8", "surrogateescape") for name in (user, self._user)}
        self._naming = Naming({user, self._user})
        self._market = market
        self._say = say
        hashes = settings.user_hashes
        self._hashes = [one.hex() for one in hashes.every(self._user)]
        self.user_hash = self._hashes[0]
        self._quotes = UserQuotes(hashes.orders, self._user, market)
        self._newest_ms = 0
        self._ends: dict[str, dict[int, int]] = {}  # topic -> partition -> offset after the user's newest record

    async def find(self) -> list[Place]:
        """Read everything; nothing is changed."""
        lives = await lives_of(
            self._settings.kafka_servers, [self._topic(name) for name in (*CUT, "market.steps", "market.alerts")]
        )
        held = await self._held()
        self.require_key(held)
        self._quotes.watch(held)
        places = [
            await self._scan("feedback", self._is_by, lives),
            await self._scan("feedback.classified", self._is_hashed, lives),
            await self._scan("feedback.dead-letter", self._is_by, lives),
            await self._scan("market.steps", self._is_quoted, lives),
            await self._scan("market.alerts", self._is_quoted, lives),
        ]
        users = Place(USERS, None, gone_by=await self._users_gone_by())
        waiting = await self._in_open_step()
        still = epoch_ms() + EXCERPTS_LIVE_MS if waiting else None
        return [
            *places,
            self._quoted(await self._held()),
            Place(OPEN, waiting, gone_by=still),
            await self._in_staged(),
            users,
        ]

    async def erase(self, cut: bool) -> Erasure:
        """Take the user's excerpts out of Redis; with `cut` also shorten the topics that can be.

        Raises what a rebuild raises; then nothing was changed.
        """
        places = await self.find()
        of = {place.where: place for place in places}
        if of[OPEN].found:
            of[OPEN].found = await self._after_open_step()
            again = self._quoted(await self._held())
            of[EXCERPTS].found, of[EXCERPTS].gone_by = again.found, again.gone_by
        await self._remove_staged()
        of[STAGED].erased = of[STAGED].found or 0
        rebuilt = bool(of[EXCERPTS].found)
        if rebuilt:
            rebuild = Rebuild(self._settings, self._say, amend=self.forget, amend_alert=self._forgotten)
            await rebuild.run(lambda plan: True)
            left = self._quoted(await self._held())
            of[EXCERPTS].erased, of[EXCERPTS].gone_by = (of[EXCERPTS].found or 0) - (left.found or 0), left.gone_by
        if cut:
            for topic in CUT:
                await self._cut(topic)
            for after in await self.find():
                before = of[after.where]
                if before.found is not None and before.where in CUT:
                    before.erased = before.found - (after.found or 0)
                    before.gone_by, before.unreadable = after.gone_by, after.unreadable
        return Erasure(self.user_hash, places, rebuilt)

    def require_key(self, held: Fold) -> None:
        """Raises UserKeyDiffers where the ledger's user hashes are under none of the keys that were given."""
        key = known_key(held.hashes.get("state", {}).get(b"common"))
        if key is not None and not self._settings.user_hashes.knows(key.id):
            raise UserKeyDiffers(
                f"the ledger hashes user ids with key {key.id}, and this command was given another one: it would find "
                "nothing of the user. Nothing was changed. Operator action: set MARKETPULSE_USER_HASH_KEY (and "
                "_BEFORE, _SINCE) as the workers have it."
            )

    def forget(self, fold: Fold) -> int:
        """Take the user's excerpts and words out of a ledger's content; how many there were."""
        return self._quotes.forget(fold)

    def _forgotten(self, alert: AlertRecord) -> AlertRecord:
        return self._quotes.without(alert, in_doubt=True)[0]

    # --- the topics ---------------------------------------------------------------------------------------------

    def _topic(self, name: str) -> str:
        return topic_name(self._settings.prefix, name)

    async def _scan(self, name: str, is_theirs: Callable[[Any], bool], lives: Mapping[str, int | None]) -> Place:
        found, unread, newest, ends = 0, 0, 0, {}
        async with LogReader(self._settings.kafka_servers, self._topic(name)) as reader:
            total, done = sum(end - first for first, end in reader.offsets.values()), 0
            for partition, (first, end) in reader.offsets.items():
                async for record in reader.records(first, end, partition, whole=True):
                    if name == "market.steps" and not done and first:
                        self._quotes.known_since_ms = record.timestamp
                    done += 1
                    stretch = unreadable(record)
                    theirs = stretch is None and is_theirs(record)
                    if stretch is not None:
                        unread += stretch.last - stretch.first + 1
                    found += theirs
                    if theirs or (stretch is not None and self._market is None):
                        newest = max(newest, record.timestamp if record.timestamp > UNKNOWN_TIME else epoch_ms())
                        ends[partition] = record.offset + 1
                    if done % 1_000 == 0:
                        self._say(f"reading {name}", done, total)
        self._ends[name] = ends
        if name in ("feedback", "feedback.classified"):
            self._newest_ms = max(self._newest_ms, newest)
        life = lives[self._topic(name)]
        return Place(name, found, gone_by=newest + life if newest and life is not None else None, unreadable=unread)

    def _is_by(self, record: Any) -> bool:
        """A record of `feedback` or a dead letter with the raw id as key or `user`; notes what it says.

        What was accepted is read as it was when it was counted; what was not, in every form, in doubt as the user's.
        """
        event = None
        by_key = record.key in self._keys
        with contextlib.suppress(Rejected):
            event = decode(record.value, judged_ms(record, epoch_ms()), record.headers)
        if event is None:
            rejected = record.topic == self._topic("feedback.dead-letter")
            headers = own_headers(record.headers) if rejected else record.headers
            beside = [record.key, *(text for name, text in headers for text in (name.encode("utf-8", "replace"), text))]
            markets = self._naming.markets(record.value or b"", by_key or any(map(self._naming.is_in, beside)))
        else:
            markets = {event.market} if by_key or event.user == self._user else set()
        if not markets or (self._market is not None and self._market not in markets):
            return False
        if event is not None:
            self._quotes.take_event(event, record.partition, record.offset)
        return True

    def _is_hashed(self, record: Any) -> bool:
        named = _hashed.decode(record.value)
        theirs = bool(named.user in self._hashes and self._market in (None, named.market))
        if theirs:
            self._quotes.markets.add(named.market)
        return theirs

    def _is_quoted(self, record: Any) -> bool:
        """A step, a checkpoint or an alert that holds an excerpt, a quote or a word of the user."""
        if record.topic.endswith("market.alerts"):
            return self._quotes.without(_alert.decode(record.value), in_doubt=False)[1] > 0
        if record.key != CHECKPOINT_KEY:
            rows = _said.decode(record.value).excerpts
            return sum(self._quotes.owns(market, one) for market, said in rows.items() for one in said) > 0
        content = _checkpoint.decode(record.value).content
        return bool(content) and self._quotes.forget(folded("", unpacked(content)), in_doubt=False) > 0

    async def _cut(self, name: str) -> None:
        """Delete up to the user's newest record; of `feedback` only what is counted and past the horizon of ids."""
        ends = dict(self._ends[name])
        if name == "feedback" and ends:
            async with self._ledger() as ledger:
                counted = await ledger.positions(sorted(ends))
            known_ms = epoch_ms() - int(2 * self._settings.dedupe_minutes * MINUTE_MS)
            async with LogReader(self._settings.kafka_servers, self._topic(name)) as reader:
                for partition, end in ends.items():
                    ends[partition] = min(end, counted[partition], await reader.offset_at(known_ms, partition))
        if ends:
            await delete_before(self._settings.kafka_servers, self._topic(name), ends)

    async def _in_open_step(self) -> int:
        """The user's excerpts in steps that are not published: `_held` does not have them."""
        async with self._ledger() as ledger:
            steps = await LedgerContent(ledger).unpublished_excerpts()
        quoted = [(market, row) for step in steps for market, rows in step.items() for row in rows]
        return sum(self._quotes.owns(market, row) for market, row in quoted)

    async def _after_open_step(self) -> int:
        """Wait until workers have published what is open; how many of the user's excerpts still are.

        A rebuild counts an open step again, with its excerpts: it can only take out what was published.
        """
        ends = time.monotonic() + max(PUBLISHED_WITHIN_S, 2 * self._settings.step_seconds)
        while (left := await self._in_open_step()) and time.monotonic() < ends:
            self._say("waiting for the open step", 0, None)
            await asyncio.sleep(0.2)
        return left

    # --- Redis --------------------------------------------------------------------------------------------------

    async def _held(self) -> Fold:
        """Excerpts, state and alerts as Redis has them. Raises LedgerLost where there is no ledger."""
        async with self._ledger() as ledger:
            if await ledger.standing() is None:
                raise LedgerLost(
                    f"Redis holds no ledger under prefix {self._settings.prefix!r}. Operator action: mend "
                    "MARKETPULSE_PREFIX or MARKETPULSE_REDIS_URL, or `marketpulse ledger rebuild` first."
                )
            return await _texts_of(ledger)

    def _quoted(self, held: Fold) -> Place:
        """The user's excerpts, which live for 8 days, and what alerts quote: until 7 days after the alert's end."""
        alerts = dict(held.hashes.get("alerts", {}))
        found = self.forget(held)
        for_days = found and alerts == held.hashes.get("alerts", {})
        return Place(EXCERPTS, found, gone_by=epoch_ms() + EXCERPTS_LIVE_MS if for_days else None)

    async def _users_gone_by(self) -> int:
        """When the last HyperLogLog is gone that the user may be in: later than of itself while workers catch up."""
        newest_ms = self._newest_ms or epoch_ms()
        async with self._ledger() as ledger:
            content = LedgerContent(ledger)
            names = [name async for some in content.scan(f"users:day:{self._market or '*'}:*") for name in some]
            theirs = [name for name in names if int(name.rpartition(":")[2]) <= newest_ms // DAY_MS]
            left_s = await content.longest_life_s(theirs) or 0
        return max(newest_ms + USERS_LIVE_MS, epoch_ms() + 1_000 * left_s)

    async def _in_staged(self) -> Place:
        """What rebuilds and resets left behind that were killed: a day at most, but for those of older versions."""
        place, lives = Place(STAGED, 0), []
        async with self._ledger() as ledger:
            prefixes = await staged_prefixes(ledger)
        for prefix in prefixes:
            async with self._ledger(prefix) as staged:
                fold = await _texts_of(staged)
                lives.append(await LedgerContent(staged).longest_life_s([*fold.strings, *fold.hashes]))
            place.found = (place.found or 0) + self.forget(fold)
        if place.found and None not in lives:
            place.gone_by = epoch_ms() + 1_000 * max(seconds or 0 for seconds in lives)
        return place

    async def _remove_staged(self) -> None:
        async with self._ledger() as ledger:
            await remove_staged(ledger)

    @contextlib.asynccontextmanager
    async def _ledger(self, prefix: str | None = None) -> AsyncIterator[Ledger]:
        ledger = Ledger(self._settings.redis, prefix or self._settings.prefix)
        try:
            yield ledger
        finally:
            await ledger.close()


async def _texts_of(ledger: Ledger) -> Fold:
    """What a ledger has of texts: roll-up state, alerts, excerpts."""
    content = LedgerContent(ledger)
    names: set[Name] = {("state", "hash"), ("alerts", "hash")}
    names |= {(name, "string") async for some in content.scan("excerpts:*") for name in some}
    return folded("", await content.read(sorted(names)))
