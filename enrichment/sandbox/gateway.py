"""The way into every vendor: key, then limit, then credits, then the endpoint; each fault where it belongs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from email.utils import formatdate

import orjson

from enrichment.sandbox import faults
from enrichment.sandbox.journal import Journal
from enrichment.sandbox.launches import DAY_S
from enrichment.sandbox.limits import Limiter, Meter, Verdict
from enrichment.sandbox.market import Market
from enrichment.sandbox.spoil import spoilt
from enrichment.sandbox.vendor import Account, Call, Headers, Reply, Terms, Trouble, Vendor
from enrichment.sandbox.wire import Answer, Request, Sleep, breakage, instead_of_answer

_RETRY_S = 7  # what a Retry-After names that names anything


class Gateway:
    """All vendors' front door over one market. `clock` gives unix seconds."""

    def __init__(self, market: Market, journal: Journal, *, clock: Callable[[], float], sleep: Sleep) -> None:
        self._market, self._journal, self._clock, self._sleep = market, journal, clock, sleep
        self._limiter, self._meter, self._turns = Limiter(), Meter(), Counter[str]()

    def credits_used(self) -> dict[str, int]:
        """Return what every account has used of this month's credits."""
        return self._meter.used(self._clock())

    async def answer(self, vendor: Vendor, request: Request, wrong: frozenset[str]) -> Answer:
        """Answer one request to a vendor that has these faults."""
        call = _call(vendor, request, self._clock())
        account = vendor.account(call)
        if account is None or faults.AUTH_REFUSED in wrong:
            return self._refused(vendor, call, "unauthorized", account)
        terms = vendor.terms(self._market, call, account)
        verdict = self._admitted(vendor, terms, wrong, call.now_s)
        if not verdict.is_allowed:
            return self._throttled(vendor, call, account, verdict, wrong)
        owner = f"{vendor.name} {account.name}"
        if faults.QUOTA_EXHAUSTED in wrong or not self._meter.charge(owner, terms.cost, terms.credits, call.now_s):
            return self._refused(vendor, call, "spent", account)
        if faults.LATENCY in wrong:
            await self._sleep(faults.LATENCY_S)
        reply = self._reply(vendor, call, wrong)
        answer = instead_of_answer(wrong) or _packed(reply, wrong)
        self._note(vendor, call, account, answer.status, ids=reply.ids, cost=terms.cost)
        headers = [*vendor.headers(answer.status, verdict), *reply.headers, *answer.headers]
        return replace(answer, headers=headers, broken=breakage(wrong))

    def _admitted(self, vendor: Vendor, terms: Terms, wrong: frozenset[str], now_s: float) -> Verdict:
        verdict = self._limiter.admit(f"{vendor.name} {terms.bucket}", terms.calls, now_s, terms.span_s)
        if not wrong.intersection(faults.THROTTLES):
            return verdict
        return replace(verdict, is_allowed=False, current=verdict.limit + 1, reset_at_s=math.ceil(now_s + 1))

    def _throttled(
        self, vendor: Vendor, call: Call, account: Account, verdict: Verdict, wrong: frozenset[str]
    ) -> Answer:
        """Refuse for the rate, with the headers, or without those, that a fault wants."""
        reply = vendor.refuse(call, "too_many")
        status = 200 if faults.RATE_LIMITED_200 in wrong else reply.status
        self._note(vendor, call, account, status)
        answer = replace(
            _packed(reply), status=status, headers=[*vendor.headers(reply.status, verdict), *reply.headers]
        )
        retries: dict[str, Headers] = {
            faults.RATE_LIMITED_BARE: [],
            faults.RATE_LIMITED_SECONDS: [(b"retry-after", str(_RETRY_S).encode())],
            faults.RATE_LIMITED_DATE: [(b"retry-after", formatdate(call.now_s + _RETRY_S, usegmt=True).encode())],
            faults.RATE_LIMITED_PAST: [(b"retry-after", formatdate(call.now_s - DAY_S, usegmt=True).encode())],
            faults.RATE_LIMITED_GARBAGE: [(b"retry-after", b"in a moment")],
        }
        return replace(answer, headers=next((retries[fault] for fault in retries if fault in wrong), answer.headers))

    def _refused(self, vendor: Vendor, call: Call, trouble: Trouble, account: Account | None) -> Answer:
        reply = vendor.refuse(call, trouble)
        self._note(vendor, call, account, reply.status)
        return replace(_packed(reply), headers=[*vendor.headers(reply.status, None), *reply.headers])

    def _reply(self, vendor: Vendor, call: Call, wrong: frozenset[str]) -> Reply:
        if faults.HTTP_500 in wrong:
            return vendor.refuse(call, "broken")
        call = replace(call, now_s=call.now_s - self._behind_s(vendor, wrong) / self._market.launches.speed)
        return spoilt(vendor.answer(self._market.through(faults.lens_of(wrong)), call), vendor, wrong)

    def _behind_s(self, vendor: Vendor, wrong: frozenset[str]) -> float:
        self._turns[vendor.name] += 1
        if faults.STALE in wrong:
            return faults.STALE_S
        return faults.FLAPPING_S if faults.FLAPPING in wrong and self._turns[vendor.name] % 2 else 0.0

    def _note(
        self,
        vendor: Vendor,
        call: Call,
        account: Account | None,
        status: int,
        *,
        ids: Sequence[str] = (),
        cost: int = 0,
    ) -> None:
        name = account.name if account else "refused"
        entry = {"time": call.now_s, "upstream": vendor.name, "account": name, "path": f"/{vendor.name}{call.path}"}
        self._journal.note(entry | {"cost": cost, "status": status}, ids)


def _call(vendor: Vendor, request: Request, now_s: float) -> Call:
    return Call(
        method=request.method,
        path=request.path.removeprefix(f"/{vendor.name}"),
        query=request.query,
        headers=request.headers,
        body=request.body,
        client=request.client,
        now_s=now_s,
    )


def _packed(reply: Reply, wrong: frozenset[str] = frozenset()) -> Answer:
    body = reply.body if isinstance(reply.body, bytes) else orjson.dumps(reply.body)
    return Answer(reply.status, body[: len(body) // 2] if faults.TRUNCATED in wrong else body, reply.content_type)
