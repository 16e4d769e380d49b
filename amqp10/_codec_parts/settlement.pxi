# Settling, at the receiving end, what was delivered: once per message, so the plain case never leaves C. What is plain
# the engine decides, by making a Settlement its link's hook or not; so are the rules of credit, which it is asked for
# at the count it named.

cdef class ReceiverTally:
    """What one receiver was delivered and has not given its credit back.

    Attributes:
        outstanding: how many deliveries.
        due_at: the count down from which freed credit should go out.
    """
    cdef public Py_ssize_t outstanding
    cdef public Py_ssize_t due_at


@cython.final
cdef class Settlement:
    """The hook of a receiver whose word settles at once (rcv-settle-mode first, §2.6.12).

    Called with a delivery and accepted, released or no state, it settles; any other state goes to `otherwise`, which
    checks it and may then call `settle`.

    Args:
        tally: where the delivery counts.
        index: where the delivery is.
        queue: where the disposition goes.
        on_queued: called without arguments when the queue was empty before.
        on_due: called without arguments when the tally has come down to `due_at`.
        otherwise: called with the delivery and the state.
    """
    cdef ReceiverTally tally
    cdef IncomingIndex index
    cdef DispositionQueue queue
    cdef object on_queued
    cdef object on_due
    cdef object otherwise

    def __init__(
        self, ReceiverTally tally not None, IncomingIndex index not None, DispositionQueue queue not None, *,
        on_queued, on_due, otherwise,
    ):
        self.tally = tally
        self.index = index
        self.queue = queue
        self.on_queued = on_queued
        self.on_due = on_due
        self.otherwise = otherwise

    def __call__(self, Delivery delivery not None, state):
        self.decide(delivery, state)

    def settle(self, Delivery delivery not None, state):
        """Settle a delivery, whatever the state.

        Args:
            delivery: unsettled so far.
            state: its outcome, or None.

        Raises:
            EncodeError: the state cannot be encoded; nothing was done.
        """
        self.put(delivery, state)

    cdef int decide(self, Delivery delivery, object state) except -1:
        cdef type kind = type(state)
        if state is None or kind is type(accepted_state()) or kind is type(released_state()):
            return self.put(delivery, state)
        self.otherwise(delivery, state)
        return 0

    cdef int put(self, Delivery delivery, object state) except -1:
        cdef DispositionQueue queue = self.queue
        cdef ReceiverTally tally = self.tally
        if queue is None or tally is None or self.index is None:
            raise RuntimeError("the settlement was never initialized")
        cdef bint was_empty = queue.count == 0
        queue.settle_one(delivery, state, self.index)
        tally.outstanding -= 1
        if was_empty:
            self.on_queued()
        if tally.outstanding <= tally.due_at:
            self.on_due()
        return 0
