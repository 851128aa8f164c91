"""Looks after waiting jobs: asks the judge, looks for the order on chain, queues, refuses, cancels. Runs nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable

from datatokens.errors import ChainError, ChainUnreachableError, WrongChainError
from datatokens.model import Asset
from policies.decide import Verdict
from provider.chain import Chain
from provider.jobs.codes import NO_ORDER_YET, chain_code, describe, refusal_code
from provider.jobs.judge import Evaluation, Judge
from provider.jobs.receipting import Registrar
from provider.jobs.states import State
from provider.store import Database
from provider.store.records import Ending, JobRecord, OrderRecord
from sandbox.errors import EngineUnavailableError

log = logging.getLogger(__name__)
MAX_PATIENCE_S = 10
PATIENCE_DIVISOR = 20
TURN_S = 5
"""How long one turn looks at jobs: the notary, who comes next, doesn't wait for every job that somebody left lying."""
CHAIN_FACT = "chain"


class Clerk:
    """Moves jobs from WAITING, and cancels queued ones."""

    def __init__(
        self,
        database: Database,
        chain: Chain,
        judge: Judge,
        registrar: Registrar,
        *,
        clock: Callable[[], int],
        foresee: Callable[[JobRecord, Evaluation], None] = lambda _job, _evaluation: None,
    ) -> None:
        self._foresee = foresee
        self._database = database
        self._jobs = database.jobs
        self._chain = chain
        self._judge = judge
        self._registrar = registrar
        self._clock = clock
        self._looked_at: dict[str, int] = {}

    def turn(self) -> bool:
        """Look at the jobs that are due, for at most `TURN_S`, longest unseen first; True when some job moved."""
        self._tell_chain()
        due = [job for job in self._jobs.list_by(state=State.WAITING, limit=None) if self._is_due(job)]
        due += [job for job in self._jobs.list_by(state=State.QUEUED, limit=None) if job.cancel_requested]
        due.sort(key=lambda job: self._looked_at.get(job.job_id, 0))
        stop = self._clock() + TURN_S
        moved = False
        for job in due:
            if self._clock() > stop:
                break
            moved = self._look_at(job) or moved
        return moved

    def _is_due(self, job: JobRecord) -> bool:
        """Look at fresh jobs at each turn, at old ones every few seconds: a stranger's idle jobs cost little."""
        now = self._clock()
        patience = min((now - job.submitted) // PATIENCE_DIVISOR, MAX_PATIENCE_S)
        return bool(job.cancel_requested) or now - self._looked_at.get(job.job_id, 0) >= patience

    def _look_at(self, job: JobRecord) -> bool:
        now = self._clock()
        self._looked_at[job.job_id] = now
        try:
            return self._act_on(job, self._judge.evaluate(job, now=now))
        except ChainError as exc:
            log.warning("job %s waits: the chain can't be read", job.job_id, exc_info=True)
            return self._wait(job, chain_code(exc))
        except EngineUnavailableError:
            return self._wait(job, "engine-unreachable")
        except Exception:  # a defect that one job meets must not hold up everybody else's
            log.exception("job %s could not be looked at; it is looked at again later", job.job_id)
            return False

    def _act_on(self, job: JobRecord, evaluation: Evaluation) -> bool:
        if job.cancel_requested:
            return self._end(job, evaluation, State.CANCELLED, "cancelled")
        denied = evaluation.decision.first_denied
        if evaluation.decision.status is Verdict.DENY:
            rule = denied.name if denied else "default-deny"
            detail = denied.detail if denied else ""
            return self._end(job, evaluation, State.REFUSED, refusal_code(rule), rule=rule, detail=detail)
        if evaluation.decision.status is Verdict.WAIT:
            return self._wait(job, "awaiting-approval")
        code = evaluation.order_code
        if code == "awaiting-order" and job.code != code:
            self._foresee(job, evaluation)  # while its consumer pays
        if code in NO_ORDER_YET:
            return self._wait(job, code)
        if code:
            return self._end(job, evaluation, State.REFUSED, code)
        return self._queue(job, evaluation)

    def _queue(self, job: JobRecord, evaluation: Evaluation) -> bool:
        orders = [self._find_order(job, item.asset) for item in evaluation.datasets]
        found = tuple(order for order in orders if order is not None)
        if len(found) != len(orders):
            return self._wait(job, "awaiting-order")
        self._looked_at.pop(job.job_id, None)
        code = "order-accepted"
        return self._jobs.queue(
            job.job_id,
            code=code,
            message=describe(code).message,
            now=self._clock(),
            orders=found,
            reservation=evaluation.reservation,
        )

    def _find_order(self, job: JobRecord, asset: Asset) -> OrderRecord | None:
        placed = self._chain.find_order_event(bytes.fromhex(job.job_id), job.consumer, asset.token_id)
        if placed is None:
            return None
        return OrderRecord(
            order_id=placed.order_id.hex(),
            token_id=placed.token_id,
            consumer=placed.consumer,
            amount_wei=str(placed.amount_wei),
            datatoken=asset.datatoken,
            tx_hash=placed.tx_hash,
            log_index=placed.log_index,
        )

    def _end(
        self,
        job: JobRecord,
        evaluation: Evaluation,
        state: State,
        code: str,
        *,
        rule: str = "",
        detail: str = "",
    ) -> bool:
        names = {"rule": rule, "detail": detail, "job_id": job.job_id, "algorithm": job.request.algorithm}
        ending = Ending(
            state=state,
            code=code,
            message=describe(code, **names).message,
            order_ids=evaluation.open_order_ids,
            ran=False,
        )
        self._looked_at.pop(job.job_id, None)
        return self._registrar.finish(job, ending, evaluation, rule=rule or code)

    def _wait(self, job: JobRecord, code: str) -> bool:
        if job.state is State.WAITING and job.code != code:
            self._move(job, State.WAITING, code)
        return False

    def _move(self, job: JobRecord, state: State, code: str) -> bool:
        message = describe(code, job_id=job.job_id, algorithm=job.request.algorithm).message
        return self._jobs.move(job.job_id, job.state, state, code=code, message=message, now=self._clock())

    def _tell_chain(self) -> None:
        """Let the API say whether the chain answers, without asking it at each request."""
        try:
            self._chain.check()
            state = "ok"
        except ChainUnreachableError:
            state = "unreachable"
        except WrongChainError:
            state = "wrong"
        fact = self._database.access.find_fact(CHAIN_FACT)
        if fact is None or fact[0] != state:
            self._database.access.set_fact(CHAIN_FACT, state, self._clock())
